// SPDX-License-Identifier: MIT
/*
 * Why a rollout stands where it stands, in words: the record of the journal that led there, what
 * keeps requests from a silent candidate, which symptoms are worse, and what stands in the way of
 * the next stage. A part of `status` and `explain`. Master process; reads only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/cause.h"
#include "daemon/cmd.h"
#include "daemon/guard.h"
#include "daemon/master.h"
#include "daemon/planner.h"

#define SAY(out, ...) snprintf((out), CMD_WHY_BYTES, __VA_ARGS__)
/* Behind n characters; names are bounded, so that it always fits. */
#define SAY_ON(out, n, ...) snprintf((out) + (n), CMD_WHY_BYTES - (n), __VA_ARGS__)

/* ---- who, when, why -------------------------------------------------------------------------- */

static bool
asks_for_a_cause(enum release_state s)
{
	return s == STATE_HOLD || s == STATE_ROLLED_BACK || s == STATE_DONE;
}

void
cmd_put_cause(struct cmd *cmd, cJSON *in, const struct policy_release *set)
{
	const struct cause *c = asks_for_a_cause(set->state) ? cause_find(cmd->master, set) : NULL;
	cJSON *object;

	if (c == NULL) {
		cmd_put_null(cmd, in, "cause");
		return;
	}
	object = cmd_put_object(cmd, in, "cause");
	cmd_put_time(cmd, object, "time", c->wall_us);
	cmd_put_text(cmd, object, "actor", c->actor);
	cmd_put_number(cmd, object, "uid", c->uid);
	cmd_put_text(cmd, object, "command", c->command);
	if (c->reason[0] != '\0')
		cmd_put_text(cmd, object, "reason", c->reason);
	else
		cmd_put_null(cmd, object, "reason");
}

/* "rolled back by anna: worse tone". */
static void
say_cause(const struct cause *c, const char *what, char out[CMD_WHY_BYTES])
{
	SAY(out, "%s by %s%s%s", what, c->actor, c->reason[0] != '\0' ? ": " : "", c->reason);
}

/* ---- a candidate that answers nothing -------------------------------------------------------- */

bool
cmd_say_silence(const struct cmd *cmd, const struct policy_release *set,
    const struct config_release *release, char out[CMD_WHY_BYTES])
{
	const struct config_model *model = release->arms[ARM_CANDIDATE];
	struct release_totals totals;
	uint64_t now_us = clock_mono_us(), until_us, diverted;
	enum limiter_cause cause;

	if (model == NULL)
		return false;
	slots_sum_release(&cmd->master->slots, set->name, set->share_revision, &totals);
	diverted = totals.arms[ARM_CANDIDATE].counters[COUNTER_DIVERTED];
	until_us = limiter_cooling_us(
	    limiter_at(cmd->master->limits.region, model->limiter), now_us, &cause);
	if (until_us > now_us)
		SAY(out,
		    "its model cools down for %" PRIu64 " s (%s), and stable takes its requests: "
		    "%" PRIu64 " since grayd started",
		    (until_us - now_us + US_PER_S - 1) / US_PER_S, limiter_cause_names[cause],
		    diverted);
	else if (totals.arms[ARM_CANDIDATE].window == 0 && totals.arms[ARM_STABLE].window > 0 &&
		 diverted == 0)
		SAY(out,
		    "none of %" PRIu64 " requests was assigned to it: no user who asks falls into "
		    "this share",
		    totals.arms[ARM_STABLE].window);
	else if (diverted > 0)
		SAY(out,
		    "stable has taken %" PRIu64
		    " of its requests since grayd started, as it was at "
		    "a limit or cooled down",
		    diverted);
	else
		return false;
	return true;
}

/* ---- what is worse --------------------------------------------------------------------------- */

static bool
may_act(uint64_t action)
{
	return action == ACTION_ROLLBACK || action == ACTION_HOLD;
}

/* Bits as release_waivable(): whatever would hold or roll back by itself, and what just did. */
static uint32_t
find_worse(const struct guard_view *view)
{
	const struct verdict *v = &view->verdict;
	uint32_t worse = 0;

	if (!view->on)
		return 0;
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		const struct verdict_symptom *s = &v->symptoms[i];

		if (may_act(view->c.rules->symptoms[i].action) && !s->waived && cmd_is_worse(v, i))
			worse |= UINT32_C(1) << i;
	}
	for (unsigned i = 0; i < VALUE_COUNT; i++) {
		if (may_act(view->c.rules->values[i].action) && !v->values[i].waived &&
		    (v->values[i].slower || v->values[i].slower_anywhere))
			worse |= UINT32_C(1) << (SYMPTOM_COUNT + i);
	}
	if ((v->kind == VERDICT_HOLD || v->kind == VERDICT_ROLLBACK) && v->test != TEST_SPLIT &&
	    v->test != TEST_DOUBT)
		worse |= UINT32_C(1) << v->what;
	return worse;
}

