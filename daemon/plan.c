// SPDX-License-Identifier: MIT
/*
 * The plan, see plan.h. Pure. Each tick first moves the clocks, then looks for a reason to act, in
 * this order: no data, gate, advance, step deadline.
 */
#include "daemon/plan.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#define BAKE_STAGE_BP 10000 /* what is baked, whatever is held back meanwhile */
/* A longer pause between two ticks counts as this much: nobody watched. */
#define TICK_MAX_US (1 * (uint64_t)US_PER_S)

static const char *const phase_names[PHASE_COUNT] = {
#define PHASE(id, name) [PHASE_##id] = name,
#include "common/phases.def"
#undef PHASE
};

const char *
plan_phase_name(enum plan_phase p)
{
	assert((unsigned)p < PHASE_COUNT);
	return phase_names[p];
}

static uint64_t
us(uint64_t ms)
{
	return ms * US_PER_MS;
}

static bool
under_way(const struct policy_release *r)
{
	return r->state == STATE_STEP || r->state == STATE_HOLD || r->state == STATE_BAKE;
}

static bool
is_gate(const struct config_release *config, uint32_t share_bp)
{
	for (unsigned i = 0; i < config->plan.n_gates; i++) {
		if (config->plan.gates[i] * 100u == share_bp)
			return true;
	}
	return false;
}

/* With a guard that only watches, nothing goes on by what it says. */
static bool
waits_for_promote(const struct config_release *config, uint32_t stage_bp)
{
	return is_gate(config, stage_bp) ||
	       (config->plan.mode == PLAN_AUTO && config->guard.mode == GUARD_WATCH);
}

/* ---- the clocks ------------------------------------------------------------------------------ */

static void
restart_silence(struct plan_clock *clock, const struct plan_facts *f)
{
	clock->silent_from_us = f->mono_us;
	clock->silent_stable = f->activity.finished[ARM_STABLE];
	clock->starved = false;
}

static void
begin_step(struct plan_clock *clock, const struct plan_facts *f)
{
	clock->rollout_id = f->now->rollout_id;
	clock->share_revision = f->now->share_revision;
	clock->settle_us = clock->dwell_us = clock->step_us = clock->bake_us = 0;
	restart_silence(clock, f);
	/* So it was before a restart. */
	clock->starved = f->now->hold == HOLD_NO_DATA;
}

static void
notice_activity(struct plan_clock *clock, const struct plan_facts *f)
{
	const struct slot_activity *a = &f->activity, *seen = &clock->seen;
	uint64_t limit_us = us(f->config->plan.no_data_ms);
	bool moved = a->in_flight > 0 || a->requests != seen->requests;

	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		moved |= a->finished[arm] != seen->finished[arm];
	if (moved && clock->ticked_us != 0)
		clock->active_us = f->mono_us;
	if (limit_us > PLAN_IDLE_US)
		limit_us = PLAN_IDLE_US;
	clock->idle = clock->active_us == 0 || f->mono_us - clock->active_us > limit_us;
}

/* Whether stable finished enough in no_data_ms, and the candidate nothing. */
static void
notice_silence(struct plan_clock *clock, const struct plan_facts *f)
{
	uint64_t stable = f->activity.finished[ARM_STABLE];
	bool heard = f->activity.finished[ARM_CANDIDATE] != clock->seen.finished[ARM_CANDIDATE];

	if (heard || f->now->share_bp == 0 || stable < clock->silent_stable ||
	    (f->now->state == STATE_HOLD && f->now->hold != HOLD_NO_DATA)) {
		restart_silence(clock, f);
		return;
	}
	if (clock->starved || f->mono_us - clock->silent_from_us < us(f->config->plan.no_data_ms))
		return;
	if (stable - clock->silent_stable >= PLAN_DATA_MIN)
		clock->starved = true;
	else
		restart_silence(clock, f);
}

static enum plan_phase
find_phase(const struct plan_clock *clock, const struct policy_release *now,
    const struct config_release *config)
{
	const struct config_plan *plan = &config->plan;

	if (!under_way(now))
		return PHASE_NONE;
	if (now->held_state == STATE_BAKE)
		return waits_for_promote(config, BAKE_STAGE_BP) &&
			       clock->bake_us >= us(plan->bake_ms)
			   ? PHASE_GATE
			   : PHASE_BAKE;
	if (clock->settle_us < us(plan->settle_ms))
		return PHASE_SETTLE;
	if (plan->mode == PLAN_MANUAL || clock->dwell_us < us(plan->dwell_ms))
		return PHASE_OBSERVE;
	if (waits_for_promote(config, now->share_bp) ||
	    release_next_stage_bp(config, now->share_bp) == 0)
		return PHASE_GATE;
	return PHASE_OBSERVE;
}

