// SPDX-License-Identifier: MIT
/* Sums over the shares of a rollout; see verdict_parts.h. Pure. */
#include "daemon/verdict_parts.h"

#include <math.h>
#include <string.h>

#define SHARE_ALL_BP 10000

/* Whether both arms are asked. */
static bool
is_split(const struct evidence_share *share)
{
	return share->share_bp > 0 && share->share_bp < SHARE_ALL_BP;
}

/* An outside judge may look at some answers only, or tell of bad ones only. */
enum judging { JUDGED_NONE, JUDGED_SOME, JUDGED_ALL };

static enum judging
judging_of(const struct evidence *e)
{
	for (unsigned i = 0; i < e->n_shares; i++) {
		if (e->shares[i].arms[ARM_STABLE].praised > 0 ||
		    e->shares[i].arms[ARM_CANDIDATE].praised > 0)
			return JUDGED_SOME;
	}
	return parts_judged(e) ? JUDGED_ALL : JUDGED_NONE;
}

/* Of how many first requests it is known whether they were bad. */
static uint64_t
looked_at(const struct evidence_arm *a, enum judging judging)
{
	if (judging == JUDGED_NONE)
		return 0;
	return judging == JUDGED_ALL ? a->firsts : a->praised + a->bad_keys[SYMPTOM_JUDGED];
}

/* The same where only first requests count as bad ones: a word on a later answer is of none. */
static uint64_t
judged_firsts(const struct evidence_arm *a, enum judging judging)
{
	return judging == JUDGED_SOME ? a->praised + a->bad_firsts[SYMPTOM_JUDGED]
				      : looked_at(a, judging);
}

unsigned
parts_bad(const struct evidence *e, unsigned symptom, struct evidence_step *steps,
    struct verdict_symptom *s)
{
	enum judging judging = symptom == SYMPTOM_JUDGED ? judging_of(e) : JUDGED_ALL;
	unsigned n = 0;

	for (unsigned i = 0; i < e->n_shares; i++) {
		const struct evidence_share *share = &e->shares[i];

		s->n += judged_firsts(&share->arms[ARM_CANDIDATE], judging);
		s->n_bad += share->arms[ARM_CANDIDATE].bad_firsts[symptom];
		s->again += share->arms[ARM_CANDIDATE].again;
		s->bad_again += share->arms[ARM_CANDIDATE].bad_again[symptom];
		s->of_stable += share->arms[ARM_STABLE].firsts + share->arms[ARM_STABLE].again;
		s->bad_of_stable += share->arms[ARM_STABLE].bad_firsts[symptom] +
				    share->arms[ARM_STABLE].bad_again[symptom];
		if (!is_split(share))
			continue;
		steps[n].share = share->share_bp / (double)SHARE_ALL_BP;
		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			steps[n].n[arm] = share->arms[arm].bad_keys[symptom];
			s->bad[arm] += share->arms[arm].bad_keys[symptom];
			s->firsts[arm] += looked_at(&share->arms[arm], judging);
		}
		n++;
	}
	return n;
}

unsigned
parts_split(const struct evidence *e, struct evidence_step *steps)
{
	unsigned n = 0;

	for (unsigned i = 0; i < e->n_shares; i++) {
		const struct evidence_share *share = &e->shares[i];

		if (!is_split(share))
			continue;
		steps[n].share = share->share_bp / (double)SHARE_ALL_BP;
		for (unsigned arm = 0; arm < ARM_COUNT; arm++)
			steps[n].n[arm] = share->arms[arm].assigned;
		n++;
	}
	return n;
}

void
parts_assigned(const struct evidence *e, uint64_t seen[ARM_COUNT])
{
	struct evidence_step steps[EVIDENCE_SHARES];
	unsigned n = parts_split(e, steps);

	seen[ARM_STABLE] = seen[ARM_CANDIDATE] = 0;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned arm = 0; arm < ARM_COUNT; arm++)
			seen[arm] += steps[i].n[arm];
	}
}

