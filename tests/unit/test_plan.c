// SPDX-License-Identifier: MIT
/*
 * The plan of a rollout, played tick by tick with a clock of the test's own: what moves a release,
 * what holds it, and which clocks stand still.
 */
#include "daemon/plan.h"

#include <CUnit/CUnit.h>
#include <string.h>

#include "common/clock.h"

void suite_plan(void);

#define TICK_US (100 * (uint64_t)US_PER_MS)
#define S	((uint64_t)US_PER_S)

/* A release under a plan, and what its users do. */
static struct play {
	struct config_model model;
	struct config_release config;
	struct policy_release now;
	struct plan_clock clock;
	struct plan_facts facts;
	struct plan_order order; /* the last one given */
	unsigned orders;
	/* requests that end in each second; 0: nobody asks that arm */
	unsigned stable_per_s, candidate_per_s;
} p;

static void
open_play(enum plan_mode mode)
{
	static const uint16_t stages[] = { 10, 30, 50, 100 };

	memset(&p, 0, sizeof(p));
	p.config.arms[ARM_STABLE] = p.config.arms[ARM_CANDIDATE] = &p.model;
	p.config.n_stages = 4;
	memcpy(p.config.stages, stages, sizeof(stages));
	p.config.plan = (struct config_plan){ .mode = mode,
		.settle_ms = 2000,
		.dwell_ms = 10000,
		.step_deadline_ms = 60000,
		.no_data_ms = 20000,
		.bake_ms = 30000 };
	p.config.guard.mode = GUARD_ROLLBACK;
	p.facts = (struct plan_facts){
		.now = &p.now, .config = &p.config, .mono_us = 1000 * S, .wall_us = 1800000000 * S
	};
	p.stable_per_s = 90;
	p.candidate_per_s = 10;
}

/* Somebody's command, or the plan's own order, through the same rules as in grayd. */
static void
command(struct release_case c)
{
	struct release_ruling r;
	uint16_t share_bp = p.now.share_bp;

	c.now = &p.now;
	c.config = &p.config;
	c.wall_us = p.facts.wall_us;
	release_decide(&c, &r);
	CU_ASSERT_FATAL(r.legal);
	p.now = r.next;
	p.now.revision++;
	if (r.begins)
		p.now.rollout_id = p.now.revision;
	if (r.begins || p.now.share_bp != share_bp)
		p.now.share_revision = p.now.revision;
}

static void
tick(void)
{
	struct plan_order order;

	p.facts.mono_us += TICK_US;
	p.facts.wall_us += TICK_US;
	/* Each tick a tenth of what ends in a second. */
	p.facts.activity.finished[ARM_STABLE] += p.stable_per_s / 10;
	p.facts.activity.finished[ARM_CANDIDATE] += p.candidate_per_s / 10;
	plan_tick(&p.clock, &p.facts, &order);
	if (!order.given)
		return;
	p.order = order;
	p.orders++;
	command((struct release_case){ .command = order.command, .hold = order.hold });
}

/* Lets the time pass until the plan gives an order; how long that took. */
static uint64_t
until_order(uint64_t limit_us)
{
	uint64_t from_us = p.facts.mono_us;
	unsigned before = p.orders;

	while (p.orders == before && p.facts.mono_us - from_us < limit_us)
		tick();
	return p.facts.mono_us - from_us;
}

static void
let_pass(uint64_t us)
{
	unsigned before = p.orders;

	until_order(us);
	CU_ASSERT_EQUAL(p.orders, before);
}

/* An order comes after `us`, give or take two ticks. */
static void
expect(enum release_command what, uint64_t us)
{
	uint64_t took_us = until_order(us + 10 * S);

	CU_ASSERT_EQUAL(p.order.command, what);
	if (took_us > us + 2 * TICK_US || took_us + 2 * TICK_US < us)
		printf("after %.1f s, not %.1f s\n", (double)took_us / 1e6, (double)us / 1e6);
	CU_ASSERT(took_us <= us + 2 * TICK_US && took_us + 2 * TICK_US >= us);
	CU_ASSERT(strlen(p.order.reason) > 0);
	CU_ASSERT_EQUAL(p.order.evidence[0], '{');
	CU_ASSERT_EQUAL(p.order.evidence[strlen(p.order.evidence) - 1], '}');
}

