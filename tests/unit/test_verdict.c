// SPDX-License-Identifier: MIT
/*
 * The guard's rules: which of several reasons wins, what a waiver and an action change, what is
 * needed before something is safe, and that a record gives the same verdict again.
 */
#include "daemon/verdict.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit.h"
#include "daemon/evidence.h"
#include "daemon/release.h"

void suite_verdict(void);

/* One rollout at a share of 10 %, good enough to be safe unless a test spoils it. */
static struct scene {
	struct verdict_rules rules;
	struct evidence evidence;
	struct verdict_span span;
	struct verdict_case c;
	struct verdict v;
} s;

static struct evidence_arm *
arm(enum arm a)
{
	return &s.evidence.shares[0].arms[a];
}

static void
set_value(enum arm a, enum guard_value which, uint64_t n, uint64_t coarse)
{
	struct evidence_value *v = &arm(a)->values[which];
	uint64_t unit = (uint64_t)llround(log((double)coarse * 1000) * EVIDENCE_LOG_UNIT);

	memset(v, 0, sizeof(*v));
	v->n = n;
	/* Half of them a little below, half a little above. */
	v->sum = n * unit;
	v->squares = n * unit * unit + n * 400;
	v->buckets[evidence_bucket(coarse)] = n;
}

static void
set_counts(enum arm a, uint64_t n)
{
	arm(a)->assigned = arm(a)->requests = arm(a)->firsts = n;
}

static void
set_bad(enum arm a, enum symptom what, uint64_t n)
{
	arm(a)->bad[what] = arm(a)->bad_firsts[what] = arm(a)->bad_keys[what] = n;
}

static void
open_scene(void)
{
	static const enum symptom holds[] = { SYMPTOM_LENGTH, SYMPTOM_FILTERED, SYMPTOM_SCRIPT,
		SYMPTOM_LEFT };

	memset(&s, 0, sizeof(s));
	s.rules = (struct verdict_rules){ .alpha = PPB / 100,
		.breaker_alpha = PPB / 1000,
		.beta = PPB / 20,
		.split_alpha = PPB / 1000,
		.min_requests = 200 };
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		s.rules.symptoms[i].action = ACTION_ROLLBACK;
		s.rules.symptoms[i].budget = i <= SYMPTOM_TIMEOUT ? PPB / 50 : 0;
		s.rules.symptoms[i].ratio = PPB;
		s.rules.symptoms[i].margin = 2ull * PPB;
		s.rules.symptoms[i].weight = PPB;
	}
	for (unsigned i = 0; i < 4; i++)
		s.rules.symptoms[holds[i]].action = ACTION_HOLD;
	for (unsigned i = 0; i < VALUE_COUNT; i++) {
		s.rules.values[i].action = ACTION_HOLD;
		s.rules.values[i].margin = PPB / 4;
	}
	verdict_rules_derive(&s.rules);
	s.evidence.rollout_id = 7;
	evidence_share(&s.evidence, 1000);
	set_counts(ARM_STABLE, 4500);
	set_counts(ARM_CANDIDATE, 500);
	set_value(ARM_STABLE, VALUE_LATENCY, 4500, 800);
	set_value(ARM_CANDIDATE, VALUE_LATENCY, 500, 800);
	s.span.number = 1;
	s.c = (struct verdict_case){
		.rules = &s.rules, .evidence = &s.evidence, .span = &s.span, .share_bp = 1000
	};
}

static void
expect(enum verdict_kind kind, enum verdict_test test, unsigned what)
{
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.kind, kind);
	CU_ASSERT_EQUAL(s.v.test, test);
	CU_ASSERT_EQUAL(s.v.what, what);
	CU_ASSERT(s.v.reason[0] != '\0');
	if (s.v.kind != kind || s.v.test != test || s.v.what != what)
		printf("\n    %s %s %s: %s", verdict_kind_names[s.v.kind],
		    verdict_test_names[s.v.test], release_waivable(s.v.what), s.v.reason);
}

static void
test_safe(void)
{
	open_scene();
	expect(VERDICT_SAFE, TEST_NONE, 0);
	CU_ASSERT(s.v.symptoms[SYMPTOM_ERROR].below > log(20));
	CU_ASSERT(s.v.symptoms[SYMPTOM_ERROR].better == 0);
}

