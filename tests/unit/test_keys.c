// SPDX-License-Identifier: MIT
/*
 * Where keys come from and what is wrong with them: every source, every message, and never a
 * piece of a key in one. And that a scrubbed environment shows them no more, while a reload still
 * finds them.
 */
#include "common/keys.h"

#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void suite_keys(void);

#define NAME "GRAYD_TEST_KEY"

static char folder[] = "/tmp/grayd-keys-XXXXXX";
static char none[] = "";

static struct key_source
from_env(char *prefix)
{
	static char name[] = NAME;

	return (struct key_source){ name, none, none, prefix };
}

static char *
make_file(const char *name, const char *text, size_t n, mode_t mode)
{
	static char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, text, n), (ssize_t)n);
	CU_ASSERT_EQUAL(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

/* Fetches, and compares the key, or the message, which must not hold the word "secret". */
static void
expect(const struct key_source *source, const char *env_file, const char *key, const char *message)
{
	struct err e = { "" };
	struct secret *s = NULL;
	int rc = keys_fetch(source, env_file, &s, &e);

	CU_ASSERT_EQUAL(rc, key == NULL ? -1 : 0);
	CU_ASSERT_STRING_EQUAL(e.msg, message == NULL ? "" : message);
	if (strcmp(e.msg, message == NULL ? "" : message) != 0)
		fprintf(stderr, "\n  got:    %s\n  wanted: %s\n", e.msg, message);
	CU_ASSERT_PTR_NULL(strstr(e.msg, "secret"));
	if (key != NULL && s != NULL)
		CU_ASSERT_STRING_EQUAL(secret_text(s), key);
	CU_ASSERT_EQUAL(s == NULL, key == NULL);
	secret_free(s);
}

static void
expect_env(const char *value, char *prefix, const char *key, const char *message)
{
	struct key_source source = from_env(prefix);

	setenv(NAME, value, 1);
	expect(&source, "", key, message);
	keys_forget();
	unsetenv(NAME);
}

static void
test_environment(void)
{
	static const char is[] = "environment variable " NAME;
	static char hs[] = "hs_", all[] = "hs_secret";
	static char big[KEY_BYTES_MAX + 2];
	char message[256];
	struct key_source source = from_env(none);

	expect_env("secret", none, "secret", NULL);
	expect_env(" \t hs_secret \r\n", hs, "hs_secret", NULL);
	expect_env("hs_secret", all, "hs_secret", NULL);
#define BAD(value, prefix, words)                                       \
	do {                                                            \
		snprintf(message, sizeof(message), "%s %s", is, words); \
		expect_env(value, prefix, NULL, message);               \
	} while (0)
	BAD("", none, "is empty");
	BAD(" \n ", none, "is empty");
	BAD("\"secret\"", none, "is wrapped in quotes; leave them out");
	BAD("sk-secret", hs, "does not begin with \"hs_\" (it has 9 characters)");
	BAD("hs", hs, "does not begin with \"hs_\" (it has 2 characters)");
	BAD("secret secret", none,
	    "has white space, a control byte or a byte outside of ASCII inside, at position 7 of "
	    "13");
	BAD("s\x01"
	    "ecret",
	    none,
	    "has white space, a control byte or a byte outside of ASCII inside, at position 2 of "
	    "7");
	BAD("secr\xc3\xa9t", none,
	    "has white space, a control byte or a byte outside of ASCII inside, at position 5 of "
	    "7");
	memset(big, 'a', KEY_BYTES_MAX + 1);
	BAD(big, none, "is longer than 4096 bytes");
#undef BAD
	expect(&source, "", NULL,
	    "environment variable " NAME
	    " is not set: export it before grayd is started, or write it into a file that env_file "
	    "names");
}

static void
test_files(void)
{
	struct key_source source = { none, none, none, none };
	char message[256], folder_path[] = "/tmp", missing[] = "/nowhere/key";
	static char big[8192];

	source.file = make_file("key", "  secret\n", 9, 0640);
	expect(&source, "", "secret", NULL);
	source.file = make_file("key", "secret\n", 7, 0644);
	snprintf(message, sizeof(message),
	    "file %s may be read by everybody (mode 0644): chmod o-rwx it", source.file);
	expect(&source, "", NULL, message);
	source.file = make_file("key", "secret\nsecret\n", 14, 0600);
	snprintf(message, sizeof(message),
	    "file %s has white space, a control byte or a byte outside of ASCII inside, at "
	    "position "
	    "7 of 13",
	    source.file);
	expect(&source, "", NULL, message);
	source.file = make_file("key", "sec\0ret", 7, 0600);
	snprintf(message, sizeof(message),
	    "file %s has white space, a control byte or a byte outside of ASCII inside, at "
	    "position "
	    "4 of 7",
	    source.file);
	expect(&source, "", NULL, message);
	memset(big, ' ', sizeof(big));
	source.file = make_file("key", big, sizeof(big), 0600);
	snprintf(message, sizeof(message), "file %s is longer than 4351 bytes", source.file);
	expect(&source, "", NULL, message);
	unlink(source.file);
	source.file = folder_path;
	expect(&source, "", NULL, "file /tmp is not a regular file");
	source.file = missing;
	expect(&source, "", NULL, "file /nowhere/key cannot be opened: No such file or directory");
}

static void
test_credentials(void)
{
	static char name[] = "credential";
	struct key_source source = { none, none, name, none };
	char *path;

	unsetenv("CREDENTIALS_DIRECTORY");
	expect(&source, "", NULL,
	    "credential credential is not there: CREDENTIALS_DIRECTORY is not set (is "
	    "LoadCredential= in the unit?)");
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	expect(
	    &source, "", NULL, "credential credential cannot be opened: No such file or directory");
	path = make_file(name, "secret\n", 7, 0400);
	expect(&source, "", "secret", NULL);
	unlink(path);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void
test_env_file_lines(void)
{
	static const struct {
		const char *text, *value; /* value NULL: not there */
	} cases[] = {
		{ "K=v", "v" },
		{ "\n\nK=v\n", "v" },
		{ "  K = v  \r\n", "v" },
		{ "export K=v", "v" },
		{ "export\tK=v", "v" },
		{ "exportK=v", NULL },
		{ "K='a b'", "a b" },
		{ "K=\"a#b\" # c", "a#b" },
		{ "K=a#b", "a#b" },
		{ "K=a #b", "a" },
		{ "K=# a", "" },
		{ "K=", "" },
		{ "K", NULL },
		{ "# K=v", NULL },
		{ "#K=v", NULL },
		{ "KK=v", NULL },
		{ "XK=v", NULL },
		{ "K=1\nK=2\n", "2" },
		{ "K=a=b", "a=b" },
		{ "K=\"a", "\"a" },
		{ "K=\"a'", "\"a'" },
		{ "K=''", "" },
		{ "", NULL },
		{ "=v", NULL },
		{ "J=x\nK=v\nL=y", "v" },
		{ "export", NULL },
		{ "K:v", NULL },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = 0;
		const char *value = keys_find_in_env_file(cases[i].text, "K", &n);
		const char *wanted = cases[i].value;
		bool right =
		    (value == NULL) == (wanted == NULL) &&
		    (wanted == NULL || (n == strlen(wanted) && memcmp(value, wanted, n) == 0));

		CU_ASSERT_TRUE(right);
		if (!right)
			fprintf(stderr, "\nenv file \"%s\"\n", cases[i].text);
	}
}

static void
test_no_env_file_possible(void)
{
	struct key_source source = from_env(none);

	unsetenv(NAME);
	expect(&source, NULL, NULL, "environment variable " NAME " is not set: export it first");
}

static void
test_env_file(void)
{
	static char hs[] = "hs_";
	static const char text[] = "# keys\nexport " NAME "='secret' # mine\n";
	struct key_source source = from_env(none), prefixed = from_env(hs);
	char message[256], *path;

	unsetenv(NAME);
	expect(&source, "/nowhere/env", NULL,
	    "environment variable " NAME
	    " is not set, and env_file /nowhere/env: cannot be opened: "
	    "No such file or directory");
	path = make_file("env", text, sizeof(text) - 1, 0600);
	expect(&source, path, "secret", NULL);
	expect(&prefixed, path, NULL,
	    "environment variable " NAME
	    " as env_file has it does not begin with \"hs_\" (it has 6 characters)");
	setenv(NAME, "other", 1); /* the environment goes first */
	expect(&source, path, "other", NULL);
	unsetenv(NAME);
	keys_forget();
	path = make_file("env", "OTHER=secret\n", 13, 0600);
	snprintf(message, sizeof(message),
	    "environment variable " NAME
	    " is not set, and not in env_file %s either: add a line " NAME "=KEY there",
	    path);
	expect(&source, path, NULL, message);
	path = make_file("env", text, sizeof(text) - 1, 0604);
	snprintf(message, sizeof(message),
	    "environment variable " NAME
	    " is not set, and env_file %s: may be read by everybody (mode 0604): chmod o-rwx it",
	    path);
	expect(&source, path, NULL, message);
	unlink(path);
}

/* Whether the bytes stand in this process's /proc/self/environ. */
static bool
environ_shows(const char *bytes)
{
	static char text[1 << 20];
	FILE *f = fopen("/proc/self/environ", "r");
	size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text), f);

	if (f != NULL)
		fclose(f);
	return n > 0 && memmem(text, n, bytes, strlen(bytes)) != NULL;
}

