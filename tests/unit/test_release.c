// SPDX-License-Identifier: MIT
/* The rules of a release: each state with each command, and what must never happen. */
#include "daemon/release.h"

#include <CUnit/CUnit.h>
#include <string.h>

void suite_release(void);

#define NOW_US UINT64_C(1800000000000000)

static struct config_model model;
static struct config_release config;
static struct policy_release now;

/* A release in this state, with what belongs to it. */
static struct release_case
facts(enum release_state state, enum release_command command)
{
	static const uint16_t stages[] = { 10, 30, 50, 100 };
	static const uint16_t shares[STATE_COUNT] = {
		[STATE_STEP] = 3000, [STATE_HOLD] = 3000, [STATE_BAKE] = 10000, [STATE_DONE] = 10000
	};

	memset(&config, 0, sizeof(config));
	config.arms[ARM_STABLE] = config.arms[ARM_CANDIDATE] = &model;
	config.n_stages = 4;
	memcpy(config.stages, stages, sizeof(stages));
	memset(&now, 0, sizeof(now));
	now.state = (uint8_t)state;
	now.held_state = state == STATE_HOLD ? STATE_STEP : (uint8_t)state;
	now.hold = state == STATE_HOLD ? HOLD_OPERATOR : HOLD_NONE;
	now.share_bp = shares[state];
	now.stage_percent = shares[state] / 100;
	return (struct release_case){ .now = &now,
		.config = &config,
		.wall_us = NOW_US,
		.command = command,
		.hold = HOLD_OPERATOR,
		.share_bp = command == COMMAND_WEIGHT ? 1250 : 5000 };
}

static struct release_ruling
decide(const struct release_case *c)
{
	struct release_ruling r;

	release_decide(c, &r);
	CU_ASSERT_EQUAL(r.legal, r.text[0] == '\0');
	CU_ASSERT(strlen(r.text) < sizeof(r.text) - 1);
	if (!r.legal)
		CU_ASSERT_FALSE(r.changes);
	return r;
}

/* In the order of the commands: stage 50, weight 12.5, rollback, start, start --when-known,
 * promote, promote --full, pause, resume, freeze, unfreeze, restart. A letter is the state that
 * follows; -: refused. */
static const char *const expected[STATE_COUNT] = {
	[STATE_IDLE] = "ssrsp----ii-",
	[STATE_PREFLIGHT] = "ssrsp----pp-",
	[STATE_STEP] = "ssr--sbh-ss-",
	[STATE_HOLD] = "ssr----hshh-",
	[STATE_BAKE] = "ssr---dh-bb-",
	[STATE_DONE] = "--r------dd-",
	[STATE_ROLLED_BACK] = "--r------rrs",
};
static const char letters[STATE_COUNT] = {
	[STATE_IDLE] = 'i',
	[STATE_PREFLIGHT] = 'p',
	[STATE_STEP] = 's',
	[STATE_HOLD] = 'h',
	[STATE_BAKE] = 'b',
	[STATE_DONE] = 'd',
	[STATE_ROLLED_BACK] = 'r',
};

static void
test_each_state_and_command(void)
{
	for (unsigned state = 0; state < STATE_COUNT; state++) {
		CU_ASSERT_EQUAL_FATAL(strlen(expected[state]), COMMAND_COUNT);
		for (unsigned command = 0; command < COMMAND_COUNT; command++) {
			struct release_case c = facts(state, command);
			struct release_ruling r = decide(&c);
			char found = r.legal ? letters[r.next.state] : '-';

			if (found != expected[state][command])
				printf("%s, %s: %c, not %c: %s\n", release_state_name(state),
				    release_command_names[command], found, expected[state][command],
				    r.text);
			CU_ASSERT_EQUAL(found, expected[state][command]);
			/* Only on hold is there a reason, and a state to go back to. */
			if (r.legal && r.next.state != STATE_HOLD) {
				CU_ASSERT_EQUAL(r.next.hold, HOLD_NONE);
				CU_ASSERT_EQUAL(r.next.held_state, r.next.state);
			}
		}
	}
}

/* Where the candidate has nothing a new rollout begins, and nowhere else. */
static void
test_what_begins(void)
{
	for (unsigned state = 0; state < STATE_COUNT; state++) {
		for (unsigned command = 0; command < COMMAND_COUNT; command++) {
			struct release_case c = facts(state, command);
			struct release_ruling r;
			bool stands = state == STATE_IDLE || state == STATE_PREFLIGHT ||
				      state == STATE_ROLLED_BACK;

			now.waived = 5;
			now.cut = state == STATE_ROLLED_BACK;
			r = decide(&c);
			CU_ASSERT_EQUAL(r.begins, stands && r.legal && r.next.share_bp > 0);
			if (r.begins) {
				CU_ASSERT_EQUAL(r.next.waived, 0);
				CU_ASSERT_EQUAL(r.next.cut, 0);
			}
		}
	}
}

