// SPDX-License-Identifier: MIT
/*
 * The body of a request: the client's bytes in a buffer with room before and behind them, so that
 * a small change moves only the bytes on its shorter side and a megabyte is never copied for the
 * sake of a model's name. Out of memory is an answer (-1) and leaves the body as it was.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define BODY_ROOM 256 /* kept free on either side at first */

struct body {
	uint8_t *base;
	size_t cap, off, len; /* the bytes are base[off .. off + len) */
};

static inline uint8_t *
body_bytes(const struct body *b)
{
	return b->base == NULL ? NULL : b->base + b->off;
}

void body_free(struct body *b); /* the struct is empty and usable again */
/* Makes room to append `n` bytes at the end beyond BODY_ROOM; grows by doubling. */
int body_reserve(struct body *b, size_t n) MUST_CHECK;
int body_append(struct body *b, const void *bytes, size_t n) MUST_CHECK;
/* Replaces `old_len` bytes at `at` (counted from the body's begin) by `bytes`, which must lie
 * elsewhere. */
int body_replace(struct body *b, size_t at, size_t old_len, const void *bytes, size_t n) MUST_CHECK;
