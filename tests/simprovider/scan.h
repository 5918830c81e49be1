// SPDX-License-Identifier: MIT
/*
 * A quick look into the JSON body of a request: the few members that shape the answer. Not a check
 * of the whole JSON; only its braces, and that nothing stands behind the last one. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/simprovider/text.h"

struct ask {
	struct str model;    /* between its quotes, escapes as they are; bytes NULL: none */
	struct str input;    /* the value of `input`, for embeddings */
	struct str stop;     /* the first stop text, in its quotes; bytes NULL: none */
	struct str unknown;  /* the first member that the API does not have; bytes NULL: none */
	uint32_t dimensions; /* 0: not said */
	bool stream, include_usage, tools, base64, messages, contents, max_tokens;
};

/* False: not a JSON object. The spans point into `body`. `known`: the members that the API has,
 * with a space before and behind each; NULL: it takes any. */
bool scan_body(struct str body, const char *known, struct ask *ask);
/* Calls `each` with every element of an array, or with the value itself if it is none. */
void scan_elements(struct str value, void (*each)(struct str element, void *arg), void *arg);
