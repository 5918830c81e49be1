// SPDX-License-Identifier: MIT
/* The cost in streams; see tell_cost.h. Without memory for it the event passes as it is. */
#include "worker/tell_cost.h"

#include <string.h>

#include "worker/bill.h"
#include "worker/costfield.h"
#include "worker/request.h"

bool
tell_cost_is_due(const struct attempt *a)
{
	return a->request->cost_asked && !a->cost_told && a->facts.usage.present &&
	       a->facts.finish != FINISH_NONE && (a->facts.ended || !a->facts.may_end) &&
	       a->model->price.known;
}

/* Into the JSON that stands at `off` in the buffer. Returns by how much it has grown. */
static size_t
put_field(struct attempt *a, struct buf *b, size_t off, size_t len)
{
	struct money cost = a->request->cost, estimated = a->request->estimated_cost;
	char field[COSTFIELD_BYTES];
	size_t at, n;
	bool empty;
	uint8_t *to;

	if (!costfield_place(buf_bytes(b) + off, len, &at, &empty))
		return 0;
	bill_preview(a, &cost, &estimated);
	n = costfield_write(field, cost, estimated, empty);
	if (buf_reserve(b, n) < 0)
		return 0;
	to = buf_bytes(b) + off + at;
	memmove(to + n, to, buf_len(b) - off - at);
	memcpy(to, field, n);
	b->tail += n;
	a->cost_told = true;
	return n;
}

size_t
tell_cost_in_event(struct attempt *a, const struct sse_event *ev)
{
	if (ev->data == NULL || ev->more_data)
		return 0;
	return put_field(a, &a->bytes, (size_t)(ev->data - buf_bytes(&a->bytes)), ev->data_len);
}

void
tell_cost_in_translation(struct attempt *a, struct buf *told, size_t from)
{
	struct sse sse = { 0 };
	struct sse_event ev;

	while (!a->cost_told && sse_next(&sse, buf_bytes(told) + from, buf_len(told) - from, &ev)) {
		if (ev.data != NULL && !ev.more_data)
			put_field(a, told, (size_t)(ev.data - buf_bytes(told)), ev.data_len);
		from += ev.raw_len;
	}
}
