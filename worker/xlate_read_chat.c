// SPDX-License-Identifier: MIT
/*
 * Reads a request of OpenAI's chat API into the neutral form; see xlate_ask.h. Used by the workers.
 * What no other API can do is refused here, what only some can do is left to the writers, and what
 * does not matter for the answer is dropped: grayd-translation(7) is the list.
 */
#include <string.h>

#include "worker/xlate_ask.h"

/* ---- values that may only be what they are by default -----------------------------------------
 */

static bool
read_n(struct reader *r, enum jtok first)
{
	uint64_t n = 0;
	bool ok;

	if (!reader_uint(r, first, &n, &ok))
		return false;
	return n == 1 || ask_refuse(ask_of(r), "other than 1 cannot be translated");
}

static bool
read_logprobs(struct reader *r, enum jtok first)
{
	return first == JTOK_FALSE || ask_refuse(ask_of(r), "cannot be translated");
}

static bool
read_top_logprobs(struct reader *r, enum jtok first)
{
	uint64_t n = 0;
	bool ok;

	if (!reader_uint(r, first, &n, &ok))
		return false;
	return (ok && n == 0) || ask_refuse(ask_of(r), "cannot be translated");
}

/* Not by reader_some(), which counts what an answer says: here is none. */
static bool
read_logit_bias(struct reader *r, enum jtok first)
{
	bool empty = first == JTOK_OBJECT && jscan_next(&r->scan) == JTOK_OBJECT_END;

	return empty || ask_refuse(ask_of(r), "cannot be translated");
}

static bool
read_modality(struct reader *r, enum jtok first)
{
	return reader_is(r, first, "text") ||
	       ask_refuse(ask_of(r), "other than \"text\" cannot be translated");
}

static bool
read_modalities(struct reader *r, enum jtok first)
{
	return ask_each(r, first, read_modality);
}

static bool
read_functions(struct reader *r, enum jtok first)
{
	(void)first;
	return ask_refuse(ask_of(r), "cannot be translated; use 'tools' and 'tool_choice'");
}

/* ---- numbers and words ------------------------------------------------------------------------
 */

static bool
read_max_tokens(struct reader *r, enum jtok first)
{
	return ask_number(r, first, &ask_of(r)->max_tokens);
}

static bool
read_temperature(struct reader *r, enum jtok first)
{
	return ask_number(r, first, &ask_of(r)->temperature);
}

static bool
read_top_p(struct reader *r, enum jtok first)
{
	return ask_number(r, first, &ask_of(r)->top_p);
}

static bool
read_seed(struct reader *r, enum jtok first)
{
	return ask_number(r, first, &ask_of(r)->seed);
}

static bool
read_presence_penalty(struct reader *r, enum jtok first)
{
	return ask_number(r, first, &ask_of(r)->presence_penalty);
}

static bool
read_frequency_penalty(struct reader *r, enum jtok first)
{
	return ask_number(r, first, &ask_of(r)->frequency_penalty);
}

static bool
read_user(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &ask_of(r)->user);
}

static bool
read_effort(struct reader *r, enum jtok first)
{
	static const struct {
		const char *name;
		enum ask_effort effort;
	} efforts[] = {
		{ "none", ASK_EFFORT_NONE },
		{ "minimal", ASK_EFFORT_MINIMAL },
		{ "low", ASK_EFFORT_LOW },
		{ "medium", ASK_EFFORT_MEDIUM },
		{ "high", ASK_EFFORT_HIGH },
		{ "xhigh", ASK_EFFORT_HIGH },
	};

	for (size_t i = 0; i < sizeof(efforts) / sizeof(efforts[0]); i++)
		if (reader_is(r, first, efforts[i].name)) {
			ask_of(r)->effort = efforts[i].effort;
			return true;
		}
	return ask_refuse(ask_of(r), "is none of none, minimal, low, medium, high, xhigh");
}

static bool
read_stop_item(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct jspan text;

	return ask_string(r, first, &text) && ask_add_span(a, &a->stops, text);
}

static bool
read_stop(struct reader *r, enum jtok first)
{
	ask_of(r)->stops.n = 0;
	return first == JTOK_STRING ? read_stop_item(r, first) : ask_each(r, first, read_stop_item);
}

/* ---- tools ------------------------------------------------------------------------------------
 */

static bool
read_function_type(struct reader *r, enum jtok first)
{
	return reader_is(r, first, "function") ||
	       ask_refuse(ask_of(r), "other than \"function\" cannot be translated");
}

static bool
read_tool_name(struct reader *r, enum jtok first)
{
	struct ask_tool *tool = ask_of(r)->now;

	return ask_string(r, first, &tool->name);
}

static bool
read_tool_description(struct reader *r, enum jtok first)
{
	struct ask_tool *tool = ask_of(r)->now;

	return ask_string(r, first, &tool->description);
}

static bool
read_tool_parameters(struct reader *r, enum jtok first)
{
	struct ask_tool *tool = ask_of(r)->now;

	if (first != JTOK_OBJECT)
		return ask_refuse(ask_of(r), "must be an object");
	return ask_value(r, first, &tool->schema);
}

static const struct reader_field function_fields[] = {
	READER_FIELD("name", read_tool_name),
	READER_FIELD("description", read_tool_description),
	READER_FIELD("parameters", read_tool_parameters),
	READER_FIELD("strict", ask_drop),
	READER_END,
};

static bool
read_function(struct reader *r, enum jtok first)
{
	return ask_members(r, first, function_fields);
}