static void
start(void)
{
	command((struct release_case){ .command = COMMAND_START });
	tick();
}

/* settle 2 s, dwell 10 s at each stage, then 30 s of bake. */
static void
test_timed_from_start_to_done(void)
{
	static const uint16_t shares[] = { 3000, 5000, 10000 };

	open_play(PLAN_TIMED);
	start();
	for (unsigned i = 0; i < 3; i++) {
		expect(COMMAND_PROMOTE, 12 * S);
		CU_ASSERT_EQUAL(p.now.share_bp, shares[i]);
	}
	CU_ASSERT_EQUAL(p.now.state, STATE_BAKE);
	p.stable_per_s = 0;
	expect(COMMAND_FULL, 30 * S);
	CU_ASSERT_EQUAL(p.now.state, STATE_DONE);
	let_pass(1000 * S);
}

static void
test_manual_never_advances(void)
{
	open_play(PLAN_MANUAL);
	start();
	let_pass(1000 * S);
	CU_ASSERT_EQUAL(p.now.share_bp, 1000);
	/* But its bake ends by itself. */
	command((struct release_case){ .command = COMMAND_FULL });
	expect(COMMAND_FULL, 30 * S);
	CU_ASSERT_EQUAL(p.now.state, STATE_DONE);
}

static void
test_phases(void)
{
	static const struct {
		uint64_t us;
		enum plan_phase phase;
	} cases[] = { { S, PHASE_SETTLE }, { 3 * S, PHASE_OBSERVE }, { 9 * S, PHASE_OBSERVE },
		{ 100 * S, PHASE_GATE } };
	struct plan_view view;

	open_play(PLAN_TIMED);
	p.config.plan.n_gates = 1;
	p.config.plan.gates[0] = 10;
	start();
	for (unsigned i = 0; i < 4; i++) {
		while (p.facts.mono_us < 1000 * S + cases[i].us)
			tick();
		plan_look(&p.clock, &p.now, &p.config, &view);
		CU_ASSERT_EQUAL(view.phase, cases[i].phase);
		CU_ASSERT_EQUAL(view.next_bp, 3000);
		CU_ASSERT_FALSE(view.moves);
	}
	CU_ASSERT_EQUAL(p.orders, 0);
	/* Somebody opens the gate; the next stage has none. */
	command((struct release_case){ .command = COMMAND_PROMOTE });
	tick();
	plan_look(&p.clock, &p.now, &p.config, &view);
	CU_ASSERT_EQUAL(view.phase, PHASE_SETTLE);
	CU_ASSERT(view.moves);
	CU_ASSERT_EQUAL(view.next_bp, 5000);
	CU_ASSERT(view.remaining_us <= 12 * S && view.remaining_us > 11 * S);
	expect(COMMAND_PROMOTE, 12 * S);
}

/* Nobody waits for a stage that does not exist: the end of a short plan waits for somebody. */
static void
test_plan_that_ends_early(void)
{
	struct plan_view view;

	open_play(PLAN_TIMED);
	p.config.n_stages = 1;
	start();
	let_pass(1000 * S);
	plan_look(&p.clock, &p.now, &p.config, &view);
	CU_ASSERT_EQUAL(view.phase, PHASE_GATE);
	CU_ASSERT_EQUAL(view.next_bp, 0);
}

