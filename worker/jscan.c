// SPDX-License-Identifier: MIT
/*
 * The pull tokenizer of jscan.h. Runs in the workers over every byte of every body and answer, so
 * strings are passed sixteen bytes at a time. Invariant: between calls `pos` stands behind the
 * token returned last, and `expect` says all that may come next.
 */
#include "worker/jscan.h"

#include <assert.h>
#include <string.h>

#include "common/text.h"

enum expect {
	EXPECT_VALUE,
	EXPECT_FIRST_VALUE, /* or the array's end */
	EXPECT_FIRST_KEY,   /* or the object's end */
	EXPECT_COMMA,	    /* or the end of the container */
	EXPECT_END,
	EXPECT_NOTHING, /* failed */
};

/* ---- tokens ---------------------------------------------------------------------------------- */

void
jscan_init(struct jscan *s, const void *text, size_t len)
{
	*s = (struct jscan){ .text = text, .len = len, .expect = EXPECT_VALUE };
}

static enum jtok
fail(struct jscan *s, const char *why)
{
	s->error = s->pos < s->len ? why : "it ends too early";
	s->expect = EXPECT_NOTHING;
	return JTOK_ERROR;
}

/* The next byte that is not white space, or -1 at the end. */
static int
peek(struct jscan *s)
{
	for (; s->pos < s->len; s->pos++) {
		uint8_t c = s->text[s->pos];

		if (c > ' ' || (c != ' ' && c != '\n' && c != '\r' && c != '\t'))
			return c;
	}
	return -1;
}

static void
value_done(struct jscan *s)
{
	s->expect = s->depth > 0 ? EXPECT_COMMA : EXPECT_END;
}

static bool
in_object(const struct jscan *s)
{
	return (s->in_object >> (s->depth - 1)) & 1;
}

static enum jtok
open_container(struct jscan *s, bool object)
{
	if (s->depth == JSCAN_DEPTH)
		return fail(s, "it is nested too deep");
	s->in_object &= ~(UINT64_C(1) << s->depth);
	s->in_object |= (uint64_t)object << s->depth;
	s->depth++;
	s->span = (struct jspan){ s->pos++, 1 };
	s->expect = object ? EXPECT_FIRST_KEY : EXPECT_FIRST_VALUE;
	return object ? JTOK_OBJECT : JTOK_ARRAY;
}

static enum jtok
close_container(struct jscan *s)
{
	enum jtok tok = in_object(s) ? JTOK_OBJECT_END : JTOK_ARRAY_END;

	s->span = (struct jspan){ s->pos++, 1 };
	s->depth--;
	value_done(s);
	return tok;
}

/* ---- strings --------------------------------------------------------------------------------- */

static bool
is_hex_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Length of the escape at p (a backslash), 0 if it is none. */
static size_t
escape_length(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 2)
		return 0;
	if (p[1] != 'u')
		return memchr("\"\\/bfnrt", p[1], 8) != NULL ? 2 : 0;
	if (end - p < 6)
		return 0;
	for (unsigned i = 2; i < 6; i++)
		if (!is_hex_digit(p[i]))
			return 0;
	return 6;
}

/* Passes over a string whose opening quote is at `pos`; fills span and escaped. */
static bool
pass_string(struct jscan *s)
{
	const uint8_t *begin = s->text + s->pos + 1, *end = s->text + s->len, *p = begin;
	const char *why = NULL;

	s->escaped = false;
	for (;;) {
		size_t n = 0;

		p = text_plain_end(p, end);
		if (p == end || *p == '"')
			break;
		if (*p >= 0x80) {
			/* Letters of one script come in runs. */
			while (p < end && *p >= 0x80 && (n = text_utf8_length(p, end)) > 0)
				p += n;
			why = "bytes that are not UTF-8";
		} else if (*p == '\\') {
			n = escape_length(p, end);
			p += n;
			s->escaped = true;
			why = "a backslash that escapes nothing";
		} else {
			why = "a control byte in a string";
		}
		if (n == 0)
			break;
	}
	s->pos = (size_t)(p - s->text);
	if (p == end || *p != '"') {
		fail(s, why);
		return false;
	}
	s->span = (struct jspan){ (size_t)(begin - s->text), (size_t)(p - begin) };
	s->pos++;
	return true;
}

/* ---- other values ---------------------------------------------------------------------------- */

static size_t
pass_digits(struct jscan *s)
{
	size_t from = s->pos;

	while (s->pos < s->len && s->text[s->pos] >= '0' && s->text[s->pos] <= '9')
		s->pos++;
	return s->pos - from;
}

