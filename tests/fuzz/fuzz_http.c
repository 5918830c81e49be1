// SPDX-License-Identifier: MIT
/*
 * Fuzzes worker/http.c. The first two bytes choose where the rest is split; whole, split and byte
 * by byte must give the same answer, and an accepted head must keep what its fields promise.
 */
#include "worker/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly n bytes, so that a read behind them is found. */
static ssize_t
parse_copy(struct http_head *h, const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	ssize_t verdict;

	assert(copy != NULL);
	memcpy(copy, bytes, n);
	verdict = http_head_parse(h, copy, n);
	free(copy);
	return verdict;
}

static void
check_same(const struct http_head *a, const struct http_head *b)
{
	assert(a->phase == b->phase && a->error_status == b->error_status);
	assert(a->error_text == b->error_text && a->n_headers == b->n_headers);
	assert(a->content_length == b->content_length && a->chunked == b->chunked);
	assert(a->has_body == b->has_body && a->keep_alive == b->keep_alive);
	for (unsigned i = 0; i < a->n_headers; i++) {
		assert(a->headers[i].id == b->headers[i].id);
		assert(memcmp(&a->headers[i].name, &b->headers[i].name, 8) == 0);
	}
}

static void
check_span(struct http_span span, ssize_t end)
{
	assert(span.off + span.len <= end);
}

/* What every user of an accepted head relies on. */
static void
check_good(const struct http_head *h, const uint8_t *bytes, ssize_t n)
{
	unsigned hosts = 0;

	assert(n <= HTTP_HEAD_MAX && memcmp(bytes + n - 4, "\r\n\r\n", 4) == 0);
	assert(bytes[h->target.off] == '/' && h->target.len <= HTTP_TARGET_MAX);
	check_span(h->path, h->target.off + h->target.len);
	check_span(h->query, h->target.off + h->target.len);
	assert(!h->chunked || (h->content_length < 0 && h->minor == 1));
	assert(h->has_body == (h->chunked || h->content_length > 0));
	for (unsigned i = 0; i < h->n_headers; i++) {
		struct http_span value = h->headers[i].value;

		check_span(value, n);
		assert(h->headers[i].name.len > 0 && bytes[h->headers[i].name.off - 1] == '\n');
		for (unsigned k = 0; k < value.len; k++)
			assert(bytes[value.off + k] >= ' ' || bytes[value.off + k] == '\t');
		hosts += h->headers[i].id == HTTP_H_HOST;
	}
	assert(hosts == 1 || (hosts == 0 && h->minor == 0));
	assert(h->error_status == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head whole, split;
	ssize_t verdict, got;
	size_t cut;

	if (size < 2)
		return 0;
	cut = (size_t)(data[0] << 8 | data[1]);
	data += 2;
	size -= 2;
	http_head_reset(&whole);
	verdict = parse_copy(&whole, data, size);
	assert(verdict >= -1 && verdict <= (ssize_t)size);
	if (verdict > 0)
		check_good(&whole, data, verdict);

	http_head_reset(&split);
	got = parse_copy(&split, data, size > 0 ? cut % size : 0);
	if (got == 0)
		got = parse_copy(&split, data, size);
	assert(got == verdict);
	check_same(&whole, &split);

	http_head_reset(&split);
	got = 0;
	for (size_t n = 1; n <= size && got == 0; n++)
		got = http_head_parse(&split, data, n);
	assert(got == verdict);
	check_same(&whole, &split);
	return 0;
}
