// SPDX-License-Identifier: MIT
/*
 * The members of OpenAI's answers; see openai.h. Used by the workers. Each table is one object of
 * the API as far as it matters here; the order of members never does.
 */
#include <string.h>

#include "worker/openai.h"

static bool
read_refusal(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING && r->scan.span.len > 0)
		r->facts->quality.refused = true;
	return facts_content(r, first);
}

/* ---- tool calls ------------------------------------------------------------------------------ */

bool
openai_call_name(struct reader *r, enum jtok first)
{
	struct openai_spans *spans = r->into;

	if (first == JTOK_STRING && r->scan.span.len > 0)
		spans->call.name = quality_string(&r->scan);
	return reader_skip(r, first);
}

bool
openai_call_arguments(struct reader *r, enum jtok first)
{
	struct openai_spans *spans = r->into;

	if (first == JTOK_STRING) {
		spans->call.arguments = quality_string(&r->scan);
		r->facts->content_bytes += r->scan.span.len;
	}
	return reader_skip(r, first);
}

static bool
read_call_number(struct reader *r, enum jtok first)
{
	struct openai_spans *spans = r->into;
	bool ok;

	return reader_uint(r, first, &spans->call.number, &ok);
}

static const struct reader_field function_fields[] = {
	READER_FIELD("name", openai_call_name),
	READER_FIELD("arguments", openai_call_arguments),
	READER_END,
};

static bool
read_function(struct reader *r, enum jtok first)
{
	return reader_object(r, first, function_fields);
}

static const struct reader_field call_fields[] = {
	READER_FIELD("index", read_call_number),
	READER_FIELD("function", read_function),
	READER_END,
};

/* In a whole answer calls have no numbers: each is one by itself. */
static bool
read_call(struct reader *r, enum jtok first)
{
	struct openai_spans *spans = r->into;

	spans->call = (struct quality_call){ .number = UINT64_MAX };
	if (!reader_object(r, first, call_fields))
		return false;
	facts_note_content(r);
	if (spans->call.number == UINT64_MAX) {
		quality_next_call(&r->facts->quality, &spans->call.name);
		quality_arguments(&r->facts->quality, &spans->call.arguments);
	} else {
		quality_piece(&r->facts->quality, &spans->call);
	}
	return true;
}

static bool
read_calls(struct reader *r, enum jtok first)
{
	return reader_array(r, first, read_call);
}

bool
openai_error(struct reader *r, enum jtok first)
{
	struct openai_spans *spans = r->into;
	bool is_error = first == JTOK_OBJECT || (first == JTOK_STRING && r->scan.span.len > 0);

	if (!jscan_skip(&r->scan, first, is_error ? &spans->error : NULL))
		return false;
	if (is_error)
		r->seen |= FACTS_ERROR;
	return true;
}

/* ---- finish ---------------------------------------------------------------------------------- */

static const struct facts_finish finish_reasons[] = {
	{ "stop", FINISH_STOP },
	{ "length", FINISH_LENGTH },
	{ "content_filter", FINISH_FILTER },
	{ "tool_calls", FINISH_TOOL },
	{ "function_call", FINISH_TOOL },
	{ NULL, FINISH_OTHER },
};

/* "reason" of a response's "incomplete_details" */
static const struct facts_finish incomplete_reasons[] = {
	{ "max_output_tokens", FINISH_LENGTH },
	{ "max_tokens", FINISH_LENGTH },
	{ "content_filter", FINISH_FILTER },
	{ NULL, FINISH_OTHER },
};

static bool
read_finish_reason(struct reader *r, enum jtok first)
{
	return facts_finish(r, first, finish_reasons);
}

static bool
read_incomplete_reason(struct reader *r, enum jtok first)
{
	return facts_finish(r, first, incomplete_reasons);
}

/* ---- chat and completions -------------------------------------------------------------------- */

static const struct reader_field message_fields[] = {
	READER_FIELD("content", facts_text),
	READER_FIELD("reasoning_content", facts_content),
	READER_FIELD("reasoning", facts_content),
	READER_FIELD("refusal", read_refusal),
	READER_FIELD("tool_calls", read_calls),
	READER_FIELD("function_call", facts_content),
	READER_FIELD("audio", facts_content),
	READER_END,
};

static bool
read_message(struct reader *r, enum jtok first)
{
	return reader_object(r, first, message_fields);
}

/* Texts of several answers come in turns. */
static bool
read_choice_number(struct reader *r, enum jtok first)
{
	uint64_t number = 0;
	bool ok;

	if (!reader_uint(r, first, &number, &ok))
		return false;
	r->facts->quality.mixed |= number > 0;
	return true;
}

static const struct reader_field choice_fields[] = {
	READER_FIELD("delta", read_message),
	READER_FIELD("message", read_message),
	READER_FIELD("text", facts_text),
	READER_FIELD("finish_reason", read_finish_reason),
	READER_FIELD("index", read_choice_number),
	READER_END,
};

static bool
read_choice(struct reader *r, enum jtok first)
{
	r->seen |= OPENAI_ITEM;
	return reader_object(r, first, choice_fields);
}

static bool
read_choices(struct reader *r, enum jtok first)
{
	return facts_list(r, first, read_choice);
}

/* ---- usage ----------------------------------------------------------------------------------- */

static bool
read_input(struct reader *r, enum jtok first)
{
	struct usage *usage = &r->facts->usage;
	bool ok;

	if (!reader_uint(r, first, &usage->input, &ok))
		return false;
	usage->present |= ok;
	return true;
}

