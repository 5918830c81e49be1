// SPDX-License-Identifier: MIT
/*
 * Events of Anthropic's streams, from "message_start" to "message_stop". Used by the workers for
 * every token that passes: one pass over an event, no allocation. Pure.
 */
#include "worker/anthropic.h"

/* Members of an event, whatever its type. */
struct event {
	struct jspan type;
};

static bool
read_type(struct reader *r, enum jtok first)
{
	struct event *event = r->into;

	return reader_string(r, first, &event->type);
}

static bool
read_message(struct reader *r, enum jtok first)
{
	return reader_object(r, first, anthropic_message_fields);
}

static bool
read_delta(struct reader *r, enum jtok first)
{
	return reader_object(r, first, anthropic_delta_fields);
}

static const struct reader_field event_fields[] = {
	READER_FIELD("type", read_type),
	READER_FIELD("delta", read_delta),
	READER_FIELD("content_block", anthropic_block),
	READER_FIELD("message", read_message),
	READER_FIELD("usage", anthropic_usage),
	READER_FIELD("error", anthropic_error),
	READER_END,
};

static unsigned
read_typed(const struct sse_event *ev, const uint8_t *data, size_t n, struct facts *f)
{
	struct event event = { .type.len = 0 };
	struct reader r = { .facts = f, .into = &event };
	const uint8_t *type = ev->type;
	size_t type_len = ev->type_len;

	if (!reader_run(&r, data, n, event_fields))
		return EVENT_GARBAGE;
	if (event.type.len > 0) {
		type = data + event.type.off;
		type_len = event.type.len;
	}
	if ((r.seen & FACTS_ERROR) || sse_is_type(type, type_len, "error"))
		return facts_failed(data, n, f);
	if (sse_is_type(type, type_len, "ping"))
		return EVENT_KEEPALIVE;
	if (sse_is_type(type, type_len, "message_stop")) {
		f->ended = true;
		return EVENT_END;
	}
	return r.seen & (FACTS_CONTENT | FACTS_FINISH) ? EVENT_COMMIT : 0;
}

unsigned
anthropic_read_event(enum api api, const struct sse_event *ev, uint8_t *scratch, struct facts *f)
{
	size_t n;
	const uint8_t *data = sse_data(ev, scratch, &n);

	(void)api;
	if (sse_is_type(ev->type, ev->type_len, "error"))
		return facts_failed(data, n, f);
	return n == 0 ? EVENT_KEEPALIVE : read_typed(ev, data, n, f);
}
