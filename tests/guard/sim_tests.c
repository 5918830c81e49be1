// SPDX-License-Identifier: MIT
/*
 * The tests by themselves, beside two rules that are in use elsewhere: a z-test at each request,
 * and "more than 5 % errors among the last 100 requests". Each may look after every request.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/evidence.h"
#include "tests/guard/sim.h"

#define REQUESTS 20000 /* a rollout's stay at one share */
#define RUNS	 400
#define WINDOW	 100

/* When each rule first spoke in one run, in requests of both arms; 0: it did not. */
struct spoken {
	unsigned harm, safe, z, window;
};

/* What the rules look at. */
struct course {
	uint64_t n[ARM_COUNT], bad[ARM_COUNT];
	struct evidence_step bad_keys; /* the guard's: first bad requests of keys */
	bool last[WINDOW];	       /* of the candidate */
	unsigned in_window;
};

static struct sim_traffic traffic;

static bool
z_speaks(const struct course *c)
{
	double n = (double)c->n[ARM_CANDIDATE], m = (double)c->n[ARM_STABLE];
	double p = (double)(c->bad[0] + c->bad[1]) / (n + m);
	double d = (double)c->bad[ARM_CANDIDATE] / n - (double)c->bad[ARM_STABLE] / m;

	return n >= 30 && m >= 30 && p > 0 && d / sqrt(p * (1 - p) * (1 / n + 1 / m)) > 1.6449;
}

static bool
window_speaks(struct course *c, bool bad)
{
	unsigned at = (unsigned)(c->n[ARM_CANDIDATE] - 1) % WINDOW;

	c->in_window += bad;
	c->in_window -= c->last[at];
	c->last[at] = bad;
	return c->in_window > WINDOW * 5 / 100;
}

static void
note(unsigned *when, unsigned now, bool speaks)
{
	if (*when == 0 && speaks)
		*when = now;
}

static void
run(uint64_t seed, double share, double base, double ratio, unsigned keys, unsigned requests,
    struct spoken *s)
{
	struct course c = { .bad_keys.share = share };

	memset(s, 0, sizeof(*s));
	sim_begin(&traffic, seed, share, base, ratio, keys);
	for (unsigned i = 1; i <= requests; i++) {
		struct sim_request r = sim_request(&traffic);

		c.n[r.arm]++;
		c.bad[r.arm] += r.bad;
		if (s->z == 0 && (r.bad || i % 16 == 0))
			note(&s->z, i, z_speaks(&c));
		if (r.arm == ARM_CANDIDATE)
			note(&s->window, i, window_speaks(&c, r.bad));
		if (!r.bad || !r.first_bad)
			continue;
		c.bad_keys.n[r.arm]++;
		note(&s->harm, i, evidence_harm(&c.bad_keys, 1, 1) >= log(20));
		note(&s->safe, i, evidence_safe(&c.bad_keys, 1, 2) >= log(20));
	}
}

/* ---- figures of many runs -------------------------------------------------------------------- */

struct figures {
	unsigned harm[RUNS], safe[RUNS], z[RUNS], window[RUNS];
};

static struct figures figures;

static void
run_all(double share, double base, double ratio, unsigned keys, unsigned requests)
{
	for (unsigned i = 0; i < RUNS; i++) {
		struct spoken s;

		run(1000 + i, share, base, ratio, keys, requests, &s);
		figures.harm[i] = s.harm;
		figures.safe[i] = s.safe;
		figures.z[i] = s.z;
		figures.window[i] = s.window;
	}
}

static double
spoke_percent(const unsigned *when)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RUNS; i++)
		n += when[i] != 0;
	return 100.0 * n / RUNS;
}

