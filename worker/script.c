// SPDX-License-Identifier: MIT
/* Writing systems; see script.h. Pure. */
#include "worker/script.h"

#include <string.h>

#include "worker/jscan.h"

#define ANSWER_LETTERS_MIN 12

static const struct {
	uint32_t first, last;
	enum script script;
} ranges[] = {
	{ 0xC0, 0x24F, SCRIPT_LATIN },
	{ 0x370, 0x3FF, SCRIPT_GREEK },
	{ 0x400, 0x52F, SCRIPT_CYRILLIC },
	{ 0x590, 0x5FF, SCRIPT_HEBREW },
	{ 0x600, 0x77F, SCRIPT_ARABIC },
	{ 0x900, 0xDFF, SCRIPT_INDIC },
	{ 0xE00, 0xE7F, SCRIPT_THAI },
	{ 0x1100, 0x11FF, SCRIPT_EAST_ASIAN },
	{ 0x1E00, 0x1EFF, SCRIPT_LATIN },
	{ 0x3040, 0x318F, SCRIPT_EAST_ASIAN },
	{ 0x3400, 0x9FFF, SCRIPT_EAST_ASIAN },
	{ 0xAC00, 0xD7AF, SCRIPT_EAST_ASIAN },
};

static void
count(struct script_count *c, uint32_t point)
{
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (point >= ranges[i].first && point <= ranges[i].last) {
			c->letters[ranges[i].script]++;
			return;
		}
	}
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An escape: its length. Only \u is more than two bytes and can be a letter. */
static size_t
take_escape(struct script_count *c, const uint8_t *at, size_t n)
{
	uint32_t point = 0;

	if (n < 6 || at[1] != 'u')
		return 2;
	for (unsigned i = 2; i < 6; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return 2;
		point = point << 4 | (uint32_t)digit;
	}
	count(c, point);
	return 6;
}

/* Two or three bytes of UTF-8; four are no letters that matter here. */
static size_t
take_wide(struct script_count *c, const uint8_t *at, size_t n)
{
	if (at[0] >= 0xF0)
		return 4;
	if (at[0] >= 0xE0 && n >= 3)
		count(c, (at[0] & 15u) << 12 | (at[1] & 63u) << 6 | (at[2] & 63u));
	else if (at[0] < 0xE0 && at[0] >= 0xC0 && n >= 2)
		count(c, (at[0] & 31u) << 6 | (at[1] & 63u));
	return at[0] >= 0xE0 ? 3 : at[0] >= 0xC0 ? 2 : 1;
}

/* Eight bytes at once: bits of those that are above 127 or a backslash. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS  EACH(0x80)

static uint64_t
special_bytes(uint64_t word)
{
	uint64_t slash = word ^ EACH('\\');

	return (word | ((slash - EACH(1)) & ~slash)) & HIGH_BITS;
}

/* Of eight ASCII bytes, how many are letters. */
static unsigned
count_letters(uint64_t word)
{
	uint64_t lower = word | EACH(0x20);
	uint64_t from_a = lower + EACH(0x80 - 'a'), above_z = lower + EACH(0x7f - 'z');

	return (unsigned)__builtin_popcountll(from_a & ~above_z & HIGH_BITS);
}

void
script_add(struct script_count *c, const void *text, size_t n)
{
	const uint8_t *bytes = text;
	size_t left = SCRIPT_BYTES - c->bytes;
	unsigned latin = 0;
	uint64_t word;

	if (n > left)
		n = left;
	c->bytes += (uint16_t)n;
	for (size_t i = 0; i < n;) {
		uint8_t b = bytes[i];

		if (n - i >= 8 && (memcpy(&word, bytes + i, 8), special_bytes(word) == 0)) {
			latin += count_letters(word);
			i += 8;
		} else if (b >= 0x80) {
			i += take_wide(c, bytes + i, n - i);
		} else if (b == '\\') {
			i += take_escape(c, bytes + i, n - i);
		} else {
			latin += (uint8_t)((b | 32) - 'a') < 26;
			i++;
		}
	}
	c->letters[SCRIPT_LATIN] += (uint16_t)latin;
}

/* Roles, types and names are no part of what was asked. */
void
script_add_prompt(struct script_count *c, const void *json, size_t n)
{
	struct jscan s;
	enum jtok tok;
	bool is_text = true;

	jscan_init(&s, json, n);
	while ((tok = jscan_next(&s)) != JTOK_END && tok != JTOK_ERROR) {
		if (tok == JTOK_KEY)
			is_text = jscan_equals(&s, "content") || jscan_equals(&s, "text");
		else if (tok == JTOK_STRING && is_text)
			script_add(c, s.text + s.span.off, s.span.len);
	}
}

bool
script_is_ascii(const void *json, size_t n)
{
	const uint8_t *at = json, *end = at + n;
	uint64_t word, special = 0;

	for (; end - at >= 8; at += 8) {
		memcpy(&word, at, 8);
		special |= special_bytes(word);
	}
	for (; at < end; at++)
		special |= special_bytes(*at);
	if (special == 0)
		return true;
	for (at = json; at < end; at++) {
		if (*at >= 0x80 || (*at == '\\' && at + 1 < end && at[1] == 'u'))
			return false;
	}
	return true;
}

bool
script_is_latin(const struct script_count *c)
{
	unsigned all = 0;

	for (unsigned i = 0; i < SCRIPT_COUNT; i++)
		all += c->letters[i];
	return c->letters[SCRIPT_LATIN] * 2u > all;
}

bool
script_foreign(const struct script_count *answer, const struct script_count *prompt)
{
	unsigned all = 0, prompt_all = 0, most = 0;

	for (unsigned i = 0; i < SCRIPT_COUNT; i++) {
		all += answer->letters[i];
		prompt_all += prompt->letters[i];
		if (answer->letters[i] > answer->letters[most])
			most = i;
	}
	if (all < ANSWER_LETTERS_MIN || prompt_all == 0)
		return false;
	return answer->letters[most] * 2u > all && prompt->letters[most] * 20u < prompt_all;
}