static const struct reader_field tool_fields[] = {
	READER_FIELD("type", read_function_type),
	READER_FIELD("function", read_function),
	READER_END,
};

static bool
read_tool(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct ask_tool *tool = ask_add_tool(a);

	a->now = tool;
	if (tool == NULL || !ask_members(r, first, tool_fields))
		return false;
	return tool->name.len > 0 || ask_refuse(a, "has no function with a name");
}

static bool
read_tools(struct reader *r, enum jtok first)
{
	ask_of(r)->tools.n = 0;
	return ask_each(r, first, read_tool);
}

static bool
read_choice_name(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &ask_of(r)->choice_name);
}

static const struct reader_field choice_function_fields[] = {
	READER_FIELD("name", read_choice_name),
	READER_END,
};

static bool
read_choice_function(struct reader *r, enum jtok first)
{
	return ask_members(r, first, choice_function_fields);
}

static const struct reader_field choice_fields[] = {
	READER_FIELD("type", read_function_type),
	READER_FIELD("function", read_choice_function),
	READER_END,
};

static bool
read_tool_choice(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	if (first == JTOK_OBJECT) {
		a->choice = ASK_THIS_TOOL;
		if (!ask_members(r, first, choice_fields))
			return false;
		return a->choice_name.len > 0 || ask_refuse(a, "names no function");
	}
	if (reader_is(r, first, "auto"))
		a->choice = ASK_AUTO;
	else if (reader_is(r, first, "none"))
		a->choice = ASK_NO_TOOL;
	else if (reader_is(r, first, "required"))
		a->choice = ASK_ANY_TOOL;
	else
		return ask_refuse(a, "is none of auto, none, required, and names no function");
	return true;
}

static bool
read_parallel(struct reader *r, enum jtok first)
{
	bool parallel = true;

	if (!ask_bool(r, first, &parallel))
		return false;
	ask_of(r)->one_call = !parallel;
	return true;
}

/* ---- response_format --------------------------------------------------------------------------
 */

static bool
read_format_type(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	if (reader_is(r, first, "text"))
		a->format = ASK_PLAIN;
	else if (reader_is(r, first, "json_object"))
		a->format = ASK_JSON;
	else if (reader_is(r, first, "json_schema"))
		a->format = ASK_SCHEMA;
	else
		return ask_refuse(a, "is none of text, json_object, json_schema");
	return true;
}

static bool
read_schema_name(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &ask_of(r)->schema_name);
}

static bool
read_schema(struct reader *r, enum jtok first)
{
	if (first != JTOK_OBJECT)
		return ask_refuse(ask_of(r), "must be an object");
	return ask_value(r, first, &ask_of(r)->schema);
}

static const struct reader_field schema_fields[] = {
	READER_FIELD("name", read_schema_name),
	READER_FIELD("description", ask_drop),
	READER_FIELD("schema", read_schema),
	READER_FIELD("strict", ask_drop),
	READER_END,
};

static bool
read_json_schema(struct reader *r, enum jtok first)
{
	return ask_members(r, first, schema_fields);
}

static const struct reader_field format_fields[] = {
	READER_FIELD("type", read_format_type),
	READER_FIELD("json_schema", read_json_schema),
	READER_END,
};

static bool
read_format(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	if (!ask_members(r, first, format_fields))
		return false;
	return a->format != ASK_SCHEMA || a->schema.len > 0 ||
	       ask_refuse(a, "has no json_schema.schema");
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static bool
read_messages(struct reader *r, enum jtok first)
{
	return ask_each(r, first, xlate_read_chat_message);
}

static const struct reader_field request_fields[] = {
	READER_FIELD("model", ask_drop),
	READER_FIELD("messages", read_messages),
	READER_FIELD("stream", ask_drop),
	READER_FIELD("stream_options", ask_drop),
	READER_FIELD("max_tokens", read_max_tokens),
	READER_FIELD("max_completion_tokens", read_max_tokens),
	READER_FIELD("temperature", read_temperature),
	READER_FIELD("top_p", read_top_p),
	READER_FIELD("stop", read_stop),
	READER_FIELD("n", read_n),
	READER_FIELD("tools", read_tools),
	READER_FIELD("tool_choice", read_tool_choice),
	READER_FIELD("parallel_tool_calls", read_parallel),
	READER_FIELD("response_format", read_format),
	READER_FIELD("seed", read_seed),
	READER_FIELD("presence_penalty", read_presence_penalty),
	READER_FIELD("frequency_penalty", read_frequency_penalty),
	READER_FIELD("reasoning_effort", read_effort),
	READER_FIELD("user", read_user),
	READER_FIELD("safety_identifier", read_user),
	READER_FIELD("logprobs", read_logprobs),
	READER_FIELD("top_logprobs", read_top_logprobs),
	READER_FIELD("logit_bias", read_logit_bias),
	READER_FIELD("modalities", read_modalities),
	READER_FIELD("functions", read_functions),
	READER_FIELD("function_call", read_functions),
	READER_FIELD("metadata", ask_drop),
	READER_FIELD("store", ask_drop),
	READER_FIELD("service_tier", ask_drop),
	READER_FIELD("prompt_cache_key", ask_drop),
	READER_FIELD("prompt_cache_retention", ask_drop),
	READER_FIELD("prediction", ask_drop),
	READER_FIELD("verbosity", ask_drop),
	READER_END,
};

bool
xlate_read_chat(struct ask *a, const uint8_t *body, size_t n)
{
	struct reader r = { .into = a };

	a->body = body;
	jscan_init(&r.scan, body, n);
	return ask_members(&r, jscan_next(&r.scan), request_fields);
}