static bool
at_byte(const struct jscan *s, uint8_t a, uint8_t b)
{
	return s->pos < s->len && (s->text[s->pos] == a || s->text[s->pos] == b);
}

static enum jtok
read_number(struct jscan *s)
{
	static const char why[] = "a number that is none";
	size_t from = s->pos;

	s->pos += at_byte(s, '-', '-');
	if (at_byte(s, '0', '0'))
		s->pos++;
	else if (pass_digits(s) == 0)
		return fail(s, why);
	if (at_byte(s, '.', '.')) {
		s->pos++;
		if (pass_digits(s) == 0)
			return fail(s, why);
	}
	if (at_byte(s, 'e', 'E')) {
		s->pos++;
		s->pos += at_byte(s, '+', '-');
		if (pass_digits(s) == 0)
			return fail(s, why);
	}
	s->span = (struct jspan){ from, s->pos - from };
	value_done(s);
	return JTOK_NUMBER;
}

static enum jtok
read_word(struct jscan *s, const char *word, size_t n, enum jtok tok)
{
	if (s->len - s->pos < n || memcmp(s->text + s->pos, word, n) != 0)
		return fail(s, "a word that is not true, false or null");
	s->span = (struct jspan){ s->pos, n };
	s->pos += n;
	value_done(s);
	return tok;
}

static enum jtok
read_value(struct jscan *s, int c)
{
	switch (c) {
	case '"':
		if (!pass_string(s))
			return JTOK_ERROR;
		value_done(s);
		return JTOK_STRING;
	case '{': return open_container(s, true);
	case '[': return open_container(s, false);
	case 't': return read_word(s, "true", 4, JTOK_TRUE);
	case 'f': return read_word(s, "false", 5, JTOK_FALSE);
	case 'n': return read_word(s, "null", 4, JTOK_NULL);
	}
	if (c == '-' || (c >= '0' && c <= '9'))
		return read_number(s);
	return fail(s, "something else where a value should be");
}

static enum jtok
read_key(struct jscan *s, int c)
{
	if (c != '"')
		return fail(s, "something else where a member's name should be");
	if (!pass_string(s))
		return JTOK_ERROR;
	if (peek(s) != ':')
		return fail(s, "no colon behind a member's name");
	s->pos++;
	s->expect = EXPECT_VALUE;
	return JTOK_KEY;
}

static enum jtok
after_value(struct jscan *s, int c)
{
	bool object = in_object(s);

	if (c == (object ? '}' : ']'))
		return close_container(s);
	if (c != ',')
		return fail(s, object ? "neither ',' nor '}' behind a member"
				      : "neither ',' nor ']' behind an element");
	s->pos++;
	c = peek(s);
	return object ? read_key(s, c) : read_value(s, c);
}

enum jtok
jscan_next(struct jscan *s)
{
	int c;

	if (s->expect == EXPECT_NOTHING)
		return JTOK_ERROR;
	c = peek(s);
	switch ((enum expect)s->expect) {
	case EXPECT_COMMA: return after_value(s, c);
	case EXPECT_FIRST_KEY: return c == '}' ? close_container(s) : read_key(s, c);
	case EXPECT_FIRST_VALUE: return c == ']' ? close_container(s) : read_value(s, c);
	case EXPECT_VALUE: return read_value(s, c);
	default: break;
	}
	s->span = (struct jspan){ s->pos, 0 };
	return c < 0 ? JTOK_END : fail(s, "more behind the end of the value");
}

bool
jscan_skip(struct jscan *s, enum jtok first, struct jspan *whole)
{
	bool quoted = first == JTOK_STRING;
	size_t begin = s->span.off - quoted;

	assert(first != JTOK_END && first != JTOK_KEY && first != JTOK_OBJECT_END &&
	       first != JTOK_ARRAY_END);
	if (first == JTOK_ERROR)
		return false;
	if (first == JTOK_OBJECT || first == JTOK_ARRAY) {
		unsigned depth = s->depth;

		while (s->depth >= depth)
			if (jscan_next(s) == JTOK_ERROR)
				return false;
	}
	if (whole != NULL)
		*whole = (struct jspan){ begin, s->pos - begin };
	return true;
}

bool
jscan_valid(const void *text, size_t len)
{
	struct jscan s;

	jscan_init(&s, text, len);
	return jscan_skip(&s, jscan_next(&s), NULL) && jscan_next(&s) == JTOK_END;
}

bool
jscan_is_object(const void *text, size_t len)
{
	struct jscan s;
	enum jtok first;

	jscan_init(&s, text, len);
	first = jscan_next(&s);
	return first == JTOK_OBJECT && jscan_skip(&s, first, NULL) && jscan_next(&s) == JTOK_END;
}
