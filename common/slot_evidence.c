// SPDX-License-Identifier: MIT
/*
 * Evidence in the slots, see slot_evidence.h. Both structs of an arm are words and nothing else, in
 * the same order, so they are added up as arrays. The memory is sparse: what no share uses is not
 * looked at, or each look would cost a page.
 */
#include "common/slot_evidence.h"

#include <math.h>
#include <string.h>

#define ARM_WORDS  (sizeof(struct evidence_arm) / sizeof(uint64_t))
#define SANE_LIMIT (1ull << 53) /* what JSON numbers carry exactly */
#define SUB_BITS   2

/* ---- values ---------------------------------------------------------------------------------- */

unsigned
evidence_bucket(uint64_t coarse)
{
	unsigned octave;

	if (coarse < 1u << SUB_BITS)
		return (unsigned)coarse;
	if (coarse >> EVIDENCE_OCTAVES)
		return EVIDENCE_BUCKETS - 1;
	octave = 63 - (unsigned)__builtin_clzll(coarse) - SUB_BITS;
	return (octave << SUB_BITS) + (unsigned)(coarse >> octave);
}

uint64_t
evidence_bucket_low(unsigned bucket)
{
	unsigned octave = bucket >> SUB_BITS;

	if (octave <= 1)
		return bucket;
	return (uint64_t)((1u << SUB_BITS) + (bucket & ((1u << SUB_BITS) - 1))) << (octave - 1);
}

void
slot_value_record(struct slot_value *v, uint64_t fine, uint64_t coarse)
{
	uint64_t unit = fine > 1 ? (uint64_t)(log((double)fine) * EVIDENCE_LOG_UNIT + 0.5) : 0;

	tally_add(&v->buckets[evidence_bucket(coarse)], 1);
	tally_add(&v->sum, unit);
	tally_add(&v->squares, unit * unit);
	tally_add(&v->n, 1);
}

/* ---- the worker's places --------------------------------------------------------------------- */

/* A reader that meets this half-way sees no rollout, or one whose shares are not there yet. */
static void
begin_rollout(struct slot_evidence *e, uint64_t rollout_id)
{
	atomic_store_explicit(&e->rollout_id, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i < EVIDENCE_SHARES && tally_get(&e->shares[i]) != 0; i++) {
		atomic_store_explicit(&e->shares[i], 0, memory_order_relaxed);
		memset(e->arms[i], 0, sizeof(e->arms[i]));
	}
	atomic_store_explicit(&e->uncounted, 0, memory_order_relaxed);
	atomic_store_explicit(&e->rollout_id, rollout_id, memory_order_release);
}

struct slot_evidence_arm *
slot_evidence_arm(struct slot_evidence *e, uint64_t rollout_id, uint32_t share_bp, enum arm arm)
{
	uint64_t counted = tally_get(&e->rollout_id);

	if (rollout_id == 0 || rollout_id < counted)
		return NULL;
	if (rollout_id > counted)
		begin_rollout(e, rollout_id);
	for (unsigned i = 0; i < EVIDENCE_SHARES; i++) {
		uint64_t taken = tally_get(&e->shares[i]);

		if (taken == 0)
			atomic_store_explicit(&e->shares[i], share_bp + 1, memory_order_release);
		if (taken == 0 || taken == share_bp + 1)
			return &e->arms[i][arm];
	}
	return NULL;
}

/* ---- is it sane? ----------------------------------------------------------------------------- */

static void
copy_arm(struct evidence_arm *out, const struct slot_evidence_arm *from)
{
	const _Atomic uint64_t *words = (const _Atomic uint64_t *)from;
	uint64_t *copy = (uint64_t *)out;

	for (size_t i = 0; i < ARM_WORDS; i++)
		copy[i] = tally_get(&words[i]);
}

static bool
below(const uint64_t *figures, size_t n, uint64_t limit)
{
	for (size_t i = 0; i < n; i++) {
		if (figures[i] > limit)
			return false;
	}
	return true;
}

/* A worker counts on while it is read, so what is copied later may be ahead a little. */
enum { AHEAD = 1000 };

