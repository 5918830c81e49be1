// SPDX-License-Identifier: MIT
/*
 * The kind `openai`: its paths, its errors, its list of models and its embeddings. Paths are known
 * by how they end, so any prefix will do ("/v1", "/v1beta/openai", none).
 */
#include "tests/simprovider/openai.h"

#include <sodium.h>
#include <stdlib.h>

#include "tests/simprovider/dice.h"

static bool
is(struct str s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.bytes, word, s.len) == 0;
}

static bool
ends_with(struct str s, const char *end)
{
	size_t n = strlen(end);

	return s.len >= n && memcmp(s.bytes + s.len - n, end, n) == 0;
}

void
openai_member(struct text *out, const char *name, struct str value)
{
	text_str(out, name);
	if (value.len == 0) {
		text_lit(out, "null");
		return;
	}
	text_lit(out, "\"");
	text_span(out, value);
	text_lit(out, "\"");
}

static void
error_members(const struct problem *problem, struct str model, struct text *out)
{
	text_lit(out, "\"message\":\"");
	problem_message(problem, model, out);
	text_lit(out, "\"");
	openai_member(out, ",\"type\":", problem->type);
	openai_member(out, ",\"param\":", problem->param);
	openai_member(out, ",\"code\":", problem->code);
	if (problem->retry_after_body_s > 0.0)
		text_format(out, ",\"retry_after\":%.15g", problem->retry_after_body_s);
}

static void
error(const struct problem *problem, struct str model, struct text *out)
{
	if (problem->array)
		text_lit(out, "[");
	text_lit(out, "{\"error\":{");
	error_members(problem, model, out);
	text_lit(out, "}}");
	if (problem->array)
		text_lit(out, "]");
}

static void
error_event(const struct problem *problem, struct str model, struct text *out)
{
	text_lit(out, "data: ");
	error(problem, model, out);
	text_lit(out, "\n\n");
}

static void
model_object(struct str name, struct text *out)
{
	text_lit(out, "{\"id\":\"");
	text_span(out, name);
	text_lit(out,
	    "\",\"object\":\"model\",\"created\":" KIND_CREATED ",\"owned_by\":\"simprovider\"}");
}

void
openai_models_whole(struct reply *reply, struct text *out)
{
	bool first = true;

	text_lit(out, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < reply->script->count; i++) {
		const struct behaviour *b = &reply->script->behaviours[i];

		if (!b->listed || !b->found || b == reply->script->any)
			continue;
		if (!first)
			text_lit(out, ",");
		first = false;
		model_object(b->name, out);
	}
	text_lit(out, "]}");
}

void
openai_model_whole(struct reply *reply, struct text *out)
{
	model_object(reply->model, out);
}

/* A number from -1 to 1 with six digits, the same in JSON and in base64. */
static int32_t
coordinate_millionths(struct dice *dice)
{
	return (int32_t)(dice_u64(dice) % 2000001) - 1000000;
}

static void
vector_numbers(struct dice dice, uint64_t dimensions, struct text *out)
{
	text_lit(out, "[");
	for (uint64_t i = 0; i < dimensions; i++) {
		int32_t value = coordinate_millionths(&dice);

		text_format(out, "%s%s%d.%06d", i > 0 ? "," : "", value < 0 ? "-" : "",
		    abs(value) / 1000000, abs(value) % 1000000);
	}
	text_lit(out, "]");
}

static void
vector_base64(struct dice dice, uint64_t dimensions, struct text *out)
{
	/* Twelve bytes are sixteen characters: three numbers at a time leave no rest. */
	for (uint64_t i = 0; i < dimensions; i += 3) {
		float numbers[3];
		size_t n = dimensions - i < 3 ? (size_t)(dimensions - i) : 3;
		char coded[sodium_base64_ENCODED_LEN(
		    sizeof(numbers), sodium_base64_VARIANT_ORIGINAL)];

		for (size_t k = 0; k < n; k++)
			numbers[k] = (float)coordinate_millionths(&dice) / 1e6f;
		sodium_bin2base64(coded, sizeof(coded), (const unsigned char *)numbers,
		    n * sizeof(float), sodium_base64_VARIANT_ORIGINAL);
		text_str(out, coded);
	}
}

void
openai_embeddings_whole(struct reply *reply, struct text *out)
{
	text_lit(out, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < reply->input_count && !reply->no_choices; i++) {
		struct dice dice = dice_make(reply->inputs[i], 0);

		text_format(out,
		    "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i > 0 ? "," : "",
		    i);
		if (reply->base64) {
			text_lit(out, "\"");
			vector_base64(dice, reply->dimensions, out);
			text_lit(out, "\"");
		} else {
			vector_numbers(dice, reply->dimensions, out);
		}
		text_lit(out, "}");
	}
	text_lit(out, "],\"model\":\"");
	text_span(out, reply->model);
	text_lit(out, "\"");
	if (reply->show_usage) {
		text_lit(out, ",\"usage\":{\"prompt_tokens\":");
		text_u64(out, reply->usage.input);
		text_lit(out, ",\"total_tokens\":");
		text_u64(out, reply->usage.input);
		text_lit(out, "}");
	}
	text_lit(out, "}");
}

static const struct endpoint endpoints[] = {
	{ "POST", "/chat/completions", openai_chat_whole, openai_chat_event, error_event, false,
	    false },
	{ "POST", "/completions", openai_legacy_whole, openai_legacy_event, error_event, false,
	    false },
	{ "POST", "/embeddings", openai_embeddings_whole, NULL, NULL, false, false },
	{ "POST", "/responses", openai_responses_whole, openai_responses_event,
	    openai_responses_error_event, true, false },
	{ "GET", "/models", openai_models_whole, NULL, NULL, false, true },
};
static const struct endpoint model_endpoint = { "GET", "/models/", openai_model_whole, NULL, NULL,
	false, true };

static const struct endpoint *
route(struct str method, struct str path, struct str *model)
{
	const char *mark = model_endpoint.suffix;
	const char *found = memmem(path.bytes, path.len, mark, strlen(mark));

	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++)
		if (ends_with(path, endpoints[i].suffix) && is(method, endpoints[i].method))
			return &endpoints[i];
	if (found == NULL || !is(method, model_endpoint.method))
		return NULL;
	model->bytes = found + strlen(mark);
	model->len = (size_t)(path.bytes + path.len - model->bytes);
	return &model_endpoint;
}

const struct kind kind_openai = {
	.name = "openai",
	.key = KEY_BEARER,
	.route = route,
	.error = error,
};
