// SPDX-License-Identifier: MIT
/*
 * What the spans of jscan.h mean: unescaping, comparing, whole numbers. Used by the workers on
 * spans that a scan has validated, so nothing is checked a second time here; a span from anywhere
 * else must not come in.
 */
#include <string.h>

#include "common/text.h"
#include "worker/jscan.h"

static const char escaped_byte[128] = {
	['"'] = '"',
	['\\'] = '\\',
	['/'] = '/',
	['b'] = '\b',
	['f'] = '\f',
	['n'] = '\n',
	['r'] = '\r',
	['t'] = '\t',
};

static uint32_t
hex4(const uint8_t *p)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 4; i++)
		value =
		    value << 4 | (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return value;
}

static size_t
put_utf8(uint32_t c, uint8_t out[4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* Decodes the escape at *p and steps over it: over both halves of a surrogate pair. */
static size_t
decode_escape(const uint8_t **p, const uint8_t *end, uint8_t out[4])
{
	uint32_t c, low;

	if ((*p)[1] != 'u') {
		out[0] = (uint8_t)escaped_byte[(*p)[1]];
		*p += 2;
		return 1;
	}
	c = hex4(*p + 2);
	*p += 6;
	if (c < 0xd800 || c > 0xdfff)
		return put_utf8(c, out);
	if (c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		low = hex4(*p + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*p += 6;
			return put_utf8(0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), out);
		}
	}
	return put_utf8(0xfffd, out);
}

/* Decodes the character at *p, escaped or not, and steps over it. */
static size_t
decode_character(const uint8_t **p, const uint8_t *end, uint8_t out[4])
{
	size_t n = 1;

	if (**p == '\\')
		return decode_escape(p, end, out);
	if (**p >= 0x80)
		n = text_utf8_length(*p, end);
	memcpy(out, *p, n);
	*p += n;
	return n;
}

size_t
jscan_unescape_part(const void *text, struct jspan *span, uint8_t *out, size_t cap)
{
	const uint8_t *p = (const uint8_t *)text + span->off, *end = p + span->len;
	size_t len = 0;

	while (p < end) {
		const uint8_t *next = text_plain_end(p, end);
		size_t n = (size_t)(next - p) < cap - len ? (size_t)(next - p) : cap - len;
		uint8_t character[4];

		memcpy(out + len, p, n);
		len += n;
		p += n;
		if (p < next || p == end)
			break;
		next = p;
		n = decode_character(&next, end, character);
		if (n > cap - len)
			break;
		memcpy(out + len, character, n);
		len += n;
		p = next;
	}
	*span = (struct jspan){ (size_t)(p - (const uint8_t *)text), (size_t)(end - p) };
	return len;
}

ptrdiff_t
jscan_unescape(const void *text, struct jspan span, uint8_t *out, size_t cap)
{
	size_t len = jscan_unescape_part(text, &span, out, cap);

	return span.len == 0 ? (ptrdiff_t)len : -1;
}

bool
jscan_equals(const struct jscan *s, const char *text)
{
	const uint8_t *p = s->text + s->span.off, *end = p + s->span.len;
	size_t n = strlen(text);

	if (!s->escaped)
		return s->span.len == n && memcmp(p, text, n) == 0;
	while (p < end) {
		uint8_t character[4];
		size_t length = decode_character(&p, end, character);

		if (length > n || memcmp(text, character, length) != 0)
			return false;
		text += length;
		n -= length;
	}
	return n == 0;
}

bool
jscan_uint(const void *text, struct jspan span, uint64_t *out)
{
	const uint8_t *p = (const uint8_t *)text + span.off;
	uint64_t value = 0;

	if (span.len == 0 || span.len > 15)
		return false;
	for (size_t i = 0; i < span.len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		value = value * 10 + (p[i] - '0');
	}
	*out = value;
	return true;
}