/* Nothing advances on too little. */
static void
test_wait(void)
{
	unsigned what;

	open_scene();
	arm(ARM_CANDIDATE)->requests = 199;
	expect(VERDICT_WAIT, TEST_NONE, 0);
	CU_ASSERT_EQUAL(verdict_missing(&s.c, &s.v, &what), 1);
	CU_ASSERT_EQUAL(what, VERDICT_FRESH);

	/* Another share than that of the evidence has no fresh data. */
	open_scene();
	s.c.share_bp = 3000;
	expect(VERDICT_WAIT, TEST_NONE, 0);
	CU_ASSERT_EQUAL(verdict_missing(&s.c, &s.v, &what), 200);

	open_scene();
	memset(&s.evidence.shares, 0, sizeof(s.evidence.shares));
	s.evidence.n_shares = 0;
	expect(VERDICT_WAIT, TEST_NONE, 0);

	/* Enough requests, but too few keys: 100 without a failure prove nothing at 2 %. */
	open_scene();
	arm(ARM_CANDIDATE)->firsts = 100;
	expect(VERDICT_WAIT, TEST_NONE, SYMPTOM_ERROR);
	CU_ASSERT_EQUAL(verdict_missing(&s.c, &s.v, &what), 81);
	CU_ASSERT_STRING_EQUAL(s.v.reason,
	    "error: not enough evidence yet that it is safe: only 100 different keys sent the "
	    "candidate's 500 requests");
	CU_ASSERT_EQUAL(what, SYMPTOM_ERROR);
}

static void
test_harm(void)
{
	open_scene();
	set_bad(ARM_STABLE, SYMPTOM_ERROR, 20);
	set_bad(ARM_CANDIDATE, SYMPTOM_ERROR, 25);
	expect(VERDICT_ROLLBACK, TEST_HARM, SYMPTOM_ERROR);
	/* Under another ratio it is none; but the budget is none of the ratio's business. */
	s.rules.symptoms[SYMPTOM_ERROR].ratio = 10ull * PPB;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.kind, VERDICT_WAIT);
	set_bad(ARM_CANDIDATE, SYMPTOM_ERROR, 120);
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
	set_bad(ARM_STABLE, SYMPTOM_ERROR, 1000);
	expect(VERDICT_HOLD, TEST_BREAKER, SYMPTOM_ERROR);
}

static void
test_order(void)
{
	open_scene();
	/* A value that is worse, a symptom that holds, */
	set_value(ARM_CANDIDATE, VALUE_LATENCY, 500, 1600);
	expect(VERDICT_HOLD, TEST_MEAN, SYMPTOM_COUNT + VALUE_LATENCY);
	set_bad(ARM_CANDIDATE, SYMPTOM_LEFT, 40);
	expect(VERDICT_HOLD, TEST_HARM, SYMPTOM_LEFT);
	/* a slot that lies, a split that is wrong, */
	s.evidence.insane = 1;
	expect(VERDICT_HOLD, TEST_DOUBT, 0);
	arm(ARM_CANDIDATE)->assigned = 900;
	expect(VERDICT_HOLD, TEST_SPLIT, 0);
	/* harm, and a candidate that is broken. */
	set_bad(ARM_CANDIDATE, SYMPTOM_BAD_TOOL, 40);
	expect(VERDICT_ROLLBACK, TEST_HARM, SYMPTOM_BAD_TOOL);
	set_bad(ARM_CANDIDATE, SYMPTOM_TIMEOUT, 100);
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_TIMEOUT);
}

static void
test_waiver(void)
{
	open_scene();
	set_bad(ARM_CANDIDATE, SYMPTOM_LEFT, 40);
	s.c.waived = 1u << SYMPTOM_LEFT;
	expect(VERDICT_SAFE, TEST_NONE, 0);
	set_value(ARM_CANDIDATE, VALUE_LATENCY, 500, 1600);
	s.c.waived |= 1u << (SYMPTOM_COUNT + VALUE_LATENCY);
	expect(VERDICT_SAFE, TEST_NONE, 0);
	/* A waiver is for a comparison; a candidate that is simply broken still goes. */
	set_bad(ARM_CANDIDATE, SYMPTOM_ERROR, 100);
	s.c.waived |= 1u << SYMPTOM_ERROR;
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
}