static void
move_clocks(struct plan_clock *clock, const struct plan_facts *f)
{
	uint64_t passed_us = clock->ticked_us != 0 ? f->mono_us - clock->ticked_us : 0;
	bool paused = f->now->state == STATE_HOLD;
	bool by_somebody = paused && f->now->hold == HOLD_OPERATOR;

	if (passed_us > TICK_MAX_US)
		passed_us = TICK_MAX_US;
	if (!paused && clock->phase == PHASE_SETTLE)
		clock->settle_us += passed_us;
	if (clock->idle)
		return;
	if (!paused && clock->phase == PHASE_OBSERVE)
		clock->dwell_us += passed_us;
	if (!paused && clock->phase == PHASE_BAKE)
		clock->bake_us += passed_us;
	/* Nobody's delay but the candidate's own counts against it. */
	if (!by_somebody && clock->phase != PHASE_GATE && clock->phase != PHASE_BAKE &&
	    !release_frozen(f->now, f->wall_us))
		clock->step_us += passed_us;
	if (f->now->hold == HOLD_DEADLINE)
		clock->step_us = 0; /* whoever resumes gives it its whole time again */
}

/* ---- reasons to act -------------------------------------------------------------------------- */

static void
give(struct plan_order *order, enum release_command command, enum hold_reason hold)
{
	order->given = true;
	order->command = command;
	order->hold = hold;
}

#define SAY(order, ...)	  snprintf((order)->reason, sizeof((order)->reason), __VA_ARGS__)
#define PROVE(order, ...) snprintf((order)->evidence, sizeof((order)->evidence), __VA_ARGS__)

static void
look_for_data(const struct plan_clock *clock, const struct plan_facts *f, struct plan_order *order)
{
	const struct config_plan *plan = &f->config->plan;
	uint64_t stable = f->activity.finished[ARM_STABLE] - clock->silent_stable;
	uint64_t silent_ms = (f->mono_us - clock->silent_from_us) / US_PER_MS;

	if (f->now->state == STATE_HOLD && f->now->hold == HOLD_NO_DATA && !clock->starved) {
		give(order, COMMAND_RESUME, HOLD_NONE);
		SAY(order, "the candidate answers again");
		PROVE(order, "{\"candidate_finished\":%" PRIu64 "}",
		    f->activity.finished[ARM_CANDIDATE]);
	} else if (f->now->state != STATE_HOLD && clock->starved && plan->mode != PLAN_MANUAL) {
		give(order, COMMAND_PAUSE, HOLD_NO_DATA);
		SAY(order, "stable finished %" PRIu64 " requests, the candidate none", stable);
		PROVE(order,
		    "{\"stable_finished\":%" PRIu64
		    ",\"candidate_finished\":0,\"silent_ms\":%" PRIu64 ",\"no_data_ms\":%" PRIu64
		    "}",
		    stable, silent_ms, plan->no_data_ms);
	}
}

/* An `auto` plan goes on by evidence only, whatever its clocks say; a timed one not against it:
 * what was resumed would be held again, but not before the guard's next second. */
static bool
evidence_allows(const struct plan_facts *f, struct plan_order *order)
{
	order->if_safe = f->config->plan.mode == PLAN_AUTO;
	if (order->if_safe)
		return f->safe;
	return f->config->plan.mode == PLAN_MANUAL || !f->opposed;
}

static void
look_for_end_of_step(
    const struct plan_clock *clock, const struct plan_facts *f, struct plan_order *order)
{
	const struct config_plan *plan = &f->config->plan;

	if (f->now->state != STATE_STEP || clock->phase != PHASE_OBSERVE ||
	    clock->dwell_us < us(plan->dwell_ms) || release_frozen(f->now, f->wall_us) ||
	    !evidence_allows(f, order))
		return;
	give(order, COMMAND_PROMOTE, HOLD_NONE);
	SAY(order, "the dwell of this stage is over");
	PROVE(order,
	    "{\"dwelt_ms\":%" PRIu64 ",\"dwell_ms\":%" PRIu64 ",\"settle_ms\":%" PRIu64 "}",
	    clock->dwell_us / US_PER_MS, plan->dwell_ms, plan->settle_ms);
}

