// SPDX-License-Identifier: MIT
/*
 * The kind `anthropic`: its paths, its errors, its list of models, and what it refuses: a request
 * without its key or version, a message without a limit.
 */
#include "tests/simprovider/anthropic.h"

#include "common/clock.h"

static const struct usual usual[] = {
	{ 400, "invalid_request_error", NULL, "The request was not understood." },
	{ 401, "authentication_error", NULL, "invalid x-api-key" },
	{ 402, "billing_error", NULL,
	    "Your credit balance is too low to access the Anthropic API." },
	{ 403, "permission_error", NULL,
	    "Your API key does not have permission to use the specified resource." },
	{ 404, "not_found_error", NULL, "model: {model}" },
	{ 413, "request_too_large", NULL, "Request exceeds the maximum size" },
	{ 429, "rate_limit_error", NULL,
	    "This request would exceed your organization's rate limit. Please try again later." },
	{ 500, "api_error", NULL, "Internal server error" },
	{ 504, "timeout_error", NULL, "Request timed out" },
	{ 529, "overloaded_error", NULL, "Overloaded" },
	{ 0, "api_error", NULL, "The server answered with an error." },
};

#define TEXT(literal)                           \
	{                                       \
		"" literal, sizeof(literal) - 1 \
	}

static const struct problem no_version = { .status = 400,
	.message = TEXT("anthropic-version: header is required") };
static const struct problem no_messages = { .status = 400,
	.message = TEXT("messages: Field required") };
static const struct problem no_max_tokens = { .status = 400,
	.message = TEXT("max_tokens: Field required") };

static const char members[] =
    " model messages max_tokens system metadata stop_sequences stream temperature top_p top_k "
    "tools "
    "tool_choice thinking container mcp_servers service_tier context_management output_config "
    "output_format cache_control inference_geo betas ";

static const struct problem *
misses_in_head(const struct request *request)
{
	return request->version.len > 0 ? NULL : &no_version;
}

static const struct problem *
misses_in_body(const struct ask *ask)
{
	if (!ask->messages)
		return &no_messages;
	return ask->max_tokens ? NULL : &no_max_tokens;
}

static void
error(const struct problem *problem, const struct reply *reply, struct text *out)
{
	text_str(out, problem->array ? "[{" : "{");
	text_lit(out, "\"type\":\"error\",\"error\":{\"type\":\"");
	text_span(out, problem->type);
	text_lit(out, "\",\"message\":\"");
	problem_message(problem, reply->model, out);
	text_lit(out, "\"");
	if (problem->retry_after_body_s > 0.0)
		text_format(out, ",\"retry_after\":%.15g", problem->retry_after_body_s);
	text_format(out, "},\"request_id\":\"req_sim%llu\"}", (unsigned long long)reply->id);
	if (problem->array)
		text_lit(out, "]");
}

static void
error_event(const struct problem *problem, const struct reply *reply, struct text *out)
{
	text_lit(out, "event: error\ndata: ");
	error(problem, reply, out);
	text_lit(out, "\n\n");
}

static void
limit_lines(const struct limit *limit, const struct limit_state *state, struct text *out)
{
	char reset[CLOCK_ISO_BYTES];

	clock_iso(clock_wall_us() + state->reset_us, reset);
	text_format(out,
	    "anthropic-ratelimit-requests-limit: %llu\r\n"
	    "anthropic-ratelimit-requests-remaining: %llu\r\n"
	    "anthropic-ratelimit-requests-reset: %s\r\n",
	    (unsigned long long)limit->requests, (unsigned long long)state->remaining, reset);
	if (state->refused)
		text_format(out, "retry-after: %llu\r\n",
		    (unsigned long long)(state->wait_us + US_PER_S - 1) / US_PER_S);
}

static void
model_object(struct str id, bool first, struct text *out)
{
	text_str(out, first ? "{" : ",{");
	text_lit(out, "\"type\":\"model\",\"id\":\"");
	text_span(out, id);
	text_lit(out, "\",\"display_name\":\"");
	text_span(out, id);
	text_lit(out, "\",\"created_at\":\"2026-01-01T00:00:00Z\"}");
}

static void
models_whole(struct reply *reply, struct text *out)
{
	text_lit(out, "{\"data\":[");
	reply_models(reply, out, model_object);
	text_lit(out, "],\"has_more\":false}");
}

static void
model_whole(struct reply *reply, struct text *out)
{
	model_object(reply->reported, true, out);
}

static const struct endpoint endpoints[] = {
	{ "POST", "/messages", anthropic_message_whole, anthropic_message_event, error_event,
	    ALWAYS_USAGE },
	{ "GET", "/models", models_whole, NULL, NULL, NEVER_STREAMS | CATALOGUE },
};
static const struct endpoint model_endpoint = { "GET", "", model_whole, NULL, NULL,
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

const struct kind kind_anthropic = {
	.name = "anthropic",
	.key = KEY_X_API_KEY,
	.id_header = "request-id",
	.heartbeat = ANTHROPIC_PING,
	.usual = usual,
	.no_key = { .status = 401, .message = TEXT("x-api-key header is required") },
	.bad_key = { .status = 401 },
	.members = members,
	.unknown_member = { .status = 400,
	    .message = TEXT("{param}: Extra inputs are not permitted") },
	.limit_lines = limit_lines,
	.route = route,
	.misses_in_head = misses_in_head,
	.misses_in_body = misses_in_body,
	.error = error,
};