static void
test_actions(void)
{
	open_scene();
	set_bad(ARM_CANDIDATE, SYMPTOM_EMPTY, 30);
	expect(VERDICT_ROLLBACK, TEST_HARM, SYMPTOM_EMPTY);
	s.rules.symptoms[SYMPTOM_EMPTY].action = ACTION_HOLD;
	expect(VERDICT_HOLD, TEST_HARM, SYMPTOM_EMPTY);
	s.rules.symptoms[SYMPTOM_EMPTY].action = ACTION_WARN;
	expect(VERDICT_SAFE, TEST_NONE, 0);
	CU_ASSERT_EQUAL(s.v.warns, 1u << SYMPTOM_EMPTY);
	s.rules.symptoms[SYMPTOM_EMPTY].action = ACTION_OFF;
	expect(VERDICT_SAFE, TEST_NONE, 0);
	CU_ASSERT_EQUAL(s.v.warns, 0);
	set_value(ARM_CANDIDATE, VALUE_LATENCY, 500, 1600);
	s.rules.values[VALUE_LATENCY].action = ACTION_ROLLBACK;
	expect(VERDICT_ROLLBACK, TEST_MEAN, SYMPTOM_COUNT + VALUE_LATENCY);
}

static void
test_values(void)
{
	struct evidence_value *v;

	/* The same mean, but one in three takes eight times as long. */
	open_scene();
	v = &arm(ARM_CANDIDATE)->values[VALUE_LATENCY];
	v->buckets[evidence_bucket(800)] -= 170;
	v->buckets[evidence_bucket(6400)] += 170;
	v->squares += v->n * 40000;
	expect(VERDICT_HOLD, TEST_ANYWHERE, SYMPTOM_COUNT + VALUE_LATENCY);
	CU_ASSERT(s.v.values[VALUE_LATENCY].gap > .3);

	/* Stable's answers have it and the candidate's do not: no safety without data. */
	open_scene();
	set_value(ARM_CANDIDATE, VALUE_LATENCY, 20, 800);
	expect(VERDICT_WAIT, TEST_NONE, SYMPTOM_COUNT + VALUE_LATENCY);

	/* Few of stable's have it: it is not waited for. */
	open_scene();
	set_value(ARM_STABLE, VALUE_FIRST_TOKEN, 60, 200);
	expect(VERDICT_SAFE, TEST_NONE, 0);

	/* Faster is fine. */
	open_scene();
	set_value(ARM_CANDIDATE, VALUE_LATENCY, 500, 300);
	expect(VERDICT_SAFE, TEST_NONE, 0);
}

/* Thumbs down count against all requests; verdicts of both kinds against each other. */
static void
test_judged(void)
{
	open_scene();
	set_bad(ARM_STABLE, SYMPTOM_JUDGED, 3);
	expect(VERDICT_SAFE, TEST_NONE, 0);
	arm(ARM_CANDIDATE)->praised = 10;
	expect(VERDICT_WAIT, TEST_NONE, SYMPTOM_JUDGED);
	set_bad(ARM_CANDIDATE, SYMPTOM_JUDGED, 12);
	expect(VERDICT_ROLLBACK, TEST_HARM, SYMPTOM_JUDGED);
}

/* 7 of 22 that were judged are not 7 of 500 that came. */
static void
test_judged_of_those_judged(void)
{
	const struct verdict_symptom *judged = &s.v.symptoms[SYMPTOM_JUDGED];
	struct evidence_ratio r;

	open_scene();
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(judged->firsts[ARM_CANDIDATE], 0);
	set_bad(ARM_CANDIDATE, SYMPTOM_JUDGED, 7);
	set_bad(ARM_STABLE, SYMPTOM_JUDGED, 2);
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(judged->firsts[ARM_CANDIDATE], 500); /* only bad ones are told */
	arm(ARM_CANDIDATE)->praised = 15;
	arm(ARM_STABLE)->praised = 20;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(judged->firsts[ARM_CANDIDATE], 22);
	CU_ASSERT_EQUAL(judged->firsts[ARM_STABLE], 22);
	verdict_ratio(&s.c, &s.v, SYMPTOM_JUDGED, &r);
	CU_ASSERT_DOUBLE_EQUAL(r.point, 3.5, 1e-9);
}

