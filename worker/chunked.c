// SPDX-License-Identifier: MIT
/*
 * The chunked decoder; see chunked.h. A phase is what the next byte may be. Framing is read byte by
 * byte, one function a phase; the data of a chunk moves in one piece.
 */
#include "worker/chunked.h"

#include <stdbool.h>
#include <string.h>

/* Phases after which nothing more is read come last. */
enum phase {
	SIZE,	   /* hex digits, then ';' or CR */
	EXTENSION, /* anything printable, then CR */
	SIZE_LF,   /* ends the size line */
	DATA,	   /* `left` bytes of body */
	DATA_CR,   /* ends a chunk */
	DATA_LF,
	TRAILER,      /* first byte of a trailer line, or CR */
	TRAILER_NAME, /* token, then ':' */
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF, /* ends the body */
	DONE,
	FAILED,
};

/* Every function that reads a byte answers whether the byte may stand there. */
static bool
fail(struct chunked *c, const char *text)
{
	c->phase = FAILED;
	c->error_text = text;
	return false;
}

static bool
enter(struct chunked *c, enum phase next)
{
	c->phase = next;
	return true;
}

static int
hex_value(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool
is_token(uint8_t byte)
{
	if ((byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'))
		return true;
	return byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
}

static bool
is_printable(uint8_t byte)
{
	return (byte >= ' ' && byte != 0x7f) || byte == '\t';
}

static bool
on_size(struct chunked *c, uint8_t byte)
{
	int value = hex_value(byte);

	if (value >= 0) {
		if (c->digits == CHUNKED_SIZE_DIGITS_MAX)
			return fail(c, "chunk size too long");
		c->digits++;
		c->size = c->size << 4 | (uint32_t)value;
		return true;
	}
	if (c->digits == 0)
		return fail(c, "chunk size is not a hexadecimal number");
	if (byte == ';') {
		c->dropped = 1;
		return enter(c, EXTENSION);
	}
	return byte == '\r' ? enter(c, SIZE_LF) : fail(c, "bad byte behind chunk size");
}

static bool
on_extension(struct chunked *c, uint8_t byte)
{
	if (byte == '\r')
		return enter(c, SIZE_LF);
	if (!is_printable(byte))
		return fail(c, "control byte in chunk extension");
	if (c->dropped == CHUNKED_EXTENSION_MAX)
		return fail(c, "chunk extension too long");
	c->dropped++;
	return true;
}

static bool
on_size_lf(struct chunked *c, uint8_t byte)
{
	if (byte != '\n')
		return fail(c, "CR without LF");
	c->left = c->size;
	c->size = 0;
	c->digits = 0;
	c->dropped = 0;
	return enter(c, c->left > 0 ? DATA : TRAILER);
}

static bool
on_data_cr(struct chunked *c, uint8_t byte)
{
	return byte == '\r' ? enter(c, DATA_LF) : fail(c, "chunk does not end in CRLF");
}

static bool
on_data_lf(struct chunked *c, uint8_t byte)
{
	return byte == '\n' ? enter(c, SIZE) : fail(c, "chunk does not end in CRLF");
}

/* Counts a byte of a trailer. */
static bool
drop(struct chunked *c, enum phase next)
{
	if (c->dropped == CHUNKED_TRAILERS_MAX)
		return fail(c, "trailers too long");
	c->dropped++;
	return enter(c, next);
}

static bool
on_trailer(struct chunked *c, uint8_t byte)
{
	if (byte == '\r')
		return enter(c, LAST_LF);
	return is_token(byte) ? drop(c, TRAILER_NAME) : fail(c, "bad trailer name");
}

static bool
on_trailer_name(struct chunked *c, uint8_t byte)
{
	if (byte == ':')
		return drop(c, TRAILER_VALUE);
	return is_token(byte) ? drop(c, TRAILER_NAME) : fail(c, "bad trailer name");
}

static bool
on_trailer_value(struct chunked *c, uint8_t byte)
{
	if (byte == '\r')
		return drop(c, TRAILER_LF);
	return is_printable(byte) ? drop(c, TRAILER_VALUE) : fail(c, "control byte in trailer");
}

static bool
on_trailer_lf(struct chunked *c, uint8_t byte)
{
	return byte == '\n' ? drop(c, TRAILER) : fail(c, "CR without LF");
}

static bool
on_last_lf(struct chunked *c, uint8_t byte)
{
	return byte == '\n' ? enter(c, DONE) : fail(c, "CR without LF");
}

static bool (*const on_byte[])(struct chunked *, uint8_t) = {
	[SIZE] = on_size,
	[EXTENSION] = on_extension,
	[SIZE_LF] = on_size_lf,
	[DATA_CR] = on_data_cr,
	[DATA_LF] = on_data_lf,
	[TRAILER] = on_trailer,
	[TRAILER_NAME] = on_trailer_name,
	[TRAILER_VALUE] = on_trailer_value,
	[TRAILER_LF] = on_trailer_lf,
	[LAST_LF] = on_last_lf,
};

void
chunked_reset(struct chunked *c)
{
	*c = (struct chunked){ .phase = SIZE };
}

/* Moves what is there of a chunk's data to its place; answers how much that was. */
static size_t
take_data(struct chunked *c, uint8_t *to, const uint8_t *from, size_t n)
{
	size_t part = n < c->left ? n : c->left;

	if (to != from)
		memmove(to, from, part);
	c->left -= (uint32_t)part;
	c->decoded += part;
	if (c->left == 0)
		c->phase = DATA_CR;
	return part;
}

enum chunked_result
chunked_decode(struct chunked *c, uint8_t *bytes, size_t n, size_t *used, size_t *out_n)
{
	size_t at = 0, out = 0, part;

	while (at < n && c->phase < DONE) {
		if (c->phase == DATA) {
			part = take_data(c, bytes + out, bytes + at, n - at);
			out += part;
			at += part;
		} else if (on_byte[c->phase](c, bytes[at])) {
			at++;
		}
	}
	*used = at;
	*out_n = out;
	if (c->phase == FAILED)
		return CHUNKED_ERROR;
	return c->phase == DONE ? CHUNKED_DONE : CHUNKED_MORE;
}
