// SPDX-License-Identifier: MIT
/*
 * A recursive scanner of RFC 8259 over a terminated text; see json_scan.h. It stops at the first
 * byte that does not belong, so the line it tells is the line to look at. The NUL behind the text
 * belongs nowhere, which keeps every look at the next byte inside.
 */
#include "common/json_scan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

struct scan {
	struct json *json;
	const char *at, *end;
	unsigned line, depth;
	struct err *e;
};

static int scan_value(struct scan *s);

static int
fail(struct scan *s, const char *what)
{
	return err_set(s->e, "not valid JSON: %s", what);
}

/* Says what should have stood at the byte at hand. */
static int
fail_here(struct scan *s, const char *expected)
{
	if (s->at >= s->end)
		return fail(s, "the text ends too early");
	if (*s->at == '/' || *s->at == '#')
		return fail(s, "only comments that begin with // are known");
	return fail(s, expected);
}

static void
skip_space(struct scan *s)
{
	for (;; s->at++) {
		if (*s->at == '\n')
			s->line++;
		else if (*s->at != ' ' && *s->at != '\t' && *s->at != '\r')
			return;
	}
}

/* Four hexadecimal digits; -1: something else. */
static int
hex4(const char *p)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static int
scan_unicode_escape(struct scan *s)
{
	int unit = hex4(s->at + 2);

	if (unit < 0)
		return fail(s, "\\u wants four hexadecimal digits");
	if (unit == 0)
		return fail(s, "\\u0000 is not allowed here");
	s->at += 6;
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	if (unit < 0xdc00 && s->at[0] == '\\' && s->at[1] == 'u') {
		int low = hex4(s->at + 2);

		s->at += 6;
		if (low >= 0xdc00 && low <= 0xdfff)
			return 0;
	}
	return fail(s, "half of a surrogate pair");
}

static int
scan_escape(struct scan *s)
{
	if (s->at[1] == 'u')
		return scan_unicode_escape(s);
	if (s->at[1] == '\0' || strchr("\"\\/bfnrt", s->at[1]) == NULL)
		return fail(s, "unknown escape in a string");
	s->at += 2;
	return 0;
}

static int
scan_string(struct scan *s)
{
	for (s->at++; *s->at != '"';) {
		unsigned char c = (unsigned char)*s->at;
		size_t length = 1;

		if (c == '\\') {
			if (scan_escape(s) != 0)
				return -1;
			continue;
		}
		if (c == '\n' || s->at >= s->end)
			return fail(s, "a string has no closing quote");
		if (c < 0x20 || c == 0x7f)
			return fail(s, "a control byte inside a string");
		if (c >= 0x80)
			length = text_utf8_length((const uint8_t *)s->at, (const uint8_t *)s->end);
		if (length == 0)
			return fail(s, "bytes that are not UTF-8");
		s->at += length;
	}
	s->at++;
	return 0;
}

static bool
skip_digits(struct scan *s)
{
	const char *start = s->at;

	while (*s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > start;
}

static int
scan_number(struct scan *s)
{
	const char *start = s->at;
	bool good;

	if (*s->at == '-')
		s->at++;
	if (*s->at == '0') {
		s->at++;
		good = *s->at < '0' || *s->at > '9';
	} else
		good = skip_digits(s);
	if (good && *s->at == '.') {
		s->at++;
		good = skip_digits(s);
	}
	if (good && (*s->at == 'e' || *s->at == 'E')) {
		s->at++;
		if (*s->at == '+' || *s->at == '-')
			s->at++;
		good = skip_digits(s);
	}
	if (!good)
		return fail(s, "a number that is none");
	if (s->at - start > JSON_NUMBER_BYTES)
		return fail(s, "a number is too long");
	return 0;
}

static int
scan_word(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if (strncmp(s->at, words[i], n) == 0) {
			s->at += n;
			return 0;
		}
	}
	return fail_here(s, "expected a value");
}

/* After the opening bracket: whether the container ends here. */
static bool
closes(struct scan *s, char close)
{
	skip_space(s);
	if (*s->at != close)
		return false;
	s->at++;
	return true;
}

/* Between two members: 1 another one follows, 0 the container has ended, -1 neither. */
static int
scan_separator(struct scan *s, char close)
{
	if (closes(s, close))
		return 0;
	if (*s->at != ',')
		return fail_here(s, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
	s->at++;
	skip_space(s);
	if (*s->at == close)
		return fail(s, "a comma too many");
	return 1;
}

static int
scan_member(struct scan *s)
{
	skip_space(s);
	if (*s->at != '"')
		return fail_here(s, "expected a name in double quotes");
	if (scan_string(s) != 0)
		return -1;
	skip_space(s);
	if (*s->at != ':')
		return fail_here(s, "expected ':' after a name");
	s->at++;
	return scan_value(s);
}

static int
scan_container(struct scan *s, char close)
{
	int more = 1;

	if (++s->depth > JSON_DEPTH)
		return fail(s, "nested too deeply");
	s->at++;
	if (closes(s, close))
		more = 0;
	while (more > 0) {
		if ((close == '}' ? scan_member(s) : scan_value(s)) != 0)
			return -1;
		more = scan_separator(s, close);
	}
	s->depth--;
	return more;
}

/* Takes the next place. Its index, or -1: out of memory. */
static long
new_place(struct scan *s)
{
	struct json *j = s->json;

	if (j->n_places == j->room) {
		unsigned room = j->room == 0 ? 64 : j->room * 2;
		struct json_place *places = realloc(j->places, room * sizeof(*places));

		if (places == NULL)
			return err_set(s->e, "out of memory");
		j->places = places;
		j->room = room;
	}
	j->places[j->n_places].offset = (unsigned)(s->at - j->text);
	j->places[j->n_places].line = s->line;
	return j->n_places++;
}

static int
scan_value(struct scan *s)
{
	long place;
	int rc;

	skip_space(s);
	place = new_place(s);
	if (place < 0)
		return -1;
	if (*s->at == '{')
		rc = scan_container(s, '}');
	else if (*s->at == '[')
		rc = scan_container(s, ']');
	else if (*s->at == '"')
		rc = scan_string(s);
	else if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9'))
		rc = scan_number(s);
	else
		rc = scan_word(s);
	s->json->places[place].length =
	    (unsigned)(s->at - s->json->text) - s->json->places[place].offset;
	return rc;
}

int
json_scan(struct json *j, size_t n, unsigned *line, struct err *e)
{
	struct scan s = { j, j->text, j->text + n, 1, 0, e };
	int rc = scan_value(&s);

	if (rc == 0) {
		skip_space(&s);
		if (s.at != s.end)
			rc = fail_here(&s, "something follows the end of the value");
	}
	*line = s.line;
	return rc;
}
