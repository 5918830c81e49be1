// SPDX-License-Identifier: MIT
/*
 * Server-sent events; see sse.h. Used by the workers for every stream that passes. Invariant:
 * bytes[0 .. scanned) hold no blank line, and `in_line` says whether a line has begun before
 * bytes[scanned].
 */
#include "worker/sse.h"

#include <string.h>

#define PIECE_BYTES 512

/* The first CR or LF in p .. end, or `end`. Piece by piece: else each line of an event without any
 * LF would be looked for one up to the event's end. */
static const uint8_t *
line_end(const uint8_t *p, const uint8_t *end)
{
	while (p < end) {
		size_t n = end - p < PIECE_BYTES ? (size_t)(end - p) : PIECE_BYTES;
		const uint8_t *lf = memchr(p, '\n', n), *cr;

		cr = memchr(p, '\r', lf != NULL ? (size_t)(lf - p) : n);
		if (cr != NULL)
			return cr;
		if (lf != NULL)
			return lf;
		p += n;
	}
	return end;
}

/* Length of the line break at p < end; 0: a CR whose LF may not have come yet. */
static size_t
break_length(const uint8_t *p, const uint8_t *end)
{
	if (*p == '\n')
		return 1;
	if (end - p < 2)
		return 0;
	return p[1] == '\n' ? 2 : 1;
}

/* ---- fields ---------------------------------------------------------------------------------- */

struct line {
	const uint8_t *value;
	size_t name_len, value_len;
};

/* Splits the line at *p into name and value and steps behind its line break. */
static struct line
next_line(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *begin = *p, *stop = line_end(begin, end);
	const uint8_t *colon = memchr(begin, ':', (size_t)(stop - begin)), *value = stop;
	struct line line;

	if (colon != NULL)
		value = colon + (stop - colon > 1 && colon[1] == ' ' ? 2 : 1);
	else
		colon = stop;
	line.name_len = (size_t)(colon - begin);
	line.value = value;
	line.value_len = (size_t)(stop - value);
	*p = stop;
	if (stop < end)
		*p += stop + 1 < end && stop[0] == '\r' && stop[1] == '\n' ? 2 : 1;
	return line;
}

static bool
named(const uint8_t *begin, const struct line *line, const char *name)
{
	return line->name_len == strlen(name) && memcmp(begin, name, line->name_len) == 0;
}

static const uint8_t *
skip_bom(const uint8_t *p, const uint8_t *end)
{
	return end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? p + 3 : p;
}

static void
read_fields(struct sse_event *ev, bool first)
{
	const uint8_t *p = ev->raw, *end = ev->raw + ev->raw_len;

	if (first)
		p = skip_bom(p, end);
	while (p < end) {
		const uint8_t *begin = p;
		struct line line = next_line(&p, end);

		if (named(begin, &line, "data") && ev->data == NULL) {
			ev->data = line.value;
			ev->data_len = line.value_len;
		} else if (named(begin, &line, "data")) {
			ev->more_data = true;
		} else if (named(begin, &line, "event")) {
			ev->type = line.value;
			ev->type_len = line.value_len;
		}
	}
}

static void
take_event(struct sse *s, const uint8_t *bytes, size_t n, struct sse_event *ev)
{
	*ev = (struct sse_event){ .raw = bytes, .raw_len = n };
	read_fields(ev, !s->begun);
	*s = (struct sse){ .begun = true };
}

/* ---- events ---------------------------------------------------------------------------------- */

bool
sse_next(struct sse *s, const uint8_t *bytes, size_t n, struct sse_event *ev)
{
	const uint8_t *p, *end;

	if (s->scanned == n)
		return false;
	p = bytes + s->scanned;
	end = bytes + n;
	while (p < end) {
		bool blank = !s->in_line && (*p == '\n' || *p == '\r');
		size_t width;

		p = line_end(p, end);
		s->in_line = !blank;
		if (p == end)
			break;
		width = break_length(p, end);
		if (width == 0)
			break;
		p += width;
		if (blank) {
			take_event(s, bytes, (size_t)(p - bytes), ev);
			return true;
		}
		s->in_line = false;
	}
	s->scanned = (size_t)(p - bytes);
	return false;
}

void
sse_last(struct sse *s, const uint8_t *bytes, size_t n, struct sse_event *ev)
{
	take_event(s, bytes, n, ev);
}

size_t
sse_join(const struct sse_event *ev, uint8_t *out)
{
	const uint8_t *p = ev->raw, *end = ev->raw + ev->raw_len;
	bool begun = false;
	size_t len = 0;

	while (p < end) {
		const uint8_t *begin = p;
		struct line line = next_line(&p, end);

		if (begun && named(begin, &line, "data"))
			out[len++] = '\n';
		else if (line.value != ev->data)
			continue;
		begun = true;
		memcpy(out + len, line.value, line.value_len);
		len += line.value_len;
	}
	return len;
}
