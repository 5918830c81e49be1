// SPDX-License-Identifier: MIT
/*
 * The source for messages and events of Anthropic's API; see retell.h. Used by the workers.
 * Members of an object come in any order, so each object is read whole before anything is told.
 */
#include <string.h>

#include "worker/reader.h"
#include "worker/retell.h"

enum kind {
	KIND_OTHER,
	KIND_TEXT,
	KIND_THINKING,
	KIND_CALL,
	/* events */
	KIND_START,
	KIND_BLOCK_START,
	KIND_BLOCK_DELTA
};

/* What is looked for in a block, a delta, a message and an event. */
struct found {
	enum kind kind;
	uint64_t index;
	struct jspan id, name, model, text, thinking, arguments, input, content;
	struct found *inner; /* where "message", "content_block" and "delta" are read into */
};

static struct found *
found_in(const struct reader *r)
{
	return r->into;
}

static struct inside
inside_of(const uint8_t *text, struct jspan span)
{
	return (struct inside){ text + span.off, span.len };
}

/* ---- members -----------------------------------------------------------------------------------
 */

static bool
read_type(struct reader *r, enum jtok first)
{
	static const struct {
		const char *name;
		enum kind kind;
	} types[] = {
		{ "text", KIND_TEXT },
		{ "thinking", KIND_THINKING },
		{ "tool_use", KIND_CALL },
		{ "message_start", KIND_START },
		{ "content_block_start", KIND_BLOCK_START },
		{ "content_block_delta", KIND_BLOCK_DELTA },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (reader_is(r, first, types[i].name))
			found_in(r)->kind = types[i].kind;
	return reader_skip(r, first);
}

static bool
read_index(struct reader *r, enum jtok first)
{
	bool ok;

	return reader_uint(r, first, &found_in(r)->index, &ok);
}

static bool
read_id(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->id);
}

static bool
read_name(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->name);
}

static bool
read_model(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->model);
}

static bool
read_text(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->text);
}

static bool
read_thinking(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->thinking);
}

static bool
read_partial(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->arguments);
}

static bool
read_input(struct reader *r, enum jtok first)
{
	return jscan_skip(&r->scan, first, first == JTOK_OBJECT ? &found_in(r)->input : NULL);
}

static bool
read_content(struct reader *r, enum jtok first)
{
	return jscan_skip(&r->scan, first, first == JTOK_ARRAY ? &found_in(r)->content : NULL);
}

static const struct reader_field part_fields[] = {
	READER_FIELD("type", read_type),
	READER_FIELD("id", read_id),
	READER_FIELD("name", read_name),
	READER_FIELD("model", read_model),
	READER_FIELD("text", read_text),
	READER_FIELD("thinking", read_thinking),
	READER_FIELD("partial_json", read_partial),
	READER_FIELD("input", read_input),
	READER_FIELD("content", read_content),
	READER_END,
};

/* ---- whole answers -----------------------------------------------------------------------------
 */

/* What a block says, but for the input of a call. */
static void
tell_block(struct retell *t, const uint8_t *text, const struct found *block)
{
	if (block->kind == KIND_TEXT)
		retell_text(t, inside_of(text, block->text));
	else if (block->kind == KIND_THINKING)
		retell_thought(t, inside_of(text, block->thinking));
	else if (block->kind == KIND_CALL)
		retell_call(t, inside_of(text, block->id), inside_of(text, block->name));
}

static bool
tell_blocks(struct retell *t, const uint8_t *text, size_t n)
{
	struct found block;
	struct reader r = { .into = &block };
	enum jtok tok;

	jscan_init(&r.scan, text, n);
	if (jscan_next(&r.scan) != JTOK_ARRAY)
		return false;
	while ((tok = jscan_next(&r.scan)) != JTOK_ARRAY_END) {
		block = (struct found){ .kind = KIND_OTHER };
		if (!reader_object(&r, tok, part_fields))
			return false;
		tell_block(t, text, &block);
		if (block.kind == KIND_CALL)
			retell_value(t, text + block.input.off, block.input.len);
	}
	return true;
}

bool
xlate_answer_from_anthropic(struct retell *t, const uint8_t *bytes, size_t n)
{
	struct found message = { .kind = KIND_OTHER };
	struct reader r = { .into = &message };

	if (!reader_run(&r, bytes, n, part_fields) || message.content.len == 0)
		return false;
	retell_identify(t, inside_of(bytes, message.id), inside_of(bytes, message.model));
	return tell_blocks(t, bytes + message.content.off, message.content.len);
}

/* ---- events ------------------------------------------------------------------------------------
 */

static bool
read_inner(struct reader *r, enum jtok first)
{
	struct found *event = found_in(r);
	bool ok;

	r->into = event->inner;
	ok = reader_object(r, first, part_fields);
	r->into = event;
	return ok;
}

static const struct reader_field event_fields[] = {
	READER_FIELD("type", read_type),
	READER_FIELD("index", read_index),
	READER_FIELD("delta", read_inner),
	READER_FIELD("content_block", read_inner),
	READER_FIELD("message", read_inner),
	READER_END,
};

/* The input of a call that begins is empty, and its arguments come in pieces; but where none come
 * what stands there is what it is called with, as Anthropic's own clients read it. */
static void
tell_input(struct retell *t, const uint8_t *text, const struct found *block)
{
	const uint8_t *input = text + block->input.off;

	if (block->input.len > 0 && memchr(input, '"', block->input.len) != NULL)
		retell_standing_value(t, input, block->input.len);
}

static void
tell_start(struct retell *t, const uint8_t *text, const struct found *event)
{
	const struct found *block = event->inner;

	t->source_open = block->kind == KIND_CALL;
	t->source_index = event->index;
	tell_block(t, text, block);
	if (block->kind == KIND_CALL)
		tell_input(t, text, block);
}

/* Blocks follow each other, and a piece of arguments belongs to the block that was begun last: that
 * of a call, or of something that the provider does itself and the client does not hear of. */
static void
tell_delta(struct retell *t, const uint8_t *text, const struct found *event)
{
	const struct found *delta = event->inner;

	retell_text(t, inside_of(text, delta->text));
	retell_thought(t, inside_of(text, delta->thinking));
	if (delta->arguments.len == 0)
		return;
	if (event->index != t->source_index)
		t->bad = true;
	else if (t->source_open)
		retell_arguments(t, inside_of(text, delta->arguments));
}

bool
xlate_event_from_anthropic(struct retell *t, const uint8_t *data, size_t n)
{
	struct found inner = { .kind = KIND_OTHER };
	struct found event = { .kind = KIND_OTHER, .inner = &inner };
	struct reader r = { .into = &event };

	if (!reader_run(&r, data, n, event_fields))
		return false;
	switch (event.kind) {
	case KIND_START:
		retell_identify(t, inside_of(data, inner.id), inside_of(data, inner.model));
		break;
	case KIND_BLOCK_START: tell_start(t, data, &event); break;
	case KIND_BLOCK_DELTA: tell_delta(t, data, &event); break;
	default: break;
	}
	return !t->bad && !t->out.failed;
}
