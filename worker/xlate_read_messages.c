// SPDX-License-Identifier: MIT
/*
 * Reads a request of Anthropic's Messages API into the neutral form; see xlate_ask_read.h. Used by
 * the workers. What no other API can do is refused here, what only some can do is left to the
 * writers, and what does not matter for the answer is dropped: grayd-translation(7) is the list.
 */
#include "worker/xlate_ask_read.h"

/* ---- system, stops ----------------------------------------------------------------------------
 */

static bool
read_system_text(struct reader *r, enum jtok first)
{
	struct jspan text;

	return ask_string(r, first, &text) && ask_add_system(ask_of(r), text);
}

static const struct ask_field system_fields[] = {
	ASK_ONLY("type", "text"),
	ASK_OWN("text", read_system_text),
	ASK_DROP("cache_control"),
	ASK_DROP("citations"),
	ASK_END,
};

static bool
read_system_block(struct reader *r, enum jtok first)
{
	return ask_members(r, first, system_fields, ask_of(r));
}

static bool
read_system(struct reader *r, enum jtok first)
{
	ask_of(r)->system.n = 0;
	if (first == JTOK_STRING)
		return read_system_text(r, first);
	return ask_each(r, first, read_system_block);
}

static bool
read_stops(struct reader *r, enum jtok first)
{
	ask_of(r)->stops.n = 0;
	return ask_each(r, first, ask_stop);
}

/* ---- thinking, form of the answer ---------------------------------------------------------------
 */

static bool
read_thinking_type(struct reader *r, enum jtok first)
{
	return reader_is(r, first, "enabled") || reader_is(r, first, "disabled") ||
	       reader_is(r, first, "adaptive") ||
	       ask_refuse(ask_of(r), "is none of enabled, disabled, adaptive");
}

static const struct ask_field thinking_fields[] = {
	ASK_OWN("type", read_thinking_type),
	ASK_NUMBER("budget_tokens", ask, thinking_tokens),
	ASK_DROP("display"),
	ASK_END,
};

static const struct ask_words formats = {
	.otherwise = "other than \"json_schema\" cannot be translated",
	.of = { { "json_schema", ASK_SCHEMA } },
};

static const struct ask_field format_fields[] = {
	ASK_WORD("type", ask, format, &formats),
	ASK_OBJECT("schema", ask, schema),
	ASK_END,
};

static bool
read_format(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	return ask_members(r, first, format_fields, a) &&
	       (a->schema.len > 0 || ask_refuse(a, "has no schema"));
}

static const struct ask_field output_fields[] = {
	ASK_OWN("format", read_format),
	ASK_DROP("effort"),
	ASK_END,
};

/* ---- tools ------------------------------------------------------------------------------------
 */

static const struct ask_field tool_fields[] = {
	ASK_ONLY("type", "custom"),
	ASK_STRING("name", ask_tool, name),
	ASK_STRING("description", ask_tool, description),
	ASK_OBJECT("input_schema", ask_tool, schema),
	ASK_DROP("cache_control"),
	ASK_DROP("strict"),
	ASK_END,
};

static bool
read_tool(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct ask_tool *tool = ask_add_tool(a);

	if (tool == NULL || !ask_members(r, first, tool_fields, tool))
		return false;
	return tool->name.len > 0 || ask_refuse(a, "has no name");
}

static bool
read_tools(struct reader *r, enum jtok first)
{
	ask_of(r)->tools.n = 0;
	return ask_each(r, first, read_tool);
}

static const struct ask_words choices = {
	.otherwise = "is none of auto, any, tool, none",
	.of = {
		{ "auto", ASK_AUTO },
		{ "any", ASK_ANY_TOOL },
		{ "tool", ASK_THIS_TOOL },
		{ "none", ASK_NO_TOOL },
	},
};

static const struct ask_field choice_fields[] = {
	ASK_WORD("type", ask, choice, &choices),
	ASK_STRING("name", ask, choice_name),
	ASK_BOOL("disable_parallel_tool_use", ask, one_call),
	ASK_END,
};

static bool
read_choice(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	if (!ask_members(r, first, choice_fields, a))
		return false;
	return a->choice != ASK_THIS_TOOL || a->choice_name.len > 0 || ask_refuse(a, "has no name");
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static const struct ask_field metadata_fields[] = {
	ASK_STRING("user_id", ask, user),
	ASK_END,
};

static const struct ask_field request_fields[] = {
	ASK_DROP("model"),
	ASK_LIST("messages", xlate_read_messages_message),
	ASK_OWN("system", read_system),
	ASK_DROP("stream"),
	ASK_NUMBER("max_tokens", ask, max_tokens),
	ASK_NUMBER("temperature", ask, temperature),
	ASK_NUMBER("top_p", ask, top_p),
	ASK_NUMBER("top_k", ask, top_k),
	ASK_OWN("stop_sequences", read_stops),
	ASK_OWN("tools", read_tools),
	ASK_OWN("tool_choice", read_choice),
	ASK_MEMBERS("metadata", metadata_fields),
	ASK_MEMBERS("thinking", thinking_fields),
	ASK_MEMBERS("output_config", output_fields),
	ASK_OWN("output_format", read_format),
	ASK_DROP("service_tier"),
	ASK_DROP("cache_control"),
	ASK_END,
};

bool
xlate_read_messages(struct ask *a, const uint8_t *body, size_t n)
{
	return ask_read(a, body, n, request_fields);
}