/* In a process that was born with the variable, as grayd is. 0: all is well. */
static int
scrub_child(void)
{
	struct key_source source = from_env(none);
	struct secret *first = NULL, *second = NULL;

	if (!environ_shows("canary-1") || keys_fetch(&source, "", &first, NULL) != 0)
		return 1;
	keys_scrub_environ();
	if (environ_shows("canary-1") || !environ_shows("GRAYD_TEST_OTHER=canary-2"))
		return 2;
	if (getenv(NAME) != NULL || getenv("GRAYD_TEST_OTHER") == NULL)
		return 3;
	if (keys_fetch(&source, "", &second, NULL) != 0 ||
	    strcmp(secret_text(second), "canary-1") != 0)
		return 4;
	secret_free(first);
	secret_free(second);
	keys_forget();
	return keys_fetch(&source, "", &first, NULL) == -1 ? 0 : 5;
}

#define CHILD_MARK "GRAYD_TEST_SCRUB_CHILD"

/* The test runner starts itself again: only exec gives a process its environment. */
static void
run_scrub_child(void)
{
	static char name[] = "unit", mark[] = CHILD_MARK "=1", key[] = NAME "=canary-1",
		    other[] = "GRAYD_TEST_OTHER=canary-2";
	char *argv[] = { name, NULL }, *envp[] = { mark, key, other, NULL };

	execve("/proc/self/exe", argv, envp);
	_exit(99);
}

