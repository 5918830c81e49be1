// SPDX-License-Identifier: MIT
/*
 * Faults: what may go wrong with an answer, and when. Most are either a point of the answer with
 * something that happens there, or a change of how the answer is made.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/simprovider/dice.h"
#include "tests/simprovider/problem.h"
#include "tests/simprovider/text.h"

enum fault_id {
	FAULT_NONE,
#define FAULT(id, name, point, then, keys, variants, help) FAULT_##id,
#include "tests/simprovider/faults.def"
#undef FAULT
	FAULT_IDS
};

/* Where in the answer: before the head, after it, after so many bytes of the body; in a stream
 * after the role chunk, after so many content chunks, before the finish chunk, before the end. */
enum point {
	POINT_NONE,
	POINT_HEAD,
	POINT_HEADERS,
	POINT_BODY,
	POINT_ROLE,
	POINT_CHUNK,
	POINT_FINISH,
	POINT_END
};
/* How a stream ends behind an interruption: FIN at once; with the last chunk of HTTP; with the end
 * mark of the stream and the last chunk; not at all. */
enum ending { ENDING_UNSET, ENDING_NONE, ENDING_CHUNK, ENDING_DONE, ENDING_CONTINUE };
/* What becomes of the connection behind the answer. */
enum then { THEN_KEEP, THEN_CLOSE, THEN_RESET, THEN_STALL };
/* The variants of single kinds, in the order of faults.def. */
enum { EMPTY_CONTENT, EMPTY_CHOICES, EMPTY_BODY };
enum { GARBAGE_BODY, GARBAGE_HTTP, GARBAGE_SSE };
enum {
	LENGTH_LONG,
	LENGTH_SHORT,
	LENGTH_DOUBLE,
	LENGTH_DIFFER,
	LENGTH_NEGATIVE,
	LENGTH_BOTH,
	LENGTH_VALUE
};
enum only { ONLY_ANY, ONLY_STREAM, ONLY_WHOLE };

#define FAULT_AFTER_UNSET UINT64_MAX

struct fault_kind {
	enum fault_id id;
	const char *name;
	enum point point;
	enum then then;
	const char *keys, *variants, *help;
};

struct fault {
	const struct fault_kind *kind;
	/* when */
	double probability;
	uint64_t skip, count; /* not the first `skip`; at most `count` times, 0: no limit */
	bool reused;	      /* only on a connection that has answered before */
	enum only only;
	bool has_latency;
	struct dist latency_ms; /* instead of the behaviour's */
	/* what */
	enum point at;
	uint64_t after;
	enum ending end;
	enum then then;
	int variant;
	uint64_t for_ms, interval_ms, gap_ms, bytes, at_byte, repeat;
	struct str line, value, hex; /* bytes NULL: not given */
	struct problem problem;
	/* how often it could have happened, and did */
	uint64_t seen, used;
};

/* What an attempt is like, as far as faults ask. */
struct fault_scene {
	bool stream, reused;
};

const struct fault_kind *fault_kind_find(const char *name); /* NULL: no such kind */
const char *fault_name(enum fault_id id);		    /* "" for FAULT_NONE */
/* The first fault whose conditions and chance hold; NULL: none. Counts. */
const struct fault *fault_pick(
    struct fault *faults, size_t count, struct dice *dice, struct fault_scene scene);
/* Prints all kinds, for --list-faults. */
void fault_list(void);
