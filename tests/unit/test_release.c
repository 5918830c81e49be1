// SPDX-License-Identifier: MIT
/* The rules of a release: each state with each command, and what must never happen. */
#include "daemon/release.h"

#include <CUnit/CUnit.h>
#include <string.h>

void suite_release(void);

static const uint16_t stages[] = { 10, 30, 50, 100 };

static struct release_case
facts(enum release_state state, enum release_command command, uint32_t share_bp)
{
	return (struct release_case){ .state = state,
		.command = command,
		.share_bp = share_bp,
		.has_candidate = true,
		.stages = stages,
		.n_stages = 4 };
}

/* s: to step, r: to rolled_back, -: refused; for stage 30, weight 12.5 and rollback. */
static void
test_each_state_and_command(void)
{
	static const char *const expected[STATE_COUNT] = {
		[STATE_IDLE] = "ssr",
		[STATE_PREFLIGHT] = "--r",
		[STATE_STEP] = "ssr",
		[STATE_HOLD] = "ssr",
		[STATE_BAKE] = "ssr",
		[STATE_DONE] = "--r",
		[STATE_ROLLED_BACK] = "--r",
	};
	static const uint32_t shares[COMMAND_COUNT] = { 3000, 1250, 0 };

	for (unsigned state = 0; state < STATE_COUNT; state++) {
		for (unsigned command = 0; command < COMMAND_COUNT; command++) {
			struct release_case c = facts(state, command, shares[command]);
			char e = expected[state][command];
			struct release_ruling r;

			release_decide(&c, &r);
			CU_ASSERT_EQUAL(r.legal, e != '-');
			CU_ASSERT_EQUAL(r.legal, r.text[0] == '\0');
			if (!r.legal)
				continue;
			CU_ASSERT_EQUAL(r.state, e == 's' ? STATE_STEP : STATE_ROLLED_BACK);
			CU_ASSERT_EQUAL(r.share_bp, shares[command]);
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
		struct release_case c = facts(STATE_STEP, COMMAND_STAGE, cases[i].share_bp);
		struct release_ruling r;

		release_decide(&c, &r);
		CU_ASSERT_EQUAL(r.legal, cases[i].legal);
		CU_ASSERT_PTR_NOT_NULL(strstr(r.text, cases[i].says));
		if (r.legal)
			CU_ASSERT_EQUAL(r.stage_percent * 100u, cases[i].share_bp);
	}
}

static void
test_weights(void)
{
	static const struct {
		enum release_state from;
		uint32_t share_bp;
		bool legal;
		enum release_state to;
		uint16_t stage_percent;
	} cases[] = {
		{ STATE_IDLE, 0, true, STATE_IDLE, 0 },
		{ STATE_IDLE, 1, true, STATE_STEP, 0 },
		{ STATE_STEP, 0, true, STATE_STEP, 0 },
		{ STATE_STEP, 49, true, STATE_STEP, 0 },
		{ STATE_STEP, 50, true, STATE_STEP, 1 },
		{ STATE_STEP, 1234, true, STATE_STEP, 12 },
		{ STATE_STEP, 10000, true, STATE_STEP, 100 },
		{ STATE_STEP, 10001, false, STATE_STEP, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct release_case c = facts(cases[i].from, COMMAND_WEIGHT, cases[i].share_bp);
		struct release_ruling r;

		release_decide(&c, &r);
		CU_ASSERT_EQUAL(r.legal, cases[i].legal);
		if (!r.legal)
			continue;
		CU_ASSERT_EQUAL(r.state, cases[i].to);
		CU_ASSERT_EQUAL(r.share_bp, cases[i].share_bp);
		CU_ASSERT_EQUAL(r.stage_percent, cases[i].stage_percent);
	}
}

/* Whatever else is wrong, nothing keeps a rollback from share 0. */
static void
test_rollback_is_never_refused(void)
{
	for (unsigned state = 0; state < STATE_COUNT; state++) {
		struct release_case c = facts(state, COMMAND_ROLLBACK, 99999);
		struct release_ruling r;

		c.has_candidate = false;
		c.stages = NULL;
		c.n_stages = 0;
		release_decide(&c, &r);
		CU_ASSERT(r.legal);
		CU_ASSERT_EQUAL(r.state, STATE_ROLLED_BACK);
		CU_ASSERT_EQUAL(r.share_bp, 0);
		CU_ASSERT_EQUAL(r.stage_percent, 0);
	}
}

static void
test_without_candidate(void)
{
	for (unsigned command = COMMAND_STAGE; command <= COMMAND_WEIGHT; command++) {
		struct release_case c = facts(STATE_IDLE, command, 1000);
		struct release_ruling r;

		c.has_candidate = false;
		release_decide(&c, &r);
		CU_ASSERT_FALSE(r.legal);
		CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "no candidate"));
	}
}

/* A refusal's text holds the longest plan and still says what else would work. */
static void
test_long_plan(void)
{
	uint16_t many[16];
	struct release_case c = facts(STATE_STEP, COMMAND_STAGE, 100);
	struct release_ruling r;

	for (unsigned i = 0; i < 16; i++)
		many[i] = (uint16_t)(85 + i);
	c.stages = many;
	c.n_stages = 16;
	release_decide(&c, &r);
	CU_ASSERT_FALSE(r.legal);
	CU_ASSERT_PTR_NOT_NULL(strstr(r.text, " 100; weight takes any percentage"));
}

void
suite_release(void)
{
	CU_pSuite s = CU_add_suite("release", NULL, NULL);

	CU_add_test(s, "each state and command", test_each_state_and_command);
	CU_add_test(s, "stages", test_stages);
	CU_add_test(s, "weights", test_weights);
	CU_add_test(s, "rollback is never refused", test_rollback_is_never_refused);
	CU_add_test(s, "without candidate", test_without_candidate);
	CU_add_test(s, "long plan", test_long_plan);
}
