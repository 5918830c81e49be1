// SPDX-License-Identifier: MIT
/*
 * Events of OpenAI's streams: chunks of chat and completions, which end with "[DONE]", and the
 * typed events of /responses, which end with one of three types. Used by the workers for every
 * token that passes: one pass over an event, no allocation. Pure.
 */
#include <string.h>

#include "worker/openai.h"

/* ---- the tables ------------------------------------------------------------------------------ */

static bool
read_type(struct reader *r, enum jtok first)
{
	struct openai_spans *spans = r->into;

	return reader_string(r, first, &spans->type);
}

static bool
read_delta(struct reader *r, enum jtok first)
{
	struct openai_spans *spans = r->into;

	if (first == JTOK_STRING)
		spans->delta = quality_string(&r->scan);
	return facts_content(r, first);
}

/* It repeats the text that has come in deltas. */
static bool
read_response(struct reader *r, enum jtok first)
{
	uint64_t content_bytes = r->facts->content_bytes;
	struct quality quality = r->facts->quality;
	bool ok = reader_object(r, first, openai_response_fields);

	r->facts->content_bytes = content_bytes;
	quality.refused |= r->facts->quality.refused;
	r->facts->quality = quality;
	return ok;
}

/* A call that the client must make. Calls that the provider makes itself (a search) do not end the
 * wait for the first token. */
static bool
read_item_type(struct reader *r, enum jtok first)
{
	if (reader_is(r, first, "function_call") || reader_is(r, first, "custom_tool_call"))
		facts_note_content(r);
	return reader_skip(r, first);
}

static const struct reader_field item_fields[] = {
	READER_FIELD("type", read_item_type),
	READER_FIELD("name", openai_call_name),
	READER_FIELD("arguments", openai_call_arguments),
	READER_END,
};

static bool
read_item(struct reader *r, enum jtok first)
{
	uint64_t content_bytes = r->facts->content_bytes;
	bool ok = openai_item(r, first, item_fields);

	r->facts->content_bytes = content_bytes;
	return ok;
}

static const struct reader_field typed_fields[] = {
	READER_FIELD("type", read_type),
	READER_FIELD("delta", read_delta),
	READER_FIELD("item", read_item),
	READER_FIELD("response", read_response),
	READER_FIELD("error", openai_error),
	READER_END,
};

/* Types that mean more than what is in them. */
static const struct {
	const char *name;
	unsigned marks;
	enum finish finish; /* if the event itself names none */
} types[] = {
	{ "response.completed", EVENT_END | EVENT_COMMIT, FINISH_STOP },
	{ "response.incomplete", EVENT_END | EVENT_COMMIT, FINISH_OTHER },
	{ "response.failed", EVENT_ERROR, FINISH_NONE },
	{ "error", EVENT_ERROR, FINISH_NONE },
};

/* ---- verdicts -------------------------------------------------------------------------------- */

static unsigned
read_chunk(const uint8_t *data, size_t n, struct facts *f)
{
	struct openai_spans spans = { 0 };
	struct reader r = { .facts = f, .into = &spans };
	unsigned marks = 0;

	if (!reader_run(&r, data, n, openai_choices_fields))
		return EVENT_GARBAGE;
	if (r.seen & FACTS_ERROR)
		return facts_failed(data, n, f);
	if (r.seen & (FACTS_CONTENT | FACTS_FINISH))
		marks |= EVENT_COMMIT;
	if ((r.seen & OPENAI_USAGE) && !(r.seen & OPENAI_ITEM))
		marks |= EVENT_USAGE_ONLY;
	return marks;
}

/* A delta can be a piece of anything. */
static void
look_at_delta(const struct openai_spans *spans, const uint8_t *type, size_t n, struct quality *q)
{
	if (spans->delta.text == NULL)
		return;
	if (sse_is_type(type, n, "response.output_text.delta"))
		quality_text(q, &spans->delta);
	else if (sse_is_type(type, n, "response.refusal.delta"))
		q->refused = true;
}

static unsigned
read_typed(const struct sse_event *ev, const uint8_t *data, size_t n, struct facts *f)
{
	struct openai_spans spans = { 0 };
	struct reader r = { .facts = f, .into = &spans };
	const uint8_t *type = ev->type;
	size_t type_len = ev->type_len;
	unsigned marks;

	if (!reader_run(&r, data, n, typed_fields))
		return EVENT_GARBAGE;
	if (spans.type.len > 0) {
		type = data + spans.type.off;
		type_len = spans.type.len;
	}
	look_at_delta(&spans, type, type_len, &f->quality);
	marks = r.seen & FACTS_CONTENT ? EVENT_COMMIT : 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!sse_is_type(type, type_len, types[i].name))
			continue;
		marks |= types[i].marks;
		if (f->finish == FINISH_NONE)
			f->finish = types[i].finish;
	}
	if ((marks & EVENT_ERROR) || (r.seen & (FACTS_ERROR | OPENAI_FAILED))) {
		if (spans.error.len > 0)
			return facts_failed(data + spans.error.off, spans.error.len, f);
		return facts_failed(data, n, f);
	}
	f->ended |= (marks & EVENT_END) != 0;
	return marks;
}

static bool
is_done(const uint8_t *data, size_t n)
{
	static const char done[] = "[DONE]";

	while (n > 0 && (data[n - 1] == ' ' || data[n - 1] == '\t'))
		n--;
	return n == sizeof(done) - 1 && memcmp(data, done, n) == 0;
}

unsigned
openai_read_event(enum api api, const struct sse_event *ev, uint8_t *scratch, struct facts *f)
{
	size_t n;
	const uint8_t *data = sse_data(ev, scratch, &n);

	if (sse_is_type(ev->type, ev->type_len, "error"))
		return facts_failed(data, n, f);
	if (n == 0)
		return EVENT_KEEPALIVE;
	if (is_done(data, n)) {
		f->ended = true;
		return EVENT_END;
	}
	return api == API_RESPONSES ? read_typed(ev, data, n, f) : read_chunk(data, n, f);
}
