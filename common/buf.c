// SPDX-License-Identifier: MIT
/*
 * The growing byte buffer of buf.h, used by every process. Invariant: head <= tail <= cap, and a
 * call that fails has changed nothing.
 */
#include "common/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_LEAST 256 /* bytes of a first allocation */

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

static void
move_to_front(struct buf *b)
{
	size_t len = buf_len(b);

	if (len > 0)
		memmove(b->data, b->data + b->head, len);
	b->head = 0;
	b->tail = len;
}

int
buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b), cap = b->cap < BUF_LEAST ? BUF_LEAST : b->cap;
	uint8_t *data;

	if (n <= b->cap - b->tail)
		return 0;
	if (n <= b->cap - len) {
		move_to_front(b);
		return 0;
	}
	if (n > SIZE_MAX / 2 - len)
		return -1;
	while (cap < len + n)
		cap *= 2;
	data = malloc(cap);
	if (data == NULL)
		return -1;
	if (len > 0)
		memcpy(data, b->data + b->head, len);
	free(b->data);
	*b = (struct buf){ .data = data, .tail = len, .cap = cap };
	return 0;
}

int
buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (buf_reserve(b, n) != 0)
		return -1;
	if (n > 0)
		memcpy(b->data + b->tail, bytes, n);
	b->tail += n;
	return 0;
}

int
buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	size_t room;
	int n;

	if (buf_reserve(b, 1) != 0)
		return -1;
	room = b->cap - b->tail;
	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf((char *)b->data + b->tail, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= room) {
		/* The terminating NUL needs a place too, though it is not part of the contents. */
		n = buf_reserve(b, (size_t)n + 1) != 0
			? -1
			: vsnprintf((char *)b->data + b->tail, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	if (n < 0)
		return -1;
	b->tail += (size_t)n;
	return 0;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->head += n;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}
