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
	int fd;		      /* close-on-exec; children map what they may and close it */
	struct slot *all;     /* SLOTS_MAX of them; the master's are not inherited by children */
	bool used[SLOTS_MAX]; /* handed out; what a slot says of itself does not count here */
};

/* Makes the region, all slots free. On -1 nothing is left behind. */
int slots_create(struct slots *s, struct err *e) MUST_CHECK;
void slots_destroy(struct slots *s);
/* Names a release that slot 0 is to keep totals of. Once a name is known it stays. -1: full. */
int slots_declare(struct slots *s, const char *release) MUST_CHECK;
/* The same for a client. */
int slots_declare_client(struct slots *s, const char *client) MUST_CHECK;

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
/* In a child that only looks: maps all slots in a way that can never be made writable. Sums may be
 * made of them, and slots_destroy() ends it. What they say is whole only if no slot was retired
 * meanwhile: begin, sum, ask. */
int slots_map_readonly(struct slots *s, int fd, struct err *e) MUST_CHECK;
uint64_t slots_read_begin(const struct slots *s);
bool slots_read_whole(const struct slots *s, uint64_t begun) MUST_CHECK;
/* For the slot's worker: the tallies of a release, by name; NULL: no room for another. */
struct slot_release *slot_release_tally(struct slot *slot, const char *release);
/* Likewise of a client. */
struct slot_client *slot_client_tally(struct slot *slot, const char *client);
/* What a slot in use says of a release, unchecked; NULL: nothing. */
const struct slot_release *slots_find_release(
    const struct slots *s, unsigned index, const char *name);
/* What slot 0 says of a release's guard; NULL: nothing. */
const struct slot_guard *slots_guard(const struct slots *s, const char *release);
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

/* One client over all workers that are and were. */
struct client_totals {
	char name[NAME_BYTES];
	uint64_t counters[CLIENT_COUNTER_COUNT];
};

/* grayd as a whole. */
struct overall_totals {
	uint64_t started, finished, rejected, malformed, connections, log_dropped, bad_policy;
	uint64_t open;	   /* connections now */
	uint64_t lost;	   /* requests that died with their worker */
	uint64_t restarts; /* workers replaced */
	uint64_t journal_errors, journal_failing, stall_us; /* the master's own */
	unsigned insane; /* slots in use whose figures were left out */
};

/* Sums a release by name. `revision`: the release's, for `window`. */
void slots_sum_release(
    const struct slots *s, const char *release, uint64_t revision, struct release_totals *out);
/* Sums all clients that slot 0 knows, in its order; `out` has room for CLIENTS_MAX. Returns how
 * many.
 */
unsigned slots_sum_clients(const struct slots *s, struct client_totals *out);
/* The newest ERRORS_KEPT errors of a release over all workers, oldest first. */
void slots_errors(const struct slots *s, const char *release, struct error_list *out);
/* What slot 0 has of the provider's word on an arm's model: enum standing, and when it came. */
void slots_standing(const struct slots *s, const char *release, enum arm arm, uint32_t *standing,
    uint64_t *asked_wall_us);
/* Requests assigned to an arm of a release that are not finished. */
uint64_t slots_in_flight(const struct slots *s, const char *release, enum arm arm);
/* What the workers did when they first saw the release rolled back by this revision, added to
 * `sum`; and the latest moment at which a candidate attempt began. */
struct rollback_sum {
	uint64_t rescued, streaming, candidate_at_us;
};
void slots_add_rollback(
    const struct slots *s, const char *release, uint64_t revision, struct rollback_sum *sum);
/* Attempts at a release by arm and outcome, and nothing else: cheap enough to ask each second. */
void slots_sum_attempts(
    const struct slots *s, const char *release, uint64_t out[ARM_COUNT][OUTCOME_COUNT]);
/* Whether anything happens on a release: a few figures, cheap enough to ask for each tick. */
struct slot_activity {
	uint64_t requests;	      /* assigned, pinned ones too */
	uint64_t finished[ARM_COUNT]; /* in the statistics, by assigned arm */
	uint64_t in_flight;
};
void slots_activity(const struct slots *s, const char *release, struct slot_activity *out);
void slots_sum_overall(const struct slots *s, struct overall_totals *out);

/* ---- sums of another master, at an upgrade; slot_totals.c -------------------------------------
 */

/* Around changes of slot 0 that a reader must see whole; see slots_read_whole(). */
void slots_fold_begin(struct slots *s);
void slots_fold_end(struct slots *s);
/* Adds to slot 0 what `now` has more than `before`. -1: no room for another release. */
int slots_add_release(struct slots *s, const char *release, uint64_t window_revision,
    const struct release_totals *now, const struct release_totals *before) MUST_CHECK;
int slots_add_client(struct slots *s, const struct client_totals *now,
    const struct client_totals *before) MUST_CHECK;
void slots_add_errors(
    struct slots *s, const char *release, const struct error_list *list, uint64_t after_us);
void slots_add_overall(
    struct slots *s, const struct overall_totals *now, const struct overall_totals *before);
