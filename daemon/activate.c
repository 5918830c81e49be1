// SPDX-License-Identifier: MIT
/* See activate.h. */
#include "daemon/activate.h"

#include <stdlib.h>
#include <unistd.h>

#define FIRST_FD 3

static long
number(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? strtol(text, NULL, 10) : 0;
}

int
activate_take(struct listeners *given, struct err *e)
{
	long n = number("LISTEN_PID") == getpid() ? number("LISTEN_FDS") : 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	*given = (struct listeners){ .admin = { .fd = -1 } };
	if (n < 0 || n > LISTEN_MAX)
		return err_set(
		    e, "the service manager passes %ld sockets; %d is the most", n, LISTEN_MAX);
	for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		if (listen_take(&given->all[given->n], fd, e) != 0)
			return err_prefix(e, "the service manager passes no good socket");
		given->n++;
	}
	return 0;
}
