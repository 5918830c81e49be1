// SPDX-License-Identifier: MIT
/*
 * What the guard wants to know of an answer beyond its end: is it JSON where JSON was asked for, do
 * its tool calls have arguments that are JSON, which tools do they name, in which script is it
 * written. Readers of providers feed it beside the stream, piece by piece; nothing is copied or
 * allocated, and an answer without tools costs a count of its first few hundred letters. Used by
 * the workers. Pure.
 */
#pragma once

#include "worker/jscan.h"
#include "worker/jsonflow.h"
#include "worker/script.h"

#define QUALITY_NAMES 8 /* different tools of an answer that are looked up */

/* Part of an answer's facts; all zero in the beginning, but for what was asked for. */
struct quality {
	bool wants_json; /* set before: JSON was asked for */
	bool refused;	 /* the answer is a refusal */
	bool bad_call;	 /* a call whose arguments are no JSON */
	bool mixed;	 /* several answers at once: nothing is said of JSON and calls */
	bool in_call;
	uint64_t call; /* number of the call that goes on */
	unsigned n_names;
	uint64_t names[QUALITY_NAMES]; /* digests */
	struct jsonflow json, arguments;
	struct script_count script;
};

/* A string as JSON writes it. */
struct quality_string {
	const uint8_t *text; /* NULL: there is none */
	size_t len;
	bool escaped;
};

/* A piece of a tool call, or all of it. */
struct quality_call {
	uint64_t number; /* pieces with one number belong together; others do not interleave */
	struct quality_string name, arguments;
};

/* The string that a scan has just returned. */
struct quality_string quality_string(const struct jscan *scan);
void quality_text(struct quality *q, const struct quality_string *text);
void quality_piece(struct quality *q, const struct quality_call *piece);
/* A call begins whose pieces have no number of their own. */
void quality_next_call(struct quality *q, const struct quality_string *name);
void quality_arguments(struct quality *q, const struct quality_string *piece);
/* The answer has ended by itself: closes the last call. Call it once. */
void quality_end(struct quality *q);

/* Whether all tools that the answer names stand in the request's "tools" (a JSON array). */
bool quality_offered(const struct quality *q, const uint8_t *tools, size_t n);
