// SPDX-License-Identifier: MIT
/*
 * The usual error of each status, as OpenAI words it. Other kinds of provider take from here what
 * they share and shape it themselves.
 */
#include "tests/simprovider/problem.h"

#include <stddef.h>

static const struct usual {
	unsigned status;
	const char *phrase, *type, *code, *message;
} usual[] = {
	{ 200, "OK", "", "", "" },
	{ 400, "Bad Request", "invalid_request_error", NULL, "The request was not understood." },
	{ 401, "Unauthorized", "invalid_request_error", "invalid_api_key",
	    "Incorrect API key provided." },
	{ 402, "Payment Required", "insufficient_quota", "insufficient_quota",
	    "The account has no balance left." },
	{ 403, "Forbidden", "invalid_request_error", "unsupported_country_region_territory",
	    "Access is not allowed." },
	{ 404, "Not Found", "invalid_request_error", "model_not_found",
	    "The model `{model}` does not exist or you do not have access to it." },
	{ 405, "Method Not Allowed", "invalid_request_error", "method_not_supported",
	    "Not allowed to use this method on this path." },
	{ 408, "Request Timeout", "timeout", "request_timeout", "The request took too long." },
	{ 409, "Conflict", "conflict_error", NULL, "The resource was changed by another request." },
	{ 413, "Payload Too Large", "invalid_request_error", "request_too_large",
	    "The request is too large." },
	{ 422, "Unprocessable Entity", "invalid_request_error", NULL,
	    "The request could not be processed." },
	{ 429, "Too Many Requests", "requests", "rate_limit_exceeded",
	    "Rate limit reached for {model}. Please try again later." },
	{ 500, "Internal Server Error", "server_error", NULL,
	    "The server had an error while processing your request." },
	{ 502, "Bad Gateway", "server_error", "bad_gateway", "Bad gateway." },
	{ 503, "Service Unavailable", "server_error", "service_unavailable",
	    "The engine is currently overloaded, please try again later." },
	{ 504, "Gateway Timeout", "server_error", "gateway_timeout", "Gateway timeout." },
	{ 529, "Overloaded", "overloaded_error", "overloaded", "Overloaded." },
	{ 0, "Status", "server_error", NULL, "The server answered with an error." },
};

static const struct usual *
find_usual(unsigned status)
{
	const struct usual *u = usual;

	while (u->status != status && u->status != 0)
		u++;
	return u;
}

static struct str
str_of(const char *s)
{
	return (struct str){ s, s != NULL ? strlen(s) : 0 };
}

struct problem
problem_usual(unsigned status)
{
	const struct usual *u = find_usual(status);

	return (struct problem){
		.status = status,
		.type = str_of(u->type),
		.code = str_of(u->code),
		.message = str_of(u->message),
	};
}

struct problem
problem_complete(const struct problem *given)
{
	struct problem usual_one = problem_usual((unsigned)given->status);
	struct problem full = *given;

	if (full.type.bytes == NULL)
		full.type = usual_one.type;
	if (full.code.bytes == NULL)
		full.code = usual_one.code;
	if (full.message.bytes == NULL)
		full.message = usual_one.message;
	return full;
}

const char *
problem_phrase(unsigned status)
{
	return find_usual(status)->phrase;
}

void
problem_message(const struct problem *problem, struct str model, struct text *out)
{
	static const char mark[] = "{model}";
	struct str message = problem->message;
	const char *found = memmem(message.bytes, message.len, mark, sizeof(mark) - 1);

	if (found == NULL) {
		text_span(out, message);
		return;
	}
	size_t before = (size_t)(found - message.bytes);
	size_t used = before + sizeof(mark) - 1;

	text_add(out, message.bytes, before);
	text_span(out, model);
	text_add(out, message.bytes + used, message.len - used);
}
