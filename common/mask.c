// SPDX-License-Identifier: MIT
/*
 * Masking of keys and of bytes that a terminal or a log must not see; see mask.h. Pure, any
 * process. A word that is masked by mistake is a nuisance, a key that is not is a leak: in doubt
 * the table below is too eager.
 */
#include "common/mask.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "common/text.h"

#define KEY_LEAST 12 /* bytes; shorter words are no keys */
#define KEY_SHOWN 3
#define ELLIPSIS  "\xe2\x80\xa6"

struct key_start {
	const char *text;
	bool before; /* the key follows the text; otherwise the text is its begin */
};

static const struct key_start key_starts[] = {
	{ "sk-", false },
	{ "sk_", false },
	{ "hs_", false },
	{ "hs-", false },
	{ "pk-", false },
	{ "gsk_", false },
	{ "xai-", false },
	{ "AIza", false },
	{ "ya29.", false },
	{ "key-", false },
	{ "key_", false },
	{ "Bearer ", true },
};

static bool
is_key_byte(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("_-.*+/=~", c) != NULL);
}

/* Whether a key begins at `text` (n > 0 bytes): *skip is how far. */
static bool
key_begins(const char *text, size_t n, size_t *skip)
{
	for (size_t i = 0; i < sizeof(key_starts) / sizeof(key_starts[0]); i++) {
		const struct key_start *k = &key_starts[i];
		size_t len = strlen(k->text);

		if (len > n || strncasecmp(text, k->text, len) != 0)
			continue;
		*skip = k->before ? len : 0;
		return true;
	}
	return false;
}

static size_t
key_length(const char *text, size_t n)
{
	size_t len = 0;

	while (len < n && is_key_byte(text[len]))
		len++;
	return len;
}

size_t
mask_secrets(char *text, size_t n)
{
	size_t from = 0, to = 0, skip, key;
	bool inside = false; /* of a word, where no key begins */

	while (from < n) {
		if (inside || !key_begins(text + from, n - from, &skip)) {
			inside = isalnum((unsigned char)text[from]);
			text[to++] = text[from++];
			continue;
		}
		key = key_length(text + from + skip, n - from - skip);
		if (key < KEY_LEAST) {
			inside = true;
			text[to++] = text[from++];
			continue;
		}
		memmove(text + to, text + from, skip + KEY_SHOWN);
		memcpy(text + to + skip + KEY_SHOWN, ELLIPSIS, 3);
		to += skip + KEY_SHOWN + 3;
		from += skip + key;
	}
	return to;
}

/* Length of the printable character at p, 0: a control or white space, -1: not UTF-8. */
static int
character_length(const uint8_t *p, const uint8_t *end)
{
	size_t n;

	if (*p < 0x80)
		return *p > 0x20 && *p != 0x7f;
	n = text_utf8_length(p, end);
	if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
		return 0; /* U+0080 .. U+009F: some terminals obey them */
	return n == 0 ? -1 : (int)n;
}

size_t
mask_printable(char *out, size_t cap, const void *bytes, size_t n)
{
	const uint8_t *p = bytes, *end = n > 0 ? p + n : p;
	size_t len = 0;
	bool gap = false;

	while (p < end) {
		int width = character_length(p, end);
		const void *from = width < 0 ? (const void *)"\xef\xbf\xbd" : p;
		size_t need = width < 0 ? 3 : (size_t)width;

		if (width == 0) {
			gap = len > 0;
			p += *p < 0x80 ? 1 : 2;
			continue;
		}
		if (len + gap + need >= cap)
			break;
		if (gap)
			out[len++] = ' ';
		gap = false;
		memcpy(out + len, from, need);
		len += need;
		p += width < 0 ? 1 : need;
	}
	out[len] = '\0';
	return len;
}
