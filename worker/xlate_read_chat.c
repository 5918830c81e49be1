// SPDX-License-Identifier: MIT
/*
 * Reads a request of OpenAI's chat API into the neutral form; see xlate_ask_read.h. Used by the
 * workers. What no other API can do is refused here, what only some can do is left to the writers,
 * and what does not matter for the answer is dropped: grayd-translation(7) is the list.
 */
#include "worker/xlate_ask_read.h"

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
read_functions(struct reader *r, enum jtok first)
{
	(void)first;
	return ask_refuse(ask_of(r), "cannot be translated; use 'tools' and 'tool_choice'");
}

/* ---- words ------------------------------------------------------------------------------------
 */

static const struct ask_words efforts = {
	.otherwise = "is none of none, minimal, low, medium, high, xhigh",
	.of = {
		{ "none", ASK_EFFORT_NONE },
		{ "minimal", ASK_EFFORT_MINIMAL },
		{ "low", ASK_EFFORT_LOW },
		{ "medium", ASK_EFFORT_MEDIUM },
		{ "high", ASK_EFFORT_HIGH },
		{ "xhigh", ASK_EFFORT_HIGH },
	},
};

static bool
read_stop(struct reader *r, enum jtok first)
{
	ask_of(r)->stops.n = 0;
	return first == JTOK_STRING ? ask_stop(r, first) : ask_each(r, first, ask_stop);
}

/* ---- tools ------------------------------------------------------------------------------------
 */

static const struct ask_field function_fields[] = {
	ASK_STRING("name", ask_tool, name),
	ASK_STRING("description", ask_tool, description),
	ASK_OBJECT("parameters", ask_tool, schema),
	ASK_DROP("strict"),
	ASK_END,
};

static const struct ask_field tool_fields[] = {
	ASK_ONLY("type", "function"),
	ASK_MEMBERS("function", function_fields),
	ASK_END,
};

static bool
read_tool(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct ask_tool *tool = ask_add_tool(a);

	if (tool == NULL || !ask_members(r, first, tool_fields, tool))
		return false;
	return tool->name.len > 0 || ask_refuse(a, "has no function with a name");
}

static bool
read_tools(struct reader *r, enum jtok first)
{
	ask_of(r)->tools.n = 0;
	return ask_each(r, first, read_tool);
}

static const struct ask_field choice_function_fields[] = {
	ASK_STRING("name", ask, choice_name),
	ASK_END,
};

static const struct ask_field choice_fields[] = {
	ASK_ONLY("type", "function"),
	ASK_MEMBERS("function", choice_function_fields),
	ASK_END,
};

static const struct ask_words choices = {
	.otherwise = "is none of auto, none, required, and names no function",
	.of = {
		{ "auto", ASK_AUTO },
		{ "none", ASK_NO_TOOL },
		{ "required", ASK_ANY_TOOL },
	},
};

static bool
read_tool_choice(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	if (first != JTOK_OBJECT)
		return ask_word(r, first, &choices, &a->choice);
	a->choice = ASK_THIS_TOOL;
	if (!ask_members(r, first, choice_fields, a))
		return false;
	return a->choice_name.len > 0 || ask_refuse(a, "names no function");
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

static const struct ask_words formats = {
	.otherwise = "is none of text, json_object, json_schema",
	.of = {
		{ "text", ASK_PLAIN },
		{ "json_object", ASK_JSON },
		{ "json_schema", ASK_SCHEMA },
	},
};

static const struct ask_field schema_fields[] = {
	ASK_STRING("name", ask, schema_name),
	ASK_DROP("description"),
	ASK_OBJECT("schema", ask, schema),
	ASK_DROP("strict"),
	ASK_END,
};

static const struct ask_field format_fields[] = {
	ASK_WORD("type", ask, format, &formats),
	ASK_MEMBERS("json_schema", schema_fields),
	ASK_END,
};

static bool
read_format(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	if (!ask_members(r, first, format_fields, a))
		return false;
	return a->format != ASK_SCHEMA || a->schema.len > 0 ||
	       ask_refuse(a, "has no json_schema.schema");
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static const struct ask_field request_fields[] = {
	ASK_DROP("model"),
	ASK_LIST("messages", xlate_read_chat_message),
	ASK_DROP("stream"),
	ASK_DROP("stream_options"),
	ASK_NUMBER("max_tokens", ask, max_tokens),
	ASK_NUMBER("max_completion_tokens", ask, max_tokens),
	ASK_NUMBER("temperature", ask, temperature),
	ASK_NUMBER("top_p", ask, top_p),
	ASK_OWN("stop", read_stop),
	ASK_OWN("n", read_n),
	ASK_OWN("tools", read_tools),
	ASK_OWN("tool_choice", read_tool_choice),
	ASK_OWN("parallel_tool_calls", read_parallel),
	ASK_OWN("response_format", read_format),
	ASK_NUMBER("seed", ask, seed),
	ASK_NUMBER("presence_penalty", ask, presence_penalty),
	ASK_NUMBER("frequency_penalty", ask, frequency_penalty),
	ASK_WORD("reasoning_effort", ask, effort, &efforts),
	ASK_STRING("user", ask, user),
	ASK_STRING("safety_identifier", ask, user),
	ASK_OWN("logprobs", read_logprobs),
	ASK_OWN("top_logprobs", read_top_logprobs),
	ASK_OWN("logit_bias", read_logit_bias),
	ASK_LIST("modalities", read_modality),
	ASK_OWN("functions", read_functions),
	ASK_OWN("function_call", read_functions),
	ASK_DROP("metadata"),
	ASK_DROP("store"),
	ASK_DROP("service_tier"),
	ASK_DROP("prompt_cache_key"),
	ASK_DROP("prompt_cache_retention"),
	ASK_DROP("prediction"),
	ASK_DROP("verbosity"),
	ASK_END,
};

bool
xlate_read_chat(struct ask *a, const uint8_t *body, size_t n)
{
	return ask_read(a, body, n, request_fields);
}
