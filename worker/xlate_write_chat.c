// SPDX-License-Identifier: MIT
/*
 * Says a neutral request in OpenAI's chat API; see xlate_ask_write.h. Used by the workers. Contents
 * that are text alone go as one string, since not everybody who speaks like OpenAI takes a list
 * there.
 */
#include <string.h>

#include "worker/xlate_ask_write.h"

static bool
check(struct ask *a)
{
	return a->top_k.len == 0 || ask_refuse_member(a, "top_k", "is not known to OpenAI's API");
}

/* ---- contents ----------------------------------------------------------------------------------
 */

static void
put_system(const struct ask *a, struct jout *o)
{
	if (a->system.n == 0)
		return;
	jout_item(o);
	jout_text(o, "{\"role\":\"system\",\"content\":\"");
	for (uint32_t i = 0; i < a->system.n; i++)
		ask_put_paragraph(a, o, ask_spans(&a->system)[i], i == 0);
	jout_text(o, "\"}");
}

static void
put_image_url(const struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"");
	if (part->kind == ASK_IMAGE_DATA) {
		jout_text(o, "data:");
		jout_raw(o, a->body + part->media.off, part->media.len);
		jout_text(o, ";base64,");
	}
	jout_raw(o, a->body + part->text.off, part->text.len);
	jout_text(o, "\"}}");
}

static uint32_t
count(const struct ask_part *parts, uint32_t n, enum ask_part_kind kind)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		found += parts[i].kind == kind;
	return found;
}

static void
put_content(const struct ask *a, struct jout *o, const struct ask_part *parts, uint32_t n)
{
	if (count(parts, n, ASK_TEXT) == n) {
		ask_put_texts(a, o, parts, n);
		return;
	}
	jout_text(o, "[");
	for (uint32_t i = 0; i < n; i++) {
		jout_item(o);
		if (parts[i].kind == ASK_TEXT) {
			jout_text(o, "{\"type\":\"text\"");
			ask_put_string(a, o, "text", parts[i].text);
			jout_text(o, "}");
		} else {
			put_image_url(a, o, &parts[i]);
		}
	}
	jout_text(o, "]");
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static void
put_result(const struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_item(o);
	jout_text(o, "{\"role\":\"tool\"");
	ask_put_string(a, o, "tool_call_id", part->id);
	jout_text(o, ",\"content\":");
	ask_put_texts(a, o, part + 1, part->n_texts);
	jout_text(o, "}");
}

/* Results of tools are messages of their own, right behind the calls: before whatever else the user
 * says in the same turn. */
static void
put_user(const struct ask *a, struct jout *o, const struct ask_part *parts, uint32_t n)
{
	uint32_t i = 0, from;

	while (i < n) {
		while (i < n && parts[i].kind == ASK_RESULT) {
			put_result(a, o, &parts[i]);
			i += 1 + parts[i].n_texts;
		}
		for (from = i; i < n && parts[i].kind != ASK_RESULT;)
			i++;
		if (i == from)
			continue;
		jout_item(o);
		jout_text(o, "{\"role\":\"user\",\"content\":");
		put_content(a, o, parts + from, i - from);
		jout_text(o, "}");
	}
}

static void
put_call(const struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_item(o);
	jout_text(o, "{");
	ask_put_string(a, o, "id", part->id);
	jout_text(o, ",\"type\":\"function\",\"function\":{");
	ask_put_string(a, o, "name", part->name);
	jout_text(o, ",\"arguments\":");
	if (part->text.len > 0)
		jout_string(o, a->body + part->text.off, part->text.len);
	else
		jout_text(o, "\"{}\"");
	jout_text(o, "}}");
}

/* Texts before and between calls go as one. */
static void
put_assistant(const struct ask *a, struct jout *o, const struct ask_part *parts, uint32_t n)
{
	uint32_t n_texts = count(parts, n, ASK_TEXT);

	jout_item(o);
	jout_text(o, "{\"role\":\"assistant\",\"content\":");
	if (n_texts > 0)
		ask_put_texts(a, o, parts, n);
	else
		jout_text(o, "null");
	if (n_texts < n) {
		jout_text(o, ",\"tool_calls\":[");
		for (uint32_t i = 0; i < n; i++)
			if (parts[i].kind == ASK_CALL)
				put_call(a, o, &parts[i]);
		jout_text(o, "]");
	}
	jout_text(o, "}");
}

static void
put_messages(const struct ask *a, struct jout *o)
{
	jout_text(o, ",\"messages\":[");
	put_system(a, o);
	for (uint32_t i = 0; i < a->turns.n; i++) {
		const struct ask_turn *turn = &ask_turns(a)[i];
		const struct ask_part *parts;

		if (turn->n == 0)
			continue;
		parts = ask_parts(a) + turn->first;
		if (turn->assistant)
			put_assistant(a, o, parts, turn->n);
		else
			put_user(a, o, parts, turn->n);
	}
	jout_text(o, "]");
}

/* ---- tools -------------------------------------------------------------------------------------
 */

static void
put_tool(const struct ask *a, struct jout *o, const struct ask_tool *tool)
{
	jout_item(o);
	jout_text(o, "{\"type\":\"function\",\"function\":{");
	ask_put_tool(a, o, tool, "parameters");
	jout_text(o, "}}");
}

static void
put_choice(const struct ask *a, struct jout *o)
{
	static const char *const words[] = {
		[ASK_AUTO] = "\"auto\"",
		[ASK_NO_TOOL] = "\"none\"",
		[ASK_ANY_TOOL] = "\"required\"",
	};

	if (a->one_call)
		jout_text(o, ",\"parallel_tool_calls\":false");
	if (a->choice == ASK_CHOICE_NONE_GIVEN)
		return;
	jout_text(o, ",\"tool_choice\":");
	if (a->choice != ASK_THIS_TOOL) {
		jout_text(o, words[a->choice]);
		return;
	}
	jout_text(o, "{\"type\":\"function\",\"function\":{");
	ask_put_string(a, o, "name", a->choice_name);
	jout_text(o, "}}");
}

static void
put_tools(const struct ask *a, struct jout *o)
{
	if (a->tools.n == 0)
		return;
	jout_text(o, ",\"tools\":[");
	for (uint32_t i = 0; i < a->tools.n; i++)
		put_tool(a, o, &ask_tools(a)[i]);
	jout_text(o, "]");
	put_choice(a, o);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void
put_format(const struct ask *a, struct jout *o)
{
	if (a->format != ASK_SCHEMA)
		return;
	jout_text(o, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
		     "\"name\":\"answer\",\"strict\":true");
	ask_put_value(a, o, "schema", a->schema);
	jout_text(o, "}}");
}

bool
xlate_write_chat(struct ask *a, const struct xlate_target *t, struct jout *o)
{
	if (!check(a))
		return false;
	jout_text(o, "{\"model\":");
	jout_string(o, t->model, strlen(t->model));
	put_messages(a, o);
	ask_put_value(
	    a, o, t->completion_tokens ? "max_completion_tokens" : "max_tokens", a->max_tokens);
	ask_put_value(a, o, "temperature", a->temperature);
	ask_put_value(a, o, "top_p", a->top_p);
	ask_put_strings(a, o, "stop", &a->stops);
	put_tools(a, o);
	put_format(a, o);
	ask_put_string(a, o, "user", a->user);
	if (a->stream)
		jout_text(o, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
	jout_text(o, "}");
	return !o->failed;
}
