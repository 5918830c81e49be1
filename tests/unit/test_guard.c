// SPDX-License-Identifier: MIT
/* The guard between evidence and plan: what judges say counts once for each key, and nothing is
 * safe while a worker's figures are left out. */
#include "daemon/guard_state.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/seen.h"
#include "daemon/dossier.h"
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
	now.waived = 1 << SYMPTOM_ERROR;
	count_in_a_worker(200);
	odd = count_in_a_worker(200);
	CU_ASSERT_TRUE(confirmed());
	tally_add(&odd->bad[SYMPTOM_ERROR], 1000000);
	CU_ASSERT_FALSE(confirmed());
	close_master();
}

/* ---- steps ----------------------------------------------------------------------------------- */

static uint64_t
fresh(struct watched *w)
{
	struct verdict_case c;

	guard_make_case(&m, w, &now, &c);
	return evidence_find(c.evidence, SHARE_BP)->arms[ARM_CANDIDATE].requests - c.before;
}

/* 10, 30 and 10 % again by `weight`: what the first 10 % had brought was fresh. */
static void
test_fresh_per_step(void)
{
	static const struct config_release config;
	struct slot_evidence_arm *arm;
	struct watched *w = NULL;

	CU_ASSERT_EQUAL_FATAL(open_master(), 0);
	arm = count_in_a_worker(200);
	w = guard_find(&guard, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(w);
	guard_keep_up(&m, w, &now, &config);
	CU_ASSERT_EQUAL(fresh(w), 0);
	tally_add(&arm->requests, 30);
	CU_ASSERT_EQUAL(fresh(w), 30);
	/* A pause, say. */
	now.revision++;
	guard_keep_up(&m, w, &now, &config);
	CU_ASSERT_EQUAL(fresh(w), 30);
	now.share_revision++;
	guard_keep_up(&m, w, &now, &config);
	CU_ASSERT_EQUAL(fresh(w), 0);
	tally_add(&arm->requests, 7);
	CU_ASSERT_EQUAL(fresh(w), 7);
	close_master();
}

/* ---- another master's evidence --------------------------------------------------------------- */

static struct buf
print_evidence(int seen_fd)
{
	struct buf out = { 0 };
	struct err e;

	CU_ASSERT_EQUAL_FATAL(guard_print_evidence(&m, &out), 0);
	CU_ASSERT_EQUAL_FATAL(dossier_end(&out, seen_fd, &e), 0);
	return out;
}

static void
publish(enum release_state state, uint64_t candidate)
{
	now.state = (uint8_t)state;
	now.models[ARM_CANDIDATE] = candidate;
	m.policy = (struct policy){ .revision = 9, .n_releases = 1, .releases = { now } };
}

static uint64_t
taken(void)
{
	const struct evidence_share *share;

	slots_sum_evidence(&m.slots, "r", ROLLOUT, &sum);
	share = evidence_find(&sum, SHARE_BP);
	return share != NULL ? share->arms[ARM_CANDIDATE].requests : 0;
}

/* Only for the rollout and the models that it is of, and only while that goes on. */
static void
test_evidence_goes_on(void)
{
	static const struct {
		enum release_state state;
		uint64_t candidate, rollout, requests;
	} cases[] = {
		{ STATE_STEP, 7, ROLLOUT, 200 },
		{ STATE_HOLD, 7, ROLLOUT, 200 },
		{ STATE_DONE, 7, ROLLOUT, 200 },
		{ STATE_ROLLED_BACK, 7, ROLLOUT, 0 },
		{ STATE_STEP, 8, ROLLOUT, 0 },
		{ STATE_STEP, 7, ROLLOUT + 1, 0 },
	};
	struct buf bytes;

	CU_ASSERT_EQUAL_FATAL(open_master(), 0);
	count_in_a_worker(200);
	seen_meet(m.seen, SEEN_KEYS, 4711);
	guard_find(&guard, "r")->rollout_id = ROLLOUT;
	guard_find(&guard, "r")->span = (struct verdict_span){ .number = 4, .firsts = { 0, 150 } };
	publish(STATE_STEP, 7);
	bytes = print_evidence(m.seen_fd);
	close_master();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dossier *told = calloc(1, sizeof(*told));
		struct err e = { "" };

		CU_ASSERT_FATAL(told != NULL && open_master() == 0);
		now.rollout_id = cases[i].rollout;
		publish(cases[i].state, cases[i].candidate);
		CU_ASSERT_EQUAL(
		    guard_take_evidence(&m, buf_bytes(&bytes), buf_len(&bytes), told, &e), 0);
		CU_ASSERT_EQUAL(taken(), cases[i].requests);
		CU_ASSERT_EQUAL(
		    guard_find(&guard, "r")->span.number, cases[i].requests > 0 ? 4 : 0);
		CU_ASSERT_EQUAL(seen_meet(m.seen, SEEN_KEYS, 4711), SEEN_KNOWN);
		/* It is told again, and nothing new has come. */
		CU_ASSERT_EQUAL(
		    guard_take_evidence(&m, buf_bytes(&bytes), buf_len(&bytes), told, &e), 0);
		CU_ASSERT_EQUAL(taken(), cases[i].requests);
		close_master();
		free(told);
	}
	buf_free(&bytes);
}

void
suite_guard(void)
{
	CU_pSuite s = CU_add_suite("guard", NULL, NULL);

	CU_add_test(s, "praise once a key", test_praise_once_a_key);
	CU_add_test(s, "not safe without a worker", test_not_safe_without_a_worker);
	CU_add_test(s, "fresh per step", test_fresh_per_step);
	CU_add_test(s, "evidence goes on", test_evidence_goes_on);
}
