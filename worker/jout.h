// SPDX-License-Identifier: MIT
/*
 * Writes JSON into a buffer, for what grayd translates. Strings and numbers that come from somebody
 * else are copied as they are written there, so that none is changed on the way. Running out of
 * memory is remembered and asked for once, at the end. Used by the workers. Pure.
 */
#pragma once

#include <stdbool.h>

#include "common/buf.h"

struct jout {
	struct buf *buf; /* NULL: nothing is kept; used to find out whether something can be said */
	bool failed;	 /* out of memory: what is in the buffer is not whole */
};

/* Bytes as they are. */
void jout_raw(struct jout *o, const void *bytes, size_t n);
void jout_text(struct jout *o, const char *text);
/* A comma, unless an object or array has just been opened or nothing is written yet. */
void jout_item(struct jout *o);
/* The same, then the name of a member (plain, without escapes) and its colon. */
void jout_key(struct jout *o, const char *name);
/* A string whose inside is written as in JSON already. */
void jout_quoted(struct jout *o, const void *inside, size_t n);
/* The inside of a string of any bytes, escaped here; and the whole string. */
void jout_escaped(struct jout *o, const void *bytes, size_t n);
void jout_string(struct jout *o, const void *bytes, size_t n);
void jout_uint(struct jout *o, uint64_t value);
