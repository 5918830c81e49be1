// SPDX-License-Identifier: MIT
/* The guard between evidence and plan: what judges say counts once for each key, and nothing is
 * safe while a worker's figures are left out. */
#include "daemon/guard_state.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/seen.h"
#include "daemon/master.h"

void suite_guard(void);

#define ROLLOUT	 5
#define SHARE_BP 1000

static struct master m;
static struct guard guard;
static struct policy_release now;
static struct evidence sum;

static int
open_master(void)
{
	struct err e;

	memset(&m, 0, sizeof(m));
	memset(&guard, 0, sizeof(guard));
	now = (struct policy_release){ .name = "r",
		.rollout_id = ROLLOUT,
		.share_bp = SHARE_BP,
		.share_revision = 1,
		.state = STATE_STEP };
	m.guard = &guard;
	m.seen = seen_create(&m.seen_fd, &e);
	return m.seen != NULL && slots_create(&m.slots, &e) == 0 &&
		       slots_declare(&m.slots, "r") == 0
		   ? 0
		   : -1;
}

static void
close_master(void)
{
	slots_destroy(&m.slots);
	seen_destroy(m.seen, m.seen_fd);
}

/* ---- judges ---------------------------------------------------------------------------------- */

static void
judge(unsigned number, bool first, bool good)
{
	const struct seen_facts facts = {
		.share_bp = SHARE_BP, .arm = ARM_CANDIDATE, .first = first, .key = 77
	};
	char id[32];
	struct err e;

	snprintf(id, sizeof(id), "id-%u", number);
	seen_answer_put(m.seen, seen_answer_tag(seen_rollout_tag("r", ROLLOUT), id), &facts);
	CU_ASSERT_EQUAL(guard_judge(&m, &now, id, good, &e), 0);
}

/* One key's many good answers once outweighed the bad ones, of which only the first counted: a
 * candidate that was bad in a tenth of all cases was safe. */
static void
test_praise_once_a_key(void)
{
	const struct evidence_arm *arm;

	CU_ASSERT_EQUAL_FATAL(open_master(), 0);
	judge(0, true, true);
	for (unsigned i = 1; i < 1000; i++)
		judge(i, false, i % 10 != 0);
	slots_sum_evidence(&m.slots, "r", ROLLOUT, &sum);
	CU_ASSERT_EQUAL_FATAL(sum.n_shares, 1);
	arm = &sum.shares[0].arms[ARM_CANDIDATE];
	CU_ASSERT_EQUAL(arm->praised, 1);
	CU_ASSERT_EQUAL(arm->bad[SYMPTOM_JUDGED], 99);
	CU_ASSERT_EQUAL(arm->bad_firsts[SYMPTOM_JUDGED], 0);
	CU_ASSERT_EQUAL(arm->bad_keys[SYMPTOM_JUDGED], 1);
	close_master();
}

/* ---- safe ------------------------------------------------------------------------------------ */

static struct slot_evidence_arm *
count_in_a_worker(uint64_t n)
{
	int index = slot_claim(&m.slots, 1, 1);
	struct slot_release *r = slot_release_tally(&m.slots.all[index], "r");
	struct slot_evidence_arm *arm =
	    slot_evidence_arm(&r->evidence, ROLLOUT, SHARE_BP, ARM_CANDIDATE);

	tally_add(&arm->requests, n);
	tally_add(&arm->firsts, n);
	return arm;
}

static struct watched *
watch_with_nothing_but_requests(uint64_t min_requests)
{
	struct watched *w = guard_find(&guard, "r");

	w->rollout_id = ROLLOUT;
	w->share_revision = now.share_revision;
	w->kind = VERDICT_SAFE;
	w->judged_us = clock_mono_us();
	w->rules = (struct verdict_rules){ .alpha = PPB / 100,
		.breaker_alpha = PPB / 1000,
		.beta = PPB / 20,
		.split_alpha = PPB / 1000,
		.min_requests = min_requests };
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++)
		w->rules.symptoms[i].action = ACTION_OFF;
	for (unsigned i = 0; i < VALUE_COUNT; i++)
		w->rules.values[i].action = ACTION_OFF;
	return w;
}

static bool
confirmed(void)
{
	struct buf evidence = { 0 };
	char reason[160];
	int rc = guard_confirm(&m, &now, &evidence, reason, sizeof(reason));

	buf_free(&evidence);
	return rc == 0;
}

/* For two seconds, until that was a doubt, the plan could advance on what the others said. */
static void
test_not_safe_without_a_worker(void)
{
	struct slot_evidence_arm *odd;

	CU_ASSERT_EQUAL_FATAL(open_master(), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(watch_with_nothing_but_requests(100));
	count_in_a_worker(200);
	odd = count_in_a_worker(200);
	CU_ASSERT_TRUE(confirmed());
	tally_add(&odd->bad[SYMPTOM_ERROR], 1000000);
	CU_ASSERT_FALSE(confirmed());
	close_master();
}

void
suite_guard(void)
{
	CU_pSuite s = CU_add_suite("guard", NULL, NULL);

	CU_add_test(s, "praise once a key", test_praise_once_a_key);
	CU_add_test(s, "not safe without a worker", test_not_safe_without_a_worker);
}