static bool
value_sane(const struct evidence_value *v)
{
	uint64_t largest = 64 * EVIDENCE_LOG_UNIT, n = v->n + AHEAD;

	return v->sum <= n * largest && v->squares <= n * largest * largest &&
	       below(v->buckets, EVIDENCE_BUCKETS, n);
}

static bool
arm_sane(const struct evidence_arm *a)
{
	if (a->requests >= SANE_LIMIT / 256 || a->assigned >= SANE_LIMIT / 256 ||
	    a->firsts > a->requests + AHEAD || !below(a->bad, SYMPTOM_COUNT, a->requests + AHEAD) ||
	    !below(a->bad_firsts, SYMPTOM_COUNT, a->firsts + AHEAD) ||
	    !below(a->bad_keys, SYMPTOM_COUNT, a->requests + AHEAD) ||
	    a->again > a->requests + AHEAD ||
	    !below(a->bad_again, SYMPTOM_COUNT, a->again + AHEAD) ||
	    a->praised > a->requests + AHEAD ||
	    !below(a->classes, CLASS_COUNT, a->requests + AHEAD))
		return false;
	for (unsigned v = 0; v < VALUE_COUNT; v++) {
		if (a->values[v].n > a->firsts + AHEAD || !value_sane(&a->values[v]))
			return false;
	}
	return true;
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void
add_arm(struct evidence_arm *into, const struct evidence_arm *from)
{
	uint64_t *sum = (uint64_t *)into;
	const uint64_t *words = (const uint64_t *)from;

	for (size_t i = 0; i < ARM_WORDS; i++)
		sum[i] += words[i];
}

const struct evidence_share *
evidence_find(const struct evidence *e, uint32_t share_bp)
{
	for (unsigned i = 0; i < e->n_shares; i++) {
		if (e->shares[i].share_bp == share_bp)
			return &e->shares[i];
	}
	return NULL;
}

struct evidence_share *
evidence_share(struct evidence *e, uint32_t share_bp)
{
	struct evidence_share *share;

	for (unsigned i = 0; i < e->n_shares; i++) {
		if (e->shares[i].share_bp == share_bp)
			return &e->shares[i];
	}
	if (e->n_shares == EVIDENCE_SHARES)
		return NULL;
	share = &e->shares[e->n_shares++];
	memset(share, 0, sizeof(*share));
	share->share_bp = share_bp;
	return share;
}

/* False: what the slot says cannot be, and the rest of it was not added. `own`: it is slot 0, which
 * only the master writes: what judges said is there, whoever counted the requests. */
static bool
add_slot(struct evidence *out, const struct slot_evidence *from, bool own)
{
	uint64_t uncounted = tally_get(&from->uncounted);
	struct evidence_arm copy[ARM_COUNT];
	struct evidence_share *into;

	if (!own && uncounted >= SANE_LIMIT)
		return false;
	for (unsigned i = 0; i < EVIDENCE_SHARES; i++) {
		uint64_t taken = atomic_load_explicit(&from->shares[i], memory_order_acquire);

		if (taken == 0)
			break;
		copy_arm(&copy[ARM_STABLE], &from->arms[i][ARM_STABLE]);
		copy_arm(&copy[ARM_CANDIDATE], &from->arms[i][ARM_CANDIDATE]);
		if (!own && (taken > 10000 + 1 || !arm_sane(&copy[0]) || !arm_sane(&copy[1])))
			return false;
		into = evidence_share(out, (uint32_t)(taken - 1));
		for (unsigned arm = 0; into != NULL && arm < ARM_COUNT; arm++)
			add_arm(&into->arms[arm], &copy[arm]);
	}
	out->uncounted += uncounted;
	return true;
}

void
slots_sum_evidence(
    const struct slots *s, const char *release, uint64_t rollout_id, struct evidence *out)
{
	out->rollout_id = rollout_id;
	out->uncounted = 0;
	out->insane = out->n_shares = 0;
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		const struct slot_release *r = slots_find_release(s, i, release);

		if (r == NULL || atomic_load_explicit(
				     &r->evidence.rollout_id, memory_order_acquire) != rollout_id)
			continue;
		if (!add_slot(out, &r->evidence, i == 0))
			out->insane++;
	}
}

