// SPDX-License-Identifier: MIT
/*
 * A backtrace instead of a core file, see crash.h. Between the signal and the end of the process
 * runs nothing that takes a lock or memory.
 */
#include "daemon/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES_MAX  64
#define STACK_BYTES 65536

static char first_words[64]; /* "grayd worker 0 (pid 4711) dies of signal " */

static const int faults[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };

static void
write_text(const char *text, size_t n)
{
	/* There is nobody left to tell that it failed. */
	if (write(STDERR_FILENO, text, n) < 0)
		return;
}

static void
on_fault(int signal_number)
{
	void *frames[FRAMES_MAX];
	char number[] = "00:\n";
	int n;

	number[0] = (char)('0' + signal_number / 10 % 10);
	number[1] = (char)('0' + signal_number % 10);
	write_text(first_words, strlen(first_words));
	write_text(number, sizeof(number) - 1);
	n = backtrace(frames, FRAMES_MAX);
	backtrace_symbols_fd(frames, n, STDERR_FILENO);
	/* SA_RESETHAND has brought the default back: this ends the process. */
	raise(signal_number);
}

void
crash_report(const char *name)
{
	static char stack[STACK_BYTES];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = on_fault,
		.sa_flags = (int)(SA_RESETHAND | SA_ONSTACK | SA_NODEFER) };
	void *frame;

	snprintf(first_words, sizeof(first_words), "grayd %s (pid %d) dies of signal ", name,
	    (int)getpid());
	/* The first call loads a library, which must not happen in the handler. */
	backtrace(&frame, 1);
	sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct sigaction old;

		/* A sanitizer's own report is the better one. */
		if (sigaction(faults[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(faults[i], &action, NULL);
	}
}