/* While nobody asks, the clocks of dwell, deadline and bake stand still; the settling goes on. */
static void
test_idle(void)
{
	struct plan_view view;

	open_play(PLAN_TIMED);
	p.stable_per_s = p.candidate_per_s = 0;
	start();
	let_pass(1000 * S);
	plan_look(&p.clock, &p.now, &p.config, &view);
	CU_ASSERT(view.idle);
	CU_ASSERT_EQUAL(view.phase, PHASE_OBSERVE);
	CU_ASSERT_EQUAL(view.remaining_us, 10 * S);
	/* 5 s of requests, and the 10 s after them that are not idle yet. */
	p.stable_per_s = 90;
	p.candidate_per_s = 10;
	p.config.plan.dwell_ms = 20000;
	let_pass(5 * S);
	p.stable_per_s = p.candidate_per_s = 0;
	let_pass(1000 * S);
	p.candidate_per_s = 10;
	expect(COMMAND_PROMOTE, 5 * S);
	/* The same at the end. */
	command((struct release_case){ .command = COMMAND_FULL });
	let_pass(20 * S);
	p.candidate_per_s = 0;
	p.config.plan.bake_ms = 60000;
	let_pass(1000 * S);
	p.candidate_per_s = 10;
	expect(COMMAND_FULL, 30 * S);
}

/* One request that hangs is no idleness, and neither is a rejected count. */
static void
test_in_flight_is_not_idle(void)
{
	open_play(PLAN_TIMED);
	p.stable_per_s = p.candidate_per_s = 0;
	start();
	p.facts.activity.in_flight = 1;
	expect(COMMAND_PROMOTE, 12 * S);
}

/* The bake of a stage that is a gate ends by command only. */
static void
test_gate_at_the_end(void)
{
	struct plan_view view;

	open_play(PLAN_TIMED);
	p.config.plan.n_gates = 1;
	p.config.plan.gates[0] = 100;
	command((struct release_case){ .command = COMMAND_STAGE, .share_bp = 10000 });
	let_pass(29 * S);
	CU_ASSERT_EQUAL(p.clock.phase, PHASE_BAKE);
	let_pass(1000 * S);
	plan_look(&p.clock, &p.now, &p.config, &view);
	CU_ASSERT_EQUAL(view.phase, PHASE_GATE);
	CU_ASSERT_FALSE(view.moves);
	command((struct release_case){ .command = COMMAND_FULL });
	CU_ASSERT_EQUAL(p.now.state, STATE_DONE);
}

/* It says what it would do; somebody else goes on, at each stage and at the end. */
static void
test_auto_that_only_watches(void)
{
	struct plan_view view;

	open_play(PLAN_AUTO);
	p.config.guard.mode = GUARD_WATCH;
	p.facts.safe = true;
	start();
	let_pass(1000 * S);
	plan_look(&p.clock, &p.now, &p.config, &view);
	CU_ASSERT_EQUAL(view.phase, PHASE_GATE);
	CU_ASSERT_FALSE(view.moves);
	CU_ASSERT_FALSE(view.waits_for_guard);
	command((struct release_case){ .command = COMMAND_STAGE, .share_bp = 10000 });
	let_pass(1000 * S);
	CU_ASSERT_EQUAL(p.now.state, STATE_BAKE);
	p.config.guard.mode = GUARD_ROLLBACK;
	expect(COMMAND_FULL, 0);
}

static void
test_no_data(void)
{
	open_play(PLAN_TIMED);
	p.config.plan.dwell_ms = 100000;
	p.config.plan.step_deadline_ms = 1000000;
	start();
	let_pass(5 * S);
	p.candidate_per_s = 0;
	expect(COMMAND_PAUSE, 20 * S);
	CU_ASSERT_EQUAL(p.now.state, STATE_HOLD);
	CU_ASSERT_EQUAL(p.now.hold, HOLD_NO_DATA);
	let_pass(30 * S);
	/* The first answer ends it, and the dwell goes on where it stood. */
	p.candidate_per_s = 10;
	expect(COMMAND_RESUME, 0);
	CU_ASSERT_EQUAL(p.now.state, STATE_STEP);
	CU_ASSERT_EQUAL(p.now.share_bp, 1000);
	expect(COMMAND_PROMOTE, (102 - 25) * S);
}

