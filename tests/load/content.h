// SPDX-License-Identifier: MIT
/*
 * Does the content of an answer end? Two scanners over bytes that can be fed in any pieces: one for
 * a JSON text (brackets and strings), one for server-sent events (lines and end markers). They keep
 * no copy of the content. They look for cut content, they do not validate it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_end {
	uint32_t depth;
	bool in_string, escaped, begun, closed;
	bool trailing; /* something other than white space followed the end */
};

void json_end_feed(struct json_end *j, const uint8_t *bytes, size_t n);
bool json_ended(const struct json_end *j);

#define SSE_LINE_KEPT 48

/* Only the first bytes of a line are kept: they tell what kind of line it is. */
struct sse_end {
	char line[SSE_LINE_KEPT];
	uint8_t kept;
	bool ended;	 /* an end marker came */
	bool error;	 /* an error event came */
	uint32_t events; /* data lines, without end markers and errors */
};

void sse_end_feed(struct sse_end *s, const uint8_t *bytes, size_t n);
