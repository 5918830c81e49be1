// SPDX-License-Identifier: MIT
/* Ends of JSON texts and of event streams; see content.h. */
#include "tests/load/content.h"

#include <string.h>

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Consumes bytes of a string up to its closing quote; returns how many. */
static size_t
feed_string(struct json_end *j, const uint8_t *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (j->escaped) {
			j->escaped = false;
		} else if (bytes[i] == '\\') {
			j->escaped = true;
		} else if (bytes[i] == '"') {
			j->in_string = false;
			return i + 1;
		}
	}
	return n;
}

static void
feed_outside(struct json_end *j, uint8_t c)
{
	if (is_space(c))
		return;
	if (j->closed) {
		j->trailing = true;
		return;
	}
	if (c == '{' || c == '[') {
		j->depth++;
		j->begun = true;
	} else if ((c == '}' || c == ']') && j->depth > 0) {
		j->closed = --j->depth == 0;
	} else if (!j->begun) {
		j->trailing = true;
	} else if (c == '"') {
		j->in_string = true;
	}
}

void
json_end_feed(struct json_end *j, const uint8_t *bytes, size_t n)
{
	size_t i = 0;

	while (i < n) {
		if (j->in_string)
			i += feed_string(j, bytes + i, n - i);
		else
			feed_outside(j, bytes[i++]);
	}
}

bool
json_ended(const struct json_end *j)
{
	return j->closed && !j->trailing;
}

enum line_kind { LINE_OTHER, LINE_DATA, LINE_END, LINE_ERROR };

/* First match counts, so the special forms stand before the general one. */
static const struct line_form {
	const char *start;
	bool whole; /* the line is this and nothing more */
	enum line_kind kind;
} line_forms[] = {
	{ "data: [DONE]", true, LINE_END },
	{ "data:[DONE]", true, LINE_END },
	{ "data: {\"error\"", false, LINE_ERROR },
	{ "data:{\"error\"", false, LINE_ERROR },
	{ "event: error", true, LINE_ERROR },
	{ "event: message_stop", true, LINE_END },
	{ "event: response.completed", true, LINE_END },
	{ "event: response.incomplete", true, LINE_END },
	{ "event: response.failed", true, LINE_END },
	{ "data:", false, LINE_DATA },
};

static enum line_kind
kind_of_line(const char *line, size_t len)
{
	const struct line_form *f;
	size_t i, n;

	for (i = 0; i < sizeof(line_forms) / sizeof(line_forms[0]); i++) {
		f = &line_forms[i];
		n = strlen(f->start);
		if (len >= n && memcmp(line, f->start, n) == 0 && (!f->whole || len == n))
			return f->kind;
	}
	return LINE_OTHER;
}

static void
on_line(struct sse_end *s)
{
	size_t len = s->kept;

	if (len > 0 && s->line[len - 1] == '\r')
		len--;
	s->kept = 0;
	switch (kind_of_line(s->line, len)) {
	case LINE_DATA: s->events++; break;
	case LINE_END: s->ended = true; break;
	case LINE_ERROR: s->error = true; break;
	case LINE_OTHER: break;
	}
}

void
sse_end_feed(struct sse_end *s, const uint8_t *bytes, size_t n)
{
	const uint8_t *newline;
	size_t len, take;

	while (n > 0) {
		newline = memchr(bytes, '\n', n);
		len = newline == NULL ? n : (size_t)(newline - bytes);
		take = sizeof(s->line) - s->kept;
		take = len < take ? len : take;
		memcpy(s->line + s->kept, bytes, take);
		s->kept = (uint8_t)(s->kept + take);
		if (newline == NULL)
			return;
		on_line(s);
		bytes = newline + 1;
		n -= len + 1;
	}
}
