// SPDX-License-Identifier: MIT
/*
 * The body scanner of simprovider. Strings are skipped by memchr, so that large prompts cost
 * little. A cursor never passes its end; `at` == `end` means that the text ran out.
 */
#include "tests/simprovider/scan.h"

#include <stdlib.h>

struct cursor {
	const char *at, *end;
};

static void
skip_space(struct cursor *c)
{
	while (
	    c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
		c->at++;
}

static bool
take(struct cursor *c, char expected)
{
	skip_space(c);
	if (c->at == c->end || *c->at != expected)
		return false;
	c->at++;
	return true;
}

/* A string without its quotes; false: it does not end, or there is none. */
static bool
take_string(struct cursor *c, struct str *out)
{
	if (!take(c, '"'))
		return false;
	out->bytes = c->at;
	for (;;) {
		const char *quote = memchr(c->at, '"', (size_t)(c->end - c->at));
		size_t slashes = 0;

		if (quote == NULL)
			return false;
		while (quote - slashes > out->bytes && quote[-1 - (ptrdiff_t)slashes] == '\\')
			slashes++;
		c->at = quote + 1;
		if (slashes % 2 == 0) {
			out->len = (size_t)(quote - out->bytes);
			return true;
		}
	}
}

/* Any value, as its bytes. Brackets are only counted, not matched by kind. */
static bool
take_value(struct cursor *c, struct str *out)
{
	size_t depth = 0;
	struct str ignored;

	skip_space(c);
	out->bytes = c->at;
	while (c->at < c->end) {
		char b = *c->at;

		if (b == '"') {
			if (!take_string(c, &ignored))
				return false;
		} else if (depth == 0 && (b == ',' || b == '}' || b == ']' || b <= ' ')) {
			break;
		} else {
			depth += b == '{' || b == '[';
			depth -= b == '}' || b == ']';
			c->at++;
		}
	}
	out->len = (size_t)(c->at - out->bytes);
	return depth == 0 && out->len > 0;
}

static bool
same(struct str s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.bytes, word, s.len) == 0;
}

static void
note_model(struct str value, struct ask *ask)
{
	if (value.len >= 2 && value.bytes[0] == '"')
		ask->model = (struct str){ value.bytes + 1, value.len - 2 };
}

static void
note_stream(struct str value, struct ask *ask)
{
	ask->stream = same(value, "true");
}

static void
note_include_usage(struct str value, struct ask *ask)
{
	ask->include_usage = same(value, "true");
}

static void
note_tools(struct str value, struct ask *ask)
{
	ask->tools = value.bytes[0] == '[' && value.len > 2;
}

static void
note_input(struct str value, struct ask *ask)
{
	ask->input = value;
}

static void
note_encoding(struct str value, struct ask *ask)
{
	ask->base64 = same(value, "\"base64\"");
}

static void
note_dimensions(struct str value, struct ask *ask)
{
	for (size_t i = 0; i < value.len && value.bytes[i] >= '0' && value.bytes[i] <= '9'; i++)
		if (ask->dimensions < 100000)
			ask->dimensions = ask->dimensions * 10 + (uint32_t)(value.bytes[i] - '0');
}

static void
note_messages(struct str value, struct ask *ask)
{
	ask->messages = value.bytes[0] == '[';
}

static void
note_contents(struct str value, struct ask *ask)
{
	ask->contents = value.bytes[0] == '[' || value.bytes[0] == '{';
}

static void
note_max_tokens(struct str value, struct ask *ask)
{
	ask->max_tokens = value.bytes[0] >= '1' && value.bytes[0] <= '9';
}

static void
note_stop(struct str value, struct ask *ask)
{
	struct cursor c = { value.bytes, value.bytes + value.len };
	struct str text;

	take(&c, '[');
	if (take_string(&c, &text))
		ask->stop = (struct str){ text.bytes - 1, text.len + 2 };
}

struct member {
	const char *name;
	void (*note)(struct str value, struct ask *ask);
};

static const struct member option_members[] = {
	{ "include_usage", note_include_usage },
	{ NULL, NULL },
};

static bool take_object(
    struct cursor *c, const struct member *members, const char *known, struct ask *ask);

static void
note_stream_options(struct str value, struct ask *ask)
{
	struct cursor inside = { value.bytes, value.bytes + value.len };

	take_object(&inside, option_members, NULL, ask);
}

static const struct member members_of_body[] = {
	{ "model", note_model },
	{ "stream", note_stream },
	{ "stream_options", note_stream_options },
	{ "tools", note_tools },
	{ "input", note_input },
	{ "encoding_format", note_encoding },
	{ "dimensions", note_dimensions },
	{ "messages", note_messages },
	{ "contents", note_contents },
	{ "max_tokens", note_max_tokens },
	{ "stop", note_stop },
	{ "stop_sequences", note_stop },
	{ NULL, NULL },
};

/* A name between spaces in the list. */
static bool
is_known(const char *known, struct str name)
{
	const char *found = known;
	size_t left = strlen(known);

	while ((found = memmem(found, left, name.bytes, name.len)) != NULL) {
		if (name.len > 0 && found > known && found[-1] == ' ' && found[name.len] == ' ')
			return true;
		found++;
		left = strlen(found);
	}
	return false;
}

static bool
take_object(struct cursor *c, const struct member *members, const char *known, struct ask *ask)
{
	struct str name, value;

	if (!take(c, '{'))
		return false;
	if (take(c, '}'))
		return true;
	do {
		if (!take_string(c, &name) || !take(c, ':') || !take_value(c, &value))
			return false;
		for (const struct member *m = members; m->name != NULL; m++)
			if (same(name, m->name))
				m->note(value, ask);
		if (known != NULL && ask->unknown.bytes == NULL && !is_known(known, name))
			ask->unknown = name;
	} while (take(c, ','));
	return take(c, '}');
}

bool
scan_body(struct str body, const char *known, struct ask *ask)
{
	struct cursor c = { body.bytes, body.bytes + body.len };

	memset(ask, 0, sizeof(*ask));
	if (!take_object(&c, members_of_body, known, ask))
		return false;
	skip_space(&c);
	return c.at == c.end;
}

void
scan_elements(struct str value, void (*each)(struct str element, void *arg), void *arg)
{
	struct cursor c = { value.bytes, value.bytes + value.len };
	struct str element;

	/* An array of numbers is one input, made of tokens. */
	if (value.len < 2 || value.bytes[0] != '[' ||
	    (value.bytes[1] >= '0' && value.bytes[1] <= '9')) {
		each(value, arg);
		return;
	}
	take(&c, '[');
	do {
		if (take_value(&c, &element))
			each(element, arg);
	} while (take(&c, ','));
}
