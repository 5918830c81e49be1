// SPDX-License-Identifier: MIT
/*
 * What the guard thinks: `explain`, `replay`, `judge`, and its line in `status`. Master process;
 * `judge` alone changes something, a count.
 */
#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/cmd.h"
#include "daemon/evidence.h"
#include "daemon/guard.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/planner.h"

static const char *const actions[] = { [ACTION_ROLLBACK] = "rollback",
	[ACTION_HOLD] = "hold",
	[ACTION_WARN] = "warn",
	[ACTION_OFF] = "off" };
static const char *const modes[] = {
	[GUARD_OFF] = "off", [GUARD_WATCH] = "watch", [GUARD_ROLLBACK] = "rollback"
};
static const char *const classes[] = {
#define CLASS(id, name, text) name,
#include "common/classes.def"
#undef CLASS
};

/* JSON has no infinity: what is not finite is null. */
static void
put_real(struct cmd *cmd, cJSON *in, const char *name, double x)
{
	if (isfinite(x))
		cmd_put_number(cmd, in, name, x);
	else
		cmd_put_null(cmd, in, name);
}

/* Evidence as people speak of it, E and not its logarithm; what is beyond 10^12 is 10^12. */
static void
put_test(struct cmd *cmd, cJSON *in, const char *name, double log_e, double log_limit)
{
	cJSON *test = cmd_put_object(cmd, in, name);

	cmd_put_number(cmd, test, "evidence", log_e < log(1e12) ? exp(log_e) : 1e12);
	put_real(cmd, test, "log", log_e);
	cmd_put_number(cmd, test, "limit", round(exp(log_limit) * 1e6) / 1e6);
	cmd_put_bool(cmd, test, "reached", log_e >= log_limit);
}

/* ---- in brief -------------------------------------------------------------------------------- */

/* Whether sticky keys make a difference: some of the candidate's have come again. */
static bool
has_users(const struct verdict_case *c)
{
	for (unsigned i = 0; i < c->evidence->n_shares; i++) {
		const struct evidence_arm *a = &c->evidence->shares[i].arms[ARM_CANDIDATE];

		if (a->firsts < a->requests)
			return true;
	}
	return false;
}

static void
put_missing(struct cmd *cmd, cJSON *in, const struct guard_view *view)
{
	cJSON *missing = cmd_put_object(cmd, in, "missing");
	bool all = view->missing_what == VERDICT_FRESH;
	double per_minute = all ? view->per_minute : view->firsts_per_minute;

	cmd_put_number(cmd, missing, "candidate_per_minute", round(view->per_minute * 10) / 10);
	cmd_put_number(cmd, missing, "users_per_minute", round(view->firsts_per_minute * 10) / 10);
	cmd_put_text(cmd, missing, "of", all || !has_users(&view->c) ? "requests" : "users");
	if (view->missing == UINT64_MAX)
		cmd_put_null(cmd, missing, "requests");
	else
		cmd_put_number(cmd, missing, "requests", (double)view->missing);
	if (view->missing != UINT64_MAX && per_minute > 0)
		cmd_put_number(
		    cmd, missing, "seconds", ceil((double)view->missing * 60 / per_minute));
	else
		cmd_put_null(cmd, missing, "seconds");
	if (view->missing > 0 && view->missing_what != VERDICT_FRESH)
		cmd_put_text(cmd, missing, "what", release_waivable(view->missing_what));
	else
		cmd_put_null(cmd, missing, "what");
}

static void
put_brief(
    struct cmd *cmd, cJSON *guard, const struct policy_release *set, const struct guard_view *view)
{
	const struct verdict *v = &view->verdict;

	cmd_put_text(cmd, guard, "mode", modes[view->mode]);
	if (!view->on) {
		cmd_put_null(cmd, guard, "verdict");
		return;
	}
	cmd_put_text(cmd, guard, "verdict", verdict_kind_names[v->kind]);
	cmd_put_text(cmd, guard, "test", verdict_test_names[v->test]);
	cmd_put_text(cmd, guard, "reason", v->reason);
	if (view->age_ms == UINT64_MAX)
		cmd_put_null(cmd, guard, "age_ms");
	else
		cmd_put_number(cmd, guard, "age_ms", (double)view->age_ms);
	cmd_put_names(cmd, guard, "warns", v->warns);
	cmd_put_worse(cmd, guard, set, view);
	/* Nothing is waited for where nothing can advance any more. */
	if (release_exposed(set->state) && set->state != STATE_DONE)
		put_missing(cmd, guard, view);
	else
		cmd_put_null(cmd, guard, "missing");
}

