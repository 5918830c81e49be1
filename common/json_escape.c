// SPDX-License-Identifier: MIT
/*
 * Escapes for JSON strings; see json_escape.h. Used by every process. Runs of plain text, most of
 * all there is, are copied as a block; the rest goes byte by byte.
 */
#include "common/json_escape.h"

#include "common/text.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static const char short_escapes[0x60] = {
	['\b'] = 'b',
	['\t'] = 't',
	['\n'] = 'n',
	['\f'] = 'f',
	['\r'] = 'r',
	['"'] = '"',
	['\\'] = '\\',
};

static int
add_escape(struct buf *out, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = "\\u00";

	if (short_escapes[c] != 0) {
		text[1] = short_escapes[c];
		return buf_add(out, text, 2);
	}
	text[4] = hex[c >> 4];
	text[5] = hex[c & 15];
	return buf_add(out, text, 6);
}

/* Adds the character at *p, which is not plain, and steps over it. */
static int
add_special(struct buf *out, const uint8_t **p, const uint8_t *end)
{
	const uint8_t *at = *p;
	size_t n;

	if (*at < 0x80) {
		*p += 1;
		return add_escape(out, *at);
	}
	n = text_utf8_length(at, end);
	if (n == 0) {
		*p += 1;
		return buf_add(out, REPLACEMENT, 3);
	}
	*p += n;
	return buf_add(out, at, n);
}

int
json_escape(struct buf *out, const void *bytes, size_t n)
{
	const uint8_t *p = bytes, *end;
	size_t len_before = buf_len(out);

	if (n == 0)
		return 0;
	if (buf_reserve(out, n) != 0)
		return -1;
	end = p + n;
	while (p < end) {
		const uint8_t *stop = text_plain_end(p, end);

		if (buf_add(out, p, (size_t)(stop - p)) != 0)
			goto fail;
		p = stop;
		if (p < end && add_special(out, &p, end) != 0)
			goto fail;
	}
	return 0;
fail:
	out->tail = out->head + len_before;
	return -1;
}
