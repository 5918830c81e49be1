// SPDX-License-Identifier: MIT
/* The guard's rules; see verdict.h. Pure. The statistics are evidence.c's, here they are asked in
 * the right order and for the right counts. */
#include "daemon/verdict.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/evidence.h"
#include "daemon/release.h"
#include "daemon/verdict_parts.h"

const char *const verdict_kind_names[VERDICT_KINDS] = {
	[VERDICT_WAIT] = "wait",
	[VERDICT_SAFE] = "safe",
	[VERDICT_HOLD] = "hold",
	[VERDICT_ROLLBACK] = "rollback",
};

const char *const verdict_test_names[TEST_COUNT] = {
	[TEST_NONE] = "none",
	[TEST_BREAKER] = "breaker",
	[TEST_HARM] = "harm",
	[TEST_SPLIT] = "split",
	[TEST_DOUBT] = "doubt",
	[TEST_MEAN] = "slower",
	[TEST_ANYWHERE] = "slower_anywhere",
};

#define SAY(v, ...) snprintf((v)->reason, sizeof((v)->reason), __VA_ARGS__)

static uint64_t
ppb(double x)
{
	return (uint64_t)llround(x * PPB);
}

void
verdict_rules_init(struct verdict_rules *rules, const struct config_release *config)
{
	const struct config_guard *g = &config->guard;

	rules->alpha = ppb(g->alpha);
	rules->breaker_alpha = ppb(g->breaker_alpha);
	rules->beta = ppb(g->beta);
	rules->split_alpha = ppb(g->split_alpha);
	rules->min_requests = config->plan.min_requests;
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		rules->symptoms[i].action = g->symptoms[i].action;
		rules->symptoms[i].budget = ppb(g->symptoms[i].budget);
		rules->symptoms[i].ratio = ppb(g->symptoms[i].ratio);
		rules->symptoms[i].margin = ppb(g->symptoms[i].margin);
		rules->symptoms[i].weight = ppb(g->symptoms[i].weight);
	}
	for (unsigned i = 0; i < VALUE_COUNT; i++) {
		rules->values[i].action = g->values[i].action;
		rules->values[i].margin = ppb(g->values[i].margin);
	}
	verdict_rules_derive(rules);
}

void
verdict_rules_derive(struct verdict_rules *rules)
{
	/* Half for each arm. */
	rules->band = evidence_band_constant(parts_fraction(rules->alpha) / VALUE_TESTS / 2);
}

/* ---- together -------------------------------------------------------------------------------- */

/* What is added up over symptoms. */
enum term { TERM_HARM, TERM_BREAKER, TERM_OWN };

static double
term_of(const struct verdict_symptom *s, enum term term)
{
	switch (term) {
	case TERM_HARM: return s->waived ? -HUGE_VAL : s->harm;
	case TERM_BREAKER: return s->breaker;
	case TERM_OWN: return s->own;
	}
	return -HUGE_VAL;
}

/* A weighted sum over the symptoms with one action: valid whatever they have to do with each other.
 * A waived one counts as no evidence of harm, and keeps its weight. *most: what weighs most. */
static double
sum_family(const struct verdict_case *c, const struct verdict *v, enum guard_action action,
    enum term what, unsigned *most)
{
	double sum = -HUGE_VAL, best = -HUGE_VAL, all = 0;

	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		if (c->rules->symptoms[i].action == (uint64_t)action)
			all += parts_fraction(c->rules->symptoms[i].weight);
	}
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		const struct verdict_symptom *s = &v->symptoms[i];
		double weight = parts_fraction(c->rules->symptoms[i].weight), term;

		if (c->rules->symptoms[i].action != (uint64_t)action || weight <= 0)
			continue;
		term = log(weight / all) + term_of(s, what);
		sum = evidence_add(sum, term);
		if (term > best) {
			best = term;
			*most = i;
		}
	}
	return sum;
}

static void
say_symptom(struct verdict *v, const char *how)
{
	const struct verdict_symptom *s = &v->symptoms[v->what];

	if (v->test == TEST_BREAKER)
		SAY(v, "%s: %s, %" PRIu64 " of %" PRIu64 " requests of the candidate were bad",
		    release_waivable(v->what), how, s->n_bad + s->bad_again, s->n + s->again);
	else
		SAY(v,
		    "%s: %s, %" PRIu64 " of %" PRIu64 " on the candidate, %" PRIu64 " of %" PRIu64
		    " on stable",
		    release_waivable(v->what), how, s->bad[ARM_CANDIDATE], s->firsts[ARM_CANDIDATE],
		    s->bad[ARM_STABLE], s->firsts[ARM_STABLE]);
}

