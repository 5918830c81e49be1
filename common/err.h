// SPDX-License-Identifier: MIT
/*
 * One error message on its way up to whoever can tell a person. Functions that can fail in a way a
 * person must hear of take a `struct err *`, return 0 or -1, and have filled the message on -1. It
 * names the place and, where possible, what to do. Never a secret.
 */
#pragma once

#include <stdarg.h>

#define MUST_CHECK	  __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

struct err {
	char msg[512]; /* always terminated; cut with "..." when longer */
};

/* Fills the message; returns -1, so that `return err_set(e, ...)` reads well. `e` may be NULL. */
int err_set(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same with strerror(errno) added after ": ". */
int err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts "prefix: " before the message that is there; returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