__attribute__((constructor)) static void
become_scrub_child(void)
{
	if (getenv(CHILD_MARK) != NULL)
		_exit(scrub_child());
}

static void
test_scrubs_environment(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		run_scrub_child();
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

static void
test_remembers_the_last(void)
{
	struct key_source source = from_env(none);

	CU_ASSERT_EQUAL(keys_remember(NAME, "one", 3), 0);
	CU_ASSERT_EQUAL(keys_remember(NAME, "two", 3), 0);
	expect(&source, "", "two", NULL);
	keys_forget();
	expect(&source, "", NULL,
	    "environment variable " NAME
	    " is not set: export it before grayd is started, or write it into a file that env_file "
	    "names");
}

static int
make_folder(void)
{
	return mkdtemp(folder) == NULL;
}

static int
remove_folder(void)
{
	return rmdir(folder) != 0;
}

void
suite_keys(void)
{
	CU_pSuite s = CU_add_suite("keys", make_folder, remove_folder);

	CU_add_test(s, "environment", test_environment);
	CU_add_test(s, "files", test_files);
	CU_add_test(s, "credentials", test_credentials);
	CU_add_test(s, "lines of an env file", test_env_file_lines);
	CU_add_test(s, "env file", test_env_file);
	CU_add_test(s, "where there can be no env file", test_no_env_file_possible);
	CU_add_test(s, "scrubs the environment", test_scrubs_environment);
	CU_add_test(s, "remembers the last", test_remembers_the_last);
}
