// SPDX-License-Identifier: MIT
/*
 * The members of Anthropic's messages; see anthropic.h. Used by the workers. Each table is one
 * object of the API as far as it matters here; the order of members never does.
 */
#include "worker/anthropic.h"

#include <string.h>

/* ---- content --------------------------------------------------------------------------------- */

/* A call that the client must make. Those that the provider makes itself (server_tool_use) do not
 * end the wait for the first token. */
static bool
read_block_type(struct reader *r, enum jtok first)
{
	if (reader_is(r, first, "tool_use"))
		facts_note_content(r);
	return reader_skip(r, first);
}

static bool
read_arguments(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING) {
		struct quality_string piece = quality_string(&r->scan);

		quality_arguments(&r->facts->quality, &piece);
		r->facts->content_bytes += piece.len;
	}
	return reader_skip(r, first);
}

/* For estimates; that there is a call the type has said. */
static bool
read_input_object(struct reader *r, enum jtok first)
{
	bool some;

	return reader_some(r, first, &some);
}

static const struct reader_field block_fields[] = {
	READER_FIELD("type", read_block_type),
	READER_FIELD("name", facts_call_name),
	READER_FIELD("input", read_input_object),
	READER_FIELD("text", facts_text),
	READER_FIELD("thinking", facts_content),
	READER_FIELD("data", facts_content), /* of redacted_thinking */
	READER_END,
};

bool
anthropic_block(struct reader *r, enum jtok first)
{
	return reader_object(r, first, block_fields);
}

static bool
read_blocks(struct reader *r, enum jtok first)
{
	return facts_list(r, first, anthropic_block);
}

/* ---- finish ---------------------------------------------------------------------------------- */

static const struct facts_finish stop_reasons[] = {
	{ "end_turn", FINISH_STOP },
	{ "stop_sequence", FINISH_STOP },
	{ "max_tokens", FINISH_LENGTH },
	{ "model_context_window_exceeded", FINISH_LENGTH },
	{ "tool_use", FINISH_TOOL },
	{ "refusal", FINISH_FILTER },
	{ NULL, FINISH_OTHER },
};

static bool
read_stop_reason(struct reader *r, enum jtok first)
{
	return facts_finish(r, first, stop_reasons);
}

const struct reader_field anthropic_delta_fields[] = {
	READER_FIELD("text", facts_text),
	READER_FIELD("partial_json", read_arguments),
	READER_FIELD("thinking", facts_content),
	READER_FIELD("stop_reason", read_stop_reason),
	READER_END,
};

/* ---- usage ----------------------------------------------------------------------------------- */

static bool
read_tokens(struct reader *r, enum jtok first, uint64_t *into)
{
	bool ok;

	if (!reader_uint(r, first, into, &ok))
		return false;
	r->facts->usage.present |= ok;
	return true;
}

static bool
read_input(struct reader *r, enum jtok first)
{
	return read_tokens(r, first, &r->facts->usage.input);
}

static bool
read_cached(struct reader *r, enum jtok first)
{
	return read_tokens(r, first, &r->facts->usage.cached);
}

static bool
read_cache_write(struct reader *r, enum jtok first)
{
	return read_tokens(r, first, &r->facts->usage.cache_write);
}

static bool
read_output(struct reader *r, enum jtok first)
{
	return read_tokens(r, first, &r->facts->usage.output);
}

static bool
read_thinking(struct reader *r, enum jtok first)
{
	bool ok;

	return reader_uint(r, first, &r->facts->usage.reasoning, &ok);
}

static const struct reader_field details_fields[] = {
	READER_FIELD("thinking_tokens", read_thinking),
	READER_END,
};

static bool
read_details(struct reader *r, enum jtok first)
{
	return reader_object(r, first, details_fields);
}

static const struct reader_field usage_fields[] = {
	READER_FIELD("input_tokens", read_input),
	READER_FIELD("cache_read_input_tokens", read_cached),
	READER_FIELD("cache_creation_input_tokens", read_cache_write),
	READER_FIELD("output_tokens", read_output),
	READER_FIELD("output_tokens_details", read_details),
	READER_END,
};

bool
anthropic_usage(struct reader *r, enum jtok first)
{
	return reader_object(r, first, usage_fields);
}

/* ---- messages -------------------------------------------------------------------------------- */

bool
anthropic_error(struct reader *r, enum jtok first)
{
	if (first == JTOK_OBJECT || (first == JTOK_STRING && r->scan.span.len > 0))
		r->seen |= FACTS_ERROR;
	return reader_skip(r, first);
}

static bool
read_type(struct reader *r, enum jtok first)
{
	if (reader_is(r, first, "error"))
		r->seen |= FACTS_ERROR;
	return reader_skip(r, first);
}

const struct reader_field anthropic_message_fields[] = {
	READER_FIELD("type", read_type),
	READER_FIELD("content", read_blocks),
	READER_FIELD("stop_reason", read_stop_reason),
	READER_FIELD("usage", anthropic_usage),
	READER_FIELD("error", anthropic_error),
	READER_END,
};
