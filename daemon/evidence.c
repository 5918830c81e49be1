// SPDX-License-Identifier: MIT
/* The guard's statistics; see evidence.h. Pure. All sums of likelihoods are taken as logarithms, so
 * that counts of any size neither overflow nor vanish. */
#include "daemon/evidence.h"

#include <math.h>

#define COUNT(a) ((unsigned)(sizeof(a) / sizeof((a)[0])))

#define SPLIT_CONCENTRATION 100.0

static const double harm_ratios[] = { 1.25, 1.5, 2, 3, 5, 10, 20 };
static const double safe_ratios[] = { 0.25, 0.5, 0.75, 1 };
static const double below_parts[] = { 0.02, 0.1, 0.3, 0.6 };

double
evidence_add(double a, double b)
{
	double high = fmax(a, b), low = fmin(a, b);

	return isinf(high) ? high : high + log1p(exp(low - high));
}

/* ---- 1, 2 ------------------------------------------------------------------------------------ */

double
evidence_bad_share(double share, double ratio)
{
	return share * ratio / (share * ratio + 1 - share);
}

/* How much likelier the bad events are at relative risk `ratio` than at `null`. */
static double
log_likelihood(const struct evidence_step *steps, unsigned n, double ratio, double null)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++) {
		double share = steps[i].share;
		double candidate = (double)steps[i].n[ARM_CANDIDATE];
		double stable = (double)steps[i].n[ARM_STABLE];
		double rest;

		/* Where only one arm is asked there is nothing to compare. */
		if (share <= 0 || share >= 1)
			continue;
		rest = log((share * null + 1 - share) / (share * ratio + 1 - share));
		sum += candidate * (log(ratio / null) + rest) + stable * rest;
	}
	return sum;
}

/* The mixture over those ratios that lie on the right side of the null. */
static double
mixture(const struct evidence_step *steps, unsigned n, double null, const double *ratios,
    unsigned n_ratios, bool above)
{
	double sum = -HUGE_VAL;
	unsigned used = 0;

	for (unsigned k = 0; k < n_ratios; k++) {
		if (above ? ratios[k] <= null : ratios[k] >= null)
			continue;
		sum = evidence_add(sum, log_likelihood(steps, n, ratios[k], null));
		used++;
	}
	return used == 0 ? 0 : sum - log(used);
}

double
evidence_harm(const struct evidence_step *steps, unsigned n, double ratio)
{
	return mixture(steps, n, ratio, harm_ratios, COUNT(harm_ratios), true);
}

double
evidence_safe(const struct evidence_step *steps, unsigned n, double margin)
{
	return mixture(steps, n, margin, safe_ratios, COUNT(safe_ratios), false);
}

/* ---- the ratio ------------------------------------------------------------------------------- */

#define RATIO_LOG_MAX 7.0 /* between 1/1000 and 1000 */
#define RATIO_STEPS   48

struct ratio_search {
	const struct evidence_step *steps;
	unsigned n;
	double limit; /* log(1 / alpha) */
};

static bool
above_low(const struct ratio_search *s, double ratio)
{
	return evidence_harm(s->steps, s->n, ratio) < s->limit;
}

static bool
above_high(const struct ratio_search *s, double ratio)
{
	return evidence_safe(s->steps, s->n, ratio) >= s->limit;
}

/* More candidate events would be expected at this ratio than there were. */
static bool
above_point(const struct ratio_search *s, double ratio)
{
	double missing = 0;

	for (unsigned i = 0; i < s->n; i++) {
		double candidate = (double)s->steps[i].n[ARM_CANDIDATE];
		double both = candidate + (double)s->steps[i].n[ARM_STABLE];

		if (s->steps[i].share > 0 && s->steps[i].share < 1)
			missing += both * evidence_bad_share(s->steps[i].share, ratio) - candidate;
	}
	return missing >= 0;
}

/* Where `above` becomes true; 0 or HUGE_VAL if it is everywhere or nowhere. */
static double
search_ratio(
    const struct ratio_search *s, bool (*above)(const struct ratio_search *s, double ratio))
{
	double low = -RATIO_LOG_MAX, high = RATIO_LOG_MAX;

	if (above(s, exp(low)))
		return 0;
	if (!above(s, exp(high)))
		return HUGE_VAL;
	for (int i = 0; i < RATIO_STEPS; i++) {
		double middle = (low + high) / 2;

		if (above(s, exp(middle)))
			high = middle;
		else
			low = middle;
	}
	return exp((low + high) / 2);
}

void
evidence_ratio(
    const struct evidence_step *steps, unsigned n, double alpha, struct evidence_ratio *out)
{
	struct ratio_search s = { .steps = steps, .n = n, .limit = -log(alpha) };
	uint64_t events = 0;

	for (unsigned i = 0; i < n; i++) {
		if (steps[i].share > 0 && steps[i].share < 1)
			events += steps[i].n[ARM_STABLE] + steps[i].n[ARM_CANDIDATE];
	}
	out->low = search_ratio(&s, above_low);
	out->high = search_ratio(&s, above_high);
	out->point = events == 0 ? (double)NAN : search_ratio(&s, above_point);
}

