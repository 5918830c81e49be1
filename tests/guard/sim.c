// SPDX-License-Identifier: MIT
/*
 * What the guard's statistics promise, tried on simulated traffic: prints the tables of
 * daemon/guard.md and checks the figures that the guard was built for. The seeds are fixed, so each
 * run prints the same. Pure: no clock, no network. `guardsim [tests|rollouts]`.
 */
#include "tests/guard/sim.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static unsigned passed, failed;

void
sim_check(bool good, const char *fmt, ...)
{
	va_list ap;

	passed += good;
	failed += !good;
	if (good)
		return;
	va_start(ap, fmt);
	printf("FAILED: ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

int
sim_end(void)
{
	printf("%u passed, %u failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}

/* ---- chance ---------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t
sim_next(struct sim_random *r)
{
	uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

double
sim_uniform(struct sim_random *r)
{
	return (double)(sim_next(r) >> 11) * 0x1p-53;
}

double
sim_normal(struct sim_random *r)
{
	double u = 1 - sim_uniform(r), v = sim_uniform(r);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* ---- traffic --------------------------------------------------------------------------------- */

/* One user in ten fails ten times as often as the others; the mean is `base`. */
static void
make_keys(struct sim_traffic *t)
{
	for (unsigned i = 0; i < t->n_keys; i++) {
		bool weak = sim_uniform(&t->random) < 0.1;

		t->key_rate[i] = t->base / 1.9 * (weak ? 10 : 1);
		t->key_candidate[i] = sim_uniform(&t->random) < t->share;
		t->key_failed[i] = t->key_seen[i] = false;
	}
}

void
sim_begin(
    struct sim_traffic *t, uint64_t seed, double share, double base, double ratio, unsigned n_keys)
{
	t->random.state = seed;
	t->share = share;
	t->base = base;
	t->ratio = ratio;
	t->n_keys = n_keys;
	make_keys(t);
}

struct sim_request
sim_request(struct sim_traffic *t)
{
	struct sim_request r = { .first = true, .first_bad = true };
	unsigned key = 0;
	double rate = t->base;

	if (t->n_keys > 0) {
		/* A few users ask most: the square of a uniform number. */
		double u = sim_uniform(&t->random);

		key = (unsigned)(u * u * t->n_keys);
		rate = t->key_rate[key];
		r.arm = t->key_candidate[key] ? ARM_CANDIDATE : ARM_STABLE;
		r.first = !t->key_seen[key];
		r.first_bad = !t->key_failed[key];
	} else {
		r.arm = sim_uniform(&t->random) < t->share ? ARM_CANDIDATE : ARM_STABLE;
	}
	r.bad = sim_uniform(&t->random) < rate * (r.arm == ARM_CANDIDATE ? t->ratio : 1);
	if (t->n_keys > 0) {
		t->key_seen[key] = true;
		t->key_failed[key] |= r.bad;
	}
	return r;
}

int
main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(only, "rollouts") != 0)
		sim_tests();
	if (strcmp(only, "tests") != 0)
		sim_rollouts();
	return sim_end();
}
