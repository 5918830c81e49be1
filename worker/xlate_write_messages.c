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
    ",\"tools\":[{\"name\":\"answer\",\"description\":\"Give your answer by calling this tool.\","
    "\"input_schema\":";
static const char answer_choice[] =
    "}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"answer\",\"disable_parallel_tool_use\":true}";

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
put_text(struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{\"type\":\"text\"");
	ask_put_string(a, o, "text", part->text);
	jout_text(o, "}");
}

static void
put_image(struct ask *a, struct jout *o, const struct ask_part *part)
{
	bool data = part->kind == ASK_IMAGE_DATA;

	jout_text(o, "{\"type\":\"image\",\"source\":{");
	jout_text(o, data ? "\"type\":\"base64\"" : "\"type\":\"url\"");
	ask_put_string(a, o, "media_type", part->media);
	ask_put_string(a, o, data ? "data" : "url", part->text);
	jout_text(o, "}}");
}

static void
put_call(struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{\"type\":\"tool_use\"");
	ask_put_string(a, o, "id", part->id);
	ask_put_string(a, o, "name", part->name);
	jout_text(o, ",\"input\":");
	ask_put_arguments(a, o, part);
	jout_text(o, "}");
}

static void
put_result(struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{\"type\":\"tool_result\"");
	ask_put_string(a, o, "tool_use_id", part->id);
	if (part->is_error)
		jout_text(o, ",\"is_error\":true");
	if (part->n_texts > 0) {
		jout_text(o, ",\"content\":[");
		for (uint32_t i = 1; i <= part->n_texts; i++) {
			jout_item(o);
			put_text(a, o, &part[i]);
		}
		jout_text(o, "]");
	}
	jout_text(o, "}");
}

static const struct ask_speech speech = {
	.turns = "messages",
	.user = "{\"role\":\"user\",\"content\":[",
	.assistant = "{\"role\":\"assistant\",\"content\":[",
	.put = {
		[ASK_TEXT] = put_text,
		[ASK_IMAGE_URL] = put_image,
		[ASK_IMAGE_DATA] = put_image,
		[ASK_CALL] = put_call,
		[ASK_RESULT] = put_result,
	},
};

static void
put_system(struct ask *a, struct jout *o)
{
	if (a->system.n == 0)
		return;
	jout_text(o, ",\"system\":[");
	ask_put_system(a, o, &speech);
	jout_text(o, "]");
}

/* ---- tools -------------------------------------------------------------------------------------
 */

static void
put_tool(const struct ask *a, struct jout *o, const struct ask_tool *tool)
{
	jout_item(o);
	jout_text(o, "{");
	ask_put_tool(a, o, tool, "input_schema");
	if (tool->schema.len == 0)
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
	jout_text(o, ",\"tool_choice\":");
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
		jout_text(o, answer_tool);
		jout_raw(o, a->body + a->schema.off, a->schema.len);
		jout_text(o, answer_choice);
	} else if (a->tools.n > 0) {
		jout_text(o, ",\"tools\":[");
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
	jout_text(o, ",\"max_tokens\":");
	if (a->max_tokens.len > 0)
		jout_raw(o, a->body + a->max_tokens.off, a->max_tokens.len);
	else
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
	if (!ask_put_turns(a, o, &speech))
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
