// SPDX-License-Identifier: MIT
/*
 * What the evidence of a rollout means: roll back, hold, safe, or wait. Pure: whole numbers in, a
 * verdict with its reason out; the same numbers always give the same verdict, which is how `replay`
 * can check what the journal holds. The rules come as whole numbers too, so that a record has them.
 *
 * Order: breaker, harm, split mismatch, doubt, a symptom or value that holds, safe, wait.
 */
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/slot_evidence.h"

#define PPB 1000000000u /* rules are in parts per billion */

struct verdict_rules {
	uint64_t alpha, breaker_alpha, beta, split_alpha;
	uint64_t min_requests; /* of the candidate under the present share, to call it safe */
	struct {
		uint64_t action; /* enum guard_action */
		uint64_t budget, ratio, margin, weight;
	} symptoms[SYMPTOM_COUNT];
	struct {
		uint64_t action, margin;
	} values[VALUE_COUNT];
	double band; /* follows from alpha: evidence_band_constant() for the tests of values */
};
/* Takes about a millisecond. */
void verdict_rules_init(struct verdict_rules *rules, const struct config_release *config);
void verdict_rules_derive(struct verdict_rules *rules);

/* The breaker looks at all of a rollout, and at its present span alone: a candidate that breaks
 * after a million good answers is then seen as soon as a new one. The n-th span counts with a
 * weight of 1 / (10 n (n + 1)), the whole with 9 / 10: the sum is an e-process like its parts.
 * Where stable is over the same budget in the same part, at `beta`, and the candidate at most twice
 * as bad, that part says nothing of the candidate: an outage of both, or a budget that is too
 * small. It holds then, and only the comparison rolls back; until VERDICT_OUTAGE_MAX of the
 * candidate's requests were bad, for it may be the candidate that drags stable down. */
struct verdict_span {
	uint64_t number; /* 1: the first */
	/* What each arm had when it began, over all shares. */
	uint64_t firsts[ARM_COUNT], bad[ARM_COUNT][SYMPTOM_COUNT];
};
#define VERDICT_SPAN_MIN   200	/* firsts of the candidate that make a span */
#define VERDICT_OUTAGE_MAX 1000 /* bad ones of the candidate that an outage of both excuses */

/* A symptom without a budget is safe also if it is shown to be rarer than this, in ppb: what never
 * happens on either arm could never be compared. */
#define VERDICT_QUIET (20 * (PPB / 1000))
/* Values with fewer than this on an arm are not compared. */
#define VERDICT_VALUES_MIN 50

struct verdict_case {
	const struct verdict_rules *rules;
	const struct evidence *evidence;
	const struct verdict_span *span;
	uint32_t share_bp; /* published now */
	uint64_t before;   /* of the candidate's requests under it: those before this step */
	uint32_t waived;   /* bits, release_waivable() */
	bool done;	   /* the candidate has taken over: only the breaker can be */
	bool alone;	   /* of an older record: stable's budget was not looked at */
};

enum verdict_kind { VERDICT_WAIT, VERDICT_SAFE, VERDICT_HOLD, VERDICT_ROLLBACK, VERDICT_KINDS };

enum verdict_test {
	TEST_NONE,
	TEST_BREAKER,
	TEST_HARM,
	TEST_SPLIT,
	TEST_DOUBT,    /* what the workers say makes no sense */
	TEST_MEAN,     /* slower on average */
	TEST_ANYWHERE, /* slower anywhere */
	TEST_COUNT
};
extern const char *const verdict_kind_names[VERDICT_KINDS];
extern const char *const verdict_test_names[TEST_COUNT];

/* One symptom; logarithms of evidence. */
struct verdict_symptom {
	bool on, waived;
	bool needed; /* must be safe before anything advances */
	bool safe;
	/* First bad events of keys under shares that can be compared, and all first requests; of
	 * SYMPTOM_JUDGED those that were judged, where good answers are told too. */
	uint64_t bad[ARM_COUNT], firsts[ARM_COUNT];
	uint64_t n, n_bad;		   /* first requests of the candidate */
	uint64_t again, bad_again;	   /* and those that the breaker counts again */
	uint64_t of_stable, bad_of_stable; /* the same of stable, both kinds */
	double harm, breaker;		   /* against the candidate */
	double own;	      /* of `breaker`: the parts in which stable keeps the budget */
	double better, below; /* for it: compared with stable, and alone */
};

/* One value under the present share; of logarithms. */
struct verdict_value {
	bool on, waived, needed, safe;
	bool compared; /* both arms have enough */
	uint64_t n[ARM_COUNT];
	double difference; /* candidate minus stable */
	double harm_width, safe_width;
	double limit;	  /* log(1 + margin) */
	double gap, band; /* of the distributions */
	bool slower, slower_anywhere;
};

struct verdict {
	enum verdict_kind kind;
	enum verdict_test test;
	unsigned what;	/* the symptom or value that weighs most: release_waivable(); else 0 */
	uint32_t warns; /* those that only warn, and have reason to */
	uint64_t fresh; /* requests of the candidate under the present share, in this step */
	/* Sums over the symptoms whose action is rollback, and the limits that they must stay
	 * below. */
	double breaker, breaker_limit, harm, harm_limit, split, split_limit, safe_limit;
	struct verdict_symptom symptoms[SYMPTOM_COUNT];
	struct verdict_value values[VALUE_COUNT];
	char reason[160];
};

void verdict_find(const struct verdict_case *c, struct verdict *v);
/* Begins another span if the present one is long enough. `elapsed`: it has lasted its time too. */
void verdict_span_move(struct verdict_span *span, const struct evidence *e, bool elapsed);

/* How many times stable's rate the candidate's is, by the requests that were seen, and the
 * confidence sequence of that at `beta` for each side. point: not finite without bad ones of
 * stable. */
struct evidence_ratio;
void verdict_ratio(const struct verdict_case *c, const struct verdict *v, unsigned symptom,
    struct evidence_ratio *out);

/* How many more first requests of the candidate everything needs to be safe, if both arms go on as
 * they did; UINT64_MAX: it would never be. `what`: the symptom or value that needs most;
 * VERDICT_FRESH: min_requests does, and then it is requests of whatever key. */
#define VERDICT_FRESH UINT32_MAX
uint64_t verdict_missing(const struct verdict_case *c, const struct verdict *v, unsigned *what);

/* ---- verdict_record.c: for the journal --------------------------------------------------------
 */

/* Adds a JSON object of whole numbers: all that a verdict follows from. -1: out of memory. */
int verdict_write(struct buf *out, const struct verdict_case *c) MUST_CHECK;
/* What was read back; c.rules, c.evidence and c.span point into it. About 100 KB. */
struct verdict_record {
	struct verdict_rules rules;
	struct evidence evidence;
	struct verdict_span span;
	struct verdict_case c;
};
int verdict_read(const char *text, struct verdict_record *out, struct err *e) MUST_CHECK;