static int
compare(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

/* Never is later than everything; 0: more than half never did. */
static unsigned
median(const unsigned *when)
{
	unsigned sorted[RUNS];

	for (unsigned i = 0; i < RUNS; i++)
		sorted[i] = when[i] != 0 ? when[i] : UINT32_MAX;
	qsort(sorted, RUNS, sizeof(sorted[0]), compare);
	return sorted[RUNS / 2] != UINT32_MAX ? sorted[RUNS / 2] : 0;
}

static void
print_rule(const unsigned *when)
{
	unsigned m = median(when);

	if (m != 0)
		printf(" %5.1f %% (%5u) |", spoke_percent(when), m);
	else
		printf(" %5.1f %% (  -  ) |", spoke_percent(when));
}

static void
print_row(double share, double base, double ratio, unsigned keys)
{
	run_all(share, base, ratio, keys, REQUESTS);
	printf("| %4.1f %% | %3.1f | %2.0f %% | %s |", base * 100, ratio, share * 100,
	    keys > 0 ? "yes" : "no ");
	print_rule(figures.harm);
	print_rule(figures.z);
	print_rule(figures.window);
	print_rule(figures.safe);
	putchar('\n');
}

/* Four standard deviations above what is promised. */
static double
at_most(double promised)
{
	return 100 * (promised + 4 * sqrt(promised * (1 - promised) / RUNS));
}

static void
table(unsigned keys)
{
	static const double bases[] = { .001, .01, .05 }, ratios[] = { 1, 1.5, 2, 3, 5 };
	static const double shares[] = { .1, .3, .5 };

	for (unsigned b = 0; b < 3; b++) {
		for (unsigned r = 0; r < 5; r++) {
			for (unsigned s = 0; s < 3; s++) {
				print_row(shares[s], bases[b], ratios[r], keys);
				if (ratios[r] == 1)
					sim_check(spoke_percent(figures.harm) <= at_most(.05),
					    "false rollbacks at %g, %g", bases[b], shares[s]);
				if (ratios[r] >= 2)
					sim_check(spoke_percent(figures.safe) <= at_most(.05),
					    "false promotions at %g, %g", bases[b], shares[s]);
			}
		}
	}
}

/* ---- the figures that the guard was built for ------------------------------------------------ */

static void
check_near(const char *what, double is, double should_be, double part)
{
	printf("| %s | %.0f | %.0f |\n", what, is, should_be);
	sim_check(fabs(is - should_be) <= part * should_be, "%s: %g, not %g", what, is, should_be);
}

static void
check_harm_speed(void)
{
	static const struct {
		const char *what;
		double ratio, median;
	} cases[] = {
		{ "rollback, 2 times stable's rate", 2, 10070 },
		{ "rollback, 3 times", 3, 2975 },
		{ "rollback, 5 times", 5, 954 },
	};

	for (unsigned i = 0; i < 3; i++) {
		run_all(.1, .01, cases[i].ratio, 0, 60000);
		check_near(cases[i].what, median(figures.harm), cases[i].median, .15);
	}
}

static void
check_promotion_speed(void)
{
	static const struct {
		const char *what;
		double share, median;
	} cases[] = {
		{ "promotion of an equal candidate, share 10 %", .1, 8991 },
		{ "promotion, share 30 %", .3, 4901 },
		{ "promotion, share 50 %", .5, 4334 },
	};

	for (unsigned i = 0; i < 3; i++) {
		run_all(cases[i].share, .01, 1, 0, 60000);
		check_near(cases[i].what, median(figures.safe), cases[i].median, .15);
	}
}

static void
check_breaker_speed(const char *what, double rate, double should_be)
{
	struct sim_random random = { 7 };

	for (unsigned i = 0; i < RUNS; i++) {
		uint64_t n = 0, bad = 0;

		while (evidence_breaker(n, bad, .02) < log(1000)) {
			n++;
			bad += sim_uniform(&random) < rate;
		}
		figures.harm[i] = (unsigned)n;
	}
	printf("| %s | %u | %.0f |\n", what, median(figures.harm), should_be);
	sim_check(median(figures.harm) <= should_be, "%s: %u", what, median(figures.harm));
}

/* A breaker with its budget just kept, over 100,000 requests. */
static void
check_breaker_level(void)
{
	struct sim_random random = { 8 };
	unsigned spoken = 0;

	for (unsigned i = 0; i < RUNS; i++) {
		uint64_t bad = 0;

		for (uint64_t n = 1; n <= 100000; n++) {
			if (sim_uniform(&random) >= .02)
				continue;
			if (evidence_breaker(n, ++bad, .02) >= log(1000)) {
				spoken++;
				break;
			}
		}
	}
	printf("| the breaker at exactly its budget, of %d runs | %u | 0 |\n", RUNS, spoken);
	sim_check(spoken <= RUNS * at_most(.001) / 100, "breaker: %u false", spoken);
}

void
sim_tests(void)
{
	printf("| what (requests, median) | here | built for |\n|---|---|---|\n");
	check_harm_speed();
	check_promotion_speed();
	check_breaker_speed("breaker, fully broken, candidate requests", 1, 3);
	check_breaker_speed("breaker, half broken", .5, 7);
	check_breaker_level();
	printf(
	    "\n| base rate | ratio | share | keys | guard rolls back | z-test at each request | "
	    "over 5 %% of the last %d | guard calls it safe |\n|---|---|---|---|---|---|---|---|\n",
	    WINDOW);
	table(0);
	table(4000);
}
