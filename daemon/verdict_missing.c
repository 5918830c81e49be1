// SPDX-License-Identifier: MIT
/*
 * The forecast: how many more users until everything is safe; see verdict.h. Pure. Both arms are
 * taken to go on at the rates that they had so far under all shares, and the share to stay.
 */
#include <math.h>

#include "daemon/evidence.h"
#include "daemon/verdict.h"
#include "daemon/verdict_parts.h"

#define MISSING_MAX (1u << 30)

struct forecast {
	const struct verdict_case *c;
	const struct verdict_symptom *s;
	struct evidence_step steps[EVIDENCE_SHARES + 1];
	unsigned n; /* of steps; one more is for what is to come */
	unsigned symptom;
	double limit, margin, budget;
};

static double
rate_of(uint64_t bad, uint64_t n)
{
	return n > 0 ? (double)bad / (double)n : 0;
}

/* Whether the symptom would be called safe after so many more first requests of the candidate. */
static bool
symptom_safe_after(const struct forecast *f, uint64_t more)
{
	const struct verdict_symptom *s = f->s;
	double share = f->c->share_bp / 10000.0, n = (double)more;
	struct evidence_step steps[EVIDENCE_SHARES + 1];
	struct evidence_step *next = &steps[f->n];

	if (evidence_below(s->n + more, s->n_bad + (uint64_t)llround(n * rate_of(s->n_bad, s->n)),
		f->budget) >= f->limit)
		return true;
	for (unsigned i = 0; i < f->n; i++)
		steps[i] = f->steps[i];
	next->share = share;
	next->n[ARM_CANDIDATE] =
	    (uint64_t)llround(n * rate_of(s->bad[ARM_CANDIDATE], s->firsts[ARM_CANDIDATE]));
	next->n[ARM_STABLE] =
	    share <= 0 ? 0
		       : (uint64_t)llround(n * (1 - share) / share *
					   rate_of(s->bad[ARM_STABLE], s->firsts[ARM_STABLE]));
	return evidence_safe(steps, f->n + 1, f->margin) >= f->limit;
}

/* The least number for which `safe` holds, found between powers of two; UINT64_MAX: none. */
static uint64_t
search(const void *f, bool (*safe)(const void *f, uint64_t more))
{
	uint64_t low = 0, high = 1;

	while (high < MISSING_MAX && !safe(f, high)) {
		low = high;
		high *= 2;
	}
	if (high >= MISSING_MAX)
		return UINT64_MAX;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (safe(f, middle))
			high = middle;
		else
			low = middle;
	}
	return high;
}

static bool
ask_symptom(const void *f, uint64_t more)
{
	return symptom_safe_after(f, more);
}

static uint64_t
missing_of_symptom(const struct verdict_case *c, const struct verdict *v, unsigned i)
{
	struct verdict_symptom ignored = { .on = true };
	struct forecast f = { .c = c, .s = &v->symptoms[i], .symptom = i, .limit = v->safe_limit };
	uint64_t budget = c->rules->symptoms[i].budget;

	if (!f.s->needed || f.s->safe)
		return 0;
	f.n = parts_bad(c->evidence, i, f.steps, &ignored);
	f.margin = (double)c->rules->symptoms[i].margin / PPB;
	f.budget = (double)(budget > 0 ? budget : VERDICT_QUIET) / PPB;
	return search(&f, ask_symptom);
}

/* First requests of the candidate, and all. */
static uint64_t
candidate_of(const struct evidence *e, uint64_t *requests)
{
	uint64_t firsts = 0;

	*requests = 0;
	for (unsigned i = 0; i < e->n_shares; i++) {
		firsts += e->shares[i].arms[ARM_CANDIDATE].firsts;
		*requests += e->shares[i].arms[ARM_CANDIDATE].requests;
	}
	return firsts;
}

/* Who judges some answers only needs so many more of them. */
static uint64_t
with_those_not_judged(const struct verdict_case *c, const struct verdict *v, uint64_t judged)
{
	uint64_t requests, firsts = candidate_of(c->evidence, &requests);
	uint64_t n = v->symptoms[SYMPTOM_JUDGED].n;

	if (judged == 0 || judged == UINT64_MAX)
		return judged;
	return n > 0 ? (uint64_t)ceil((double)judged * (double)firsts / (double)n) : UINT64_MAX;
}

/* ---- values ---------------------------------------------------------------------------------- */

struct value_forecast {
	const struct verdict_value *v;
	double per_first; /* how many answers to first requests of the candidate have the value */
};

/* The width shrinks with the root of the count, a little faster before the expected count. */
static bool
ask_value(const void *arg, uint64_t more)
{
	const struct value_forecast *f = arg;
	double had = (double)f->v->n[ARM_CANDIDATE];
	double will = had + (double)more * f->per_first;

	return will >= VERDICT_VALUES_MIN &&
	       f->v->difference + f->v->safe_width * sqrt(had / will) < f->v->limit;
}

static uint64_t
missing_of_value(const struct verdict_case *c, const struct verdict *v, unsigned i)
{
	const struct evidence_share *share = evidence_find(c->evidence, c->share_bp);
	struct value_forecast f = { .v = &v->values[i] };
	double has, wants;

	if (!f.v->needed || f.v->safe || share == NULL)
		return 0;
	f.per_first = rate_of(f.v->n[ARM_CANDIDATE], share->arms[ARM_CANDIDATE].firsts);
	if (f.per_first <= 0)
		return UINT64_MAX;
	if (f.v->compared)
		return search(&f, ask_value);
	has = (double)f.v->n[ARM_CANDIDATE];
	wants = VERDICT_VALUES_MIN - has;
	return wants <= 0 ? 1 : (uint64_t)ceil(wants / f.per_first);
}

uint64_t
verdict_missing(const struct verdict_case *c, const struct verdict *v, unsigned *what)
{
	uint64_t requests, firsts = candidate_of(c->evidence, &requests);
	uint64_t most = 0, fresh = 0;

	*what = VERDICT_FRESH;
	if (v->fresh < c->rules->min_requests)
		fresh = c->rules->min_requests - v->fresh;
	/* Requests of known keys come sooner than new ones. */
	most = requests > 0 ? (uint64_t)((double)fresh * rate_of(firsts, requests)) : fresh;
	for (unsigned i = 0; i < SYMPTOM_COUNT + VALUE_COUNT; i++) {
		uint64_t missing = i < SYMPTOM_COUNT ? missing_of_symptom(c, v, i)
						     : missing_of_value(c, v, i - SYMPTOM_COUNT);

		if (i == SYMPTOM_JUDGED)
			missing = with_those_not_judged(c, v, missing);
		if (missing > most) {
			most = missing;
			*what = i;
		}
	}
	return *what == VERDICT_FRESH ? fresh : most;
}