bool
cmd_is_worse(const struct verdict *v, unsigned symptom)
{
	const struct verdict_symptom *s = &v->symptoms[symptom];

	return s->on && (s->harm >= v->harm_limit || s->breaker >= v->breaker_limit);
}

/* The symptom that a record's reason begins with: all that a restart has left of it. */
static uint32_t
named_by(const struct cause *c)
{
	size_t n = c != NULL ? strcspn(c->reason, ":") : 0;

	for (unsigned i = 0; n > 0 && release_waivable(i) != NULL; i++) {
		if (strlen(release_waivable(i)) == n &&
		    strncmp(release_waivable(i), c->reason, n) == 0)
			return UINT32_C(1) << i;
	}
	return 0;
}

void
cmd_put_names(struct cmd *cmd, cJSON *in, const char *name, uint32_t bits)
{
	cJSON *array = cmd_put_array(cmd, in, name);

	for (unsigned i = 0; release_waivable(i) != NULL; i++) {
		cJSON *text = bits >> i & 1 ? cJSON_CreateString(release_waivable(i)) : NULL;

		if ((bits >> i & 1) && !cJSON_AddItemToArray(array, text)) {
			cJSON_Delete(text);
			cmd->no_memory = true;
		}
	}
}

void
cmd_put_worse(
    struct cmd *cmd, cJSON *in, const struct policy_release *set, const struct guard_view *view)
{
	uint32_t worse = find_worse(view);

	if (set->state == STATE_HOLD && set->hold == HOLD_SYMPTOM && worse == 0)
		worse = named_by(cause_find(cmd->master, set)) & ~set->waived;
	cmd_put_names(cmd, in, "worse", worse);
}

bool
cmd_say_held_again(const struct cmd *cmd, const struct policy_release *set,
    const struct config_release *release, char out[CMD_WHY_BYTES])
{
	struct guard_view view;
	uint32_t worse;
	size_t n;

	if (set->state != STATE_STEP && set->state != STATE_BAKE && set->state != STATE_HOLD)
		return false;
	guard_look(cmd->master, set, release, &view);
	if (!view.on || view.mode != GUARD_ROLLBACK || view.verdict.kind != VERDICT_HOLD ||
	    release->plan.mode == PLAN_MANUAL)
		return false;
	worse = find_worse(&view);
	n = (size_t)SAY(
	    out, "the guard's evidence stands, and it holds again: %s", view.verdict.reason);
	if (worse == 0)
		return true;
	n += (size_t)SAY_ON(out, n, "; resume %s --waive ", set->name);
	for (unsigned i = 0, k = 0; release_waivable(i) != NULL; i++) {
		if (worse >> i & 1)
			n +=
			    (size_t)SAY_ON(out, n, "%s%s", k++ > 0 ? "," : "", release_waivable(i));
	}
	SAY_ON(out, n, " --reason TEXT goes on without, rollback ends it");
	return true;
}

/* ---- what stands in the way ------------------------------------------------------------------ */

static void
say_hold(const struct cmd *cmd, const struct policy_release *set,
    const struct config_release *release, char out[CMD_WHY_BYTES])
{
	const struct cause *c = cause_find(cmd->master, set);
	char silence[CMD_WHY_BYTES];

	if (set->hold == HOLD_NO_DATA && cmd_say_silence(cmd, set, release, silence))
		SAY(out, "%s: %.400s", release_hold_text(set->hold), silence);
	else if (c == NULL || set->hold == HOLD_NO_DATA || set->hold == HOLD_DEADLINE)
		SAY(out, "%s", release_hold_text(set->hold));
	else if (set->hold != HOLD_OPERATOR)
		SAY(out, "%s", c->reason);
	else if (strcmp(c->command, release_command_names[COMMAND_WEIGHT]) == 0)
		say_cause(c, "its share was set by hand, with weight,", out);
	else
		say_cause(c, "paused", out);
}

/* A guard that may not do what it thinks. */
static bool
say_objection(const struct policy_release *set, const struct config_release *release,
    const struct guard_view *guard, char out[CMD_WHY_BYTES])
{
	bool back = guard->verdict.kind == VERDICT_ROLLBACK;

	if (!guard->on || (!back && guard->verdict.kind != VERDICT_HOLD))
		return false;
	if (guard->mode == GUARD_WATCH)
		SAY(out, "the guard would %s, but its mode is watch: %s",
		    back ? "roll back" : "hold", guard->verdict.reason);
	else if (!back && release->plan.mode == PLAN_MANUAL && set->state != STATE_HOLD)
		SAY(out, "the guard warns, as the plan is manual: %s", guard->verdict.reason);
	else
		SAY(out, "%s", guard->verdict.reason);
	return true;
}