static void
look_for_deadline(
    const struct plan_clock *clock, const struct plan_facts *f, struct plan_order *order)
{
	const struct config_plan *plan = &f->config->plan;

	if (clock->step_us < us(plan->step_deadline_ms) || clock->phase == PHASE_GATE ||
	    clock->phase == PHASE_BAKE ||
	    (f->now->state == STATE_HOLD && f->now->hold == HOLD_OPERATOR))
		return;
	if (plan->rollback_on_deadline)
		give(order, COMMAND_ROLLBACK, HOLD_NONE);
	else if (f->now->state == STATE_STEP)
		give(order, COMMAND_PAUSE, HOLD_DEADLINE);
	order->if_safe = false;
	SAY(order, "the step has lasted longer than step_deadline_ms");
	PROVE(order, "{\"step_ms\":%" PRIu64 ",\"step_deadline_ms\":%" PRIu64 "}",
	    clock->step_us / US_PER_MS, plan->step_deadline_ms);
}

static void
look_for_end_of_bake(
    const struct plan_clock *clock, const struct plan_facts *f, struct plan_order *order)
{
	const struct config_plan *plan = &f->config->plan;

	if (f->now->state != STATE_BAKE || clock->bake_us < us(plan->bake_ms) ||
	    waits_for_promote(f->config, BAKE_STAGE_BP) || release_frozen(f->now, f->wall_us) ||
	    !evidence_allows(f, order))
		return;
	give(order, COMMAND_FULL, HOLD_NONE);
	SAY(order, "the bake is over");
	PROVE(order, "{\"baked_ms\":%" PRIu64 ",\"bake_ms\":%" PRIu64 "}",
	    clock->bake_us / US_PER_MS, plan->bake_ms);
}

static void
look_for_thaw(const struct plan_facts *f, struct plan_order *order)
{
	if (!f->now->frozen || release_frozen(f->now, f->wall_us))
		return;
	give(order, COMMAND_UNFREEZE, HOLD_NONE);
	order->if_safe = false;
	SAY(order, "the time of the freeze is over");
	PROVE(order, "{\"until_us\":%" PRIu64 "}", f->now->freeze_until_us);
}

void
plan_tick(struct plan_clock *clock, const struct plan_facts *f, struct plan_order *order)
{
	memset(order, 0, sizeof(*order));
	if (!under_way(f->now)) {
		memset(clock, 0, sizeof(*clock));
		look_for_thaw(f, order);
		return;
	}
	notice_activity(clock, f);
	if (clock->rollout_id != f->now->rollout_id ||
	    clock->share_revision != f->now->share_revision)
		begin_step(clock, f);
	else if (clock->held_for_data && f->now->state != STATE_HOLD)
		restart_silence(clock, f); /* whoever resumes gives it its whole time again */
	else
		notice_silence(clock, f);
	clock->held_for_data = f->now->state == STATE_HOLD && f->now->hold == HOLD_NO_DATA;
	clock->phase = find_phase(clock, f->now, f->config);
	move_clocks(clock, f);
	clock->phase = find_phase(clock, f->now, f->config);
	clock->seen = f->activity;
	clock->ticked_us = f->mono_us;

	look_for_data(clock, f, order);
	if (!order->given && f->config->plan.mode != PLAN_MANUAL)
		look_for_end_of_step(clock, f, order);
	if (!order->given && f->config->plan.mode != PLAN_MANUAL)
		look_for_deadline(clock, f, order);
	if (!order->given)
		look_for_end_of_bake(clock, f, order);
	if (!order->given)
		look_for_thaw(f, order);
}

/* ---- for people ------------------------------------------------------------------------------ */

static uint64_t
left(uint64_t limit_ms, uint64_t passed_us)
{
	return us(limit_ms) > passed_us ? us(limit_ms) - passed_us : 0;
}

void
plan_look(const struct plan_clock *clock, const struct policy_release *now,
    const struct config_release *config, struct plan_view *view)
{
	const struct config_plan *plan = &config->plan;

	memset(view, 0, sizeof(*view));
	if (!under_way(now))
		return;
	view->phase = find_phase(clock, now, config);
	view->idle = clock->idle;
	view->next_bp = release_next_stage_bp(config, now->share_bp);
	if (plan->mode == PLAN_MANUAL && clock->starved)
		view->warning = HOLD_NO_DATA;
	view->waits_for_guard = plan->mode == PLAN_AUTO && config->guard.mode == GUARD_ROLLBACK &&
				view->phase != PHASE_GATE &&
				(view->next_bp != 0 || now->held_state == STATE_BAKE);
	if (now->state == STATE_BAKE) {
		view->moves = !waits_for_promote(config, BAKE_STAGE_BP);
		view->remaining_us = left(plan->bake_ms, clock->bake_us);
	} else if (now->state == STATE_STEP && plan->mode != PLAN_MANUAL && view->next_bp != 0 &&
		   view->phase != PHASE_GATE) {
		view->moves = !waits_for_promote(config, now->share_bp);
		view->remaining_us =
		    left(plan->settle_ms, clock->settle_us) + left(plan->dwell_ms, clock->dwell_us);
	}
}
