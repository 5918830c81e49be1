// SPDX-License-Identifier: MIT
/* An error answer: what a fault of kind "status" or a refused request is answered with. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/simprovider/text.h"

struct problem {
	uint64_t status;
	/* Inside of JSON strings. `message` may hold "{model}" or "{param}". bytes NULL: the usual
	 * for `status`. */
	struct str code, type, message, param;
	struct str headers;	     /* whole lines with CRLF */
	struct str body;	     /* instead of the usual error body, if bytes is not NULL */
	struct str retry_after;	     /* value of the header; bytes NULL: none */
	double retry_after_body_s;   /* member of the error object; 0: none */
	uint64_t retry_after_ms;     /* header retry-after-ms; 0: none */
	uint64_t retry_after_date_s; /* header retry-after as a date so far ahead; 0: none */
	bool array;		     /* the error object stands in an array of one */
	bool is_event;		     /* `body` is an event of a stream, sent as it is */
};

/* What a kind of provider says for a status, or for a code of it; NULL: there is no such member. */
struct usual {
	unsigned status;
	const char *type, *code, *message;
};

/* Fills the members that are not set from the table: from the row with its status and code, else
 * from the first one with its status. The table's last row, with status 0, fits any. */
struct problem problem_complete(const struct problem *given, const struct usual *table);
/* The phrase of a status line, never NULL. */
const char *problem_phrase(unsigned status);
/* `message` with the name of the model, or of the parameter, put in. */
void problem_message(const struct problem *problem, struct str model, struct text *out);
