// SPDX-License-Identifier: MIT
/*
 * A ring of whole requests by the number of their attempt. Nothing is copied when it has no places,
 * which is how benchmarks run.
 */
#include "tests/simprovider/keep.h"

#include <stdlib.h>

int
keep_init(struct keep *keep, size_t count)
{
	keep->count = count;
	keep->items = calloc(count + 1, sizeof(*keep->items));
	return keep->items != NULL ? 0 : -1;
}

void
keep_fini(struct keep *keep)
{
	for (size_t i = 0; i < keep->count; i++)
		text_free(&keep->items[i].bytes);
	free(keep->items);
}

void
keep_request(struct keep *keep, uint64_t id, const uint8_t *bytes, const struct request *request)
{
	/* One that could not be read has no body; then it is kept as it came. */
	size_t length =
	    request->body.at > 0 ? request->body.at + request->body.len : request->wire_bytes;

	if (keep->count == 0)
		return;
	struct kept *kept = &keep->items[id % keep->count];

	text_clear(&kept->bytes);
	kept->id = id;
	text_add(&kept->bytes, bytes, length < KEEP_MAX_BYTES ? length : KEEP_MAX_BYTES);
	for (int i = 0; i < KEY_HEADERS && !kept->bytes.failed; i++)
		if (request->keys[i].len > 0 &&
		    request->keys[i].at + request->keys[i].len <= text_len(&kept->bytes))
			memset(
			    kept->bytes.buf.data + request->keys[i].at, '*', request->keys[i].len);
}

const struct text *
keep_find(const struct keep *keep, uint64_t id)
{
	if (keep->count == 0 || keep->items[id % keep->count].id != id)
		return NULL;
	return &keep->items[id % keep->count].bytes;
}
