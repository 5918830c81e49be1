// SPDX-License-Identifier: MIT
/*
 * Fuzzes worker/chunked.c. The first byte chooses the size of the parts; whole, in parts and byte
 * by byte must give the same body, the same end and the same error.
 */
#include "worker/chunked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct decoded {
	enum chunked_result result;
	const char *error_text;
	uint8_t *body;
	size_t n, used;
};

static void
decode_part(struct decoded *d, struct chunked *c, const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	size_t used, out_n;

	assert(copy != NULL);
	memcpy(copy, bytes, n);
	d->result = chunked_decode(c, copy, n, &used, &out_n);
	assert(used <= n && out_n <= used);
	assert(d->result != CHUNKED_MORE || used == n);
	memcpy(d->body + d->n, copy, out_n);
	d->n += out_n;
	d->used += used;
	d->error_text = c->error_text;
	assert(c->decoded == d->n);
	free(copy);
}

static void
decode(struct decoded *d, const uint8_t *data, size_t size, size_t step)
{
	struct chunked c;
	size_t at = 0;

	memset(d, 0, sizeof(*d));
	d->body = malloc(size + 1);
	assert(d->body != NULL);
	chunked_reset(&c);
	while (at < size && d->result == CHUNKED_MORE) {
		size_t part = size - at < step ? size - at : step;

		decode_part(d, &c, data + at, part);
		at += part;
	}
}

static void
check_same(const struct decoded *a, const struct decoded *b)
{
	assert(a->result == b->result && a->error_text == b->error_text);
	assert(a->n == b->n && a->used == b->used);
	assert(memcmp(a->body, b->body, a->n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decoded whole, parts, bytes;

	if (size < 1)
		return 0;
	decode(&whole, data + 1, size - 1, size);
	decode(&parts, data + 1, size - 1, 1 + data[0]);
	decode(&bytes, data + 1, size - 1, 1);
	check_same(&whole, &parts);
	check_same(&whole, &bytes);
	if (whole.result == CHUNKED_DONE)
		assert(whole.used >= 5 && data[whole.used] == '\n');
	free(whole.body);
	free(parts.body);
	free(bytes.body);
	return 0;
}
