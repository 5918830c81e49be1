// SPDX-License-Identifier: MIT
/*
 * Evidence of a rollout in the slots: counted by workers, added up by the master for the guard.
 * Each slot has one writer, and its own places for the shares of a rollout; a sum finds them by
 * share. What a worker writes is judged before it counts: a slot that says what cannot be is left
 * out, and the sum tells so.
 */
#pragma once

#include "common/slot.h"

struct evidence_value EVIDENCE_VALUE(uint64_t);
struct evidence_arm EVIDENCE_ARM(uint64_t, struct evidence_value);

struct evidence_share {
	uint32_t share_bp; /* published at the assignment */
	struct evidence_arm arms[ARM_COUNT];
};

/* One rollout, over all workers that are and were: about 90 KB. */
struct evidence {
	uint64_t rollout_id;
	uint64_t uncounted;
	unsigned insane; /* slots in use whose evidence was left out */
	unsigned n_shares;
	struct evidence_share shares[EVIDENCE_SHARES];
};

_Static_assert(sizeof(struct evidence_arm) == sizeof(struct slot_evidence_arm), "one layout");

/* For the slot's worker: the place of a share in a rollout's evidence. Another rollout empties it
 * first. NULL: a rollout older than the one that is counted, none, or no place left. */
struct slot_evidence_arm *slot_evidence_arm(
    struct slot_evidence *e, uint64_t rollout_id, uint32_t share_bp, enum arm arm);
/* For the slot's worker: one value of an answer. `fine` in microseconds, tokens, billionths of a
 * USD; `coarse` in milliseconds, tokens, millionths. */
void slot_value_record(struct slot_value *v, uint64_t fine, uint64_t coarse);

/* Adds what a dead worker has counted to slot 0's; what is not sane is left out. */
void slot_evidence_fold(struct slot_evidence *into, const struct slot_evidence *from);
/* The first release of a slot whose evidence is not sane; NULL: there is none. */
const char *slot_evidence_odd(const struct slots *s, unsigned index);
/* Adds to slot 0's what another master has summed. False: it is not sane, and was left out. */
bool slot_evidence_add(struct slot_evidence *into, const struct evidence *sum);
/* What `now` has more than `told`, which then is the most that was told of each figure. Both are of
 * one rollout. */
void evidence_more(const struct evidence *now, struct evidence *told, struct evidence *more);
/* Sums a rollout of a release over all slots. */
void slots_sum_evidence(
    const struct slots *s, const char *release, uint64_t rollout_id, struct evidence *out);
/* The share's part of a sum, which gets a place if it has none; NULL: no place left. */
struct evidence_share *evidence_share(struct evidence *e, uint32_t share_bp);
/* The same, of a sum that is only read; NULL: nothing was counted under it. */
const struct evidence_share *evidence_find(const struct evidence *e, uint32_t share_bp);
/* The bucket of a coarse value, and the smallest value of a bucket. */
unsigned evidence_bucket(uint64_t coarse);
uint64_t evidence_bucket_low(unsigned bucket);
