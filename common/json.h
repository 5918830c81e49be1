// SPDX-License-Identifier: MIT
/*
 * A strict door to cJSON: a text is first checked against RFC 8259 (UTF-8 included) by a scanner
 * of our own, which also notes where each value stands, and only then given to cJSON. So a value
 * of the tree knows its line and its own text: "0.14" can be read as a decimal number, which the
 * double that cJSON keeps is not. Used for small texts written by people (the config); bodies of
 * clients never pass here. Objects are looked into with cJSON_GetObjectItemCaseSensitive() only.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define JSON_DEPTH	  32
#define JSON_BYTES_MAX	  (4u << 20)
#define JSON_NUMBER_BYTES 40 /* a longer number is refused; cJSON itself reads at most 63 */

struct json_place {
	unsigned offset, length; /* of the value in `text` */
	unsigned line;		 /* of its first byte; 1: the first line */
};

struct json {
	char *text; /* the text with comments turned into spaces */
	cJSON *root;
	struct json_place *places; /* in the order of the text; the n-th value has valueint n */
	unsigned n_places, room;
};

/*
 * Parses `n` bytes. With `comments`, "//" outside of strings begins one that ends with the line.
 * On failure `e` says what is wrong, `*line` (may be NULL) where, and `j` is empty. A NUL, as a
 * byte or as \u0000, is an error: no string of the tree is shorter than it looks. Duplicate names
 * in an object are not looked for.
 * `valueint` of every value is taken for the look-up below; numbers are read from valuedouble.
 */
int json_parse(struct json *j, const char *text, size_t n, bool comments, unsigned *line,
    struct err *e) MUST_CHECK;
void json_free(struct json *j); /* an empty (zeroed) one is fine */

/* Where a value of this tree stands. */
const struct json_place *json_place(const struct json *j, const cJSON *value);
/* The value's own bytes, not terminated; the length in *n. */
const char *json_text(const struct json *j, const cJSON *value, size_t *n);
/* "an object", "a string", ... for messages. */
const char *json_kind_name(const cJSON *value);