/* 19 answers of stable are not enough to tell, 20 are. */
static void
test_too_little_to_tell(void)
{
	for (unsigned n = 19; n <= 20; n++) {
		open_play(PLAN_TIMED);
		p.config.plan.dwell_ms = 100000;
		p.stable_per_s = p.candidate_per_s = 0;
		start();
		p.facts.activity.finished[ARM_STABLE] += n;
		if (n == 19)
			let_pass(60 * S);
		else
			expect(COMMAND_PAUSE, 20 * S);
	}
}

static void
test_no_data_where_none_can_be(void)
{
	struct plan_view view;

	/* All goes to the candidate, and it hangs: stable has nothing to compare with. */
	open_play(PLAN_TIMED);
	p.config.plan.bake_ms = 1000000;
	command((struct release_case){ .command = COMMAND_STAGE, .share_bp = 10000 });
	p.stable_per_s = p.candidate_per_s = 0;
	p.facts.activity.in_flight = 100;
	let_pass(100 * S);
	/* Somebody gave it no share. */
	open_play(PLAN_TIMED);
	start();
	command((struct release_case){ .command = COMMAND_WEIGHT, .share_bp = 0 });
	p.candidate_per_s = 0;
	let_pass(100 * S);
	/* A manual plan only warns, until there is data again. */
	open_play(PLAN_MANUAL);
	start();
	p.candidate_per_s = 0;
	let_pass(100 * S);
	plan_look(&p.clock, &p.now, &p.config, &view);
	CU_ASSERT_EQUAL(view.warning, HOLD_NO_DATA);
	p.candidate_per_s = 10;
	let_pass(S);
	plan_look(&p.clock, &p.now, &p.config, &view);
	CU_ASSERT_EQUAL(view.warning, HOLD_NONE);
}

/* What was silent before a resume is no reason to hold again. */
static void
test_resume_gives_no_data_its_whole_time(void)
{
	open_play(PLAN_TIMED);
	p.config.plan.dwell_ms = 1000000;
	p.config.plan.step_deadline_ms = 10000000;
	start();
	p.candidate_per_s = 0;
	expect(COMMAND_PAUSE, 20 * S);
	let_pass(500 * S);
	command((struct release_case){ .command = COMMAND_RESUME });
	let_pass(19 * S);
	expect(COMMAND_PAUSE, S);
	CU_ASSERT_EQUAL(p.now.hold, HOLD_NO_DATA);
}

/* After a restart the hold is still there, and the clocks know nothing. */
static void
test_no_data_survives_a_restart(void)
{
	open_play(PLAN_TIMED);
	p.config.plan.dwell_ms = 100000;
	start();
	p.candidate_per_s = 0;
	expect(COMMAND_PAUSE, 20 * S);
	memset(&p.clock, 0, sizeof(p.clock));
	let_pass(100 * S);
	p.candidate_per_s = 10;
	expect(COMMAND_RESUME, 0);
}

/* The step begins anew: it may last longer than planned, never shorter. */
static void
test_restart_begins_the_step_anew(void)
{
	open_play(PLAN_TIMED);
	start();
	let_pass(11 * S);
	memset(&p.clock, 0, sizeof(p.clock));
	expect(COMMAND_PROMOTE, 12 * S);
}

/* Somebody's pause ends by resume alone, and the clocks go on from where they stood. */
static void
test_pause(void)
{
	open_play(PLAN_TIMED);
	start();
	let_pass(7 * S);
	command((struct release_case){ .command = COMMAND_PAUSE, .hold = HOLD_OPERATOR });
	let_pass(1000 * S);
	command((struct release_case){ .command = COMMAND_RESUME });
	expect(COMMAND_PROMOTE, 5 * S);
	command((struct release_case){ .command = COMMAND_FULL });
	let_pass(29 * S);
	command((struct release_case){ .command = COMMAND_PAUSE, .hold = HOLD_OPERATOR });
	let_pass(1000 * S);
	command((struct release_case){ .command = COMMAND_RESUME });
	expect(COMMAND_FULL, S);
}

