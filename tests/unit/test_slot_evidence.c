// SPDX-License-Identifier: MIT
/* Evidence in the slots: counted for one rollout, summed by share, folded, and not believed
 * blindly. */
#include "common/slot_evidence.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void suite_slot_evidence(void);

static struct slots slots;
static struct evidence sum;

/* A worker's tallies of the release "r". */
static struct slot_release *
open_worker(int *index)
{
	*index = slot_claim(&slots, 1, 1);
	return slot_release_tally(&slots.all[*index], "r");
}

static int
open_slots(void)
{
	struct err e;

	return slots_create(&slots, &e) == 0 && slots_declare(&slots, "r") == 0 ? 0 : -1;
}

static int
close_slots(void)
{
	slots_destroy(&slots);
	return 0;
}

static void
count(struct slot_release *r, uint64_t rollout, uint32_t share_bp, enum arm arm, uint64_t n)
{
	struct slot_evidence_arm *a = slot_evidence_arm(&r->evidence, rollout, share_bp, arm);

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	tally_add(&a->requests, n);
	tally_add(&a->firsts, n);
}

static uint64_t
requests(uint32_t share_bp, enum arm arm)
{
	const struct evidence_share *s = evidence_find(&sum, share_bp);

	return s != NULL ? s->arms[arm].requests : 0;
}

static void
test_sum_and_fold(void)
{
	struct slot_release *r;
	int a, b;

	CU_ASSERT_EQUAL_FATAL(open_slots(), 0);
	r = open_worker(&a);
	count(r, 5, 1000, ARM_STABLE, 9);
	count(r, 5, 3000, ARM_CANDIDATE, 3);
	r = open_worker(&b);
	count(r, 5, 3000, ARM_CANDIDATE, 4);
	count(r, 5, 1000, ARM_STABLE, 1);
	slots_sum_evidence(&slots, "r", 5, &sum);
	CU_ASSERT_EQUAL(sum.n_shares, 2);
	CU_ASSERT_EQUAL(requests(1000, ARM_STABLE), 10);
	CU_ASSERT_EQUAL(requests(3000, ARM_CANDIDATE), 7);
	/* A worker that dies takes nothing along. */
	CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)a));
	slots_sum_evidence(&slots, "r", 5, &sum);
	CU_ASSERT_EQUAL(requests(1000, ARM_STABLE), 10);
	CU_ASSERT_EQUAL(requests(3000, ARM_CANDIDATE), 7);
	slots_sum_evidence(&slots, "r", 6, &sum);
	CU_ASSERT_EQUAL(sum.n_shares, 0);
	/* Another rollout begins anew; what the other worker still has of the old one is not its.
	 */
	r = open_worker(&a);
	count(r, 6, 1000, ARM_CANDIDATE, 2);
	CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)a));
	CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)b));
	slots_sum_evidence(&slots, "r", 6, &sum);
	CU_ASSERT_EQUAL(sum.n_shares, 1);
	CU_ASSERT_EQUAL(requests(1000, ARM_CANDIDATE), 2);
	CU_ASSERT_EQUAL(requests(1000, ARM_STABLE), 0);
	close_slots();
}

static void
test_places(void)
{
	struct slot_release *r;
	int a;

	CU_ASSERT_EQUAL_FATAL(open_slots(), 0);
	r = open_worker(&a);
	for (uint32_t i = 0; i < EVIDENCE_SHARES; i++)
		count(r, 5, i * 100, ARM_STABLE, 1);
	CU_ASSERT_PTR_NULL(slot_evidence_arm(&r->evidence, 5, 7777, ARM_STABLE));
	CU_ASSERT_PTR_NOT_NULL(slot_evidence_arm(&r->evidence, 5, 300, ARM_STABLE));
	/* Of an older rollout, or of none. */
	CU_ASSERT_PTR_NULL(slot_evidence_arm(&r->evidence, 4, 300, ARM_STABLE));
	CU_ASSERT_PTR_NULL(slot_evidence_arm(&r->evidence, 0, 300, ARM_STABLE));
	count(r, 6, 7777, ARM_CANDIDATE, 1);
	slots_sum_evidence(&slots, "r", 6, &sum);
	CU_ASSERT_EQUAL(sum.n_shares, 1);
	close_slots();
}

/* What judges say is counted by the master, in slot 0, and the requests by the workers: a thousand
 * words there were once taken for lies, and the rollout was held. */
static void
test_many_judged(void)
{
	struct slot_release *r, *own;
	int a;

	CU_ASSERT_EQUAL_FATAL(open_slots(), 0);
	r = open_worker(&a);
	count(r, 5, 1000, ARM_CANDIDATE, 9000);
	own = slot_release_tally(&slots.all[0], "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(own);
	tally_add(&slot_evidence_arm(&own->evidence, 5, 1000, ARM_CANDIDATE)->praised, 8000);
	slots_sum_evidence(&slots, "r", 5, &sum);
	CU_ASSERT_EQUAL(sum.insane, 0);
	CU_ASSERT_EQUAL_FATAL(sum.n_shares, 1);
	CU_ASSERT_EQUAL(sum.shares[0].arms[ARM_CANDIDATE].praised, 8000);
	close_slots();
}

/* Sums of another master, told again and again, count once; what falls for a while (a worker was
 * left out) does not count again when it comes back. */
static void
test_told_twice(void)
{
	static struct evidence told, more;
	static const uint64_t sums[] = { 10, 10, 4, 10, 25 };
	uint64_t all = 0;

	told = (struct evidence){ .rollout_id = 5 };
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		sum = (struct evidence){ .rollout_id = 5, .uncounted = sums[i] };
		evidence_share(&sum, 1000)->arms[ARM_CANDIDATE].requests = sums[i];
		evidence_more(&sum, &told, &more);
		all += more.shares[0].arms[ARM_CANDIDATE].requests;
		CU_ASSERT_EQUAL(more.uncounted, more.shares[0].arms[ARM_CANDIDATE].requests);
	}
	CU_ASSERT_EQUAL(all, 25);
}

