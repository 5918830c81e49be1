// SPDX-License-Identifier: MIT
/*
 * Writing of text into a buffer, with a failure that sticks: a writer appends as it likes and looks
 * at `failed` once, at the end. What is in a failed text must not be sent.
 */
#pragma once

#include <stdbool.h>
#include <string.h>

#include "common/buf.h"

/* Bytes that are owned elsewhere; not terminated unless said so. */
struct str {
	const char *bytes;
	size_t len;
};

struct text {
	struct buf buf;
	bool failed; /* out of memory; stays until text_clear() */
};

static inline void
text_add(struct text *t, const void *bytes, size_t n)
{
	struct buf *b = &t->buf;

	if (b->cap - b->tail < n && buf_reserve(b, n) != 0) {
		t->failed = true;
		return;
	}
	if (n > 0) {
		memcpy(b->data + b->tail, bytes, n);
		b->tail += n;
	}
}

static inline void
text_span(struct text *t, struct str s)
{
	text_add(t, s.bytes, s.len);
}

static inline size_t
text_len(const struct text *t)
{
	return buf_len(&t->buf);
}

/* A string constant. */
#define text_lit(t, literal) text_add((t), "" literal, sizeof(literal) - 1)

void text_str(struct text *t, const char *s);
void text_u64(struct text *t, uint64_t value);
void text_fill(struct text *t, char c, size_t n);
void text_hex(struct text *t, const uint8_t *bytes, size_t n);
void text_format(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The inside of a JSON string: quotes, backslashes and control bytes escaped, no quotes around. */
void text_json(struct text *t, struct str s);
/* A field of CSV, always in quotes. */
void text_csv(struct text *t, struct str s);
/* Puts `n` times `c` at `at`, counted from the first byte that is there. */
void text_insert_fill(struct text *t, size_t at, char c, size_t n);
void text_clear(struct text *t); /* empty, and not failed */
void text_free(struct text *t);
