// SPDX-License-Identifier: MIT
/*
 * Reads provider answers by tables: one row a member, with the function that takes its value; what
 * no row names is validated and passed over. On top of jscan, so one pass, no copy and no
 * allocation. Used by the providers of the workers. Pure.
 */
#pragma once

#include <string.h>

#include "worker/provider.h"

struct reader {
	struct jscan scan;
	struct facts *facts;
	unsigned seen; /* bits, of the provider's own meaning */
	void *into;    /* what else the functions of a table fill */
};

/* Takes one value, whose first token has just been read; leaves the scan behind the value. False:
 * not JSON. */
typedef bool reader_fn(struct reader *r, enum jtok first);

struct reader_field {
	const char *name;
	size_t name_len;
	reader_fn *read;
};

#define READER_FIELD(name, read)             \
	{                                    \
		name, sizeof(name) - 1, read \
	}
#define READER_END            \
	{                     \
		NULL, 0, NULL \
	}

/* Whether the name just returned, unescaped, is this one. Asked for each row of a table at each
 * member of each event that passes. */
static inline bool
reader_is_named(const struct reader *r, const char *name, size_t n)
{
	const struct jscan *s = &r->scan;

	if (s->escaped)
		return jscan_equals(s, name);
	return n == s->span.len && memcmp(name, s->text + s->span.off, n) == 0;
}

/* Reads a whole text that is one object. False: it is not, or is not JSON. */
bool reader_run(
    struct reader *r, const void *text, size_t n, const struct reader_field *fields) MUST_CHECK;
/* Takes a value by a table when it is an object, else passes over it. */
bool reader_object(struct reader *r, enum jtok first, const struct reader_field *fields);
/* Takes each element of an array by `element`; passes over any other value. */
bool reader_array(struct reader *r, enum jtok first, reader_fn *element);
/* Passes over a value and says in *some whether there is something in it: a string, array or object
 * that is not empty. Adds the bytes of all strings in it to facts->content_bytes. */
bool reader_some(struct reader *r, enum jtok first, bool *some);
bool reader_skip(struct reader *r, enum jtok first);
/* The inside of a string; any other value leaves *into as it is. */
bool reader_string(struct reader *r, enum jtok first, struct jspan *into);
/* Reads a value that has been passed over once more. */
bool reader_again(struct reader *r, struct jspan value, reader_fn *read);
/* Reads a whole number into *out; any other value leaves it as it is and returns *ok = false. */
bool reader_uint(struct reader *r, enum jtok first, uint64_t *out, bool *ok);

/* The text of a span as one printable line with keys masked, cut to fit. */
void reader_text(const struct reader *r, struct jspan span, char *out, size_t cap);
/* Whether the value just returned is this string. */
bool reader_is(const struct reader *r, enum jtok tok, const char *text);
