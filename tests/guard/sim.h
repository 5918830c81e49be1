// SPDX-License-Identifier: MIT
/*
 * Simulated traffic for the guard's statistics: random numbers with a fixed seed, a release whose
 * users have or have no sticky keys, and checks. Only the tests under tests/guard use it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/shm.h"

struct sim_random {
	uint64_t state;
};
uint64_t sim_next(struct sim_random *r);
double sim_uniform(struct sim_random *r); /* 0 <= x < 1 */
double sim_normal(struct sim_random *r);

#define SIM_KEYS_MAX 20000

/* Traffic of two arms. */
struct sim_traffic {
	struct sim_random random;
	double share, base, ratio; /* base: rate of bad answers on stable */
	/* Users: 0: no request has a key. Else some users are far worse than others, on both arms.
	 */
	unsigned n_keys;
	double key_rate[SIM_KEYS_MAX];
	bool key_failed[SIM_KEYS_MAX], key_seen[SIM_KEYS_MAX];
	bool key_candidate[SIM_KEYS_MAX];
};

struct sim_request {
	enum arm arm;
	bool bad;
	bool first;	/* the first of its key, or without one */
	bool first_bad; /* the first bad one of its key, or without one */
};

void sim_begin(
    struct sim_traffic *t, uint64_t seed, double share, double base, double ratio, unsigned n_keys);
struct sim_request sim_request(struct sim_traffic *t);

/* Counts a check; says so when it failed. */
void sim_check(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "N passed, N failed"; the exit status. */
int sim_end(void);

/* sim_tests.c: each test by itself. sim_rollouts.c: whole rollouts under the guard's rules. */
void sim_tests(void);
void sim_rollouts(void);