void
cmd_put_guard(struct cmd *cmd, cJSON *in, const struct policy_release *set,
    const struct config_release *release)
{
	struct guard_view view;

	guard_look(cmd->master, set, release, &view);
	put_brief(cmd, cmd_put_object(cmd, in, "guard"), set, &view);
}

/* ---- explain --------------------------------------------------------------------------------- */

static void
put_bad(struct cmd *cmd, cJSON *in, const char *name, uint64_t bad, uint64_t firsts)
{
	cJSON *arm = cmd_put_object(cmd, in, name);

	cmd_put_number(cmd, arm, "bad", (double)bad);
	cmd_put_number(cmd, arm, "requests", (double)firsts);
}

static void
put_ratio(struct cmd *cmd, cJSON *in, const struct guard_view *view, unsigned symptom)
{
	cJSON *ratio = cmd_put_object(cmd, in, "ratio");
	struct evidence_ratio r;

	verdict_ratio(&view->c, &view->verdict, symptom, &r);
	put_real(cmd, ratio, "low", r.low);
	put_real(cmd, ratio, "is", r.point);
	put_real(cmd, ratio, "high", r.high);
}

/* The symptoms with one action have one budget of error: each counts with its part of the weights.
 * The logarithm of that part. */
static double
log_part(const struct verdict_rules *rules, unsigned symptom)
{
	double all = 0;

	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		if (rules->symptoms[i].action == rules->symptoms[symptom].action)
			all += (double)rules->symptoms[i].weight;
	}
	return log((double)rules->symptoms[symptom].weight / all);
}

/* What acts: the sum over the symptoms with this action, of what each puts in. */
static void
put_together(struct cmd *cmd, cJSON *in, const struct guard_view *view, uint64_t action)
{
	const struct verdict *v = &view->verdict;
	double harm = -HUGE_VAL, breaker = -HUGE_VAL;
	cJSON *object;
	bool any = false;

	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		const struct verdict_symptom *s = &v->symptoms[i];

		if (view->c.rules->symptoms[i].action != action ||
		    view->c.rules->symptoms[i].weight == 0)
			continue;
		any = true;
		if (!s->waived)
			harm = evidence_add(harm, log_part(view->c.rules, i) + s->harm);
		breaker = evidence_add(breaker,
		    log_part(view->c.rules, i) + (action == ACTION_ROLLBACK ? s->own : s->breaker));
	}
	if (!any)
		return;
	object = cmd_put_object(cmd, in, actions[action]);
	put_test(cmd, object, "harm", harm, v->harm_limit);
	put_test(cmd, object, "breaker", breaker, v->breaker_limit);
}

static const char *
symptom_standing(const struct guard_view *view, unsigned i)
{
	const struct verdict_symptom *s = &view->verdict.symptoms[i];

	if (s->waived)
		return "waived";
	if (cmd_is_worse(&view->verdict, i))
		return "worse";
	if (view->c.done)
		return "alone"; /* nothing is compared any more */
	if (!s->needed)
		return view->c.rules->symptoms[i].action == ACTION_WARN ? "warns_only"
									: "not_judged";
	return s->safe ? "safe" : "open";
}

static const char *
value_standing(const struct guard_view *view, unsigned i)
{
	const struct verdict_value *v = &view->verdict.values[i];

	if (v->waived)
		return "waived";
	if (view->c.done)
		return "alone";
	if (v->slower || v->slower_anywhere)
		return "worse";
	if (!v->needed)
		return view->c.rules->values[i].action == ACTION_WARN ? "warns_only" : "too_few";
	return v->safe ? "safe" : "open";
}

