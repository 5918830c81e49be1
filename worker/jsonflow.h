// SPDX-License-Identifier: MIT
/*
 * Whether text that comes in pieces is one JSON value: the arguments of a tool call, or an answer
 * for which JSON was asked, while it streams. No copy, no allocation; 16 bytes of state. Bytes in
 * strings are not looked at. Used by the workers. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSONFLOW_DEPTH 64 /* deeper text is taken for good */

/* All zero: nothing has come. */
struct jsonflow {
	uint64_t in_object; /* bit d: the container at depth d + 1 is an object */
	uint8_t depth, state, progress;
	bool key;   /* the string that is being read is a member's name */
	bool began; /* more than white space has come */
};

void jsonflow_feed(struct jsonflow *f, const void *text, size_t n);
/* Whether what has come is one whole value. */
bool jsonflow_whole(const struct jsonflow *f);
