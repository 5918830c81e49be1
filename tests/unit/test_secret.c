// SPDX-License-Identifier: MIT
/* Secrets keep their bytes, and nobody can write to them. */
#include "common/secret.h"

#include <CUnit/CUnit.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void suite_secret(void);

static void
test_keeps_bytes(void)
{
	char source[] = "hs_0123456789";
	struct secret *s = secret_new(source, 5), *empty = secret_new("", 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_PTR_NOT_NULL_FATAL(empty);
	memset(source, 'x', sizeof(source) - 1);
	CU_ASSERT_STRING_EQUAL(secret_text(s), "hs_01");
	CU_ASSERT_EQUAL(secret_len(s), 5);
	CU_ASSERT_STRING_EQUAL(secret_text(empty), "");
	secret_free(s);
	secret_free(empty);
	secret_free(NULL);
}

/* What a child that writes into a secret dies of; 0: it lives. */
static int
signal_of_writer(const struct secret *s)
{
	const struct rlimit no_core = { 0, 0 };
	union {
		const char *constant;
		volatile char *writable;
	} at = { secret_text(s) };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it */
		at.writable[0] = 'x';
		_exit(0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
test_cannot_be_written(void)
{
	struct secret *s = secret_new("abc", 3);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(signal_of_writer(s), SIGSEGV);
	CU_ASSERT_STRING_EQUAL(secret_text(s), "abc");
	secret_free(s);
}

void
suite_secret(void)
{
	CU_pSuite s = CU_add_suite("secret", NULL, NULL);

	CU_add_test(s, "keeps bytes", test_keeps_bytes);
	CU_add_test(s, "cannot be written", test_cannot_be_written);
}
