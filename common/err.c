// SPDX-License-Identifier: MIT
/* Error messages; see err.h. */
#include "common/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
mark_cut(struct err *e, int n)
{
	if (n >= (int)sizeof(e->msg))
		memcpy(e->msg + sizeof(e->msg) - 4, "...", 4);
}

int
err_set(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	mark_cut(e, vsnprintf(e->msg, sizeof(e->msg), fmt, ap));
	va_end(ap);
	return -1;
}

int
err_sys(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	char what[sizeof(e->msg)];

	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(e, "%s: %s", what, strerror(saved));
}

int
err_prefix(struct err *e, const char *fmt, ...)
{
	va_list ap;
	char prefix[256];
	struct err old;

	if (e == NULL)
		return -1;
	old = *e;
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	return err_set(e, "%s: %s", prefix, old.msg);
}
