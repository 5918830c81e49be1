// SPDX-License-Identifier: MIT
/*
 * How the config is declared, for the files config_*.c only. Each JSON object has one table of
 * fields (config_fields.c); a field's kind knows how to read, print and free it. Reading goes by
 * the table: first every default of an object, then what the file gives, so what is not given
 * keeps its default. A new key is one new line in a table and one in grayd.json(5).
 */
#pragma once

#include "common/config.h"
#include "common/json.h"

#define NO_NAME SIZE_MAX

/* One reading of one config. */
struct reader {
	const char *file;
	struct config *config; /* what is being filled in */
	struct json *json;     /* the text that the values at hand come from */
	struct err *e;
	size_t path_len;
	char path[384]; /* of the value at hand: "releases.gpt-4.1.stages[2]" */
};

struct field {
	const char *key;
	const struct kind *kind;
	size_t offset, size; /* of the member that holds it */
	const char *preset;  /* default as JSON text; NULL: required; "": none, can be left out */
	double min, max;     /* numbers: the value; strings: their length in bytes */
	const char *const *words;		/* words: what is allowed; ends with NULL */
	const char *(*check)(const char *text); /* strings: NULL, or what was expected */
	size_t count_offset;			/* lists: where their length is */
	unsigned items_min, items_max;
	bool rising;		      /* lists of numbers: each larger than the one before */
	const struct object *object;  /* objects, and what lists and maps consist of */
	size_t item_size, key_offset; /* maps: of an item; where its name goes in it, or NO_NAME */
	const char *const *mistaken;  /* what people write instead of the key; ends with NULL */
	const char *advice;	      /* for them, and where a required key is missing; or NULL */
};

struct object {
	const struct field *fields; /* ends with a NULL key */
	/* Checks that need several fields, after all were read; NULL: none. */
	int (*finish)(struct reader *r, void *base, const cJSON *given);
};

/* `base` is always the struct that the field's offset counts from. */
struct kind {
	int (*read)(struct reader *r, const struct field *f, void *base, const cJSON *v);
	int (*print)(const struct field *f, const void *base, cJSON *into); /* -1: out of memory */
	void (*free)(const struct field *f, void *base); /* NULL: nothing to free */
	const char *step; /* kinds with fields below: what stands before them in a path */
	bool embedded;	  /* the object below is part of the struct and has its defaults at once */
};

extern const struct object root_object;

/* config_kinds.c: values and lists of them */
extern const struct kind kind_bool, kind_uint, kind_real, kind_word, kind_string;
extern const struct kind kind_uints, kind_strings;
/* config_objects.c */
extern const struct kind kind_object, kind_map, kind_array;
/* config_refs.c */
extern const struct kind kind_provider_ref, kind_model_ref, kind_release_refs;
/* config_special.c */
extern const struct kind kind_sticky, kind_hash, kind_price, kind_price_amount, kind_api_key;

/* ---- config_reader.c: where we are, what is wrong -------------------------------------------- */

/* Extends the path; returns the length to give to reader_leave(). */
size_t reader_enter(struct reader *r, const char *key);
size_t reader_enter_item(struct reader *r, unsigned index);
void reader_leave(struct reader *r, size_t length);
/* "FILE:LINE: path: message", with the line of `v`, made printable; always -1. */
int reader_fail(struct reader *r, const cJSON *v, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same for one key of the object at hand, or for the object where the key is not given. */
int reader_fail_key(struct reader *r, const cJSON *object, const char *key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* "expected WANTED, found a string" */
int reader_fail_kind(struct reader *r, const cJSON *v, const char *wanted);
int reader_no_memory(struct reader *r);

/* The known word nearest to a mistyped one. */
struct nearest {
	const char *typed, *best;
	unsigned distance;
};

struct nearest nearest_begin(const char *typed);
void nearest_try(struct nearest *n, const char *known);
/* `; did you mean "best"?`, or "" when nothing is near, in `out`, which is returned. */
char *nearest_hint(const struct nearest *n, char out[192]);

/* ---- config_objects.c: the walk over the tables ---------------------------------------------- */

/* Defaults, then what is given, then the object's own checks. */
int object_read(struct reader *r, const struct object *o, void *base, const cJSON *v);
int object_print(const struct object *o, const void *base, cJSON *into);
void object_free(const struct object *o, void *base);
/* Puts `item` into an object; takes it over. -1 when either is NULL or memory is out. */
int object_add(cJSON *into, const char *key, cJSON *item);

static inline void *
field_at(const struct field *f, void *base)
{
	return (char *)base + f->offset;
}

static inline const void *
field_in(const struct field *f, const void *base)
{
	return (const char *)base + f->offset;
}

/* The length of a list. */
static inline unsigned *
count_at(const struct field *f, void *base)
{
	return (unsigned *)(void *)((char *)base + f->count_offset);
}

static inline unsigned
count_in(const struct field *f, const void *base)
{
	return *(const unsigned *)(const void *)((const char *)base + f->count_offset);
}

/* ---- config_check.c: what strings must look like: NULL, or what was expected ----------------- */

const char *check_name(const char *text);
const char *check_plain(const char *text); /* no control bytes */
const char *check_env_name(const char *text);
const char *check_file_name(const char *text);
const char *check_base_url(const char *text);
const char *check_proxy(const char *text);
const char *check_listen(const char *text);
const char *check_admin_listen(const char *text); /* or "" */
const char *check_socket_path(const char *text);
const char *check_account(const char *text);  /* or "" */
const char *check_operator(const char *text); /* user or @group */
const char *check_header_value(const char *text);
/* The checks between fields; `finish` of their objects. */
int finish_provider(struct reader *r, void *base, const cJSON *given);
int finish_model(struct reader *r, void *base, const cJSON *given);
int finish_release(struct reader *r, void *base, const cJSON *given);
int finish_symptom(struct reader *r, void *base, const cJSON *given);
int finish_root(struct reader *r, void *base, const cJSON *given);
