// SPDX-License-Identifier: MIT
/*
 * A pull tokenizer over JSON text (RFC 8259): one pass, no copy, no allocation; validates all it
 * passes (grammar, UTF-8 in strings, escapes, depth <= JSCAN_DEPTH; lone surrogates in escapes are
 * allowed, as the RFC's grammar does). Used by the workers where a parser would change what it
 * read: bodies of clients, answers, events of streams. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSCAN_DEPTH 64

enum jtok {
	JTOK_ERROR, /* not JSON; `error` says why, `pos` where */
	JTOK_END,   /* the value is complete and only white space follows it */
	JTOK_OBJECT,
	JTOK_OBJECT_END,
	JTOK_ARRAY,
	JTOK_ARRAY_END,
	JTOK_KEY, /* a member's name; its value is the next token */
	JTOK_STRING,
	JTOK_NUMBER,
	JTOK_TRUE,
	JTOK_FALSE,
	JTOK_NULL,
};

/* A piece of the text; of strings and keys the bytes between the quotes, escapes as written. */
struct jspan {
	size_t off, len;
};

struct jscan {
	const uint8_t *text;
	size_t len, pos;
	unsigned depth;
	uint64_t in_object; /* bit d: the container at depth d + 1 is an object */
	uint8_t expect;	    /* private */
	bool escaped;	    /* the string or key just returned contains a backslash */
	struct jspan span;  /* of the token just returned */
	const char *error;  /* constant text; NULL: none */
};

void jscan_init(struct jscan *s, const void *text, size_t len);
/* The next token. After JTOK_ERROR or JTOK_END the same is returned again. */
enum jtok jscan_next(struct jscan *s);
/* After a token that begins a value: passes over the rest of that value (validated). False: not
 * JSON (also when `first` is JTOK_ERROR). `whole`, unless NULL, receives the value's bytes (strings
 * with their quotes). */
bool jscan_skip(struct jscan *s, enum jtok first, struct jspan *whole);
/* Whether the string or key just returned, unescaped, equals `text`. */
bool jscan_equals(const struct jscan *s, const char *text);
/* Unescapes the bytes of a string span into `out`; returns the length, or -1 when it is longer than
 * `cap` (in bytes; no NUL is added). A lone surrogate becomes U+FFFD. The span must be one that a
 * scan gave. */
ptrdiff_t jscan_unescape(const void *text, struct jspan span, uint8_t *out, size_t cap);
/* The same for as many whole characters as `cap` holds; *span becomes the rest. */
size_t jscan_unescape_part(const void *text, struct jspan *span, uint8_t *out, size_t cap);
/* A non-negative whole number of at most 15 digits; false when the span is anything else. */
bool jscan_uint(const void *text, struct jspan span, uint64_t *out);
/* Whether `text` is exactly one JSON value; an object. */
bool jscan_valid(const void *text, size_t len);
bool jscan_is_object(const void *text, size_t len);