/* By what was seen, not by the share that was set. */
static void
test_ratio_fits_its_row(void)
{
	struct evidence_ratio r;

	open_scene();
	set_counts(ARM_CANDIDATE, 4);
	set_counts(ARM_STABLE, 1);
	set_bad(ARM_CANDIDATE, SYMPTOM_BAD_JSON, 4);
	set_bad(ARM_STABLE, SYMPTOM_BAD_JSON, 1);
	verdict_find(&s.c, &s.v);
	verdict_ratio(&s.c, &s.v, SYMPTOM_BAD_JSON, &r);
	CU_ASSERT_DOUBLE_EQUAL(r.point, 1, 1e-9);
	CU_ASSERT(r.low < 1 && r.high > 1);
	/* None on stable: a lower bound is there. */
	set_counts(ARM_CANDIDATE, 145);
	set_counts(ARM_STABLE, 259);
	set_bad(ARM_CANDIDATE, SYMPTOM_BAD_JSON, 8);
	set_bad(ARM_STABLE, SYMPTOM_BAD_JSON, 0);
	verdict_find(&s.c, &s.v);
	verdict_ratio(&s.c, &s.v, SYMPTOM_BAD_JSON, &r);
	CU_ASSERT(!isfinite(r.point));
	CU_ASSERT(r.low > 1);
}

static void
test_done(void)
{
	open_scene();
	s.c.done = true;
	s.c.share_bp = 10000;
	set_bad(ARM_CANDIDATE, SYMPTOM_EMPTY, 400);
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.kind, VERDICT_WAIT);
	set_bad(ARM_CANDIDATE, SYMPTOM_ERROR, 400);
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
}

/* A candidate that breaks after a long good time is seen as soon as a new one. */
static void
test_breaks_late(void)
{
	open_scene();
	s.c.done = true;
	s.c.share_bp = 10000;
	evidence_share(&s.evidence, 10000);
	s.evidence.shares[1].arms[ARM_CANDIDATE].firsts = 10000000;
	for (unsigned i = 0; i < 500; i++)
		verdict_span_move(&s.span, &s.evidence, i == 499);
	CU_ASSERT_EQUAL(s.span.number, 2);
	CU_ASSERT_EQUAL(s.span.firsts[ARM_CANDIDATE], 10000500);
	s.span.number = 40000; /* weeks */
	s.evidence.shares[1].arms[ARM_CANDIDATE].firsts += 8;
	s.evidence.shares[1].arms[ARM_CANDIDATE].bad_firsts[SYMPTOM_ERROR] = 8;
	expect(VERDICT_WAIT, TEST_NONE, 0);
	s.evidence.shares[1].arms[ARM_CANDIDATE].firsts += 6;
	s.evidence.shares[1].arms[ARM_CANDIDATE].bad_firsts[SYMPTOM_ERROR] += 6;
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
}

/* Both arms at this rate for so long, and nothing of it in the present span if that is new. */
static void
open_long_scene(uint64_t stable, uint64_t percent, bool new_span)
{
	open_scene();
	set_counts(ARM_STABLE, stable);
	set_counts(ARM_CANDIDATE, stable / 9);
	set_bad(ARM_STABLE, SYMPTOM_ERROR, stable * percent / 100);
	set_bad(ARM_CANDIDATE, SYMPTOM_ERROR, stable / 9 * percent / 100);
	verdict_span_move(&s.span, &s.evidence, new_span);
}

/* The next requests all fail. */
static void
break_arm(enum arm a, uint64_t n)
{
	uint64_t bad = arm(a)->bad[SYMPTOM_ERROR];

	set_counts(a, arm(a)->firsts + n);
	set_bad(a, SYMPTOM_ERROR, bad + n);
}