static void
test_add(void)
{
	struct slot_release *own;

	CU_ASSERT_EQUAL_FATAL(open_slots(), 0);
	own = slot_release_tally(&slots.all[0], "r");
	sum = (struct evidence){ .rollout_id = 5, .uncounted = 2 };
	evidence_share(&sum, 3000)->arms[ARM_STABLE].requests = 70;
	CU_ASSERT_TRUE(slot_evidence_add(&own->evidence, &sum));
	CU_ASSERT_TRUE(slot_evidence_add(&own->evidence, &sum));
	sum.shares[0].arms[ARM_STABLE].bad[SYMPTOM_LEFT] = 5000;
	CU_ASSERT_FALSE(slot_evidence_add(&own->evidence, &sum));
	slots_sum_evidence(&slots, "r", 5, &sum);
	CU_ASSERT_EQUAL(requests(3000, ARM_STABLE), 140);
	CU_ASSERT_EQUAL(sum.shares[0].arms[ARM_STABLE].bad[SYMPTOM_LEFT], 0);
	CU_ASSERT_EQUAL(sum.uncounted, 4);
	close_slots();
}

/* It was dropped without a word when its worker died. */
static void
test_odd_is_told(void)
{
	struct slot_release *r;
	int a;

	CU_ASSERT_EQUAL_FATAL(open_slots(), 0);
	r = open_worker(&a);
	count(r, 5, 1000, ARM_CANDIDATE, 9);
	CU_ASSERT_PTR_NULL(slot_evidence_odd(&slots, (unsigned)a));
	tally_add(&slot_evidence_arm(&r->evidence, 5, 1000, ARM_STABLE)->bad[0], 1000000);
	CU_ASSERT_STRING_EQUAL(slot_evidence_odd(&slots, (unsigned)a), "r");
	CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)a));
	slots_sum_evidence(&slots, "r", 5, &sum);
	CU_ASSERT_EQUAL(sum.n_shares, 0);
	close_slots();
}

/* A worker may scribble what it likes over its own slot: it is left out, and the sum says so. */
static void
test_lies(void)
{
	struct slot_release *r, *honest;
	struct slot_evidence_arm *arm;
	int a, b;

	CU_ASSERT_EQUAL_FATAL(open_slots(), 0);
	honest = open_worker(&b);
	count(honest, 5, 1000, ARM_STABLE, 9);
	for (unsigned i = 0; i < 8; i++) {
		r = open_worker(&a);
		count(r, 5, 1000, ARM_CANDIDATE, 3);
		arm = &r->evidence.arms[0][ARM_CANDIDATE];
		switch (i) {
		case 0: tally_add(&arm->bad[SYMPTOM_ERROR], 1000000); break;
		case 1: tally_add(&arm->bad_keys[SYMPTOM_JUDGED], 1000000); break;
		case 2: tally_add(&arm->requests, UINT64_MAX / 2); break;
		case 3: tally_add(&arm->firsts, 1000000); break;
		case 4: tally_add(&r->evidence.shares[0], 20000); break;
		case 5: tally_add(&arm->values[0].n, 1000000); break;
		case 6: tally_add(&arm->values[0].sum, UINT64_MAX / 2); break;
		case 7: tally_add(&r->evidence.uncounted, UINT64_MAX / 2); break;
		}
		slots_sum_evidence(&slots, "r", 5, &sum);
		CU_ASSERT_EQUAL(sum.insane, 1);
		CU_ASSERT_EQUAL(requests(1000, ARM_CANDIDATE), 0);
		CU_ASSERT_EQUAL(requests(1000, ARM_STABLE), 9);
		slot_retire(&slots, (unsigned)a);
		slots_sum_evidence(&slots, "r", 5, &sum);
		CU_ASSERT_EQUAL(requests(1000, ARM_CANDIDATE), 0);
	}
	close_slots();
}

static void
test_values(void)
{
	struct slot_value v;

	memset(&v, 0, sizeof(v));
	slot_value_record(&v, 1000000, 1000);
	slot_value_record(&v, 0, 0);
	CU_ASSERT_EQUAL(v.n, 2);
	CU_ASSERT_EQUAL(v.sum, (uint64_t)llround(log(1e6) * EVIDENCE_LOG_UNIT));
	CU_ASSERT_EQUAL(v.squares, v.sum * v.sum);
	CU_ASSERT_EQUAL(v.buckets[0], 1);
	CU_ASSERT_EQUAL(v.buckets[evidence_bucket(1000)], 1);
	for (unsigned i = 0; i < EVIDENCE_BUCKETS; i++) {
		CU_ASSERT_EQUAL(evidence_bucket(evidence_bucket_low(i)), i);
		if (i > 0)
			CU_ASSERT_EQUAL(evidence_bucket(evidence_bucket_low(i) - 1), i - 1);
	}
	CU_ASSERT_EQUAL(evidence_bucket(UINT64_MAX), EVIDENCE_BUCKETS - 1);
}

void
suite_slot_evidence(void)
{
	CU_pSuite s = CU_add_suite("slot_evidence", NULL, NULL);

	CU_add_test(s, "told twice", test_told_twice);
	CU_add_test(s, "add", test_add);
	CU_add_test(s, "odd is told", test_odd_is_told);
	CU_add_test(s, "sum and fold", test_sum_and_fold);
	CU_add_test(s, "places", test_places);
	CU_add_test(s, "many judged", test_many_judged);
	CU_add_test(s, "lies", test_lies);
	CU_add_test(s, "values", test_values);
}
