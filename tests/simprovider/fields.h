// SPDX-License-Identifier: MIT
/*
 * Tables of the members that a JSON object may have, and the readers of their values. A member that
 * is not in the table is refused, and so is a value of another type; the message holds the path.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "tests/simprovider/arena.h"
#include "tests/simprovider/text.h"

struct reading {
	struct arena *arena;
	struct err *err;
	char path[256];
};

struct field {
	const char *name;
	/* Reads `json` into `into` (already offset). 0, or -1 with the message set. */
	int (*read)(struct reading *, const cJSON *json, const struct field *field, void *into);
	size_t offset;
	double min, max;   /* of numbers */
	const char *words; /* of enums, in the order of their values, beginning with 0 */
};

int fields_read(struct reading *, const cJSON *object, const struct field *fields, size_t count,
    void *into) MUST_CHECK;
/* Refuses the value at hand: "PATH: expected ...". Returns -1. */
int fields_refuse(struct reading *, const char *expected);
int fields_memory(struct reading *); /* out of memory; returns -1 */
/* Goes down to a member, and back to the length that fields_enter() returned. */
size_t fields_enter(struct reading *, const char *name);
size_t fields_enter_index(struct reading *, size_t index);
void fields_leave(struct reading *, size_t length);

int field_bool(struct reading *, const cJSON *, const struct field *, void *into);   /* bool */
int field_u64(struct reading *, const cJSON *, const struct field *, void *into);    /* uint64_t */
int field_double(struct reading *, const cJSON *, const struct field *, void *into); /* double */
int field_dist(struct reading *, const cJSON *, const struct field *, void *into); /* struct dist */
int field_word(struct reading *, const cJSON *, const struct field *, void *into); /* an enum */
int field_raw(struct reading *, const cJSON *, const struct field *, void *into);  /* struct str */
/* struct str: the string as it stands inside JSON quotes. */
int field_escaped(struct reading *, const cJSON *, const struct field *, void *into);
/* struct str: a string as it is, or anything else as JSON. */
int field_any(struct reading *, const cJSON *, const struct field *, void *into);
int field_hex(struct reading *, const cJSON *, const struct field *, void *into); /* struct str */
/* struct str: an object of names and values as lines of a head. */
int field_headers(struct reading *, const cJSON *, const struct field *, void *into);

/* `s` as it stands inside JSON quotes; bytes NULL when out of memory. */
struct str fields_escape(struct arena *arena, struct str s);
/* The place of `word` among space-separated words, -1: not there. */
int fields_word(const char *words, const char *word);