uint64_t
parts_of(const struct evidence *e, enum arm arm, uint64_t bad[SYMPTOM_COUNT])
{
	uint64_t firsts = 0;

	memset(bad, 0, SYMPTOM_COUNT * sizeof(*bad));
	for (unsigned i = 0; i < e->n_shares; i++) {
		const struct evidence_arm *a = &e->shares[i].arms[arm];

		firsts += a->firsts + a->again;
		for (unsigned k = 0; k < SYMPTOM_COUNT; k++)
			bad[k] += a->bad_firsts[k] + a->bad_again[k];
	}
	return firsts;
}

bool
parts_judged(const struct evidence *e)
{
	for (unsigned i = 0; i < e->n_shares; i++) {
		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			const struct evidence_arm *a = &e->shares[i].arms[arm];

			if (a->praised > 0 || a->bad[SYMPTOM_JUDGED] > 0)
				return true;
		}
	}
	return false;
}

void
verdict_ratio(const struct verdict_case *c, const struct verdict *v, unsigned symptom,
    struct evidence_ratio *out)
{
	const struct verdict_symptom *s = &v->symptoms[symptom];
	enum judging judging = symptom == SYMPTOM_JUDGED ? judging_of(c->evidence) : JUDGED_ALL;
	struct evidence_step steps[EVIDENCE_SHARES];
	double of[ARM_COUNT];
	unsigned n = 0;

	for (unsigned i = 0; i < c->evidence->n_shares; i++) {
		const struct evidence_share *share = &c->evidence->shares[i];

		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			of[arm] = (double)looked_at(&share->arms[arm], judging);
			steps[n].n[arm] = share->arms[arm].bad_keys[symptom];
		}
		steps[n].share = of[ARM_CANDIDATE] / (of[ARM_CANDIDATE] + of[ARM_STABLE]);
		if (steps[n].share > 0 && steps[n].share < 1)
			n++;
	}
	evidence_ratio(steps, n, parts_fraction(c->rules->beta), out);
	out->point = (double)s->bad[ARM_CANDIDATE] * (double)s->firsts[ARM_STABLE] /
		     ((double)s->bad[ARM_STABLE] * (double)s->firsts[ARM_CANDIDATE]);
}

/* ---- values ---------------------------------------------------------------------------------- */

static double
mean_of(const struct evidence_value *v)
{
	return (double)v->sum / (double)v->n;
}

/* Of the mean; units of EVIDENCE_LOG_UNIT. Rounding to them alone gives 1/12. */
static double
variance_of_mean(const struct evidence_value *v)
{
	double n = (double)v->n, mean = mean_of(v);
	double variance = ((double)v->squares - n * mean * mean) / (n - 1);

	return fmax(variance, 1.0 / 12) / n;
}

double
parts_difference(
    const struct evidence_value *candidate, const struct evidence_value *stable, double *se)
{
	*se = sqrt(variance_of_mean(candidate) + variance_of_mean(stable)) / EVIDENCE_LOG_UNIT;
	return (mean_of(candidate) - mean_of(stable)) / EVIDENCE_LOG_UNIT;
}

/* How many buckets lie between a value and one that is larger by at least this factor: four an
 * octave, of which the narrowest are the last ones. */
static unsigned
buckets_apart(double factor)
{
	unsigned octaves = (unsigned)floor(log2(factor));
	double rest = factor / exp2(octaves);

	return 4 * octaves + (unsigned)ceil(8 - 8 / rest - 1e-9);
}

double
parts_gap(
    const struct evidence_value *stable, const struct evidence_value *candidate, double margin)
{
	unsigned shift = buckets_apart(1 + margin);
	uint64_t shifted[EVIDENCE_BUCKETS] = { 0 };

	for (unsigned i = 0; i < EVIDENCE_BUCKETS; i++)
		shifted[i > shift ? i - shift : 0] += candidate->buckets[i];
	return evidence_gap(stable->buckets, shifted, EVIDENCE_BUCKETS);
}