static void
test_outage_of_both_holds(void)
{
	open_long_scene(4500, 0, true);
	CU_ASSERT_EQUAL(s.span.firsts[ARM_STABLE], 4500);
	break_arm(ARM_CANDIDATE, 20);
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
	break_arm(ARM_STABLE, 180);
	expect(VERDICT_HOLD, TEST_BREAKER, SYMPTOM_ERROR);
	CU_ASSERT_STRING_EQUAL(s.v.reason,
	    "error: stable is over the budget as well (180 of 4680; candidate 20 of 520): an "
	    "outage of both, or a budget too small for this service");
	/* Somebody has looked, and it goes on. */
	s.c.waived = 1 << SYMPTOM_ERROR;
	verdict_find(&s.c, &s.v);
	CU_ASSERT(s.v.kind != VERDICT_HOLD && s.v.kind != VERDICT_ROLLBACK);
	/* Then the candidate breaks alone, and another span tells: stable was over it in the first
	 * one, and for ever in the whole. */
	verdict_span_move(&s.span, &s.evidence, true);
	set_counts(ARM_CANDIDATE, 720);
	set_counts(ARM_STABLE, 6480);
	verdict_span_move(&s.span, &s.evidence, true);
	break_arm(ARM_CANDIDATE, 6);
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
}

/* How many failures in a row of the candidate it takes. */
static uint64_t
failures_to_rollback(void)
{
	uint64_t n = 0;

	do {
		break_arm(ARM_CANDIDATE, 1);
		verdict_find(&s.c, &s.v);
		n++;
	} while (s.v.kind != VERDICT_ROLLBACK && n < 1000);
	return n;
}

/* 3 % are over the budget of stable too; that must not hide a candidate that breaks. */
static void
test_broken_beside_a_stable_over_its_budget(void)
{
	open_long_scene(36, 3, false);
	set_counts(ARM_CANDIDATE, 0);
	CU_ASSERT(failures_to_rollback() <= 4);
	open_long_scene(45000, 3, true);
	CU_ASSERT(failures_to_rollback() <= 5);
	CU_ASSERT_EQUAL(s.v.test, TEST_BREAKER);
	/* The whole history in one span: the comparison has to do it. */
	open_long_scene(45000, 3, false);
	CU_ASSERT(failures_to_rollback() <= 65);
	CU_ASSERT_EQUAL(s.v.test, TEST_HARM);
}

/* What falls back from a broken candidate can be what stable chokes on. */
static void
test_outage_made_by_the_candidate(void)
{
	open_long_scene(450, 0, true);
	break_arm(ARM_CANDIDATE, 100);
	break_arm(ARM_STABLE, 150); /* of 600; the candidate 100 of 150 */
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
	open_long_scene(450, 0, true);
	break_arm(ARM_CANDIDATE, VERDICT_OUTAGE_MAX - 1);
	break_arm(ARM_STABLE, 9 * (VERDICT_OUTAGE_MAX - 1));
	expect(VERDICT_HOLD, TEST_BREAKER, SYMPTOM_ERROR);
	break_arm(ARM_CANDIDATE, 1);
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
}

/* What stable once was excuses nothing where nobody asks it any more. */
static void
test_outage_where_stable_is_not_asked(void)
{
	open_long_scene(45000, 5, false);
	expect(VERDICT_HOLD, TEST_BREAKER, SYMPTOM_ERROR);
	s.c.share_bp = 9000;
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
	s.c.share_bp = 1000;
	s.c.done = true;
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
}

static void
test_span_when_stable_loses_a_worker(void)
{
	open_long_scene(45000, 0, true);
	set_counts(ARM_STABLE, 20000);
	break_arm(ARM_CANDIDATE, 5);
	expect(VERDICT_ROLLBACK, TEST_BREAKER, SYMPTOM_ERROR);
}

/* A word on a later answer is a bad key and no bad first request; it must not pass for praise. */
static void
test_judged_later_is_no_praise(void)
{
	open_scene();
	arm(ARM_CANDIDATE)->praised = arm(ARM_STABLE)->praised = 60;
	set_bad(ARM_CANDIDATE, SYMPTOM_JUDGED, 140);
	set_bad(ARM_STABLE, SYMPTOM_JUDGED, 100);
	arm(ARM_CANDIDATE)->bad_firsts[SYMPTOM_JUDGED] = 0;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.symptoms[SYMPTOM_JUDGED].n, 60);
	CU_ASSERT_EQUAL(s.v.symptoms[SYMPTOM_JUDGED].firsts[ARM_CANDIDATE], 200);
	CU_ASSERT_FALSE(s.v.symptoms[SYMPTOM_JUDGED].safe);
}

