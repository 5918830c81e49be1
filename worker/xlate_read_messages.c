// SPDX-License-Identifier: MIT
/*
 * Reads a request of Anthropic's Messages API into the neutral form; see xlate_ask.h. Used by the
 * workers. What no other API can do is refused here, what only some can do is left to the writers,
 * and what does not matter for the answer is dropped: grayd-translation(7) is the list.
 */
#include <string.h>

#include "worker/xlate_ask.h"

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
read_top_k(struct reader *r, enum jtok first)
{
	return ask_number(r, first, &ask_of(r)->top_k);
}

static bool
read_stop(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct jspan text;

	return ask_string(r, first, &text) && ask_add_span(a, &a->stops, text);
}

static bool
read_stops(struct reader *r, enum jtok first)
{
	ask_of(r)->stops.n = 0;
	return ask_each(r, first, read_stop);
}

static bool
read_user_id(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &ask_of(r)->user);
}

static const struct reader_field metadata_fields[] = {
	READER_FIELD("user_id", read_user_id),
	READER_END,
};

static bool
read_metadata(struct reader *r, enum jtok first)
{
	return ask_members(r, first, metadata_fields);
}

static bool
read_system_type(struct reader *r, enum jtok first)
{
	return reader_is(r, first, "text") ||
	       ask_refuse(ask_of(r), "other than \"text\" cannot be translated");
}

static bool
read_system_text(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct jspan text;

	if (!ask_string(r, first, &text))
		return false;
	return text.len == 0 || ask_add_span(a, &a->system, text);
}

static const struct reader_field system_fields[] = {
	READER_FIELD("type", read_system_type),
	READER_FIELD("text", read_system_text),
	READER_FIELD("cache_control", ask_drop),
	READER_FIELD("citations", ask_drop),
	READER_END,
};

static bool
read_system_block(struct reader *r, enum jtok first)
{
	return ask_members(r, first, system_fields);
}

static bool
read_system(struct reader *r, enum jtok first)
{
	ask_of(r)->system.n = 0;
	if (first == JTOK_STRING)
		return read_system_text(r, first);
	return ask_each(r, first, read_system_block);
}

/* ---- thinking, form of the answer ---------------------------------------------------------------
 */

static bool
read_thinking_type(struct reader *r, enum jtok first)
{
	if (reader_is(r, first, "disabled"))
		ask_of(r)->effort = ASK_EFFORT_NONE_GIVEN;
	else if (!reader_is(r, first, "enabled") && !reader_is(r, first, "adaptive"))
		return ask_refuse(ask_of(r), "is none of enabled, disabled, adaptive");
	return true;
}

static bool
read_thinking_budget(struct reader *r, enum jtok first)
{
	return ask_number(r, first, &ask_of(r)->thinking_tokens);
}

static const struct reader_field thinking_fields[] = {
	READER_FIELD("type", read_thinking_type),
	READER_FIELD("budget_tokens", read_thinking_budget),
	READER_FIELD("display", ask_drop),
	READER_END,
};

static bool
read_thinking(struct reader *r, enum jtok first)
{
	return ask_members(r, first, thinking_fields);
}

static bool
read_format_type(struct reader *r, enum jtok first)
{
	ask_of(r)->format = ASK_SCHEMA;
	return reader_is(r, first, "json_schema") ||
	       ask_refuse(ask_of(r), "other than \"json_schema\" cannot be translated");
}

static bool
read_format_schema(struct reader *r, enum jtok first)
{
	if (first != JTOK_OBJECT)
		return ask_refuse(ask_of(r), "must be an object");
	return ask_value(r, first, &ask_of(r)->schema);
}

static const struct reader_field format_fields[] = {
	READER_FIELD("type", read_format_type),
	READER_FIELD("schema", read_format_schema),
	READER_END,
};

static bool
read_format(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	return ask_members(r, first, format_fields) &&
	       (a->schema.len > 0 || ask_refuse(a, "has no schema"));
}

static const struct reader_field output_fields[] = {
	READER_FIELD("format", read_format),
	READER_FIELD("effort", ask_drop),
	READER_END,
};

