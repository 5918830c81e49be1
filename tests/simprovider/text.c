// SPDX-License-Identifier: MIT
/*
 * Text: numbers, escapes and fills over common/buf. Used by all of simprovider. Nothing here fails
 * but for want of memory, which it remembers in the text itself.
 */
#include "tests/simprovider/text.h"

#include <stdio.h>

void
text_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void
text_u64(struct text *t, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	text_add(t, digits + at, sizeof(digits) - at);
}

void
text_fill(struct text *t, char c, size_t n)
{
	if (buf_reserve(&t->buf, n) != 0) {
		t->failed = true;
		return;
	}
	memset(t->buf.data + t->buf.tail, c, n);
	t->buf.tail += n;
}

void
text_hex(struct text *t, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		char pair[2] = { digits[bytes[i] >> 4], digits[bytes[i] & 15] };

		text_add(t, pair, 2);
	}
}

void
text_format(struct text *t, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (n > 0)
		text_add(t, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void
text_json(struct text *t, struct str s)
{
	size_t from = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.bytes[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		text_add(t, s.bytes + from, i - from);
		from = i + 1;
		if (c < 0x20)
			text_format(t, "\\u%04x", c);
		else
			text_add(t, (char[]){ '\\', (char)c }, 2);
	}
	text_add(t, s.bytes + from, s.len - from);
}

void
text_csv(struct text *t, struct str s)
{
	text_lit(t, "\"");
	for (size_t i = 0; i < s.len; i++) {
		if (s.bytes[i] == '"')
			text_lit(t, "\"");
		text_add(t, s.bytes + i, 1);
	}
	text_lit(t, "\"");
}

void
text_insert_fill(struct text *t, size_t at, char c, size_t n)
{
	if (buf_reserve(&t->buf, n) != 0) {
		t->failed = true;
		return;
	}
	uint8_t *place = buf_bytes(&t->buf) + at;

	memmove(place + n, place, buf_len(&t->buf) - at);
	memset(place, c, n);
	t->buf.tail += n;
}

void
text_clear(struct text *t)
{
	t->buf.head = t->buf.tail = 0;
	t->failed = false;
}

void
text_free(struct text *t)
{
	buf_free(&t->buf);
	t->failed = false;
}
