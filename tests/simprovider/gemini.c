// SPDX-License-Identifier: MIT
/*
 * The kind `gemini`, by its own API: models in the path, their methods behind a colon, errors with
 * a status in words and with details. Its compatible endpoint is the kind `openai`.
 */
#include "tests/simprovider/gemini.h"

static const struct usual usual[] = {
	{ 400, "INVALID_ARGUMENT", NULL, "Request contains an invalid argument." },
	{ 400, "INVALID_ARGUMENT", "API_KEY_INVALID",
	    "API key not valid. Please pass a valid API key." },
	{ 401, "UNAUTHENTICATED", NULL, "Request had invalid authentication credentials." },
	{ 403, "PERMISSION_DENIED", NULL, "The caller does not have permission" },
	{ 404, "NOT_FOUND", NULL,
	    "models/{model} is not found for API version v1beta, or is not supported for "
	    "generateContent." },
	{ 429, "RESOURCE_EXHAUSTED", NULL,
	    "You exceeded your current quota, please check your plan and billing details." },
	{ 499, "CANCELLED", NULL, "The operation was cancelled." },
	{ 500, "INTERNAL", NULL, "An internal error has occurred. Please retry." },
	{ 503, "UNAVAILABLE", NULL, "The model is overloaded. Please try again later." },
	{ 504, "DEADLINE_EXCEEDED", NULL, "The service is unable to finish within the deadline." },
	{ 0, "UNKNOWN", NULL, "The server answered with an error." },
};

#define TEXT(literal)                           \
	{                                       \
		"" literal, sizeof(literal) - 1 \
	}

static const struct problem no_contents = { .status = 400,
	.message = TEXT("* GenerateContentRequest.contents: contents is not specified\\n") };

static const char members[] =
    " contents systemInstruction system_instruction tools toolConfig tool_config safetySettings "
    "safety_settings generationConfig generation_config cachedContent cached_content labels model "
    "store serviceTier ";

static const struct problem *
misses_in_body(const struct ask *ask)
{
	return ask->contents ? NULL : &no_contents;
}

/* What Google puts beside the message: the reason, and when to come back. */
static void
details(const struct problem *problem, struct text *out)
{
	bool reason = problem->code.len > 0, delay = problem->retry_after_body_s > 0.0;

	if (!reason && !delay)
		return;
	text_lit(out, ",\"details\":[");
	if (reason) {
		text_lit(out, "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
			      "\"reason\":\"");
		text_span(out, problem->code);
		text_lit(out, "\",\"domain\":\"googleapis.com\"}");
	}
	if (delay)
		text_format(out,
		    "%s{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
		    "\"retryDelay\":\"%.15gs\"}",
		    reason ? "," : "", problem->retry_after_body_s);
	text_lit(out, "]");
}

static void
error(const struct problem *problem, const struct reply *reply, struct text *out)
{
	text_str(out, problem->array ? "[{" : "{");
	text_lit(out, "\"error\":{\"code\":");
	text_u64(out, problem->status);
	text_lit(out, ",\"message\":\"");
	problem_message(problem, reply->model, out);
	text_lit(out, "\",\"status\":\"");
	text_span(out, problem->type);
	text_lit(out, "\"");
	details(problem, out);
	text_lit(out, "}}");
	if (problem->array)
		text_lit(out, "]");
}

static void
error_event(const struct problem *problem, const struct reply *reply, struct text *out)
{
	text_lit(out, "data: ");
	error(problem, reply, out);
	text_lit(out, "\r\n\r\n");
}

static void
model_object(struct str id, bool first, struct text *out)
{
	text_str(out, first ? "{\"name\":\"models/" : ",{\"name\":\"models/");
	text_span(out, id);
	text_lit(out, "\",\"version\":\"001\",\"displayName\":\"");
	text_span(out, id);
	text_lit(out, "\",\"inputTokenLimit\":1048576,\"outputTokenLimit\":65536,"
		      "\"supportedGenerationMethods\":[\"generateContent\",\"countTokens\"]}");
}

static void
models_whole(struct reply *reply, struct text *out)
{
	text_lit(out, "{\"models\":[");
	reply_models(reply, out, model_object);
	text_lit(out, "]}");
}

static void
model_whole(struct reply *reply, struct text *out)
{
	model_object(reply->reported, true, out);
}

static const struct endpoint models_endpoint = { "GET", "/models", models_whole, NULL, NULL,
	NEVER_STREAMS | CATALOGUE };
static const struct endpoint model_endpoint = { "GET", "", model_whole, NULL, NULL,
	NEVER_STREAMS | CATALOGUE };
static const struct endpoint generate_endpoint = { "POST", ":generateContent", gemini_content_whole,
	NULL, NULL, NEVER_STREAMS };
static const struct endpoint events_endpoint = { "POST", ":streamGenerateContent",
	gemini_content_whole, gemini_content_event, error_event, ALWAYS_STREAMS | ALWAYS_USAGE };
/* Without alt=sse the answers come as a JSON array; here all of them at once. */
static const struct endpoint array_endpoint = { "POST", ":streamGenerateContent",
	gemini_content_array, NULL, NULL, NEVER_STREAMS };

static const struct endpoint *
route(struct str method, struct str path, struct str query, struct str *model)
{
	bool sse = memmem(query.bytes, query.len, "alt=sse", 7) != NULL;
	const struct endpoint *const endpoints[] = { &generate_endpoint,
		sse ? &events_endpoint : &array_endpoint, &model_endpoint };

	*model = path_behind(path, "/models/");
	for (size_t i = 0; model->bytes != NULL && i < sizeof(endpoints) / sizeof(endpoints[0]);
	     i++) {
		if (endpoint_find(endpoints[i], 1, method, path) == NULL)
			continue;
		model->len -= strlen(endpoints[i]->suffix);
		return endpoints[i];
	}
	return endpoint_find(&models_endpoint, 1, method, path);
}

const struct kind kind_gemini = {
	.name = "gemini",
	.key = KEY_GOOG,
	.heartbeat = ": keep-alive\r\n\r\n",
	.usual = usual,
	.no_key = { .status = 403,
	    .message =
		TEXT("Method doesn't allow unregistered callers (callers without established "
		     "identity). Please use API Key or other form of API consumer identity "
		     "to call this API.") },
	.bad_key = { .status = 400, .code = TEXT("API_KEY_INVALID") },
	.members = members,
	.unknown_member = { .status = 400,
	    .message =
		TEXT("Invalid JSON payload received. Unknown name \\\"{param}\\\": Cannot find "
		     "field.") },
	.route = route,
	.misses_in_body = misses_in_body,
	.error = error,
};