/* ---- 3 --------------------------------------------------------------------------------------- */

static double
log_bernoulli(uint64_t n, uint64_t bad, double rate, double null)
{
	double good = n > bad ? (double)(n - bad) : 0;

	return (double)bad * log(rate / null) + good * log((1 - rate) / (1 - null));
}

double
evidence_breaker(uint64_t n, uint64_t bad, double budget)
{
	const double rates[] = { 2 * budget, 0.1, 0.25, 0.5, 0.95 };
	double sum = -HUGE_VAL;
	unsigned used = 0;

	for (unsigned k = 0; k < COUNT(rates); k++) {
		if (rates[k] <= budget || rates[k] >= 1)
			continue;
		sum = evidence_add(sum, log_bernoulli(n, bad, rates[k], budget));
		used++;
	}
	return used == 0 ? 0 : sum - log(used);
}

double
evidence_below(uint64_t n, uint64_t bad, double budget)
{
	double sum = -HUGE_VAL;

	for (unsigned k = 0; k < COUNT(below_parts); k++)
		sum = evidence_add(sum, log_bernoulli(n, bad, below_parts[k] * budget, budget));
	return sum - log(COUNT(below_parts));
}

/* ---- 4 --------------------------------------------------------------------------------------- */

/* The C library's lgamma() writes to a global. */
static double
log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

double
evidence_dirichlet(const double *share, const double *alpha, const uint64_t *seen, unsigned arms)
{
	double sum = 0, concentration = 0, all = 0;

	for (unsigned i = 0; i < arms; i++) {
		double n = (double)seen[i];

		if (share[i] <= 0) {
			if (seen[i] > 0)
				return HUGE_VAL;
			continue;
		}
		concentration += alpha[i];
		all += n;
		sum += log_gamma(alpha[i] + n) - log_gamma(alpha[i]) - n * log(share[i]);
	}
	return sum + log_gamma(concentration) - log_gamma(concentration + all);
}

double
evidence_split(const struct evidence_step *steps, unsigned n)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++) {
		const double share[ARM_COUNT] = {
			[ARM_STABLE] = 1 - steps[i].share, [ARM_CANDIDATE] = steps[i].share
		};
		const double alpha[ARM_COUNT] = { SPLIT_CONCENTRATION * share[0],
			SPLIT_CONCENTRATION * share[1] };

		sum += evidence_dirichlet(share, alpha, steps[i].n, ARM_COUNT);
	}
	return sum;
}

/* ---- 5 --------------------------------------------------------------------------------------- */

double
evidence_half_width(double se, double n, double expected, double alpha)
{
	double log_alpha = log(2 * alpha);
	double r2 = (-2 * log_alpha + log(1 - 2 * log_alpha)) / expected;
	double x = n * r2 + 1;

	return se * sqrt(n) * sqrt(2 * x / (n * n * r2) * log(1 + sqrt(x) / (2 * alpha)));
}

/* ---- 6 --------------------------------------------------------------------------------------- */

#define BAND_FACTOR 0.85

double
evidence_band(double t, double t_min, double c)
{
	if (t < t_min || t <= 0)
		return HUGE_VAL;
	return BAND_FACTOR * sqrt((log1p(log(t / t_min)) + c) / t);
}

/* The logarithm of what the theorem promises for this c and eta: it holds for any eta above 1. */
static double
log_level(double c, double eta)
{
	double root = BAND_FACTOR - sqrt(2 * (eta - 1) / c);
	double gamma2 = 2 / eta * root * root;

	if (root <= 0 || gamma2 <= 1)
		return HUGE_VAL;
	return log(4) - gamma2 * c + log1p(1 / ((gamma2 - 1) * log(eta)));
}

/* The best eta; the function has one valley. */
static double
best_log_level(double c)
{
	const double golden = 0.6180339887498949;
	double low = 1 + 1e-9, high = 2 * BAND_FACTOR * BAND_FACTOR;

	for (int i = 0; i < 80; i++) {
		double a = high - golden * (high - low), b = low + golden * (high - low);

		/* Where both are out of bounds, the valley is to the left. */
		if (log_level(c, a) <= log_level(c, b))
			high = b;
		else
			low = a;
	}
	return log_level(c, (low + high) / 2);
}

double
evidence_band_constant(double alpha)
{
	double low = 1, high = 64;

	for (int i = 0; i < 50; i++) {
		double middle = (low + high) / 2;

		if (best_log_level(middle) <= log(alpha))
			high = middle;
		else
			low = middle;
	}
	return high;
}

double
evidence_gap(const uint64_t *stable, const uint64_t *candidate, unsigned buckets)
{
	double all_stable = 0, all_candidate = 0, gap = 0, s = 0, c = 0;

	for (unsigned i = 0; i < buckets; i++) {
		all_stable += (double)stable[i];
		all_candidate += (double)candidate[i];
	}
	if (all_stable == 0 || all_candidate == 0)
		return 0;
	for (unsigned i = 0; i < buckets; i++) {
		s += (double)stable[i];
		c += (double)candidate[i];
		gap = fmax(gap, s / all_stable - c / all_candidate);
	}
	return gap;
}
