// SPDX-License-Identifier: MIT
/*
 * The JSON tokenizer on any bytes, beside cJSON: what it takes, cJSON takes too. The other way
 * round does not hold: cJSON also takes bytes that are not UTF-8, control bytes in strings, numbers
 * like "01" and more depth, and stops at the value's end. Left out of the comparison is what cJSON
 * refuses although it is JSON: lone surrogates (all surrogates, to keep it simple), and numbers of
 * more bytes than it reads.
 */
#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "worker/jscan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define CJSON_NUMBER_BYTES 60

static bool
is_value(enum jtok tok)
{
	return tok == JTOK_STRING || tok == JTOK_NUMBER || tok == JTOK_TRUE || tok == JTOK_FALSE ||
	       tok == JTOK_NULL || tok == JTOK_OBJECT || tok == JTOK_ARRAY;
}

static bool
is_utf8(const uint8_t *p, size_t n)
{
	const uint8_t *end = n > 0 ? p + n : p;

	while (p < end) {
		size_t length = *p < 0x80 ? 1 : text_utf8_length(p, end);

		if (length == 0)
			return false;
		p += length;
	}
	return true;
}

/* Unescaped text is UTF-8, no longer than it was, and the same in parts. */
static void
check_string(const struct jscan *s)
{
	uint8_t *out = malloc(s->span.len + 4), part[4];
	ptrdiff_t n = jscan_unescape(s->text, s->span, out, s->span.len + 4);
	struct jspan rest = s->span;
	size_t at = 0;

	assert(n >= 0 && (size_t)n <= s->span.len && is_utf8(out, (size_t)n));
	assert(s->escaped == (memchr(s->text + s->span.off, '\\', s->span.len) != NULL));
	while (rest.len > 0) {
		size_t got = jscan_unescape_part(s->text, &rest, part, sizeof(part));

		assert(got > 0 && at + got <= (size_t)n && memcmp(out + at, part, got) == 0);
		at += got;
	}
	assert(at == (size_t)n);
	out[n] = '\0';
	assert(jscan_equals(s, (const char *)out) == (memchr(out, 0, (size_t)n) == NULL));
	free(out);
}

/* What keeps a text out of the comparison. */
struct oddities {
	bool surrogate, long_number;
};

static bool
has_surrogate(const struct jscan *s)
{
	const uint8_t *p = s->text + s->span.off;

	for (size_t i = 0; i + 2 < s->span.len; i++)
		if (p[i] == '\\' && p[i + 1] == 'u' && (p[i + 2] | 0x20) == 'd')
			return true;
	return false;
}

static bool
walk(const uint8_t *bytes, size_t n, struct oddities *odd)
{
	struct jscan s;
	enum jtok tok;

	jscan_init(&s, bytes, n);
	while ((tok = jscan_next(&s)) != JTOK_ERROR && tok != JTOK_END) {
		assert(s.span.off + s.span.len <= n && s.pos <= n && s.depth <= JSCAN_DEPTH);
		if (tok == JTOK_STRING || tok == JTOK_KEY) {
			odd->surrogate |= has_surrogate(&s);
			check_string(&s);
		}
		if (tok == JTOK_NUMBER && s.span.len > CJSON_NUMBER_BYTES)
			odd->long_number = true;
	}
	assert((tok == JTOK_ERROR) == (s.error != NULL) && jscan_next(&s) == tok);
	return tok == JTOK_END;
}

/* Passing over every element by itself finds the same as passing over the whole. */
static void
check_skip(const uint8_t *bytes, size_t n)
{
	struct jscan s;
	struct jspan whole;
	enum jtok tok;

	jscan_init(&s, bytes, n);
	tok = jscan_next(&s);
	if (tok == JTOK_ARRAY)
		while (is_value(tok = jscan_next(&s))) {
			assert(jscan_skip(&s, tok, &whole));
			assert(jscan_valid(bytes + whole.off, whole.len));
		}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct oddities odd = { 0 };
	bool valid = walk(bytes, n, &odd);

	assert(valid == jscan_valid(bytes, n));
	if (!valid)
		return 0;
	check_skip(bytes, n);
	if (!odd.surrogate && !odd.long_number) {
		cJSON *tree = cJSON_ParseWithLengthOpts((const char *)bytes, n, NULL, 0);

		assert(tree != NULL);
		cJSON_Delete(tree);
	}
	return 0;
}