/* `what`: a symptom, or SYMPTOM_COUNT and a value. */
static bool
is_open(const struct verdict *v, unsigned what)
{
	if (what < SYMPTOM_COUNT)
		return v->symptoms[what].needed && !v->symptoms[what].safe;
	return v->values[what - SYMPTOM_COUNT].needed && !v->values[what - SYMPTOM_COUNT].safe;
}

/* Which are open, and which needs most. */
static void
say_open(const struct guard_view *guard, char out[CMD_WHY_BYTES])
{
	const struct verdict *v = &guard->verdict;
	unsigned n = 0, most = guard->missing_what;
	char names[CMD_WHY_BYTES / 2] = "";
	size_t used = 0;

	for (unsigned i = 0; i < SYMPTOM_COUNT + VALUE_COUNT; i++) {
		if (is_open(v, i) && used < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
			    n++ > 0 ? ", " : "", release_waivable(i));
	}
	if (n < 2 || v->kind != VERDICT_WAIT || v->fresh < guard->c.rules->min_requests)
		SAY(out, "%s", v->reason);
	else if (most != VERDICT_FRESH)
		SAY(out, "not shown to be safe yet: %s; %s needs most", names,
		    release_waivable(most));
	else
		SAY(out, "not shown to be safe yet: %s", names);
}

static void
say_frozen(const struct policy_release *set, char out[CMD_WHY_BYTES])
{
	char until[CLOCK_ISO_BYTES] = "";

	if (set->freeze_until_us != 0)
		clock_iso(set->freeze_until_us, until);
	SAY(out, "it is frozen%s%s: nothing starts or advances", until[0] != '\0' ? " until " : "",
	    until);
}

static void
say_gate(const struct release_case *c, const struct plan_view *plan, char out[CMD_WHY_BYTES])
{
	bool bakes = c->now->held_state == STATE_BAKE;
	bool watches = c->config->plan.mode == PLAN_AUTO && c->config->guard.mode == GUARD_WATCH;

	if (!bakes && plan->next_bp == 0)
		SAY(out, "it is at the last stage of its plan: promote --full goes to 100 %%");
	else
		SAY(out, "%s: promote%s",
		    watches ? "its guard only watches (guard.mode)" : "it stands at a gate",
		    bakes     ? " --full ends the bake"
		    : watches ? " goes on"
			      : " opens it");
}

static void
say_step(const struct release_case *c, const struct plan_view *plan, const struct guard_view *guard,
    char out[CMD_WHY_BYTES])
{
	const struct config_release *release = c->config;

	if (release_frozen(c->now, c->wall_us))
		say_frozen(c->now, out);
	else if (release->plan.mode == PLAN_MANUAL)
		SAY(out, "its plan is manual: promote goes on");
	else if (plan->phase == PHASE_GATE)
		say_gate(c, plan, out);
	else if (plan->idle)
		SAY(out, "nobody asks for it: the clocks of its plan stand still");
	else if (plan->phase == PHASE_SETTLE)
		SAY(out, "the share has just changed, and settles");
	else if (release->plan.mode == PLAN_AUTO && guard->verdict.kind != VERDICT_SAFE)
		say_open(guard, out);
	else
		SAY(out, "%s",
		    plan->phase == PHASE_BAKE ? "it bakes until bake_ms is over"
					      : "it stays here until dwell_ms is over");
}

void
cmd_say_why(const struct cmd *cmd, const struct policy_release *set,
    const struct config_release *release, const struct plan_view *plan,
    const struct guard_view *guard, char out[CMD_WHY_BYTES])
{
	const struct release_case c = { .now = set, .config = release, .wall_us = clock_wall_us() };
	const struct cause *cause = cause_find(cmd->master, set);

	if (set->state == STATE_ROLLED_BACK && cause != NULL)
		say_cause(cause, "rolled back", out);
	else if (!release_exposed(set->state) || set->state == STATE_DONE)
		SAY(out, "%s", release_state_text(set->state));
	else if (set->state == STATE_HOLD && set->hold == HOLD_SYMPTOM)
		say_hold(cmd, set, release, out);
	else if (say_objection(set, release, guard, out))
		return;
	else if (set->state == STATE_HOLD)
		say_hold(cmd, set, release, out);
	else
		say_step(&c, plan, guard, out);
}
