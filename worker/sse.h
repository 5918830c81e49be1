// SPDX-License-Identifier: MIT
/*
 * Finds the events in a stream of server-sent events (the WHATWG HTML standard, section 9.2), in
 * place and at any split of the bytes. Lines may end in LF, CRLF or CR. Used by the workers. Pure.
 *
 * A CR that is the last byte there is may be half of a CRLF, so the event it ends is given out with
 * the next byte: streams with bare CRs, which nobody has seen, are one event late. A byte order
 * mark before the first event is passed over; it stays in that event's raw bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One event, or a block of comments. Pointers are into the caller's bytes. */
struct sse_event {
	const uint8_t *raw; /* all of it, with the blank line that ends it */
	size_t raw_len;
	const uint8_t *type; /* value of the last "event:" line; NULL: none */
	size_t type_len;
	const uint8_t *data; /* value of the first "data:" line; NULL: none (a comment, a ping) */
	size_t data_len;
	bool more_data; /* there are further "data:" lines: sse_join() */
};

/* Where the search for the end of the current event goes on; zero it to begin. */
struct sse {
	size_t scanned;
	bool in_line, begun; /* private */
};

/* Looks for the event that begins at bytes[0]. Returns true and fills `ev` when its end is there;
 * the caller then drops ev->raw_len bytes before the next call. False: more bytes are needed (call
 * again with the same begin and more bytes; nothing is scanned twice). */
bool sse_next(struct sse *s, const uint8_t *bytes, size_t n, struct sse_event *ev);
/* When the stream has ended: what is left, n > 0 bytes of which sse_next() made no event, as if the
 * blank line had come. Some servers forget it behind their last event. */
void sse_last(struct sse *s, const uint8_t *bytes, size_t n, struct sse_event *ev);
/* Joins the data lines of an event with '\n' into `out` (ev->raw_len bytes are always enough);
 * returns the length. */
size_t sse_join(const struct sse_event *ev, uint8_t *out);

/* The data of an event as one text of *n bytes; `scratch` is as long as ev->raw_len at least. */
static inline const uint8_t *
sse_data(const struct sse_event *ev, uint8_t *scratch, size_t *n)
{
	*n = ev->more_data ? sse_join(ev, scratch) : ev->data_len;
	return ev->more_data ? scratch : ev->data;
}

static inline bool
sse_is_type(const uint8_t *type, size_t n, const char *name)
{
	return n == strlen(name) && memcmp(type, name, n) == 0;
}
