// SPDX-License-Identifier: MIT
/*
 * The statistics of the guard: six tests that may be looked at after every request. Pure: counts
 * in, natural logarithms of evidence out; nothing is allocated or kept, and what is counted in
 * which order makes no difference, since only sums come in.
 *
 * Tests 1 to 4 are e-processes: if the hypothesis that they speak against is true, E has an
 * expectation of at most 1 at whatever moment somebody looks, so E >= 1/alpha happens with a
 * probability of at most alpha, ever (Ville's inequality). 5 and 6 are confidence sequences, with
 * the same promise for their level. daemon/README.md says where they are used.
 *
 * Words: share: of the candidate at the assignment of a request. Bad: with the symptom in question.
 */
#pragma once

#include <stdint.h>

#include "common/shm.h"

#define EVIDENCE_STEPS_MAX 16 /* different shares in one rollout */

/* Events of one kind, counted while one share was published. */
struct evidence_step {
	double share; /* of the candidate, 0..1 */
	uint64_t n[ARM_COUNT];
};

/* ---- 1, 2: candidate against stable ---------------------------------------------------------- */

/* Whoever is bad is the candidate's with probability share*R / (share*R + 1 - share), where R is
 * the relative risk, whatever the common rate may be; that holds while the share changes from step
 * to step. `steps` count bad events. After Lindon and Malek, arXiv 2011.03567; the mixtures over R
 * are finite and uniform. */
double evidence_bad_share(double share, double ratio);
/* 1. Against "at most `ratio` times as many bad answers as stable's": R of 1.25 to 20. */
double evidence_harm(const struct evidence_step *steps, unsigned n, double ratio);
/* 2. Against "at least `margin` times as many": R of 0.25 to 1. */
double evidence_safe(const struct evidence_step *steps, unsigned n, double margin);

/* The ratio that fits best, and those that test 1 (low) and 2 (high) have not spoken against at
 * `alpha` each: a confidence sequence. low 0, high infinite: no bound yet; point NAN: no events. */
struct evidence_ratio {
	double low, point, high;
};
void evidence_ratio(
    const struct evidence_step *steps, unsigned n, double alpha, struct evidence_ratio *out);

/* ---- 3: the candidate alone ------------------------------------------------------------------ */

/* 3. The breaker, against "at most `budget` (0..1) of the answers are bad": a mixture of
 * likelihood ratios at 2*budget, 0.1, 0.25, 0.5 and 0.95, those between budget and 1. */
double evidence_breaker(uint64_t n, uint64_t bad, double budget);
/* And against "at least `budget`": at 0.02, 0.1, 0.3 and 0.6 times the budget. */
double evidence_below(uint64_t n, uint64_t bad, double budget);

/* ---- 4: is the split what was set? ----------------------------------------------------------- */

/* The Bayes factor of a Dirichlet(alpha) over `arms` shares against fixed ones: `seen` of each.
 * Lindon and Malek, as above. HUGE_VAL: something was seen that has no share. */
double evidence_dirichlet(
    const double *share, const double *alpha, const uint64_t *seen, unsigned arms);
/* 4. Against "requests are split as the share says", all steps together; `steps` count first-seen
 * keys. Concentration 100. Below a count of 1e9 the error is less than 1e-4. */
double evidence_split(const struct evidence_step *steps, unsigned n);

/* ---- 5: slower on average -------------------------------------------------------------------- */

/* 5. How far the difference of two means may be from the truth, to one side: an asymptotic
 * confidence sequence, tightest at `expected` observations. `se`: standard error of the
 * difference; `n`: observations of both arms; alpha below 1/2. Waudby-Smith, Arbour, Sinha, Kennedy
 * and Ramdas, arXiv 2103.06476. */
double evidence_half_width(double se, double n, double expected, double alpha);

/* ---- 6: slower anywhere ---------------------------------------------------------------------- */

/* How far an empirical distribution of `t` values may be from the true one, anywhere, at every t >=
 * t_min: 0.85 * sqrt((log(1 + log(t / t_min)) + c) / t). Howard and Ramdas, arXiv 1906.09712,
 * theorem 2. HUGE_VAL below t_min. */
double evidence_band(double t, double t_min, double c);
/* The c for a level: the least for which the theorem promises it. For alpha of 1e-6 to 0.5; takes
 * some microseconds, so do it once. */
double evidence_band_constant(double alpha);
/* 6. The largest gap between two distributions over the same buckets: how much more of stable's
 * values than of the candidate's lie below some edge. 0 when one of them is empty. */
double evidence_gap(const uint64_t *stable, const uint64_t *candidate, unsigned buckets);

/* log(exp(a) + exp(b)) */
double evidence_add(double a, double b);
