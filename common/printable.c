// SPDX-License-Identifier: MIT
/* Printable text; see printable.h. */
#include "common/printable.h"

#include "common/text.h"

size_t
printable_at(const char *text)
{
	const uint8_t *s = (const uint8_t *)text;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] == 0xc2 && s[1] < 0xa0) /* the second set of control characters */
		return 0;
	return text_utf8_length(s, s + strnlen(text, 4));
}

void
printable_clean(char *s)
{
	while (*s != '\0') {
		size_t n = printable_at(s);

		if (n == 0)
			*s = '?';
		s += n == 0 ? 1 : n;
	}
}

size_t
printable_width(const char *s)
{
	size_t width = 0;

	for (; *s != '\0'; s++)
		width += ((unsigned char)*s & 0xc0) != 0x80;
	return width;
}
