// SPDX-License-Identifier: MIT
/*
 * A growing byte buffer, consumed from the front. Bytes live in data[head .. tail). Growth is by
 * doubling; running out of memory is an answer (-1), never the end of the process.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct buf {
	uint8_t *data;
	size_t head, tail, cap;
};

static inline size_t
buf_len(const struct buf *b)
{
	return b->tail - b->head;
}

static inline uint8_t *
buf_bytes(const struct buf *b)
{
	return b->data == NULL ? NULL : b->data + b->head;
}

void buf_free(struct buf *b); /* frees the bytes; the struct is empty and usable again */
/* Room for at least `n` more bytes behind the tail; moves the contents to the front if that is
 * enough. 0 or -1 (out of memory, contents untouched). */
int buf_reserve(struct buf *b, size_t n) MUST_CHECK;
int buf_add(struct buf *b, const void *bytes, size_t n) MUST_CHECK;
int buf_adds(struct buf *b, const char *s) MUST_CHECK;
int buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
void buf_consume(struct buf *b, size_t n); /* drops n bytes from the front; n <= buf_len */