static void
test_stages(void)
{
	static const struct {
		uint32_t share_bp;
		bool legal;
		const char *says;
	} cases[] = {
		{ 1000, true, "" },
		{ 3000, true, "" },
		{ 10000, true, "" },
		{ 0, false, "rollback" },
		{ 2500, false, "10 30 50 100" },
		{ 1001, false, "weight takes any" },
		{ 10, false, "10 30 50 100" },
		{ 10001, false, "above 100" },
		{ UINT32_MAX, false, "above 100" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct release_case c = facts(STATE_STEP, COMMAND_STAGE);
		struct release_ruling r;

		c.share_bp = cases[i].share_bp;
		r = decide(&c);
		CU_ASSERT_EQUAL(r.legal, cases[i].legal);
		CU_ASSERT_PTR_NOT_NULL(strstr(r.text, cases[i].says));
		if (!r.legal)
			continue;
		CU_ASSERT_EQUAL(r.next.share_bp, cases[i].share_bp);
		CU_ASSERT_EQUAL(r.next.stage_percent * 100u, cases[i].share_bp);
		CU_ASSERT_EQUAL(r.next.state, cases[i].share_bp == 10000 ? STATE_BAKE : STATE_STEP);
		CU_ASSERT_EQUAL(r.changes, cases[i].share_bp != 3000);
	}
}

static void
test_weights(void)
{
	static const struct {
		enum release_state from;
		enum plan_mode mode;
		uint32_t share_bp;
		bool legal;
		enum release_state to;
		uint16_t stage_percent;
	} cases[] = {
		{ STATE_IDLE, PLAN_MANUAL, 1, true, STATE_STEP, 0 },
		{ STATE_IDLE, PLAN_MANUAL, 0, true, STATE_IDLE, 0 }, /* nothing has begun */
		{ STATE_STEP, PLAN_MANUAL, 0, true, STATE_STEP, 0 },
		{ STATE_STEP, PLAN_MANUAL, 1234, true, STATE_STEP, 12 },
		{ STATE_STEP, PLAN_MANUAL, 9950, true, STATE_STEP, 100 },
		{ STATE_STEP, PLAN_MANUAL, 10000, true, STATE_BAKE, 100 },
		{ STATE_STEP, PLAN_MANUAL, 10001, false, STATE_STEP, 0 },
		/* A plan that moves by itself does not move on from somebody's own share. */
		{ STATE_STEP, PLAN_TIMED, 1234, true, STATE_HOLD, 12 },
		{ STATE_STEP, PLAN_TIMED, 0, true, STATE_HOLD, 0 },
		{ STATE_IDLE, PLAN_TIMED, 0, true, STATE_IDLE, 0 },
		{ STATE_BAKE, PLAN_TIMED, 10000, true, STATE_HOLD, 100 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct release_case c = facts(cases[i].from, COMMAND_WEIGHT);
		struct release_ruling r;

		config.plan.mode = cases[i].mode;
		c.share_bp = cases[i].share_bp;
		r = decide(&c);
		CU_ASSERT_EQUAL(r.legal, cases[i].legal);
		if (!r.legal)
			continue;
		CU_ASSERT_EQUAL(r.next.state, cases[i].to);
		CU_ASSERT_EQUAL(r.next.share_bp, cases[i].share_bp);
		CU_ASSERT_EQUAL(r.next.stage_percent, cases[i].stage_percent);
		if (r.next.state == STATE_HOLD)
			CU_ASSERT_EQUAL(r.next.held_state,
			    cases[i].share_bp == 10000 ? STATE_BAKE : STATE_STEP);
	}
}

static void
test_promote(void)
{
	static const struct {
		uint16_t from_bp, to_bp;
	} cases[] = { { 1000, 3000 }, { 0, 1000 }, { 1250, 3000 }, { 3000, 5000 }, { 5000, 10000 },
		{ 9999, 10000 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct release_case c = facts(STATE_STEP, COMMAND_PROMOTE);
		struct release_ruling r;

		now.share_bp = cases[i].from_bp;
		r = decide(&c);
		CU_ASSERT(r.legal);
		CU_ASSERT_EQUAL(r.next.share_bp, cases[i].to_bp);
	}
}

/* A plan may end below 100 %; promote then says what goes on. */
static void
test_promote_at_the_last_stage(void)
{
	struct release_case c = facts(STATE_STEP, COMMAND_PROMOTE);
	struct release_ruling r;

	config.n_stages = 2;
	r = decide(&c);
	CU_ASSERT_FALSE(r.legal);
	CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "promote --full"));
}

/* A script that is run again finds its first line done already. */
static void
test_start_twice(void)
{
	struct release_case c = facts(STATE_STEP, COMMAND_START);
	struct release_ruling r;

	now.share_bp = 1000;
	now.stage_percent = 10;
	r = decide(&c);
	CU_ASSERT(r.legal);
	CU_ASSERT_FALSE(r.changes);
}

static void
test_hold_and_resume(void)
{
	struct release_case c = facts(STATE_BAKE, COMMAND_PAUSE);
	struct release_ruling r;

	c.hold = HOLD_NO_DATA;
	r = decide(&c);
	CU_ASSERT_EQUAL(r.next.state, STATE_HOLD);
	CU_ASSERT_EQUAL(r.next.held_state, STATE_BAKE);
	CU_ASSERT_EQUAL(r.next.hold, HOLD_NO_DATA);
	/* Somebody's pause stays when the data comes back. */
	now = r.next;
	c.hold = HOLD_OPERATOR;
	r = decide(&c);
	CU_ASSERT(r.changes);
	CU_ASSERT_EQUAL(r.next.hold, HOLD_OPERATOR);
	CU_ASSERT_EQUAL(r.next.held_state, STATE_BAKE);
	now = r.next;
	r = decide(&c);
	CU_ASSERT_FALSE(r.changes);
	c.command = COMMAND_RESUME;
	c.waive = 8;
	r = decide(&c);
	CU_ASSERT_EQUAL(r.next.state, STATE_BAKE);
	CU_ASSERT_EQUAL(r.next.hold, HOLD_NONE);
	CU_ASSERT_EQUAL(r.next.waived, 8);
}

static void
test_waive_without_hold(void)
{
	struct release_case c = facts(STATE_STEP, COMMAND_RESUME);
	struct release_ruling r;

	now.waived = 1;
	c.waive = 4;
	r = decide(&c);
	CU_ASSERT(r.legal && r.changes);
	CU_ASSERT_EQUAL(r.next.waived, 5);
	CU_ASSERT_EQUAL(r.next.state, STATE_STEP);
}

/* What raises a share or advances is refused while it is frozen, and says so; nothing else is. */
static void
test_freeze(void)
{
	static const bool advances[COMMAND_COUNT] = { [COMMAND_STAGE] = true,
		[COMMAND_START] = true,
		[COMMAND_AWAIT] = true,
		[COMMAND_PROMOTE] = true,
		[COMMAND_FULL] = true,
		[COMMAND_RESTART] = true };

	for (unsigned state = 0; state < STATE_COUNT; state++) {
		for (unsigned command = 0; command < COMMAND_COUNT; command++) {
			struct release_case c = facts(state, command);
			bool legal = decide(&c).legal;
			/* weight 12.5 and stage 50 raise or lower it, whatever was there */
			bool raises = advances[command] || command == COMMAND_WEIGHT;
			struct release_ruling r;

			if (command == COMMAND_STAGE || command == COMMAND_WEIGHT)
				raises = c.share_bp > now.share_bp || state == STATE_IDLE;
			now.frozen = 1;
			r = decide(&c);
			CU_ASSERT_EQUAL(r.legal, legal && !raises);
			if (legal && raises)
				CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "unfreeze"));
		}
	}
}

