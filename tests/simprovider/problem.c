// SPDX-License-Identifier: MIT
/*
 * What errors of all kinds of provider share: the phrases of status lines, the completion of what
 * a script leaves out, and the model's name in a message.
 */
#include "tests/simprovider/problem.h"

#include <stddef.h>

static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 413, "Payload Too Large" },
	{ 422, "Unprocessable Entity" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 529, "Overloaded" },
};

static bool
same(struct str s, const char *word)
{
	return word != NULL && s.len == strlen(word) && memcmp(s.bytes, word, s.len) == 0;
}

static const struct usual *
find_usual(const struct problem *given, const struct usual *table)
{
	const struct usual *first = NULL;
	const struct usual *u = table;

	for (; u->status != 0; u++) {
		if (u->status != given->status)
			continue;
		if (given->code.bytes != NULL && same(given->code, u->code))
			return u;
		if (first == NULL)
			first = u;
	}
	return first != NULL ? first : u;
}

static void
fill(struct str *member, const char *usual_one)
{
	if (member->bytes == NULL && usual_one != NULL)
		*member = (struct str){ usual_one, strlen(usual_one) };
}

struct problem
problem_complete(const struct problem *given, const struct usual *table)
{
	const struct usual *u = find_usual(given, table);
	struct problem full = *given;

	fill(&full.type, u->type);
	fill(&full.code, u->code);
	fill(&full.message, u->message);
	return full;
}

const char *
problem_phrase(unsigned status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Status";
}

/* Adds `message` with `value` in the place of the first `mark`; false: there is none. */
static bool
add_with(struct str message, const char *mark, struct str value, struct text *out)
{
	const char *found = memmem(message.bytes, message.len, mark, strlen(mark));

	if (found == NULL)
		return false;
	size_t before = (size_t)(found - message.bytes);
	size_t used = before + strlen(mark);

	text_add(out, message.bytes, before);
	text_span(out, value);
	text_add(out, message.bytes + used, message.len - used);
	return true;
}

void
problem_message(const struct problem *problem, struct str model, struct text *out)
{
	if (!add_with(problem->message, "{model}", model, out) &&
	    !add_with(problem->message, "{param}", problem->param, out))
		text_span(out, problem->message);
}