/* Over its budget, and so is stable: who is to blame is not for a budget to say. A waiver ends it:
 * somebody has looked. */
static bool
both_over_budget(const struct verdict_case *c, struct verdict *v)
{
	const struct verdict_symptom *s;
	unsigned most = 0;

	if (c->done || sum_family(c, v, ACTION_ROLLBACK, TERM_BREAKER, &most) < v->breaker_limit ||
	    v->symptoms[most].waived)
		return false;
	v->kind = VERDICT_HOLD;
	v->test = TEST_BREAKER;
	v->what = most;
	s = &v->symptoms[most];
	SAY(v,
	    "%s: stable is over the budget as well (%" PRIu64 " of %" PRIu64 "; candidate %" PRIu64
	    " of %" PRIu64 "): an outage of both, or a budget too small for this service",
	    release_waivable(most), s->bad_of_stable, s->of_stable, s->n_bad + s->bad_again,
	    s->n + s->again);
	return true;
}

/* The symptoms with this action, alone and compared. What only holds or warns does so whatever
 * stable's budget. */
static bool
symptoms_decide(const struct verdict_case *c, struct verdict *v, enum guard_action action,
    enum verdict_kind kind)
{
	enum term alone = action == ACTION_ROLLBACK ? TERM_OWN : TERM_BREAKER;
	unsigned most = 0;

	if (sum_family(c, v, action, alone, &most) >= v->breaker_limit) {
		v->test = TEST_BREAKER;
		v->what = most;
		say_symptom(v, "over its budget");
	} else if (!c->done && sum_family(c, v, action, TERM_HARM, &most) >= v->harm_limit) {
		v->test = TEST_HARM;
		v->what = most;
		say_symptom(v, "more than stable's");
	} else {
		return false;
	}
	v->kind = kind;
	return true;
}

static bool
values_decide(const struct verdict_case *c, struct verdict *v, enum guard_action action,
    enum verdict_kind kind)
{
	for (unsigned i = 0; i < VALUE_COUNT && !c->done; i++) {
		const struct verdict_value *value = &v->values[i];

		if (c->rules->values[i].action != (uint64_t)action || value->waived ||
		    (!value->slower && !value->slower_anywhere))
			continue;
		v->kind = kind;
		v->test = value->slower ? TEST_MEAN : TEST_ANYWHERE;
		v->what = SYMPTOM_COUNT + i;
		if (value->slower)
			SAY(v, "%s: %.0f %% more than stable's on average, of %" PRIu64 " answers",
			    release_waivable(v->what), 100 * expm1(value->difference),
			    value->n[ARM_CANDIDATE]);
		else
			SAY(v, "%s: %.1f %% of %" PRIu64 " answers are worse than stable's",
			    release_waivable(v->what), 100 * value->gap, value->n[ARM_CANDIDATE]);
		return true;
	}
	return false;
}

static bool
split_decides(const struct verdict_case *c, struct verdict *v)
{
	uint64_t seen[ARM_COUNT];

	if (c->done || v->split < v->split_limit)
		return false;
	v->kind = VERDICT_HOLD;
	v->test = TEST_SPLIT;
	parts_assigned(c->evidence, seen);
	SAY(v,
	    "the split is not what was set: %" PRIu64
	    " first requests went to the candidate, %" PRIu64 " to stable",
	    seen[ARM_CANDIDATE], seen[ARM_STABLE]);
	return true;
}

static bool
doubt_decides(const struct verdict_case *c, struct verdict *v)
{
	if (c->evidence->insane == 0)
		return false;
	v->kind = VERDICT_HOLD;
	v->test = TEST_DOUBT;
	SAY(v, "what %u of the workers say of their requests cannot be", c->evidence->insane);
	return true;
}

/* Users count once: a hundred thousand requests of ten users prove little. */
static void
say_open(const struct verdict_case *c, struct verdict *v, unsigned what)
{
	uint64_t requests = 0, firsts = 0;

	for (unsigned i = 0; i < c->evidence->n_shares; i++) {
		requests += c->evidence->shares[i].arms[ARM_CANDIDATE].requests;
		firsts += c->evidence->shares[i].arms[ARM_CANDIDATE].firsts;
	}
	v->what = what;
	if (requests / 3 > firsts)
		SAY(v,
		    "%s: not enough evidence yet that it is safe: only %" PRIu64
		    " different key%s sent the candidate's %" PRIu64 " requests",
		    release_waivable(what), firsts, firsts == 1 ? "" : "s", requests);
	else
		SAY(v, "%s: not enough evidence yet that it is safe", release_waivable(what));
}

/* Whether anything was asked for that is safe, or that somebody has waived: where all that would
 * roll back is the word of judges, and nobody judges, silence is no evidence. */