/* A share that somebody set stays until resume; then the plan goes on from it. */
static void
test_weight(void)
{
	open_play(PLAN_TIMED);
	start();
	command((struct release_case){ .command = COMMAND_WEIGHT, .share_bp = 3500 });
	let_pass(1000 * S);
	command((struct release_case){ .command = COMMAND_RESUME });
	expect(COMMAND_PROMOTE, 12 * S);
	CU_ASSERT_EQUAL(p.now.share_bp, 5000);
}

static void
test_freeze(void)
{
	open_play(PLAN_TIMED);
	start();
	command((struct release_case){ .command = COMMAND_FREEZE });
	/* Nothing may advance, and so its deadline does not come either. */
	let_pass(1000 * S);
	CU_ASSERT_EQUAL(p.now.share_bp, 1000);
	command((struct release_case){ .command = COMMAND_UNFREEZE });
	expect(COMMAND_PROMOTE, 0);
}

static void
test_freeze_until(void)
{
	open_play(PLAN_TIMED);
	start();
	command((struct release_case){
	    .command = COMMAND_FREEZE, .until_us = p.facts.wall_us + 100 * S });
	expect(COMMAND_PROMOTE, 100 * S);
	expect(COMMAND_UNFREEZE, 0);
	CU_ASSERT_EQUAL(p.now.frozen, 0);
	/* Also one that has not begun thaws. */
	open_play(PLAN_TIMED);
	command((struct release_case){
	    .command = COMMAND_FREEZE, .until_us = p.facts.wall_us + 50 * S });
	expect(COMMAND_UNFREEZE, 50 * S);
}

static void
test_deadline_holds(void)
{
	open_play(PLAN_TIMED);
	p.config.plan.dwell_ms = 1000000;
	start();
	expect(COMMAND_PAUSE, 60 * S);
	CU_ASSERT_EQUAL(p.now.hold, HOLD_DEADLINE);
	let_pass(1000 * S);
	/* Whoever resumes gives it its whole time again. */
	command((struct release_case){ .command = COMMAND_RESUME });
	expect(COMMAND_PAUSE, 60 * S);
}

static void
test_deadline_rolls_back(void)
{
	open_play(PLAN_TIMED);
	p.config.plan.dwell_ms = 1000000;
	p.config.plan.rollback_on_deadline = true;
	start();
	let_pass(30 * S);
	/* A hold that nobody gave does not stop it; a pause does. */
	p.candidate_per_s = 0;
	expect(COMMAND_PAUSE, 20 * S);
	command((struct release_case){ .command = COMMAND_PAUSE, .hold = HOLD_OPERATOR });
	let_pass(1000 * S);
	command((struct release_case){ .command = COMMAND_RESUME });
	expect(COMMAND_ROLLBACK, 10 * S);
	CU_ASSERT_EQUAL(p.now.state, STATE_ROLLED_BACK);
	let_pass(1000 * S);
}

/* A gate may wait for ever: the operator is late, not the candidate. */
static void
test_deadline_at_a_gate(void)
{
	open_play(PLAN_TIMED);
	p.config.plan.n_gates = 1;
	p.config.plan.gates[0] = 10;
	p.config.plan.rollback_on_deadline = true;
	start();
	let_pass(10000 * S);
	CU_ASSERT_EQUAL(p.clock.phase, PHASE_GATE);
}

static void
test_manual_has_no_deadline(void)
{
	open_play(PLAN_MANUAL);
	p.config.plan.rollback_on_deadline = true;
	start();
	let_pass(10000 * S);
}

/* When the master itself was stopped, nobody watched: such a gap is no dwell. */
static void
test_master_was_stopped(void)
{
	open_play(PLAN_TIMED);
	start();
	let_pass(5 * S);
	p.facts.mono_us += 1000 * S;
	p.facts.wall_us += 1000 * S;
	expect(COMMAND_PROMOTE, (12 - 5 - 1) * S);
}

