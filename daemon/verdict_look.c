// SPDX-License-Identifier: MIT
/* What the evidence says of one symptom and of one value; see verdict.h. Pure. */
#include <math.h>

#include "daemon/evidence.h"
#include "daemon/verdict_parts.h"

#define OUTAGE_SHARE_BP 9000

/* ---- one symptom ----------------------------------------------------------------------------- */

/* Requests of each arm, in all of a rollout or in its present span. */
struct part {
	uint64_t n[ARM_COUNT], bad[ARM_COUNT];
};

/* False: what a span began with is not of these figures. */
static bool
cut_span(const struct verdict_span *span, unsigned i, struct part *part)
{
	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		if (part->n[arm] >= span->firsts[arm] && part->bad[arm] >= span->bad[arm][i]) {
			part->n[arm] -= span->firsts[arm];
			part->bad[arm] -= span->bad[arm][i];
		} else if (arm == ARM_CANDIDATE) {
			return false;
		} else {
			part->n[arm] = part->bad[arm] = 0; /* it excuses nothing */
		}
	}
	return true;
}

/* Whether what speaks against the candidate speaks against stable as much: stable is over the
 * budget too, and the candidate is at most twice as bad. Not where hardly anybody is left on
 * stable, and not for ever: a candidate may be what drags stable down, and rolling back is the safe
 * thing to do in an outage that does not end. */
static bool
is_shared(const struct verdict_case *c, const struct part *part, double stable)
{
	const uint64_t *n = part->n, *bad = part->bad;

	if (c->alone || c->done || c->share_bp >= OUTAGE_SHARE_BP ||
	    bad[ARM_CANDIDATE] >= VERDICT_OUTAGE_MAX)
		return false;
	return stable >= -log(parts_fraction(c->rules->beta)) &&
	       (double)bad[ARM_CANDIDATE] * (double)n[ARM_STABLE] <=
		   2 * (double)bad[ARM_STABLE] * (double)n[ARM_CANDIDATE];
}

static void
add_part(const struct verdict_case *c, unsigned i, const struct part *part, double weight,
    struct verdict_symptom *s)
{
	double budget = parts_fraction(c->rules->symptoms[i].budget);
	double e = log(weight) +
		   evidence_breaker(part->n[ARM_CANDIDATE], part->bad[ARM_CANDIDATE], budget);
	double stable = evidence_breaker(part->n[ARM_STABLE], part->bad[ARM_STABLE], budget);

	s->breaker = evidence_add(s->breaker, e);
	if (!is_shared(c, part, stable))
		s->own = evidence_add(s->own, e);
}

static void
look_at_budget(const struct verdict_case *c, unsigned i, struct verdict_symptom *s)
{
	double number = (double)c->span->number;
	struct part part = { .n = { s->of_stable, s->n + s->again },
		.bad = { s->bad_of_stable, s->n_bad + s->bad_again } };

	s->breaker = s->own = -HUGE_VAL;
	if (c->rules->symptoms[i].budget == 0)
		return;
	add_part(c, i, &part, 0.9, s);
	/* Those that were judged are not those that a span counts. */
	if (i != SYMPTOM_JUDGED && c->span->number > 0 && cut_span(c->span, i, &part))
		add_part(c, i, &part, 0.1 / (number * (number + 1)), s);
}

static bool
is_needed(const struct verdict_case *c, unsigned i, const struct verdict_symptom *s)
{
	uint64_t action = c->rules->symptoms[i].action;

	if (s->waived || (action != ACTION_ROLLBACK && action != ACTION_HOLD))
		return false;
	/* Where nobody judges, nobody is waited for. */
	return i != SYMPTOM_JUDGED || parts_judged(c->evidence);
}

void
verdict_look_at_symptom(const struct verdict_case *c, unsigned i, struct verdict *v)
{
	const struct verdict_rules *rules = c->rules;
	struct verdict_symptom *s = &v->symptoms[i];
	struct evidence_step steps[EVIDENCE_SHARES];
	uint64_t budget = rules->symptoms[i].budget;
	unsigned n = parts_bad(c->evidence, i, steps, s);

	s->on = rules->symptoms[i].action != ACTION_OFF;
	s->waived = (c->waived >> i & 1) != 0;
	s->harm = evidence_harm(steps, n, parts_fraction(rules->symptoms[i].ratio));
	s->better = evidence_safe(steps, n, parts_fraction(rules->symptoms[i].margin));
	look_at_budget(c, i, s);
	s->below =
	    evidence_below(s->n, s->n_bad, parts_fraction(budget > 0 ? budget : VERDICT_QUIET));
	s->needed = is_needed(c, i, s);
	s->safe = s->better >= v->safe_limit || s->below >= v->safe_limit;
}

/* ---- one value ------------------------------------------------------------------------------- */

static void
compare_means(const struct verdict_case *c, const struct evidence_share *share, unsigned i,
    struct verdict_value *v)
{
	double alpha = parts_fraction(c->rules->alpha) / VALUE_TESTS;
	double expected = (double)c->rules->min_requests * 10000 / (c->share_bp + 1.0);
	double n = (double)(v->n[ARM_STABLE] + v->n[ARM_CANDIDATE]), se;

	if (expected < 2 * VERDICT_VALUES_MIN)
		expected = 2 * VERDICT_VALUES_MIN;
	v->difference = parts_difference(
	    &share->arms[ARM_CANDIDATE].values[i], &share->arms[ARM_STABLE].values[i], &se);
	v->harm_width = evidence_half_width(se, n, expected, alpha);
	v->safe_width = evidence_half_width(se, n, expected, parts_fraction(c->rules->beta));
	v->slower = v->difference - v->harm_width > v->limit;
	v->safe = v->difference + v->safe_width < v->limit;
}

static void
compare_distributions(const struct verdict_case *c, const struct evidence_share *share, unsigned i,
    struct verdict_value *v)
{
	double level = c->rules->band;

	v->gap = parts_gap(&share->arms[ARM_STABLE].values[i],
	    &share->arms[ARM_CANDIDATE].values[i], parts_fraction(c->rules->values[i].margin));
	v->band = evidence_band((double)v->n[ARM_STABLE], VERDICT_VALUES_MIN, level) +
		  evidence_band((double)v->n[ARM_CANDIDATE], VERDICT_VALUES_MIN, level);
	v->slower_anywhere = v->gap > v->band;
}

void
verdict_look_at_value(const struct verdict_case *c, unsigned i, struct verdict *verdict)
{
	const struct evidence_share *share = evidence_find(c->evidence, c->share_bp);
	struct verdict_value *v = &verdict->values[i];
	uint64_t action = c->rules->values[i].action;

	v->on = action != ACTION_OFF;
	v->waived = (c->waived >> (SYMPTOM_COUNT + i) & 1) != 0;
	v->limit = log1p(parts_fraction(c->rules->values[i].margin));
	if (!v->on || share == NULL)
		return;
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		v->n[arm] = share->arms[arm].values[i].n;
	v->compared =
	    v->n[ARM_STABLE] >= VERDICT_VALUES_MIN && v->n[ARM_CANDIDATE] >= VERDICT_VALUES_MIN;
	/* What few answers have (first tokens, where few are streams) is not waited for. */
	v->needed = !v->waived && (action == ACTION_ROLLBACK || action == ACTION_HOLD) &&
		    v->n[ARM_STABLE] >= VERDICT_VALUES_MIN &&
		    v->n[ARM_STABLE] * 5 >= share->arms[ARM_STABLE].firsts;
	if (!v->compared)
		return;
	compare_means(c, share, i, v);
	compare_distributions(c, share, i, v);
}