/* ---- into slot 0 ----------------------------------------------------------------------------- */

static void
put_arm(struct slot_evidence_arm *into, const struct evidence_arm *from)
{
	_Atomic uint64_t *sum = (_Atomic uint64_t *)into;
	const uint64_t *more = (const uint64_t *)from;

	for (size_t i = 0; i < ARM_WORDS; i++)
		tally_add(&sum[i], more[i]);
}

static void
put_sum(struct slot_evidence *into, const struct evidence *sum)
{
	for (unsigned i = 0; i < sum->n_shares; i++) {
		const struct evidence_share *share = &sum->shares[i];

		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			struct slot_evidence_arm *place = slot_evidence_arm(
			    into, sum->rollout_id, share->share_bp, (enum arm)arm);

			if (place != NULL)
				put_arm(place, &share->arms[arm]);
		}
	}
	if (tally_get(&into->rollout_id) == sum->rollout_id)
		tally_add(&into->uncounted, sum->uncounted);
}

/* False: it is not sane. */
static bool
sum_one(struct evidence *sum, const struct slot_evidence *from)
{
	sum->rollout_id = tally_get(&from->rollout_id);
	sum->uncounted = 0;
	sum->n_shares = 0;
	return sum->rollout_id == 0 || add_slot(sum, from, false);
}

static struct evidence one; /* the master has one thread */

void
slot_evidence_fold(struct slot_evidence *into, const struct slot_evidence *from)
{
	if (sum_one(&one, from) && one.rollout_id != 0)
		put_sum(into, &one);
}

const char *
slot_evidence_odd(const struct slots *s, unsigned index)
{
	const struct slot *slot = &s->all[index];
	uint32_t n = atomic_load_explicit(&slot->n_releases, memory_order_acquire);

	for (unsigned i = 0; i < n && i < RELEASES_MAX; i++) {
		const char *name = slot->releases[i].name;

		if (strnlen(name, NAME_BYTES) < NAME_BYTES &&
		    !sum_one(&one, &slot->releases[i].evidence))
			return name;
	}
	return NULL;
}

/* ---- of another master ----------------------------------------------------------------------- */

bool
slot_evidence_add(struct slot_evidence *into, const struct evidence *sum)
{
	if (sum->uncounted >= SANE_LIMIT || sum->n_shares > EVIDENCE_SHARES)
		return false;
	for (unsigned i = 0; i < sum->n_shares; i++) {
		const struct evidence_share *share = &sum->shares[i];

		if (share->share_bp > 10000 || !arm_sane(&share->arms[ARM_STABLE]) ||
		    !arm_sane(&share->arms[ARM_CANDIDATE]))
			return false;
	}
	put_sum(into, sum);
	return true;
}

/* Of one figure. */
static uint64_t
rise(uint64_t now, uint64_t *told)
{
	uint64_t more = now > *told ? now - *told : 0;

	*told += more;
	return more;
}

void
evidence_more(const struct evidence *now, struct evidence *told, struct evidence *more)
{
	more->rollout_id = now->rollout_id;
	more->uncounted = rise(now->uncounted, &told->uncounted);
	more->insane = more->n_shares = 0;
	for (unsigned i = 0; i < now->n_shares; i++) {
		const struct evidence_share *share = &now->shares[i];
		struct evidence_share *had = evidence_share(told, share->share_bp);
		struct evidence_share *out = evidence_share(more, share->share_bp);

		for (unsigned arm = 0; had != NULL && out != NULL && arm < ARM_COUNT; arm++) {
			const uint64_t *words = (const uint64_t *)&share->arms[arm];

			for (size_t w = 0; w < ARM_WORDS; w++)
				((uint64_t *)&out->arms[arm])[w] =
				    rise(words[w], &((uint64_t *)&had->arms[arm])[w]);
		}
	}
}