static void
put_symptom(struct cmd *cmd, cJSON *in, const struct guard_view *view, unsigned i)
{
	const struct verdict *v = &view->verdict;
	const struct verdict_symptom *s = &v->symptoms[i];
	const struct verdict_rules *rules = view->c.rules;

	cmd_put_text(cmd, in, "name", release_waivable(i));
	cmd_put_text(cmd, in, "action", actions[rules->symptoms[i].action]);
	cmd_put_bool(cmd, in, "waived", s->waived);
	cmd_put_bool(cmd, in, "needed", s->needed);
	cmd_put_bool(cmd, in, "safe", s->safe);
	cmd_put_text(cmd, in, "standing", symptom_standing(view, i));
	put_bad(cmd, in, "candidate", s->bad[ARM_CANDIDATE], s->firsts[ARM_CANDIDATE]);
	put_bad(cmd, in, "stable", s->bad[ARM_STABLE], s->firsts[ARM_STABLE]);
	put_ratio(cmd, in, view, i);
	cmd_put_number(cmd, in, "budget", (double)rules->symptoms[i].budget / PPB);
	cmd_put_number(cmd, in, "margin", (double)rules->symptoms[i].margin / PPB);
	put_test(cmd, in, "harm", s->harm, v->harm_limit);
	put_test(cmd, in, "breaker", s->breaker, v->breaker_limit);
	put_test(cmd, in, "better", s->better, v->safe_limit);
	put_test(cmd, in, "below", s->below, v->safe_limit);
	put_test(cmd, in, "harm_part", s->harm + log_part(rules, i), v->harm_limit);
	put_test(cmd, in, "breaker_part", s->breaker + log_part(rules, i), v->breaker_limit);
}

static void
put_value(struct cmd *cmd, cJSON *in, const struct guard_view *view, unsigned i)
{
	const struct verdict_value *v = &view->verdict.values[i];

	cmd_put_text(cmd, in, "name", release_waivable(SYMPTOM_COUNT + i));
	cmd_put_text(cmd, in, "action", actions[view->c.rules->values[i].action]);
	cmd_put_bool(cmd, in, "waived", v->waived);
	cmd_put_bool(cmd, in, "needed", v->needed);
	cmd_put_bool(cmd, in, "safe", v->safe);
	cmd_put_text(cmd, in, "standing", value_standing(view, i));
	cmd_put_bool(cmd, in, "compared", v->compared);
	cmd_put_number(cmd, in, "candidate", (double)v->n[ARM_CANDIDATE]);
	cmd_put_number(cmd, in, "stable", (double)v->n[ARM_STABLE]);
	cmd_put_number(cmd, in, "limit_percent", 100 * expm1(v->limit));
	if (!v->compared)
		return;
	cmd_put_number(cmd, in, "percent", 100 * expm1(v->difference));
	cmd_put_number(cmd, in, "low_percent", 100 * expm1(v->difference - v->harm_width));
	cmd_put_number(cmd, in, "high_percent", 100 * expm1(v->difference + v->safe_width));
	cmd_put_number(cmd, in, "gap", v->gap);
	put_real(cmd, in, "band", v->band);
	cmd_put_bool(cmd, in, "slower", v->slower);
	cmd_put_bool(cmd, in, "slower_anywhere", v->slower_anywhere);
}

static void
put_coverage(struct cmd *cmd, cJSON *in, const struct evidence *e)
{
	cJSON *coverage = cmd_put_object(cmd, in, "coverage");

	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		cJSON *object = cmd_put_object(cmd, coverage, arm_names[arm]);
		uint64_t requests = 0, firsts = 0, counts[CLASS_COUNT] = { 0 };

		for (unsigned i = 0; i < e->n_shares; i++) {
			const struct evidence_arm *a = &e->shares[i].arms[arm];

			requests += a->requests;
			firsts += a->firsts;
			for (unsigned k = 0; k < CLASS_COUNT; k++)
				counts[k] += a->classes[k];
		}
		cmd_put_number(cmd, object, "requests", (double)requests);
		cmd_put_number(cmd, object, "firsts", (double)firsts);
		for (unsigned k = 0; k < CLASS_COUNT; k++)
			cmd_put_number(cmd, object, classes[k], (double)counts[k]);
	}
}

