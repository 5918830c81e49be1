// SPDX-License-Identifier: MIT
/*
 * The guard's statistics: known values to nine digits, values with a closed form, and the promises
 * themselves, by going through every possible course of a small rollout.
 */
#include "daemon/evidence.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>

void suite_evidence(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STEP(share_, candidate_, stable_)                                                      \
	{                                                                                      \
		.share = share_, .n = { [ARM_STABLE] = stable_, [ARM_CANDIDATE] = candidate_ } \
	}

static void
expect(const char *what, double is, double should_be, double tolerance)
{
	bool good = is == should_be || fabs(is - should_be) <= tolerance;

	if (!good)
		printf("\n    %s: %.12f, not %.12f", what, is, should_be);
	CU_ASSERT(good);
}

/* ---- known values ---------------------------------------------------------------------------- */

static void
test_harm(void)
{
	static const struct {
		struct evidence_step steps[3];
		unsigned n;
		double ratio, log_e;
	} cases[] = {
		{ { STEP(.1, 1, 0) }, 1, 1, 1.176340391 },
		{ { STEP(.1, 5, 9) }, 1, 1, 2.372402956 },
		{ { STEP(.1, 20, 60) }, 1, 1, 5.837195973 },
		{ { STEP(.1, 10, 90), STEP(.3, 30, 70), STEP(.5, 50, 50) }, 3, 1, -3.305716509 },
		{ { STEP(.1, 20, 60) }, 1, 1.2, 3.774975021 },
		{ { STEP(.1, 0, 0) }, 1, 1, 0 },
		/* only one arm is asked: nothing to compare */
		{ { STEP(1, 500, 0), STEP(0, 0, 500) }, 2, 1, 0 },
		{ { STEP(1, 500, 0), STEP(.1, 5, 9) }, 2, 1, 2.372402956 },
		/* no alternative lies above: never any evidence */
		{ { STEP(.1, 500, 0) }, 1, 20, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		expect("harm", evidence_harm(cases[i].steps, cases[i].n, cases[i].ratio),
		    cases[i].log_e, 5e-10);
}

static void
test_safe(void)
{
	static const struct {
		struct evidence_step steps[3];
		unsigned n;
		double margin, log_e;
	} cases[] = {
		{ { STEP(.1, 0, 10) }, 1, 2, 1.381457681 },
		{ { STEP(.5, 50, 50) }, 1, 2, 4.809924511 },
		{ { STEP(.1, 10, 90), STEP(.3, 30, 70), STEP(.5, 50, 50) }, 3, 2, 12.648478432 },
		{ { STEP(.5, 0, 0) }, 1, 2, 0 },
		{ { STEP(.5, 0, 100) }, 1, 0.25, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		expect("safe", evidence_safe(cases[i].steps, cases[i].n, cases[i].margin),
		    cases[i].log_e, 5e-10);
}

static void
test_breaker(void)
{
	expect("3 of 3", evidence_breaker(3, 3, .02), 10.125694666, 5e-10);
	expect("5 of 10", evidence_breaker(10, 5, .05), 6.917078059, 5e-10);
	expect("5 of 100", evidence_breaker(100, 5, .05), -2.586939383, 5e-10);
	expect("a budget that nothing exceeds", evidence_breaker(10, 10, .95), 0, 0);
}

static void
test_zero_failures_until_safe(void)
{
	static const struct {
		double budget;
		unsigned requests;
	} cases[] = { { .05, 72 }, { .02, 181 }, { .01, 364 } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		double budget = cases[i].budget;

		CU_ASSERT(evidence_below(cases[i].requests, 0, budget) >= log(20));
		CU_ASSERT(evidence_below(cases[i].requests - 1, 0, budget) < log(20));
	}
}

static void
test_split(void)
{
	static const double share[] = { .4, .4, .2 }, flat[] = { 1, 1, 1 };
	static const uint64_t few[] = { 2, 2, 1 }, more[] = { 20, 17, 9 };
	static const struct evidence_step fifth[] = { STEP(.2, 62, 148) };
	static const struct evidence_step twice[] = { STEP(.2, 62, 148), STEP(.2, 62, 148) };
	static const struct evidence_step wrong[] = { STEP(1, 10, 1) };

	expect("few", evidence_dirichlet(share, flat, few, 3), -1.171118979455, 5e-13);
	expect("more", evidence_dirichlet(share, flat, more, 3), -2.950560785452, 5e-13);
	expect("p", exp(-evidence_split(fifth, 1)), .0455796318, 5e-11);
	expect("two steps", evidence_split(twice, 2), 2 * evidence_split(fifth, 1), 1e-12);
	expect("an arm without a share", evidence_split(wrong, 1), HUGE_VAL, 0);
}

static void
test_half_width(void)
{
	expect("lower end",
	    .5033610858562358 - evidence_half_width(.3334122146400735, 6461, 5000, .05),
	    -.4235645460279, 5e-14);
}

static void
test_band(void)
{
	expect("band", evidence_band(1000, 100, 8.122719), .08204779, 5e-9);
	expect("below t_min", evidence_band(99, 100, 8.122719), HUGE_VAL, 0);
	expect("c at .05", evidence_band_constant(.05), 8.122719, 5e-7);
	expect("c at .025", evidence_band_constant(.025), 8.622649, 5e-7);
	expect("c at .01", evidence_band_constant(.01), 9.283543, 5e-7);
	CU_ASSERT(evidence_band_constant(.0005) > evidence_band_constant(.001));
}

static void
test_gap(void)
{
	static const uint64_t quick[] = { 6, 2, 0 }, slow[] = { 1, 1, 2 }, none[3];

	expect("gap", evidence_gap(quick, slow, 3), .5, 1e-15);
	expect("the other way", evidence_gap(slow, quick, 3), 0, 1e-15);
	expect("nobody", evidence_gap(quick, none, 3), 0, 0);
}

/* ---- closed forms ---------------------------------------------------------------------------- */

static void
test_closed_forms(void)
{
	static const struct evidence_step candidate[] = { STEP(.5, 1, 0) };
	static const struct evidence_step stable[] = { STEP(.5, 0, 1) };
	static const double half[] = { .5, .5 }, flat[] = { 1, 1 };
	static const uint64_t one_each[] = { 1, 1 }, two[] = { 2, 0 }, three_one[] = { 3, 1 };
	double alpha = exp(-.5) / 2, r2 = (1 + log(2)) / 1000;

	/* At a share of one half an event of the candidate is worth 2R/(R+1), of stable 2/(R+1). */
	expect("one bad candidate", evidence_harm(candidate, 1, 1),
	    log((10. / 9 + 6. / 5 + 4. / 3 + 3. / 2 + 5. / 3 + 20. / 11 + 40. / 21) / 7), 1e-14);
	expect("one bad stable", evidence_harm(stable, 1, 1),
	    log((8. / 9 + 4. / 5 + 2. / 3 + 1. / 2 + 1. / 3 + 2. / 11 + 2. / 21) / 7), 1e-14);
	/* Against 2: stable's event has 1/(R+1) : 1/3. */
	expect("safe, one bad stable", evidence_safe(stable, 1, 2),
	    log((12. / 5 + 2 + 12. / 7 + 3. / 2) / 4), 1e-14);
	expect("one bad", evidence_breaker(1, 1, .05), log((.1 + .1 + .25 + .5 + .95) / 5 / .05),
	    1e-14);
	expect("one good, below", evidence_below(1, 0, .5),
	    log(((1 - .01) + (1 - .05) + (1 - .15) + (1 - .3)) / 4 / .5), 1e-14);
	expect("one bad, below", evidence_below(1, 1, .07), log((.02 + .1 + .3 + .6) / 4), 1e-14);
	/* A uniform prior: n!m!/(n+m+1)! against 1/2^(n+m). */
	expect("1, 1", evidence_dirichlet(half, flat, one_each, 2), log(4. / 6), 1e-14);
	expect("2, 0", evidence_dirichlet(half, flat, two, 2), log(4. / 3), 1e-14);
	expect("3, 1", evidence_dirichlet(half, flat, three_one, 2), log(16. / 20), 1e-14);
	/* n r^2 = 3 */
	expect("half width", evidence_half_width(2, 3 / r2, 1000, alpha),
	    2 * sqrt(8. / 3 * log(1 + 2 * exp(.5))), 1e-12);
	/* log(t / t_min) = e - 1 */
	expect("band", evidence_band(10 * exp(M_E - 1), 10, 7), .85 * sqrt(8 / (10 * exp(M_E - 1))),
	    1e-14);
}

static void
test_ratio(void)
{
	static const struct evidence_step three[] = { STEP(.1, 20, 60) };
	static const struct evidence_step none[] = { STEP(.1, 0, 0) };
	struct evidence_ratio r;

	evidence_ratio(three, 1, .05, &r);
	/* 20 / .1 against 60 / .9 */
	expect("point", r.point, 3, 1e-9);
	expect("low", evidence_harm(three, 1, r.low), log(20), 1e-9);
	expect("high", evidence_safe(three, 1, r.high), log(20), 1e-9);
	CU_ASSERT(r.low > 1 && r.low < 3 && r.high > 3);
	evidence_ratio(none, 1, .05, &r);
	CU_ASSERT(r.low == 0 && isnan(r.point) && isinf(r.high));
}

/* ---- the promises ---------------------------------------------------------------------------- */

#define EVENTS 14

/* A rollout whose share depends on what came before: stages, a weight in between, and back. */
struct course {
	struct evidence_step steps[3];
	unsigned events;
};

static unsigned
step_of(const struct course *c)
{
	if (c->events < 4)
		return 0;
	/* Somebody raises the share after a good beginning only: a rule may look at the past. */
	return c->steps[0].n[ARM_CANDIDATE] == 0 || c->events >= 9 ? 2 : 1;
}

struct promise {
	double (*log_e)(const struct course *c);
	double (*chance)(const struct course *c); /* that the next event is the candidate's */
	double expectation, rejected;		  /* at the moment of stopping; and P(E >= 20) */
};

/* Every course, stopped when E is 20 or more or after EVENTS events. */
static void
enumerate(struct promise *p, const struct course *c, double probability)
{
	double log_e = p->log_e(c), chance;

	if (log_e >= log(20) || c->events == EVENTS) {
		p->expectation += probability * exp(log_e);
		p->rejected += log_e >= log(20) ? probability : 0;
		return;
	}
	chance = p->chance(c);
	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		struct course next = *c;

		next.steps[step_of(c)].n[arm]++;
		next.events++;
		enumerate(p, &next, probability * (arm == ARM_CANDIDATE ? chance : 1 - chance));
	}
}

static void
run_promise(struct promise *p)
{
	static const struct course begin = { .steps = { STEP(.1, 0, 0), STEP(.25, 0, 0),
						 STEP(.5, 0, 0) } };

	p->expectation = p->rejected = 0;
	enumerate(p, &begin, 1);
}

static double true_ratio, true_rate;

static double
harm_of(const struct course *c)
{
	return evidence_harm(c->steps, 3, 1.2);
}

static double
safe_of(const struct course *c)
{
	return evidence_safe(c->steps, 3, 2);
}

static double
split_of(const struct course *c)
{
	return evidence_split(c->steps, 3);
}

static double
bad_chance(const struct course *c)
{
	return evidence_bad_share(c->steps[step_of(c)].share, true_ratio);
}

/* The candidate alone: its bad answers stand where the candidate's events do. */
static uint64_t
bad_of(const struct course *c)
{
	return c->steps[0].n[ARM_CANDIDATE] + c->steps[1].n[ARM_CANDIDATE] +
	       c->steps[2].n[ARM_CANDIDATE];
}

static double
breaker_of(const struct course *c)
{
	return evidence_breaker(c->events, bad_of(c), .1);
}

static double
below_of(const struct course *c)
{
	return evidence_below(c->events, bad_of(c), .3);
}

static double
rate_chance(const struct course *c)
{
	(void)c;
	return true_rate;
}

/* At the border of its null E has an expectation of exactly 1, inside of at most 1, whatever the
 * share does and whenever somebody stops; outside it grows. */
static void
test_promises(void)
{
	static const struct {
		const char *name;
		double (*log_e)(const struct course *c), (*chance)(const struct course *c);
		double ratio, rate, least, most;
	} cases[] = {
		{ "harm at its border", harm_of, bad_chance, 1.2, 0, 1, 1 },
		{ "harm inside", harm_of, bad_chance, 1, 0, 0, 1 },
		{ "harm far inside", harm_of, bad_chance, .2, 0, 0, 1 },
		{ "harm outside", harm_of, bad_chance, 4, 0, 2, HUGE_VAL },
		{ "safe at its border", safe_of, bad_chance, 2, 0, 1, 1 },
		{ "safe inside", safe_of, bad_chance, 3, 0, 0, 1 },
		{ "safe outside", safe_of, bad_chance, 1, 0, 1.5, HUGE_VAL },
		{ "split", split_of, bad_chance, 1, 0, 1, 1 },
		{ "split outside", split_of, bad_chance, 3, 0, 1.05, HUGE_VAL },
		{ "breaker at its border", breaker_of, rate_chance, 0, .1, 1, 1 },
		{ "breaker inside", breaker_of, rate_chance, 0, .03, 0, 1 },
		{ "breaker outside", breaker_of, rate_chance, 0, .4, 10, HUGE_VAL },
		{ "below at its border", below_of, rate_chance, 0, .3, 1, 1 },
		{ "below inside", below_of, rate_chance, 0, .5, 0, 1 },
		{ "below outside", below_of, rate_chance, 0, .1, 1.5, HUGE_VAL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct promise p = { .log_e = cases[i].log_e, .chance = cases[i].chance };

		true_ratio = cases[i].ratio;
		true_rate = cases[i].rate;
		run_promise(&p);
		if (p.expectation < cases[i].least - 1e-9 || p.expectation > cases[i].most + 1e-9)
			printf("\n    %s: %.12f", cases[i].name, p.expectation);
		CU_ASSERT(p.expectation >= cases[i].least - 1e-9);
		CU_ASSERT(p.expectation <= cases[i].most + 1e-9);
		if (cases[i].most == 1)
			CU_ASSERT(p.rejected <= .05);
	}
}

/* Steps of one share may be one or many, in any order. */
static void
test_order_does_not_matter(void)
{
	static const struct evidence_step one[] = { STEP(.1, 9, 30), STEP(.3, 7, 20) };
	static const struct evidence_step many[] = { STEP(.3, 5, 0), STEP(.1, 9, 0),
		STEP(.1, 0, 30), STEP(.3, 2, 20) };

	expect("harm", evidence_harm(many, 4, 1), evidence_harm(one, 2, 1), 1e-12);
	expect("safe", evidence_safe(many, 4, 2), evidence_safe(one, 2, 2), 1e-12);
}

static void
test_large_counts(void)
{
	const uint64_t n = 1000000000;
	const struct evidence_step bad[] = { STEP(.1, n, n) };
	const struct evidence_step good[] = { STEP(.1, 1, n) };
	const struct evidence_step even[] = { STEP(.1, n / 10, n - n / 10) };
	/* The best of the alternatives outweighs all others; 10 of 1.25 ... 20 is the nearest to 9.
	 */
	double best = (double)n * log(10 / 1.9) + (double)n * log(1 / 1.9);

	expect("harm", evidence_harm(bad, 1, 1), best - log(7), 1e-3);
	CU_ASSERT(isfinite(evidence_harm(good, 1, 1)) && evidence_harm(good, 1, 1) < -1e6);
	CU_ASSERT(isfinite(evidence_safe(good, 1, 2)) && evidence_safe(good, 1, 2) > 1e6);
	CU_ASSERT(isfinite(evidence_breaker(n, n, .02)) && evidence_breaker(n, n, .02) > 1e9);
	CU_ASSERT(isfinite(evidence_breaker(n, 0, .02)) && evidence_breaker(n, 0, .02) < -1e6);
	CU_ASSERT(isfinite(evidence_below(n, 0, .02)) && evidence_below(n, 0, .02) > 1e6);
	CU_ASSERT(isfinite(evidence_split(even, 1)) && evidence_split(even, 1) < 0);
	CU_ASSERT(evidence_half_width(1e-5, 2e9, 1000, .01) > 0);
	CU_ASSERT(evidence_band(1e9, 100, 9) < 1e-3);
	expect("add", evidence_add(-HUGE_VAL, 3), 3, 0);
	expect("add", evidence_add(1e9, 1e9), 1e9 + log(2), 1e-6);
}

void
suite_evidence(void)
{
	CU_pSuite s = CU_add_suite("evidence", NULL, NULL);

	CU_add_test(s, "1: harm", test_harm);
	CU_add_test(s, "2: safe", test_safe);
	CU_add_test(s, "3: breaker", test_breaker);
	CU_add_test(s, "3: zero failures until safe", test_zero_failures_until_safe);
	CU_add_test(s, "4: split", test_split);
	CU_add_test(s, "5: half width", test_half_width);
	CU_add_test(s, "6: band", test_band);
	CU_add_test(s, "6: gap", test_gap);
	CU_add_test(s, "closed forms", test_closed_forms);
	CU_add_test(s, "ratio", test_ratio);
	CU_add_test(s, "what is promised, by going through every course", test_promises);
	CU_add_test(s, "order does not matter", test_order_does_not_matter);
	CU_add_test(s, "large counts", test_large_counts);
}
