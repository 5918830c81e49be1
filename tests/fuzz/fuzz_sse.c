// SPDX-License-Identifier: MIT
/*
 * Events of a stream at any split of the bytes. The first byte of the input chooses the size of the
 * pieces; the events must be those of the whole.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define EVENTS_MAX 256

/* Where an event's parts lie, as offsets into the stream. */
struct place {
	size_t raw, raw_len, type, type_len, data, data_len;
	bool has_type, has_data, more_data;
};

static struct place
place_of(const struct sse_event *ev, const uint8_t *origin)
{
	struct place p = { .raw = (size_t)(ev->raw - origin), .raw_len = ev->raw_len };

	if (ev->type != NULL) {
		p.has_type = true;
		p.type = (size_t)(ev->type - ev->raw);
		p.type_len = ev->type_len;
		assert(p.type + p.type_len <= ev->raw_len);
	}
	if (ev->data != NULL) {
		p.has_data = true;
		p.data = (size_t)(ev->data - ev->raw);
		p.data_len = ev->data_len;
		assert(p.data + p.data_len <= ev->raw_len);
	}
	p.more_data = ev->more_data;
	assert(!p.more_data || p.has_data);
	return p;
}

static void
check_join(const struct sse_event *ev)
{
	uint8_t *out = malloc(ev->raw_len);
	size_t n = sse_join(ev, out);

	assert(n <= ev->raw_len && n >= ev->data_len);
	assert(memcmp(out, ev->data, ev->data_len) == 0);
	assert(ev->more_data ? out[ev->data_len] == '\n' : n == ev->data_len);
	free(out);
}

/* Feeds the stream with `step` more bytes a time; returns the number of events. */
static size_t
split(const uint8_t *bytes, size_t n, size_t step, struct place *places, size_t *left)
{
	struct sse s = { 0 };
	struct sse_event ev;
	size_t begin = 0, events = 0;

	for (size_t end = step < n ? step : n;; end = n - end < step ? n : end + step) {
		while (events < EVENTS_MAX && sse_next(&s, bytes + begin, end - begin, &ev)) {
			if (ev.data != NULL)
				check_join(&ev);
			places[events++] = place_of(&ev, bytes);
			assert(
			    ev.raw == bytes + begin && ev.raw_len > 0 && ev.raw_len <= end - begin);
			begin += ev.raw_len;
		}
		if (end == n || events == EVENTS_MAX)
			break;
	}
	*left = n - begin;
	if (*left > 0 && events < EVENTS_MAX)
		sse_last(&s, bytes + begin, *left, &ev);
	return events;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct place whole[EVENTS_MAX], pieces[EVENTS_MAX];
	size_t left_whole, left_pieces, events;

	if (n < 2)
		return 0;
	events = split(bytes + 1, n - 1, n - 1, whole, &left_whole);
	assert(split(bytes + 1, n - 1, bytes[0] % 16 + 1, pieces, &left_pieces) == events);
	assert(left_whole == left_pieces);
	for (size_t i = 0; i < events; i++) {
		const struct place *a = &whole[i], *b = &pieces[i];

		assert(a->raw == b->raw && a->raw_len == b->raw_len);
		assert(
		    a->has_type == b->has_type && a->type == b->type && a->type_len == b->type_len);
		assert(
		    a->has_data == b->has_data && a->data == b->data && a->data_len == b->data_len);
		assert(a->more_data == b->more_data);
	}
	return 0;
}
