// SPDX-License-Identifier: MIT
/*
 * Says a neutral request in Anthropic's Messages API; see xlate_ask_write.h. Used by the workers.
 *
 * An answer by a schema is had from a tool that the model must call: its arguments are the answer,
 * and whoever reads the answer turns them back into text (xlate_from_anthropic.c).
 */
#include <string.h>

#include "worker/xlate_ask_write.h"

#define EMPTY_SCHEMA "{\"type\":\"object\",\"properties\":{}}"

static const char answer_tool[] =
    "{\"name\":\"answer\",\"description\":\"Give your answer by calling this tool.\","
    "\"input_schema\":";
static const char answer_choice[] =
    "{\"type\":\"tool\",\"name\":\"answer\",\"disable_parallel_tool_use\":true}";

/* ---- what cannot be said -----------------------------------------------------------------------
 */

static bool
check_zero(struct ask *a, struct jspan number, const char *param)
{
	return ask_real(a, number) == 0 ||
	       ask_refuse_member(a, param, "is not known to Anthropic's API");
}

static bool
check(struct ask *a)
{
	if (ask_real(a, a->temperature) > 1)
		return ask_refuse_member(
		    a, "temperature", "above 1 is not possible in Anthropic's API");
	if (a->format == ASK_JSON)
		return ask_refuse_member(a, "response_format",
		    "of type json_object is not possible in Anthropic's API; give a json_schema");
	if (a->format == ASK_SCHEMA && a->tools.n > 0)
		return ask_refuse_member(a, "response_format",
		    "of type json_schema and 'tools' are not possible together in Anthropic's API");
	return check_zero(a, a->presence_penalty, "presence_penalty") &&
	       check_zero(a, a->frequency_penalty, "frequency_penalty");
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static void
put_text(const struct ask *a, struct jout *o, struct jspan text)
{
	jout_item(o);
	jout_text(o, "{\"type\":\"text\"");
	ask_put_string(a, o, "text", text);
	jout_text(o, "}");
}

static void
put_image(const struct ask *a, struct jout *o, const struct ask_part *part)
{
	bool data = part->kind == ASK_IMAGE_DATA;

	jout_text(o, "{\"type\":\"image\",\"source\":{");
	jout_text(o, data ? "\"type\":\"base64\"" : "\"type\":\"url\"");
	ask_put_string(a, o, "media_type", part->media);
	ask_put_string(a, o, data ? "data" : "url", part->text);
	jout_text(o, "}}");
}

static bool
put_call(struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{\"type\":\"tool_use\"");
	ask_put_string(a, o, "id", part->id);
	ask_put_string(a, o, "name", part->name);
	jout_key(o, "input");
	if (!ask_write_object(a, part, o))
		return false;
	jout_text(o, "}");
	return true;
}

static void
put_result(const struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{\"type\":\"tool_result\"");
	ask_put_string(a, o, "tool_use_id", part->id);
	if (part->is_error)
		jout_text(o, ",\"is_error\":true");
	if (part->n_texts > 0) {
		jout_text(o, ",\"content\":[");
		for (uint32_t i = 1; i <= part->n_texts; i++)
			put_text(a, o, part[i].text);
		jout_text(o, "]");
	}
	jout_text(o, "}");
}

static bool
put_part(struct ask *a, struct jout *o, const struct ask_part *part)
{
	if (part->kind == ASK_TEXT) {
		put_text(a, o, part->text);
		return true;
	}
	jout_item(o);
	if (part->kind == ASK_CALL)
		return put_call(a, o, part);
	if (part->kind == ASK_RESULT)
		put_result(a, o, part);
	else
		put_image(a, o, part);
	return true;
}

static bool
put_turn(struct ask *a, struct jout *o, const struct ask_turn *turn)
{
	const struct ask_part *parts;

	if (turn->n == 0)
		return true; /* nothing but empty texts, which Anthropic does not take */
	jout_item(o);
	jout_text(o, "{\"role\":");
	jout_text(o, turn->assistant ? "\"assistant\"" : "\"user\"");
	jout_text(o, ",\"content\":[");
	parts = ask_parts(a) + turn->first;
	for (uint32_t i = 0; i < turn->n; i++) {
		if (!put_part(a, o, &parts[i]))
			return false;
		if (parts[i].kind == ASK_RESULT)
			i += parts[i].n_texts;
	}
	jout_text(o, "]}");
	return true;
}

static bool
put_messages(struct ask *a, struct jout *o)
{
	jout_key(o, "messages");
	jout_text(o, "[");
	for (uint32_t i = 0; i < a->turns.n; i++)
		if (!put_turn(a, o, &ask_turns(a)[i]))
			return false;
	jout_text(o, "]");
	return true;
}

static void
put_system(const struct ask *a, struct jout *o)
{
	if (a->system.n == 0)
		return;
	jout_key(o, "system");
	jout_text(o, "[");
	for (uint32_t i = 0; i < a->system.n; i++)
		put_text(a, o, ask_spans(&a->system)[i]);
	jout_text(o, "]");
}

/* ---- tools -------------------------------------------------------------------------------------
 */

static void
put_tool(const struct ask *a, struct jout *o, const struct ask_tool *tool)
{
	jout_item(o);
	jout_text(o, "{");
	ask_put_string(a, o, "name", tool->name);
	ask_put_string(a, o, "description", tool->description);
	if (tool->schema.len > 0)
		ask_put_value(a, o, "input_schema", tool->schema);
	else
		jout_text(o, ",\"input_schema\":" EMPTY_SCHEMA);
	jout_text(o, "}");
}

static void
put_choice(const struct ask *a, struct jout *o)
{
	static const char *const types[] = {
		[ASK_CHOICE_NONE_GIVEN] = "{\"type\":\"auto\"",
		[ASK_AUTO] = "{\"type\":\"auto\"",
		[ASK_NO_TOOL] = "{\"type\":\"none\"",
		[ASK_ANY_TOOL] = "{\"type\":\"any\"",
		[ASK_THIS_TOOL] = "{\"type\":\"tool\"",
	};

	if (a->choice == ASK_CHOICE_NONE_GIVEN && !a->one_call)
		return;
	jout_key(o, "tool_choice");
	jout_text(o, types[a->choice]);
	ask_put_string(a, o, "name", a->choice_name);
	if (a->one_call && a->choice != ASK_NO_TOOL)
		jout_text(o, ",\"disable_parallel_tool_use\":true");
	jout_text(o, "}");
}

static void
put_tools(const struct ask *a, struct jout *o)
{
	if (a->format == ASK_SCHEMA) {
		jout_key(o, "tools");
		jout_text(o, "[");
		jout_text(o, answer_tool);
		jout_raw(o, a->body + a->schema.off, a->schema.len);
		jout_text(o, "}]");
		jout_key(o, "tool_choice");
		jout_text(o, answer_choice);
	} else if (a->tools.n > 0) {
		jout_key(o, "tools");
		jout_text(o, "[");
		for (uint32_t i = 0; i < a->tools.n; i++)
			put_tool(a, o, &ask_tools(a)[i]);
		jout_text(o, "]");
		put_choice(a, o);
	}
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void
put_max_tokens(const struct ask *a, const struct xlate_target *t, struct jout *o)
{
	if (a->max_tokens.len > 0) {
		ask_put_value(a, o, "max_tokens", a->max_tokens);
		return;
	}
	jout_key(o, "max_tokens");
	jout_uint(o, t->max_tokens);
}

static void
put_user(const struct ask *a, struct jout *o)
{
	if (a->user.len == 0)
		return;
	jout_text(o, ",\"metadata\":{");
	ask_put_string(a, o, "user_id", a->user);
	jout_text(o, "}");
}

bool
xlate_write_messages(struct ask *a, const struct xlate_target *t, struct jout *o)
{
	if (!check(a))
		return false;
	jout_text(o, "{\"model\":");
	jout_string(o, t->model, strlen(t->model));
	put_max_tokens(a, t, o);
	put_system(a, o);
	if (!put_messages(a, o))
		return false;
	put_tools(a, o);
	ask_put_strings(a, o, "stop_sequences", &a->stops);
	ask_put_value(a, o, "temperature", a->temperature);
	ask_put_value(a, o, "top_p", a->top_p);
	ask_put_value(a, o, "top_k", a->top_k);
	put_user(a, o);
	jout_text(o, a->stream ? ",\"stream\":true}" : "}");
	return !o->failed;
}
