// SPDX-License-Identifier: MIT
/*
 * What the files of the guard share: what it remembers between two seconds. For guard*.c only;
 * master process.
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "daemon/guard.h"

#define GUARD_TICK_S 1
#define RATE_SECONDS 30

/* What is remembered of one release, found by its name. */
struct watched {
	char name[NAME_BYTES]; /* empty: not used */
	uint64_t rollout_id, share_revision;
	uint64_t keys_of; /* the rollout whose keys are in the tables */
	/* Candidate's requests under the present share when the step began, which are not fresh. */
	uint64_t before;		     /* UINT64_MAX: not looked at yet */
	const struct config_release *config; /* that the rules were made of */
	uint64_t generation;		     /* and its config's */
	struct verdict_rules rules;
	struct verdict_span span;
	uint64_t span_us;   /* when it began */
	uint64_t judged_us; /* clock_mono_us() of the last verdict; 0: none */
	enum verdict_kind kind;
	enum verdict_test test;
	unsigned what, doubts;
	uint32_t warns;
	bool waiting; /* for the receipt of a command */
	uint64_t retry_us;
	struct err refusal; /* said in the log already */
	/* Of the candidate, each second: all that ended, and first requests; rings. */
	uint64_t answered[RATE_SECONDS], met[RATE_SECONDS];
	unsigned seconds;
	/* The forecast, which takes a while, so at most once a second. */
	uint64_t missing, missing_us;
	unsigned missing_what;
};

struct guard {
	struct event tick;
	unsigned turn;
	struct watched all[RELEASES_MAX];
	bool ticked;		  /* once at least */
	bool keys_used;		  /* some rollout has met keys since they were forgotten */
	uint64_t keep_at_us;	  /* guard_keep.c */
	uint64_t kept;		  /* and a hash of what was given last */
	struct evidence evidence; /* of the release that is looked at */
	bool left_out;		  /* some of it: what a worker says cannot be */
};

/* What is remembered of a release; a new place where nothing is. NULL: all are taken. */
struct watched *guard_find(struct guard *g, const char *name);
/* Another rollout, step, or config: what was thought of the old one is void. */
void guard_keep_up(const struct master *m, struct watched *w, const struct policy_release *now,
    const struct config_release *config);
/* Sums the evidence; `c` points to it, until the next call. */
void guard_make_case(
    struct master *m, struct watched *w, const struct policy_release *now, struct verdict_case *c);
