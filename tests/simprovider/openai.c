// SPDX-License-Identifier: MIT
/*
 * The kind `openai`: its paths, its errors, its list of models and its embeddings. Paths are known
 * by how they end, so any prefix will do ("/v1", "/v1beta/openai", none).
 */
#include "tests/simprovider/openai.h"

#include <sodium.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/simprovider/dice.h"

static const struct usual usual[] = {
	{ 400, "invalid_request_error", NULL, "The request was not understood." },
	{ 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided." },
	{ 402, "insufficient_quota", "insufficient_quota", "The account has no balance left." },
	{ 403, "invalid_request_error", "unsupported_country_region_territory",
	    "Access is not allowed." },
	{ 404, "invalid_request_error", "model_not_found",
	    "The model `{model}` does not exist or you do not have access to it." },
	{ 405, "invalid_request_error", "method_not_supported",
	    "Not allowed to use this method on this path." },
	{ 408, "timeout", "request_timeout", "The request took too long." },
	{ 409, "conflict_error", NULL, "The resource was changed by another request." },
	{ 413, "invalid_request_error", "request_too_large", "The request is too large." },
	{ 422, "invalid_request_error", NULL, "The request could not be processed." },
	{ 429, "requests", "rate_limit_exceeded",
	    "Rate limit reached for {model}. Please try again later." },
	{ 429, "insufficient_quota", "insufficient_quota",
	    "You exceeded your current quota, please check your plan and billing details." },
	{ 500, "server_error", NULL, "The server had an error while processing your request." },
	{ 502, "server_error", "bad_gateway", "Bad gateway." },
	{ 503, "server_error", "service_unavailable",
	    "The engine is currently overloaded, please try again later." },
	{ 504, "server_error", "gateway_timeout", "Gateway timeout." },
	{ 529, "overloaded_error", "overloaded", "Overloaded." },
	{ 0, "server_error", NULL, "The server answered with an error." },
};

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
error(const struct problem *problem, const struct reply *reply, struct text *out)
{
	if (problem->array)
		text_lit(out, "[");
	text_lit(out, "{\"error\":{");
	error_members(problem, reply->model, out);
	text_lit(out, "}}");
	if (problem->array)
		text_lit(out, "]");
}

static void
error_event(const struct problem *problem, const struct reply *reply, struct text *out)
{
	text_lit(out, "data: ");
	error(problem, reply, out);
	text_lit(out, "\n\n");
}

/* A duration as OpenAI writes it: 12ms, 1.5s, 6m0s. */
static void
duration(uint64_t us, struct text *out)
{
	uint64_t ms = (us + 999) / 1000;

	if (ms < 1000)
		text_format(out, "%llums", (unsigned long long)ms);
	else if (ms < 60000)
		text_format(out, "%.15gs", (double)ms / 1000);
	else
		text_format(out, "%llum%llus", (unsigned long long)(ms / 60000),
		    (unsigned long long)(ms % 60000 / 1000));
}

static void
limit_lines(const struct limit *limit, const struct limit_state *state, struct text *out)
{
	text_format(out,
	    "x-ratelimit-limit-requests: %llu\r\nx-ratelimit-remaining-requests: %llu\r\n"
	    "x-ratelimit-reset-requests: ",
	    (unsigned long long)limit->requests, (unsigned long long)state->remaining);
	duration(state->reset_us, out);
	text_lit(out, "\r\n");
	if (state->refused)
		text_format(out, "retry-after: %llu\r\nretry-after-ms: %llu\r\n",
		    (unsigned long long)(state->wait_us + US_PER_S - 1) / US_PER_S,
		    (unsigned long long)(state->wait_us + 999) / 1000);
}

static void
model_object(struct str id, bool first, struct text *out)
{
	text_str(out, first ? "{\"id\":\"" : ",{\"id\":\"");
	text_span(out, id);
	text_lit(out,
	    "\",\"object\":\"model\",\"created\":" KIND_CREATED ",\"owned_by\":\"simprovider\"}");
}

void
openai_models_whole(struct reply *reply, struct text *out)
{
	text_lit(out, "{\"object\":\"list\",\"data\":[");
	reply_models(reply, out, model_object);
	text_lit(out, "]}");
}

void
openai_model_whole(struct reply *reply, struct text *out)
{
	model_object(reply->reported, true, out);
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
	text_span(out, reply->reported);
	text_lit(out, "\"");
	if (reply->show_usage) {
		reply->told = TOLD_ALL;
		text_lit(out, ",\"usage\":{\"prompt_tokens\":");
		text_u64(out, reply->usage.input);
		text_lit(out, ",\"total_tokens\":");
		text_u64(out, reply->usage.input);
		text_lit(out, "}");
	}
	text_lit(out, "}");
}

static const struct endpoint endpoints[] = {
	{ "POST", "/chat/completions", openai_chat_whole, openai_chat_event, error_event, 0 },
	{ "POST", "/completions", openai_legacy_whole, openai_legacy_event, error_event, 0 },
	{ "POST", "/embeddings", openai_embeddings_whole, NULL, NULL,
	    NEVER_STREAMS | MAKES_NO_TEXT },
	{ "POST", "/responses", openai_responses_whole, openai_responses_event,
	    openai_responses_error_event, ALWAYS_USAGE },
	{ "GET", "/models", openai_models_whole, NULL, NULL, NEVER_STREAMS | CATALOGUE },
};
static const struct endpoint model_endpoint = { "GET", "", openai_model_whole, NULL, NULL,
	NEVER_STREAMS | CATALOGUE };

static const struct endpoint *
route(struct str method, struct str path, struct str query, struct str *model)
{
	const struct endpoint *found =
	    endpoint_find(endpoints, sizeof(endpoints) / sizeof(endpoints[0]), method, path);

	(void)query;
	if (found != NULL)
		return found;
	*model = path_behind(path, "/models/");
	return model->bytes != NULL ? endpoint_find(&model_endpoint, 1, method, path) : NULL;
}

const struct kind kind_openai = {
	.name = "openai",
	.key = KEY_BEARER,
	.id_header = "x-request-id",
	.heartbeat = ": keep-alive\n\n",
	.usual = usual,
	.bad_key = { .status = 401 },
	.limit_lines = limit_lines,
	.route = route,
	.error = error,
};