/* All that could object is a judge, and nobody judges. */
static void
test_silence_is_not_safe(void)
{
	open_scene();
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++)
		if (i != SYMPTOM_JUDGED)
			s.rules.symptoms[i].action = ACTION_OFF;
	for (unsigned i = 0; i < VALUE_COUNT; i++)
		s.rules.values[i].action = ACTION_OFF;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.kind, VERDICT_WAIT);
	s.c.waived = 1 << SYMPTOM_JUDGED;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.kind, VERDICT_SAFE);
}

static void
test_spans(void)
{
	open_scene();
	s.span.number = 0;
	verdict_span_move(&s.span, &s.evidence, false);
	CU_ASSERT_EQUAL(s.span.number, 1);
	CU_ASSERT_EQUAL(s.span.firsts[ARM_CANDIDATE], 0);
	verdict_span_move(&s.span, &s.evidence, false);
	CU_ASSERT_EQUAL(s.span.number, 1);
	verdict_span_move(&s.span, &s.evidence, true);
	CU_ASSERT_EQUAL(s.span.number, 2);
	CU_ASSERT_EQUAL(s.span.firsts[ARM_CANDIDATE], 500);
	set_counts(ARM_CANDIDATE, 699);
	verdict_span_move(&s.span, &s.evidence, true);
	CU_ASSERT_EQUAL(s.span.number, 2);
}

static void
test_record(void)
{
	struct verdict_record *r = malloc(sizeof(*r));
	struct buf out = { 0 }, again = { 0 };
	struct verdict v;
	struct err e;

	open_scene();
	evidence_share(&s.evidence, 3000);
	s.evidence.shares[1].arms[ARM_STABLE].firsts = 77;
	set_value(ARM_CANDIDATE, VALUE_COST, 200, 12345);
	set_bad(ARM_CANDIDATE, SYMPTOM_LEFT, 40);
	s.evidence.uncounted = 3;
	s.span.bad[ARM_CANDIDATE][SYMPTOM_ERROR] = 2;
	s.span.firsts[ARM_STABLE] = 20;
	s.span.bad[ARM_STABLE][SYMPTOM_ERROR] = 4;
	s.c.waived = 5;
	s.c.before = 300;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL_FATAL(verdict_write(&out, &s.c), 0);
	CU_ASSERT_EQUAL_FATAL(buf_add(&out, "", 1), 0);
	CU_ASSERT_EQUAL(audit_check_evidence((const char *)buf_bytes(&out), &e), 0);
	CU_ASSERT_EQUAL_FATAL(verdict_read((const char *)buf_bytes(&out), r, &e), 0);
	verdict_find(&r->c, &v);
	CU_ASSERT_EQUAL(memcmp(&v, &s.v, sizeof(v)), 0);
	CU_ASSERT_EQUAL(verdict_write(&again, &r->c), 0);
	CU_ASSERT_EQUAL(buf_len(&again) + 1, buf_len(&out));
	CU_ASSERT_EQUAL(memcmp(buf_bytes(&again), buf_bytes(&out), buf_len(&again)), 0);
	buf_free(&out);
	buf_free(&again);
	free(r);
}

static void
drop_last_zero(char *text, const char *list)
{
	char *end = strchr(strstr(text, list), ']');

	CU_ASSERT_PTR_NOT_NULL_FATAL(end);
	CU_ASSERT_EQUAL_FATAL(memcmp(end - 2, ",0", 2), 0);
	memmove(end - 2, end, strlen(end) + 1);
}

/* Journals of before know nothing of steps, all that was counted at a share was fresh; and nothing
 * of stable's budget. */
