// SPDX-License-Identifier: MIT
/* JSON in pieces; see jsonflow.h. A table of states, a byte at a time; strings, which are most of
 * it, are passed over faster. Pure. */
#include "worker/jsonflow.h"

#include <string.h>

enum state {
	AT_VALUE, /* zero: the beginning */
	AT_VALUE_OR_END,
	AT_KEY_OR_END,
	AT_KEY,
	AT_COLON,
	BEHIND_VALUE,
	IN_STRING,
	IN_ESCAPE,
	IN_HEX,
	IN_LITERAL,
	NUMBER_MINUS,
	NUMBER_ZERO,
	NUMBER_DIGITS,
	NUMBER_POINT,
	NUMBER_FRACTION,
	NUMBER_E,
	NUMBER_SIGN,
	NUMBER_EXPONENT,
	GIVEN_UP,
	BROKEN,
};

static const char *const literals[] = { "true", "false", "null" };

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool
may_end(uint8_t state)
{
	return state == NUMBER_ZERO || state == NUMBER_DIGITS || state == NUMBER_FRACTION ||
	       state == NUMBER_EXPONENT;
}

static bool
in_object(const struct jsonflow *f)
{
	return f->depth > 0 && (f->in_object >> (f->depth - 1) & 1);
}

static uint8_t
open_container(struct jsonflow *f, bool object)
{
	if (f->depth == JSONFLOW_DEPTH)
		return GIVEN_UP;
	f->in_object &= ~(UINT64_C(1) << f->depth);
	f->in_object |= (uint64_t)object << f->depth;
	f->depth++;
	return object ? AT_KEY_OR_END : AT_VALUE_OR_END;
}

static uint8_t
close_container(struct jsonflow *f, uint8_t c)
{
	if (f->depth == 0 || in_object(f) != (c == '}'))
		return BROKEN;
	f->depth--;
	return BEHIND_VALUE;
}

static uint8_t
begin_string(struct jsonflow *f, bool key)
{
	f->key = key;
	return IN_STRING;
}

static uint8_t
begin_value(struct jsonflow *f, uint8_t c)
{
	if (c == '"')
		return begin_string(f, false);
	if (c == '{' || c == '[')
		return open_container(f, c == '{');
	if (c == '-')
		return NUMBER_MINUS;
	if (is_digit(c))
		return c == '0' ? NUMBER_ZERO : NUMBER_DIGITS;
	for (uint8_t i = 0; i < 3; i++) {
		if (literals[i][0] == (char)c) {
			f->progress = (uint8_t)(i << 4 | 1);
			return IN_LITERAL;
		}
	}
	return BROKEN;
}

static uint8_t
go_on_literal(struct jsonflow *f, uint8_t c)
{
	const char *word = literals[f->progress >> 4];
	unsigned at = f->progress & 15;

	if ((char)c != word[at])
		return BROKEN;
	f->progress++;
	return word[at + 1] == '\0' ? BEHIND_VALUE : IN_LITERAL;
}

static uint8_t
behind_value(struct jsonflow *f, uint8_t c)
{
	if (c == ',' && f->depth > 0)
		return in_object(f) ? AT_KEY : AT_VALUE;
	return c == '}' || c == ']' ? close_container(f, c) : BROKEN;
}

static uint8_t
go_on_number(struct jsonflow *f, uint8_t c)
{
	bool digit = is_digit(c);

	switch (f->state) {
	case NUMBER_MINUS: return !digit ? BROKEN : c == '0' ? NUMBER_ZERO : NUMBER_DIGITS;
	case NUMBER_DIGITS:
		if (digit)
			return NUMBER_DIGITS;
		break;
	case NUMBER_POINT: return digit ? NUMBER_FRACTION : BROKEN;
	case NUMBER_FRACTION:
		if (digit)
			return NUMBER_FRACTION;
		break;
	case NUMBER_E:
		if (c == '+' || c == '-')
			return NUMBER_SIGN;
		return digit ? NUMBER_EXPONENT : BROKEN;
	case NUMBER_SIGN: return digit ? NUMBER_EXPONENT : BROKEN;
	case NUMBER_EXPONENT:
		if (digit)
			return NUMBER_EXPONENT;
		break;
	default: break;
	}
	if (c == '.' && f->state != NUMBER_FRACTION && f->state != NUMBER_EXPONENT)
		return NUMBER_POINT;
	if ((c == 'e' || c == 'E') && f->state != NUMBER_EXPONENT)
		return NUMBER_E;
	return is_space(c) ? BEHIND_VALUE : behind_value(f, c);
}

static uint8_t
go_on_string(struct jsonflow *f, uint8_t c)
{
	if (f->state == IN_ESCAPE) {
		f->progress = 0;
		if (c == 'u')
			return IN_HEX;
		return c != '\0' && strchr("\"\\/bfnrt", c) != NULL ? IN_STRING : BROKEN;
	}
	if (f->state == IN_HEX) {
		if (!is_digit(c) && !((c | 32) >= 'a' && (c | 32) <= 'f'))
			return BROKEN;
		return ++f->progress == 4 ? IN_STRING : IN_HEX;
	}
	if (c == '"')
		return f->key ? AT_COLON : BEHIND_VALUE;
	if (c == '\\')
		return IN_ESCAPE;
	return c < ' ' ? BROKEN : IN_STRING;
}

/* The state that follows on a byte. */
static uint8_t
next_state(struct jsonflow *f, uint8_t c)
{
	switch (f->state) {
	case IN_STRING:
	case IN_ESCAPE:
	case IN_HEX: return go_on_string(f, c);
	case IN_LITERAL: return go_on_literal(f, c);
	case GIVEN_UP:
	case BROKEN: return f->state;
	default: break;
	}
	if (f->state >= NUMBER_MINUS)
		return go_on_number(f, c);
	if (is_space(c))
		return f->state;
	switch (f->state) {
	case AT_VALUE: return begin_value(f, c);
	case AT_VALUE_OR_END: return c == ']' ? close_container(f, c) : begin_value(f, c);
	case AT_KEY_OR_END:
		if (c == '}')
			return close_container(f, c);
		return c == '"' ? begin_string(f, true) : BROKEN;
	case AT_KEY: return c == '"' ? begin_string(f, true) : BROKEN;
	case AT_COLON: return c == ':' ? AT_VALUE : BROKEN;
	default: return behind_value(f, c);
	}
}

void
jsonflow_feed(struct jsonflow *f, const void *text, size_t n)
{
	const uint8_t *bytes = text;

	for (size_t i = 0; i < n; i++) {
		f->began |= !is_space(bytes[i]);
		f->state = next_state(f, bytes[i]);
	}
}

bool
jsonflow_whole(const struct jsonflow *f)
{
	return f->state == GIVEN_UP ||
	       (f->depth == 0 && f->began && (f->state == BEHIND_VALUE || may_end(f->state)));
}