static void
put_tests(struct cmd *cmd, cJSON *in, const struct guard_view *view)
{
	const struct verdict *v = &view->verdict;
	cJSON *tests = cmd_put_object(cmd, in, "tests"), *together, *list;

	put_test(cmd, tests, "breaker", v->breaker, v->breaker_limit);
	put_test(cmd, tests, "harm", v->harm, v->harm_limit);
	put_test(cmd, tests, "split", v->split, v->split_limit);
	together = cmd_put_object(cmd, in, "together");
	put_together(cmd, together, view, ACTION_ROLLBACK);
	put_together(cmd, together, view, ACTION_HOLD);
	list = cmd_put_array(cmd, in, "symptoms");
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		if (v->symptoms[i].on)
			put_symptom(cmd, cmd_put_element(cmd, list), view, i);
	}
	list = cmd_put_array(cmd, in, "values");
	for (unsigned i = 0; i < VALUE_COUNT; i++) {
		if (v->values[i].on)
			put_value(cmd, cmd_put_element(cmd, list), view, i);
	}
	cmd_put_number(cmd, in, "fresh", (double)v->fresh);
	cmd_put_number(cmd, in, "min_requests", (double)view->c.rules->min_requests);
	cmd_put_number(cmd, in, "uncounted", (double)view->c.evidence->uncounted);
	put_coverage(cmd, in, view->c.evidence);
}

/* How requests failed that stable had to answer: what "error" was. */
static void
put_fallbacks(struct cmd *cmd, cJSON *in, const struct policy_release *set)
{
	struct release_totals totals;

	slots_sum_release(&cmd->master->slots, set->name, set->share_revision, &totals);
	cmd_put_outcomes(cmd, in, "fallbacks", totals.arms[ARM_CANDIDATE].fallbacks);
}

void
cmd_explain(struct cmd *cmd)
{
	const char *name = cmd->request.values[PARAM_RELEASE].text;
	const struct config_release *release =
	    config_find_release(cmd->master->config, name, strlen(name));
	const struct policy_release *set;
	struct plan_view plan;
	struct guard_view view;
	char why[CMD_WHY_BYTES];
	cJSON *answer;

	if (release == NULL) {
		cmd_no_such_release(cmd, name);
		return;
	}
	answer = cmd_begin(cmd);
	cmd_put_time(cmd, answer, "now", clock_wall_us());
	set = cmd_put_current(cmd, answer, name);
	planner_look(cmd->master, set, release, &plan);
	guard_look(cmd->master, set, release, &view);
	cmd_say_why(cmd, set, release, &plan, &view, why);
	cmd_put_text(cmd, answer, "why", why);
	cmd_put_rollout(cmd, answer, set, release);
	put_fallbacks(cmd, answer, set);
	if (view.on)
		put_tests(cmd, answer, &view);
	cmd_answer(cmd, answer);
}

/* ---- replay, judge --------------------------------------------------------------------------- */

void
cmd_replay(struct cmd *cmd)
{
	journal_ask_replay(cmd->master, cmd, cmd->request.values[PARAM_RELEASE].text);
}

void
cmd_judge(struct cmd *cmd)
{
	const struct command_value *values = cmd->request.values;
	const char *name = values[PARAM_RELEASE].text, *word = values[PARAM_WORD].text;
	const struct policy_release *set = policy_find(&cmd->master->policy, name);
	bool good = strcmp(word, "good") == 0;
	int result;
	struct err e;

	if (set == NULL) {
		cmd_no_such_release(cmd, name);
		return;
	}
	if (!good && strcmp(word, "bad") != 0) {
		cmd_fail(cmd, CTL_USAGE, "judge: \"%s\" is neither good nor bad", word);
		return;
	}
	result = guard_judge(cmd->master, set, values[PARAM_REQUEST_ID].text, good, &e);
	if (result != 0)
		cmd_fail(cmd, result > 0 ? CTL_CONFLICT : CTL_REFUSED, "%s", e.msg);
	else
		cmd_answer(cmd, cmd_begin(cmd));
}
