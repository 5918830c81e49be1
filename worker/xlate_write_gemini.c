// SPDX-License-Identifier: MIT
/*
 * Says a neutral request in Gemini's own API; see xlate_ask_write.h. Used by the workers. Schemas
 * go as JSON Schema (parametersJsonSchema, responseJsonSchema), so none of their words is lost.
 */
#include <string.h>
#include <strings.h>

#include "worker/xlate_ask_write.h"

static bool
check(struct ask *a)
{
	if (a->one_call && a->tools.n > 0)
		return ask_refuse_member(
		    a, "parallel_tool_calls", "false is not possible in Gemini's API");
	return true;
}

/* ---- parts -------------------------------------------------------------------------------------
 */

static void
put_text(struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{");
	ask_put_string(a, o, "text", part->text);
	jout_text(o, "}");
}

static void
put_image_data(struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{\"inlineData\":{");
	ask_put_string(a, o, "mimeType", part->media);
	ask_put_string(a, o, "data", part->text);
	jout_text(o, "}}");
}

static const struct {
	const char *suffix, *media;
} medias[] = {
	{ ".png", "image/png" },
	{ ".jpg", "image/jpeg" },
	{ ".jpeg", "image/jpeg" },
	{ ".webp", "image/webp" },
	{ ".gif", "image/gif" },
	{ ".heic", "image/heic" },
	{ ".heif", "image/heif" },
};

/* Gemini wants to know what it will find there; NULL: the URL does not tell. */
static const char *
media_of_url(const struct ask *a, struct jspan url)
{
	const char *text = (const char *)a->body + url.off;
	size_t n = 0;

	while (n < url.len && text[n] != '?' && text[n] != '#')
		n++;
	for (size_t i = 0; i < sizeof(medias) / sizeof(medias[0]); i++) {
		size_t len = strlen(medias[i].suffix);

		if (n >= len && strncasecmp(text + n - len, medias[i].suffix, len) == 0)
			return medias[i].media;
	}
	return NULL;
}

static void
put_image_url(struct ask *a, struct jout *o, const struct ask_part *part)
{
	const char *media = media_of_url(a, part->text);

	jout_text(o, "{\"fileData\":{");
	if (media != NULL) {
		jout_key(o, "mimeType");
		jout_quoted(o, media, strlen(media));
	}
	ask_put_string(a, o, "fileUri", part->text);
	jout_text(o, "}}");
}

static void
put_call(struct ask *a, struct jout *o, const struct ask_part *part)
{
	jout_text(o, "{\"functionCall\":{");
	ask_put_string(a, o, "name", part->name);
	jout_text(o, ",\"args\":");
	ask_put_arguments(a, o, part);
	jout_text(o, "}}");
}

/* Results go by the tool's name there, not by the call's id. */
static void
put_result(struct ask *a, struct jout *o, const struct ask_part *part)
{
	const struct ask_part *call = ask_find_call(a, part);

	if (call == NULL) {
		ask_refuse_part(a, part, "",
		    "is the result of a call that no message before it makes; Gemini's API needs "
		    "the name of the tool");
		return;
	}
	jout_text(o, "{\"functionResponse\":{");
	ask_put_string(a, o, "name", call->name);
	jout_text(o, part->is_error ? ",\"response\":{\"error\":" : ",\"response\":{\"result\":");
	ask_put_texts(a, o, part + 1, part->n_texts);
	jout_text(o, "}}}");
}

static const struct ask_speech speech = {
	.turns = "contents",
	.user = "{\"role\":\"user\",\"parts\":[",
	.assistant = "{\"role\":\"model\",\"parts\":[",
	.put = {
		[ASK_TEXT] = put_text,
		[ASK_IMAGE_URL] = put_image_url,
		[ASK_IMAGE_DATA] = put_image_data,
		[ASK_CALL] = put_call,
		[ASK_RESULT] = put_result,
	},
};

static void
put_system(struct ask *a, struct jout *o)
{
	if (a->system.n == 0)
		return;
	jout_text(o, "\"systemInstruction\":{\"parts\":[");
	ask_put_system(a, o, &speech);
	jout_text(o, "]}");
}

/* ---- tools -------------------------------------------------------------------------------------
 */

static void
put_tools(const struct ask *a, struct jout *o)
{
	if (a->tools.n == 0)
		return;
	jout_text(o, ",\"tools\":[{\"functionDeclarations\":[");
	for (uint32_t i = 0; i < a->tools.n; i++) {
		jout_item(o);
		jout_text(o, "{");
		ask_put_tool(a, o, &ask_tools(a)[i], "parametersJsonSchema");
		jout_text(o, "}");
	}
	jout_text(o, "]}]");
}

static void
put_choice(const struct ask *a, struct jout *o)
{
	static const char *const modes[] = {
		[ASK_AUTO] = "AUTO",
		[ASK_NO_TOOL] = "NONE",
		[ASK_ANY_TOOL] = "ANY",
		[ASK_THIS_TOOL] = "ANY",
	};

	if (a->choice == ASK_CHOICE_NONE_GIVEN || a->tools.n == 0)
		return;
	jout_text(o, ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"");
	jout_text(o, modes[a->choice]);
	jout_text(o, "\"");
	if (a->choice == ASK_THIS_TOOL) {
		jout_text(o, ",\"allowedFunctionNames\":[");
		jout_quoted(o, a->body + a->choice_name.off, a->choice_name.len);
		jout_text(o, "]");
	}
	jout_text(o, "}}");
}

/* ---- generationConfig --------------------------------------------------------------------------
 */

static void
put_format(const struct ask *a, struct jout *o)
{
	if (a->format == ASK_PLAIN)
		return;
	jout_key(o, "responseMimeType");
	jout_text(o, "\"application/json\"");
	ask_put_value(a, o, "responseJsonSchema", a->schema);
}

/* The budgets are those of Google's own table for its OpenAI-compatible endpoint. */
static void
put_thinking(const struct ask *a, struct jout *o)
{
	static const char *const budgets[] = {
		[ASK_EFFORT_NONE] = "0",
		[ASK_EFFORT_MINIMAL] = "1024",
		[ASK_EFFORT_LOW] = "1024",
		[ASK_EFFORT_MEDIUM] = "8192",
		[ASK_EFFORT_HIGH] = "24576",
	};

	if (a->effort == ASK_EFFORT_NONE_GIVEN && a->thinking_tokens.len == 0)
		return;
	jout_key(o, "thinkingConfig");
	jout_text(o, "{\"thinkingBudget\":");
	if (a->thinking_tokens.len > 0)
		jout_raw(o, a->body + a->thinking_tokens.off, a->thinking_tokens.len);
	else
		jout_text(o, budgets[a->effort]);
	jout_text(o, "}");
}

static void
put_config(const struct ask *a, struct jout *o)
{
	jout_text(o, ",\"generationConfig\":{");
	ask_put_value(a, o, "maxOutputTokens", a->max_tokens);
	ask_put_value(a, o, "temperature", a->temperature);
	ask_put_value(a, o, "topP", a->top_p);
	ask_put_value(a, o, "topK", a->top_k);
	ask_put_value(a, o, "seed", a->seed);
	ask_put_value(a, o, "presencePenalty", a->presence_penalty);
	ask_put_value(a, o, "frequencyPenalty", a->frequency_penalty);
	ask_put_strings(a, o, "stopSequences", &a->stops);
	put_format(a, o);
	put_thinking(a, o);
	jout_text(o, "}");
}

bool
xlate_write_gemini(struct ask *a, const struct xlate_target *t, struct jout *o)
{
	(void)t; /* the model's name is in the path */
	if (!check(a))
		return false;
	jout_text(o, "{");
	put_system(a, o);
	if (!ask_put_turns(a, o, &speech))
		return false;
	put_tools(a, o);
	put_choice(a, o);
	put_config(a, o);
	jout_text(o, "}");
	return !o->failed;
}