static bool
anything_shown(const struct verdict *v)
{
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		if (v->symptoms[i].needed || v->symptoms[i].waived)
			return true;
	}
	for (unsigned i = 0; i < VALUE_COUNT; i++) {
		if (v->values[i].needed || v->values[i].waived)
			return true;
	}
	return false;
}

/* What stands in the way of calling it safe; false: nothing. */
static bool
something_missing(const struct verdict_case *c, struct verdict *v)
{
	if (c->share_bp == 0 || v->fresh < c->rules->min_requests) {
		SAY(v, "requests of the candidate at this share: %" PRIu64 ", needed: %" PRIu64,
		    v->fresh, c->rules->min_requests);
		return true;
	}
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		if (v->symptoms[i].needed && !v->symptoms[i].safe) {
			say_open(c, v, i);
			return true;
		}
	}
	for (unsigned i = 0; i < VALUE_COUNT; i++) {
		if (v->values[i].needed && !v->values[i].safe) {
			say_open(c, v, SYMPTOM_COUNT + i);
			return true;
		}
	}
	if (anything_shown(v))
		return false;
	SAY(v, "nothing is watched that could have shown it to be safe yet");
	return true;
}

static void
note_warnings(const struct verdict_case *c, struct verdict *v)
{
	struct verdict copy = *v;

	if (symptoms_decide(c, &copy, ACTION_WARN, VERDICT_WAIT))
		v->warns |= UINT32_C(1) << copy.what;
	for (unsigned i = 0; i < VALUE_COUNT && !c->done; i++) {
		if (c->rules->values[i].action == ACTION_WARN &&
		    (v->values[i].slower || v->values[i].slower_anywhere))
			v->warns |= UINT32_C(1) << (SYMPTOM_COUNT + i);
	}
}

static void
look_at_all(const struct verdict_case *c, struct verdict *v)
{
	const struct evidence_share *present = evidence_find(c->evidence, c->share_bp);
	struct evidence_step steps[EVIDENCE_SHARES];
	unsigned ignored;

	v->breaker_limit = -log(parts_fraction(c->rules->breaker_alpha));
	v->harm_limit = -log(parts_fraction(c->rules->alpha));
	v->split_limit = -log(parts_fraction(c->rules->split_alpha));
	v->safe_limit = -log(parts_fraction(c->rules->beta));
	v->fresh = present != NULL ? present->arms[ARM_CANDIDATE].requests : 0;
	v->fresh -= c->before < v->fresh ? c->before : v->fresh;
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++)
		verdict_look_at_symptom(c, i, v);
	for (unsigned i = 0; i < VALUE_COUNT; i++)
		verdict_look_at_value(c, i, v);
	v->split = evidence_split(steps, parts_split(c->evidence, steps));
	v->breaker = sum_family(c, v, ACTION_ROLLBACK, TERM_OWN, &ignored);
	v->harm = sum_family(c, v, ACTION_ROLLBACK, TERM_HARM, &ignored);
}

void
verdict_find(const struct verdict_case *c, struct verdict *v)
{
	memset(v, 0, sizeof(*v));
	look_at_all(c, v);
	note_warnings(c, v);
	if (symptoms_decide(c, v, ACTION_ROLLBACK, VERDICT_ROLLBACK) ||
	    values_decide(c, v, ACTION_ROLLBACK, VERDICT_ROLLBACK) || split_decides(c, v) ||
	    doubt_decides(c, v) || both_over_budget(c, v) ||
	    symptoms_decide(c, v, ACTION_HOLD, VERDICT_HOLD) ||
	    values_decide(c, v, ACTION_HOLD, VERDICT_HOLD))
		return;
	if (c->done) {
		SAY(v, "the candidate has taken over: only its own failures are watched");
		return;
	}
	if (something_missing(c, v))
		return;
	v->kind = VERDICT_SAFE;
	SAY(v, "everything that is watched is safe, after %" PRIu64 " requests at this share",
	    v->fresh);
}

void
verdict_span_move(struct verdict_span *span, const struct evidence *e, bool elapsed)
{
	struct verdict_span next = { .number = span->number + 1 };
	uint64_t firsts;

	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		next.firsts[arm] = parts_of(e, (enum arm)arm, next.bad[arm]);
	firsts = next.firsts[ARM_CANDIDATE];
	if (span->number == 0 || firsts < span->firsts[ARM_CANDIDATE])
		*span = (struct verdict_span){ .number = 1 };
	else if (elapsed && firsts - span->firsts[ARM_CANDIDATE] >= VERDICT_SPAN_MIN)
		*span = next;
}