/* An auto plan moves on evidence only, a timed one not against it; the clocks go on meanwhile. */
static void
test_evidence(void)
{
	open_play(PLAN_AUTO);
	start();
	let_pass(50 * S);
	CU_ASSERT_EQUAL(p.orders, 0);
	CU_ASSERT_EQUAL(p.now.share_bp, 1000);
	p.facts.safe = true;
	expect(COMMAND_PROMOTE, TICK_US);
	CU_ASSERT_TRUE(p.order.if_safe);
	CU_ASSERT_EQUAL(p.now.share_bp, 3000);

	open_play(PLAN_TIMED);
	start();
	p.facts.opposed = true;
	let_pass(50 * S);
	CU_ASSERT_EQUAL(p.orders, 0);
	p.facts.opposed = false;
	expect(COMMAND_PROMOTE, TICK_US);
	CU_ASSERT_FALSE(p.order.if_safe);
}

/* While an auto plan bakes, some stay on stable; without evidence it is never done. */
static void
test_auto_bakes(void)
{
	open_play(PLAN_AUTO);
	p.config.plan.holdback_percent = 2;
	start();
	command((struct release_case){ .command = COMMAND_FULL });
	CU_ASSERT_EQUAL(p.now.state, STATE_BAKE);
	CU_ASSERT_EQUAL(p.now.share_bp, 9800);
	CU_ASSERT_EQUAL(p.now.stage_percent, 100);
	p.orders = 0;
	let_pass(100 * S);
	CU_ASSERT_EQUAL(p.orders, 0);
	p.facts.safe = true;
	expect(COMMAND_FULL, TICK_US);
	CU_ASSERT_TRUE(p.order.if_safe);
	CU_ASSERT_EQUAL(p.now.state, STATE_DONE);
	CU_ASSERT_EQUAL(p.now.share_bp, SHARE_FULL_BP);
}

void
suite_plan(void)
{
	CU_pSuite s = CU_add_suite("plan", NULL, NULL);

	CU_add_test(s, "timed, from start to done", test_timed_from_start_to_done);
	CU_add_test(s, "manual never advances", test_manual_never_advances);
	CU_add_test(s, "phases and gates", test_phases);
	CU_add_test(s, "a plan that ends early", test_plan_that_ends_early);
	CU_add_test(s, "idle", test_idle);
	CU_add_test(s, "in flight is not idle", test_in_flight_is_not_idle);
	CU_add_test(s, "no data", test_no_data);
	CU_add_test(s, "too little to tell", test_too_little_to_tell);
	CU_add_test(s, "no data where none can be", test_no_data_where_none_can_be);
	CU_add_test(
	    s, "resume gives no data its whole time", test_resume_gives_no_data_its_whole_time);
	CU_add_test(s, "no data survives a restart", test_no_data_survives_a_restart);
	CU_add_test(s, "a gate at 100 %", test_gate_at_the_end);
	CU_add_test(s, "auto under a guard that only watches", test_auto_that_only_watches);
	CU_add_test(s, "a restart begins the step anew", test_restart_begins_the_step_anew);
	CU_add_test(s, "pause", test_pause);
	CU_add_test(s, "weight", test_weight);
	CU_add_test(s, "freeze", test_freeze);
	CU_add_test(s, "freeze until", test_freeze_until);
	CU_add_test(s, "a deadline holds", test_deadline_holds);
	CU_add_test(s, "a deadline rolls back", test_deadline_rolls_back);
	CU_add_test(s, "a deadline at a gate", test_deadline_at_a_gate);
	CU_add_test(s, "manual has no deadline", test_manual_has_no_deadline);
	CU_add_test(s, "the master was stopped", test_master_was_stopped);
	CU_add_test(s, "evidence", test_evidence);
	CU_add_test(s, "auto bakes", test_auto_bakes);
}
