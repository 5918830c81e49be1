// SPDX-License-Identifier: MIT
/* What the evidence says of one symptom and of one value; see verdict.h. Pure. */
#include <math.h>

#include "daemon/evidence.h"
#include "daemon/verdict_parts.h"

/* ---- one symptom ----------------------------------------------------------------------------- */

static double
breaker_of(const struct verdict_case *c, unsigned i, const struct verdict_symptom *s)
{
	const struct verdict_span *span = c->span;
	double budget = parts_fraction(c->rules->symptoms[i].budget), number = (double)span->number;
	uint64_t n = s->n + s->again, bad = s->n_bad + s->bad_again;
	double whole, part = -HUGE_VAL;

	if (budget <= 0)
		return -HUGE_VAL;
	whole = log(0.9) + evidence_breaker(n, bad, budget);
	/* Those that were judged are not those that a span counts. */
	if (i != SYMPTOM_JUDGED && span->number > 0 && n >= span->firsts && bad >= span->bad[i])
		part = log(0.1 / (number * (number + 1))) +
		       evidence_breaker(n - span->firsts, bad - span->bad[i], budget);
	return evidence_add(whole, part);
}

/* An outside judge may look at some answers only, or tell of bad ones only. */
static uint64_t
judged_of(const struct evidence *e, uint64_t bad, uint64_t firsts)
{
	uint64_t praised = 0;

	for (unsigned i = 0; i < e->n_shares; i++)
		praised += e->shares[i].arms[ARM_CANDIDATE].praised;
	return praised > 0 ? praised + bad : firsts;
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
	if (i == SYMPTOM_JUDGED)
		s->n = judged_of(c->evidence, s->n_bad, s->n);
	s->breaker = breaker_of(c, i, s);
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