static void
test_freeze_ends(void)
{
	static const struct {
		uint64_t until_us, now_us;
		bool frozen;
	} cases[] = {
		{ 0, NOW_US, true },
		{ NOW_US, NOW_US - 1, true },
		{ NOW_US, NOW_US, false },
		{ NOW_US, NOW_US + 1, false },
	};
	struct release_case c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = facts(STATE_IDLE, COMMAND_START);
		now.frozen = 1;
		now.freeze_until_us = cases[i].until_us;
		c.wall_us = cases[i].now_us;
		CU_ASSERT_EQUAL(release_frozen(&now, c.wall_us), cases[i].frozen);
		CU_ASSERT_EQUAL(decide(&c).legal, !cases[i].frozen);
	}
	c = facts(STATE_IDLE, COMMAND_FREEZE);
	c.until_us = NOW_US;
	CU_ASSERT_FALSE(decide(&c).legal);
	c.until_us = NOW_US + 1;
	CU_ASSERT(decide(&c).changes);
}

/* Whatever else is wrong, nothing keeps a rollback from share 0. */
static void
test_rollback_is_never_refused(void)
{
	for (unsigned state = 0; state < STATE_COUNT; state++) {
		struct release_case c = facts(state, COMMAND_ROLLBACK);
		struct release_ruling r;

		now.frozen = 1;
		now.share_bp = 9999;
		c.share_bp = 99999;
		c.config = NULL;
		r = decide(&c);
		CU_ASSERT(r.legal);
		CU_ASSERT_EQUAL(r.next.state, STATE_ROLLED_BACK);
		CU_ASSERT_EQUAL(r.next.share_bp, 0);
		CU_ASSERT_EQUAL(r.next.stage_percent, 0);
		/* Again: nothing to do. With --cut: there is, once. */
		now = r.next;
		CU_ASSERT_FALSE(decide(&c).changes);
		c.cut = true;
		r = decide(&c);
		CU_ASSERT(r.changes && r.next.cut);
		now = r.next;
		CU_ASSERT_FALSE(decide(&c).changes);
		c.cut = false;
		CU_ASSERT_FALSE(decide(&c).changes);
	}
}