static bool
read_output(struct reader *r, enum jtok first)
{
	return ask_members(r, first, output_fields);
}

/* ---- tools ------------------------------------------------------------------------------------
 */

static struct ask_tool *
tool_of(const struct reader *r)
{
	return ask_of(r)->now;
}

static bool
read_tool_type(struct reader *r, enum jtok first)
{
	return reader_is(r, first, "custom") ||
	       ask_refuse(ask_of(r), "other than \"custom\" cannot be translated");
}

static bool
read_tool_name(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &tool_of(r)->name);
}

static bool
read_tool_description(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &tool_of(r)->description);
}

static bool
read_tool_schema(struct reader *r, enum jtok first)
{
	if (first != JTOK_OBJECT)
		return ask_refuse(ask_of(r), "must be an object");
	return ask_value(r, first, &tool_of(r)->schema);
}

static const struct reader_field tool_fields[] = {
	READER_FIELD("type", read_tool_type),
	READER_FIELD("name", read_tool_name),
	READER_FIELD("description", read_tool_description),
	READER_FIELD("input_schema", read_tool_schema),
	READER_FIELD("cache_control", ask_drop),
	READER_FIELD("strict", ask_drop),
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
	return tool->name.len > 0 || ask_refuse(a, "has no name");
}

static bool
read_tools(struct reader *r, enum jtok first)
{
	ask_of(r)->tools.n = 0;
	return ask_each(r, first, read_tool);
}

static bool
read_choice_type(struct reader *r, enum jtok first)
{
	static const struct {
		const char *name;
		enum ask_choice choice;
	} choices[] = {
		{ "auto", ASK_AUTO },
		{ "none", ASK_NO_TOOL },
		{ "any", ASK_ANY_TOOL },
		{ "tool", ASK_THIS_TOOL },
	};

	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (reader_is(r, first, choices[i].name)) {
			ask_of(r)->choice = choices[i].choice;
			return true;
		}
	return ask_refuse(ask_of(r), "is none of auto, any, tool, none");
}

static bool
read_choice_name(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &ask_of(r)->choice_name);
}

static bool
read_choice_parallel(struct reader *r, enum jtok first)
{
	return ask_bool(r, first, &ask_of(r)->one_call);
}

static const struct reader_field choice_fields[] = {
	READER_FIELD("type", read_choice_type),
	READER_FIELD("name", read_choice_name),
	READER_FIELD("disable_parallel_tool_use", read_choice_parallel),
	READER_END,
};

static bool
read_choice(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	if (!ask_members(r, first, choice_fields))
		return false;
	return a->choice != ASK_THIS_TOOL || a->choice_name.len > 0 || ask_refuse(a, "has no name");
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static bool
read_messages(struct reader *r, enum jtok first)
{
	return ask_each(r, first, xlate_read_messages_message);
}

static const struct reader_field request_fields[] = {
	READER_FIELD("model", ask_drop),
	READER_FIELD("messages", read_messages),
	READER_FIELD("system", read_system),
	READER_FIELD("stream", ask_drop),
	READER_FIELD("max_tokens", read_max_tokens),
	READER_FIELD("temperature", read_temperature),
	READER_FIELD("top_p", read_top_p),
	READER_FIELD("top_k", read_top_k),
	READER_FIELD("stop_sequences", read_stops),
	READER_FIELD("tools", read_tools),
	READER_FIELD("tool_choice", read_choice),
	READER_FIELD("metadata", read_metadata),
	READER_FIELD("thinking", read_thinking),
	READER_FIELD("output_config", read_output),
	READER_FIELD("output_format", read_format),
	READER_FIELD("service_tier", ask_drop),
	READER_FIELD("cache_control", ask_drop),
	READER_END,
};

bool
xlate_read_messages(struct ask *a, const uint8_t *body, size_t n)
{
	struct reader r = { .into = a };

	a->body = body;
	jscan_init(&r.scan, body, n);
	return ask_members(&r, jscan_next(&r.scan), request_fields);
}
