// SPDX-License-Identifier: MIT
/*
 * The request's body in a buffer with room on both sides; see body.h. Used by the workers.
 * Invariant: off + len <= cap, and a call that fails has changed nothing.
 */
#include "worker/body.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void
body_free(struct body *b)
{
	free(b->base);
	*b = (struct body){ 0 };
}

int
body_reserve(struct body *b, size_t n)
{
	size_t off = b->base == NULL ? BODY_ROOM : b->off;
	size_t used = off + b->len, cap = 2 * b->cap;
	uint8_t *base;

	if (n > SIZE_MAX / 4 - used)
		return -1;
	if (b->base != NULL && b->cap - used >= n + BODY_ROOM)
		return 0;
	if (cap < used + n + BODY_ROOM)
		cap = used + n + BODY_ROOM;
	base = realloc(b->base, cap);
	if (base == NULL)
		return -1;
	*b = (struct body){ .base = base, .cap = cap, .off = off, .len = b->len };
	return 0;
}

int
body_append(struct body *b, const void *bytes, size_t n)
{
	if (body_reserve(b, n) != 0)
		return -1;
	if (n > 0)
		memcpy(body_bytes(b) + b->len, bytes, n);
	b->len += n;
	return 0;
}

int
body_replace(struct body *b, size_t at, size_t old_len, const void *bytes, size_t n)
{
	size_t grow = n > old_len ? n - old_len : 0, shrink = n > old_len ? 0 : old_len - n;
	size_t before = at, behind = b->len - at - old_len;
	bool front;

	assert(at <= b->len && old_len <= b->len - at);
	if (old_len == 0 && n == 0)
		return 0;
	if (b->off < grow && b->cap - b->off - b->len < grow && body_reserve(b, grow) != 0)
		return -1;
	front = b->off >= grow && (before < behind || b->cap - b->off - b->len < grow);
	if (front) {
		memmove(body_bytes(b) + shrink - grow, body_bytes(b), before);
		b->off = b->off + shrink - grow;
	} else {
		memmove(body_bytes(b) + at + n, body_bytes(b) + at + old_len, behind);
	}
	b->len = b->len + n - old_len;
	if (n > 0)
		memcpy(body_bytes(b) + at, bytes, n);
	return 0;
}