static bool
read_output(struct reader *r, enum jtok first)
{
	struct usage *usage = &r->facts->usage;
	bool ok;

	if (!reader_uint(r, first, &usage->output, &ok))
		return false;
	usage->present |= ok;
	return true;
}

/* Some name the same cached tokens twice, in two ways. */
static bool
read_cached(struct reader *r, enum jtok first)
{
	struct usage *usage = &r->facts->usage;
	uint64_t cached = 0;
	bool ok;

	if (!reader_uint(r, first, &cached, &ok))
		return false;
	if (cached > usage->cached)
		usage->cached = cached;
	return true;
}

static bool
read_reasoning(struct reader *r, enum jtok first)
{
	bool ok;

	return reader_uint(r, first, &r->facts->usage.reasoning, &ok);
}

static const struct reader_field details_fields[] = {
	READER_FIELD("cached_tokens", read_cached),
	READER_FIELD("reasoning_tokens", read_reasoning),
	READER_END,
};

static bool
read_details(struct reader *r, enum jtok first)
{
	return reader_object(r, first, details_fields);
}

static const struct reader_field usage_fields[] = {
	READER_FIELD("prompt_tokens", read_input),
	READER_FIELD("input_tokens", read_input),
	READER_FIELD("completion_tokens", read_output),
	READER_FIELD("output_tokens", read_output),
	READER_FIELD("prompt_tokens_details", read_details),
	READER_FIELD("input_tokens_details", read_details),
	READER_FIELD("completion_tokens_details", read_details),
	READER_FIELD("output_tokens_details", read_details),
	READER_FIELD("prompt_cache_hit_tokens", read_cached), /* DeepSeek */
	READER_END,
};

bool
openai_usage(struct reader *r, enum jtok first)
{
	struct usage before = r->facts->usage, *usage = &r->facts->usage;
	bool ok;

	if (first != JTOK_OBJECT)
		return reader_skip(r, first);
	*usage = (struct usage){ 0 };
	ok = reader_object(r, first, usage_fields);
	if (!ok || !usage->present) {
		*usage = before;
	} else {
		/* The input named here holds the cached tokens. */
		if (usage->cached > usage->input)
			usage->cached = usage->input;
		usage->input -= usage->cached;
	}
	r->seen |= OPENAI_USAGE;
	return ok;
}

const struct reader_field openai_choices_fields[] = {
	READER_FIELD("choices", read_choices),
	READER_FIELD("usage", openai_usage),
	READER_FIELD("error", openai_error),
	READER_END,
};

/* ---- responses ------------------------------------------------------------------------------- */

static const struct reader_field part_fields[] = {
	READER_FIELD("text", facts_text),
	READER_FIELD("refusal", read_refusal),
	READER_END,
};

bool
openai_item(struct reader *r, enum jtok first, const struct reader_field *fields)
{
	struct openai_spans *spans = r->into;

	spans->call = (struct quality_call){ 0 };
	if (!reader_object(r, first, fields))
		return false;
	/* Other items have no arguments; those of a call that only begins are empty. */
	if (spans->call.name.text != NULL && spans->call.arguments.len > 0) {
		quality_next_call(&r->facts->quality, &spans->call.name);
		quality_arguments(&r->facts->quality, &spans->call.arguments);
	}
	return true;
}

static bool
read_part(struct reader *r, enum jtok first)
{
	return reader_object(r, first, part_fields);
}

static bool
read_parts(struct reader *r, enum jtok first)
{
	return reader_array(r, first, read_part);
}

static bool
read_item_type(struct reader *r, enum jtok first)
{
	static const char suffix[] =
	    "_call"; /* function_call, custom_tool_call, computer_call ... */
	const struct jspan span = r->scan.span;
	size_t n = sizeof(suffix) - 1;

	if (first == JTOK_STRING && span.len >= n &&
	    memcmp(r->scan.text + span.off + span.len - n, suffix, n) == 0)
		facts_note_content(r);
	return reader_skip(r, first);
}

static const struct reader_field item_fields[] = {
	READER_FIELD("type", read_item_type),
	READER_FIELD("content", read_parts),
	READER_FIELD("summary", read_parts),
	READER_FIELD("name", openai_call_name),
	READER_FIELD("arguments", openai_call_arguments),
	READER_END,
};

static bool
read_item(struct reader *r, enum jtok first)
{
	r->seen |= OPENAI_ITEM;
	return openai_item(r, first, item_fields);
}

static bool
read_items(struct reader *r, enum jtok first)
{
	return facts_list(r, first, read_item);
}

static bool
read_status(struct reader *r, enum jtok first)
{
	struct facts *f = r->facts;

	if (reader_is(r, first, "completed"))
		f->finish = FINISH_STOP;
	else if (reader_is(r, first, "incomplete") && f->finish == FINISH_NONE)
		f->finish = FINISH_OTHER; /* unless incomplete_details know better */
	else if (reader_is(r, first, "failed"))
		r->seen |= OPENAI_FAILED;
	else if (reader_is(r, first, "queued") || reader_is(r, first, "in_progress"))
		r->seen |= OPENAI_PENDING;
	return reader_skip(r, first);
}

static const struct reader_field incomplete_fields[] = {
	READER_FIELD("reason", read_incomplete_reason),
	READER_END,
};

static bool
read_incomplete(struct reader *r, enum jtok first)
{
	return reader_object(r, first, incomplete_fields);
}

const struct reader_field openai_response_fields[] = {
	READER_FIELD("status", read_status),
	READER_FIELD("output", read_items),
	READER_FIELD("output_text", facts_content),
	READER_FIELD("incomplete_details", read_incomplete),
	READER_FIELD("usage", openai_usage),
	READER_FIELD("error", openai_error),
	READER_END,
};
