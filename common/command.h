// SPDX-License-Identifier: MIT
/*
 * The table of verbs (commands.def), unfolded, and the check of a single value. grayctl and grayd
 * both judge by it, so a command that grayctl lets through is one that grayd understands.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum param {
#define PARAM(id, ...) PARAM_##id,
#include "common/commands.def"
#undef PARAM
	PARAM_COUNT,
	PARAM_NONE = PARAM_COUNT
};

enum verb {
#define VERB(id, ...) VERB_##id,
#include "common/commands.def"
#undef VERB
	VERB_COUNT,
	VERB_NONE = VERB_COUNT
};

enum param_type {
	TYPE_NAME,
	TYPE_TEXT,
	TYPE_FLAG,
	TYPE_PERCENT,
	TYPE_INTEGER,
	TYPE_SECONDS,
	TYPE_CONDITION,
	TYPE_MOMENT,
	TYPE_LIST,
	TYPE_COUNT
};

enum param_where { WHERE_WIRE, WHERE_LOCAL };
enum verb_right { RIGHT_LOCAL, RIGHT_READ, RIGHT_CHANGE };
enum param_role { ROLE_END, ROLE_NEED, ROLE_MAY, ROLE_OPTION, ROLE_MUST, ROLE_INSTEAD, ROLE_MANY };

struct param_info {
	const char *name;
	char letter; /* 0: none */
	enum param_type type;
	enum param_where where;
	const char *metavar;
	uint64_t low, high;
	const char *help;
};

#define VERB_PARAMS_MAX 16
struct verb_param {
	enum param_role role;
	enum param param;
};

struct verb_info {
	const char *name;
	enum verb_right right;
	const char *help;
	struct verb_param params[VERB_PARAMS_MAX]; /* up to ROLE_END */
};

#define COMMAND_LIST_MAX 64

/* A value that was given. `text` is what was written (borrowed); `number` its meaning for the types
 * that are numbers: hundredths of a percent, the integer, milliseconds. A flag is 1. Of a list
 * there is `list` (borrowed) with `number` texts, and no `text`. */
struct command_value {
	bool given;
	const char *text;
	uint64_t number;
	const char *const *list;
};

const struct verb_info *verb_info(enum verb v);	   /* never NULL; asserts v < VERB_COUNT */
const struct param_info *param_info(enum param p); /* never NULL; asserts p < PARAM_COUNT */
enum verb verb_find(const char *name);		   /* VERB_NONE: no such verb */
/* The verb that somebody who wrote `name` most likely meant; VERB_NONE: none is near. */
enum verb verb_nearest(const char *name);
/* The role of `p` in the verb; ROLE_END: the verb does not know it. */
enum param_role verb_role(enum verb v, enum param p);
enum param param_find(const char *name); /* by its name on the wire; PARAM_NONE: no such */

/* Checks `text` as a value of `p`, or as one of a list, and fills `out`, which borrows the text. On
 * -1 `e` names the parameter and what was expected. */
int param_parse(
    enum param p, const char *text, struct command_value *out, struct err *e) MUST_CHECK;
/* Checks that the values given are a whole command: needed words there, nothing that excludes
 * another. `e` says what is missing. */
int verb_complete(
    enum verb v, const struct command_value values[PARAM_COUNT], struct err *e) MUST_CHECK;

/* Digits with up to `decimals` decimals, as a whole number of 10^-decimals: decimal_parse("12.5",
 * 2) is 1250. No sign, no exponent, no space, never rounded. -1: not such a number, or over 2^53.
 */
int decimal_parse(const char *text, unsigned decimals, uint64_t *out) MUST_CHECK;
