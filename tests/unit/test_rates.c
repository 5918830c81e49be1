// SPDX-License-Identifier: MIT
/* Rates: what has come in the last hour, from points of a minute each. */
#include "daemon/rates.h"

#include <CUnit/CUnit.h>
#include <string.h>

void suite_rates(void);

/* A point after `minutes`, at a request a second and a cent each. */
static struct rate_point
point_at(uint64_t minutes)
{
	struct rate_point p = { .mono_us = 1 + minutes * RATES_STEP_US };

	p.served[ARM_STABLE] = minutes * 60;
	p.cost[ARM_STABLE] = money_times(money_make(0, PICOUSD_PER_USD / 100), minutes * 60);
	return p;
}

static void
test_no_point(void)
{
	struct rate_ring ring = { 0 };
	struct rate_point now = point_at(5);
	struct rate rate;

	rate_ring_look(&ring, &now, &rate);
	CU_ASSERT_EQUAL(rate.window_us, 0);
	/* Nor does a point of this very moment say anything. */
	rate_ring_add(&ring, &now);
	rate_ring_look(&ring, &now, &rate);
	CU_ASSERT_EQUAL(rate.window_us, 0);
}

static void
test_windows(void)
{
	struct rate_ring ring = { 0 };

	for (uint64_t minute = 0; minute <= 300; minute++) {
		struct rate_point now = point_at(minute);
		uint64_t window = minute < 60 ? minute : 60;
		struct rate rate;

		rate_ring_look(&ring, &now, &rate);
		CU_ASSERT_EQUAL(rate.window_us, window * RATES_STEP_US);
		CU_ASSERT_EQUAL(rate.served[ARM_STABLE], window * 60);
		CU_ASSERT_EQUAL(rate.served[ARM_CANDIDATE], 0);
		CU_ASSERT_EQUAL(rate.cost[ARM_STABLE].usd, window * 60 / 100);
		rate_ring_add(&ring, &now);
	}
	CU_ASSERT_EQUAL(ring.n, RATES_KEPT);
}

/* A master that did not run for a while has no point within the hour, and one soon again. */
static void
test_gap(void)
{
	struct rate_ring ring = { 0 };
	struct rate_point old = point_at(0), now = point_at(500);
	struct rate rate;

	rate_ring_add(&ring, &old);
	rate_ring_look(&ring, &now, &rate);
	CU_ASSERT_EQUAL(rate.window_us, 0);
	rate_ring_add(&ring, &now);
	now = point_at(501);
	rate_ring_look(&ring, &now, &rate);
	CU_ASSERT_EQUAL(rate.window_us, RATES_STEP_US);
	CU_ASSERT_EQUAL(rate.served[ARM_STABLE], 60);
}

/* Figures that fall, since a worker's make no sense any more, are no negative rate. */
static void
test_falling(void)
{
	struct rate_ring ring = { 0 };
	struct rate_point old = point_at(10), now = point_at(11);
	struct rate rate;

	old.served[ARM_STABLE] = UINT64_MAX;
	old.cost[ARM_STABLE] = money_make(UINT64_MAX, 0);
	rate_ring_add(&ring, &old);
	rate_ring_look(&ring, &now, &rate);
	CU_ASSERT_EQUAL(rate.window_us, RATES_STEP_US);
	CU_ASSERT_EQUAL(rate.served[ARM_STABLE], 0);
	CU_ASSERT_EQUAL(rate.cost[ARM_STABLE].usd, 0);
}

static void
test_point(void)
{
	struct release_totals totals;
	uint64_t *c = totals.arms[ARM_CANDIDATE].counters;
	struct rate_point p;

	memset(&totals, 0, sizeof(totals));
	totals.arms[ARM_CANDIDATE].attempts[OUTCOME_OK] = 7;
	totals.arms[ARM_CANDIDATE].attempts[OUTCOME_CANCELLED] = 2;
	totals.arms[ARM_CANDIDATE].attempts[OUTCOME_EMPTY] = 9;
	c[COUNTER_COST_UNITS] = 10000000;
	c[COUNTER_COST_PICOUSD] = 3;
	c[COUNTER_ESTIMATED_UNITS] = 5000000;
	c[COUNTER_ESTIMATED_PICOUSD] = 4;
	p = rate_point(&totals, 42);
	CU_ASSERT_EQUAL(p.mono_us, 42);
	CU_ASSERT_EQUAL(p.served[ARM_CANDIDATE], 9);
	CU_ASSERT_EQUAL(p.cost[ARM_CANDIDATE].usd, 1);
	CU_ASSERT_EQUAL(p.cost[ARM_CANDIDATE].picousd, PICOUSD_PER_USD / 2 + 7);
}

void
suite_rates(void)
{
	CU_pSuite s = CU_add_suite("rates", NULL, NULL);

	CU_add_test(s, "no point, no rate", test_no_point);
	CU_add_test(s, "an hour at most", test_windows);
	CU_add_test(s, "a gap", test_gap);
	CU_add_test(s, "figures that fall", test_falling);
	CU_add_test(s, "what is counted", test_point);
}