static void
test_without_candidate(void)
{
	static const struct {
		enum release_state state;
		enum release_command command;
	} cases[] = { { STATE_IDLE, COMMAND_START }, { STATE_IDLE, COMMAND_STAGE },
		{ STATE_IDLE, COMMAND_WEIGHT }, { STATE_STEP, COMMAND_START },
		{ STATE_STEP, COMMAND_PROMOTE }, { STATE_STEP, COMMAND_FULL },
		{ STATE_ROLLED_BACK, COMMAND_RESTART } };

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct release_case c = facts(cases[i / 2].state, cases[i / 2].command);
		struct release_ruling r;

		config.arms[ARM_CANDIDATE] = NULL;
		if (i % 2 == 1)
			c.config = NULL;
		r = decide(&c);
		CU_ASSERT_FALSE(r.legal);
		CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "no candidate"));
	}
}

/* `rollback --all` left releases without a candidate in a state that nothing could end. */
static void
test_rollback_without_candidate(void)
{
	struct release_case c = facts(STATE_IDLE, COMMAND_ROLLBACK);
	struct release_ruling r;

	config.arms[ARM_CANDIDATE] = NULL;
	now.share_bp = now.stage_percent = 0;
	r = decide(&c);
	CU_ASSERT(r.legal && !r.changes);
	CU_ASSERT_EQUAL(r.next.state, STATE_IDLE);
	c.cut = true;
	CU_ASSERT(decide(&c).changes);
	c = facts(STATE_HOLD, COMMAND_ROLLBACK);
	config.arms[ARM_CANDIDATE] = NULL;
	CU_ASSERT_EQUAL(decide(&c).next.state, STATE_ROLLED_BACK);
}

/* A refusal's text holds the longest plan and still says what else would work. */
static void
test_long_plan(void)
{
	struct release_case c = facts(STATE_STEP, COMMAND_STAGE);
	struct release_ruling r;

	for (unsigned i = 0; i < STAGES_MAX; i++)
		config.stages[i] = (uint16_t)(85 + i);
	config.n_stages = STAGES_MAX;
	c.share_bp = 100;
	r = decide(&c);
	CU_ASSERT_FALSE(r.legal);
	CU_ASSERT_PTR_NOT_NULL(strstr(r.text, " 100; weight takes any percentage"));
}

static void
test_waivables(void)
{
	unsigned n = 0;

	while (release_waivable(n) != NULL)
		n++;
	CU_ASSERT_EQUAL(n, SYMPTOM_COUNT + VALUE_COUNT);
	CU_ASSERT_STRING_EQUAL(release_waivable(SYMPTOM_LEFT), "left");
	CU_ASSERT_STRING_EQUAL(release_waivable(SYMPTOM_COUNT + VALUE_COST), "cost");
}

void
suite_release(void)
{
	CU_pSuite s = CU_add_suite("release", NULL, NULL);

	CU_add_test(s, "each state and command", test_each_state_and_command);
	CU_add_test(s, "what begins", test_what_begins);
	CU_add_test(s, "stages", test_stages);
	CU_add_test(s, "weights", test_weights);
	CU_add_test(s, "promote", test_promote);
	CU_add_test(s, "promote at the last stage", test_promote_at_the_last_stage);
	CU_add_test(s, "start twice", test_start_twice);
	CU_add_test(s, "hold and resume", test_hold_and_resume);
	CU_add_test(s, "waive without hold", test_waive_without_hold);
	CU_add_test(s, "freeze", test_freeze);
	CU_add_test(s, "a freeze ends", test_freeze_ends);
	CU_add_test(s, "rollback is never refused", test_rollback_is_never_refused);
	CU_add_test(s, "without candidate", test_without_candidate);
	CU_add_test(s, "rollback without candidate", test_rollback_without_candidate);
	CU_add_test(s, "long plan", test_long_plan);
	CU_add_test(s, "waivables", test_waivables);
}
