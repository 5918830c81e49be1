// SPDX-License-Identifier: MIT
/*
 * The slots region: tallies of all workers, made, handed out, summed and folded by the master. A
 * worker writes its own slot only and can map no other. Slot 0 is the master's: the sum of the
 * workers that are gone, so totals never fall. What the master reads here it treats as hostile:
 * whatever a worker scribbles over its slot costs at most that worker's numbers.
 */
#pragma once

#include "common/counters.h"
#include "common/err.h"
#include "common/errring.h"
#include "common/histogram.h"
#include "common/shm.h"

/* The master's end. */
struct slots {
	int fd;		      /* close-on-exec; children map their slot and close it */
	struct slot *all;     /* SLOTS_MAX of them; not inherited by children */
	bool used[SLOTS_MAX]; /* handed out; what a slot says of itself does not count here */
};

/* Makes the region, all slots free. On -1 nothing is left behind. */
int slots_create(struct slots *s, struct err *e) MUST_CHECK;
void slots_destroy(struct slots *s);
/* Names a release that slot 0 is to keep totals of. Once a name is known it stays. -1: full. */
int slots_declare(struct slots *s, const char *release) MUST_CHECK;

/* Takes a free slot for a new worker: its number (>= 1), state SLOT_STARTING, all zero but for
 * generation and heartbeat; -1: none is free. */
int slot_claim(struct slots *s, uint64_t generation, uint64_t now_us) MUST_CHECK;
/* After its worker was reaped: adds the slot's totals to slot 0, counts what the worker had begun
 * and not finished as lost, and frees the slot. False: the slot was not sane, its totals and its
 * losses are not counted. */
bool slot_retire(struct slots *s, unsigned index);
/* Whether a slot says what a sound worker can say: known names, figures below 2^56, finished <=
 * started. Sums leave out what is not sane: a whole slot, or its part for the release. */
bool slot_sane(const struct slots *s, unsigned index);

/* In the child: maps one slot for writing; NULL and `e` on failure. */
struct slot *slot_map_own(int fd, unsigned index, struct err *e) MUST_CHECK;
/* For the slot's worker: the tallies of a release, by name; NULL: no room for another. */
struct slot_release *slot_release_tally(struct slot *slot, const char *release);
/* For the slot's worker: starts counting the split anew, for this revision of the release. In this
 * order, so that a kill in between never counts old requests for the new share. */
static inline void
slot_window_begin(struct slot_release *r, uint64_t revision)
{
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		atomic_store_explicit(&r->arms[arm].window, 0, memory_order_relaxed);
	atomic_store_explicit(&r->window_revision, revision, memory_order_release);
}

/* ---- sums, for status, stats and metrics ----------------------------------------------------- */

struct arm_totals {
	uint64_t counters[COUNTER_COUNT];
	uint64_t finished[OUTCOME_COUNT], attempts[OUTCOME_COUNT], fallbacks[OUTCOME_COUNT];
	uint64_t window;    /* split to this arm under the revision that was asked for */
	uint64_t in_flight; /* requests now, by assigned arm */
	struct histogram_sum latency_us, first_token_us;
};

/* One release over all workers that are and were: about 20 KB. */
struct release_totals {
	struct arm_totals arms[ARM_COUNT];
};

/* grayd as a whole. */
struct overall_totals {
	uint64_t started, finished, rejected, malformed, connections, log_dropped, bad_policy;
	uint64_t open;	   /* connections now */
	uint64_t lost;	   /* requests that died with their worker */
	uint64_t restarts; /* workers replaced */
	unsigned insane;   /* slots in use whose figures were left out */
};

/* Sums a release by name. `revision`: the release's, for `window`. */
void slots_sum_release(
    const struct slots *s, const char *release, uint64_t revision, struct release_totals *out);
/* The newest ERRORS_KEPT errors of a release over all workers, oldest first. */
void slots_errors(const struct slots *s, const char *release, struct error_list *out);
/* Requests assigned to an arm of a release that are not finished. */
uint64_t slots_in_flight(const struct slots *s, const char *release, enum arm arm);
void slots_sum_overall(const struct slots *s, struct overall_totals *out);