static void
test_old_record(void)
{
	struct verdict_record *r = malloc(sizeof(*r));
	struct buf out = { 0 };
	struct verdict v;
	struct err e;
	char *text;

	open_scene();
	/* Both over the budget: the guard of then rolled back. */
	set_bad(ARM_CANDIDATE, SYMPTOM_ERROR, 50);
	set_bad(ARM_STABLE, SYMPTOM_ERROR, 450);
	expect(VERDICT_HOLD, TEST_BREAKER, SYMPTOM_ERROR);
	CU_ASSERT_EQUAL_FATAL(verdict_write(&out, &s.c), 0);
	CU_ASSERT_EQUAL_FATAL(buf_add(&out, "", 1), 0);
	text = (char *)buf_bytes(&out);
	CU_ASSERT_EQUAL_FATAL(strncmp(text, "{\"v\":3", 6), 0);
	text[5] = '2';
	CU_ASSERT_EQUAL(verdict_read(text, r, &e), -1);
	drop_last_zero(text, "\"span\":[");
	CU_ASSERT_EQUAL_FATAL(verdict_read(text, r, &e), 0);
	verdict_find(&r->c, &v);
	CU_ASSERT_EQUAL(v.kind, VERDICT_ROLLBACK);
	text[5] = '1';
	CU_ASSERT_EQUAL(verdict_read(text, r, &e), -1);
	drop_last_zero(text, "\"now\":[");
	CU_ASSERT_EQUAL_FATAL(verdict_read(text, r, &e), 0);
	verdict_find(&r->c, &v);
	CU_ASSERT_EQUAL(v.kind, VERDICT_ROLLBACK);
	buf_free(&out);
	free(r);
}

/* After 30, 10 and 30 % again the evidence of the first 30 % was fresh, and promoted at once. */
static void
test_fresh_per_step(void)
{
	uint64_t had;

	open_scene();
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.kind, VERDICT_SAFE);
	had = s.v.fresh;
	s.c.before = had;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.kind, VERDICT_WAIT);
	CU_ASSERT_EQUAL(s.v.fresh, 0);
	s.c.before = had - s.rules.min_requests;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.kind, VERDICT_SAFE);
	s.c.before = had + 100;
	verdict_find(&s.c, &s.v);
	CU_ASSERT_EQUAL(s.v.fresh, 0);
}

static void
test_bad_records(void)
{
	static const char *const bad[] = { "", "{}", "{\"v\":1}", "[1]",
		"{\"v\":1,\"rollout\":1,\"now\":[1,2],\"rules\":[1,1,1,1,1]}", "{\"v\":2}",
		"{\"v\":3}", "{\"v\":4}" };
	struct verdict_record *r = malloc(sizeof(*r));
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(verdict_read(bad[i], r, &e), -1);
	free(r);
}

void
suite_verdict(void)
{
	CU_pSuite suite = CU_add_suite("verdict", NULL, NULL);

	CU_add_test(suite, "safe", test_safe);
	CU_add_test(suite, "wait", test_wait);
	CU_add_test(suite, "harm", test_harm);
	CU_add_test(suite, "order", test_order);
	CU_add_test(suite, "waiver", test_waiver);
	CU_add_test(suite, "actions", test_actions);
	CU_add_test(suite, "values", test_values);
	CU_add_test(suite, "judged", test_judged);
	CU_add_test(suite, "done", test_done);
	CU_add_test(suite, "breaks after a long good time", test_breaks_late);
	CU_add_test(suite, "an outage of both holds", test_outage_of_both_holds);
	CU_add_test(suite, "broken beside a stable over its budget",
	    test_broken_beside_a_stable_over_its_budget);
	CU_add_test(suite, "an outage made by the candidate", test_outage_made_by_the_candidate);
	CU_add_test(
	    suite, "an outage where stable is not asked", test_outage_where_stable_is_not_asked);
	CU_add_test(
	    suite, "a span when stable loses a worker", test_span_when_stable_loses_a_worker);
	CU_add_test(suite, "judged later is no praise", test_judged_later_is_no_praise);
	CU_add_test(suite, "silence is not safe", test_silence_is_not_safe);
	CU_add_test(suite, "judged, of those judged", test_judged_of_those_judged);
	CU_add_test(suite, "a ratio fits its row", test_ratio_fits_its_row);
	CU_add_test(suite, "spans", test_spans);
	CU_add_test(suite, "record", test_record);
	CU_add_test(suite, "old record", test_old_record);
	CU_add_test(suite, "fresh per step", test_fresh_per_step);
	CU_add_test(suite, "bad records", test_bad_records);
}
