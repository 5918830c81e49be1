// SPDX-License-Identifier: MIT
/* What becomes of a release under another config: every state with every change of its models. */
#include "daemon/carry.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void suite_carry(void);

enum { OLD = 11, NEW = 22, THIRD = 33, NONE = 0 };

static const struct {
	enum release_state state;
	uint16_t share_bp;
	uint64_t stable, candidate; /* before it was OLD, NEW */
	enum carry carry;
	enum release_state after;
} cases[] = {
	/* clang-format off */
	/* the same models: nothing happens, whatever the state */
	{ STATE_IDLE,        0,     OLD,   NEW,   CARRY_ON,      STATE_IDLE },
	{ STATE_PREFLIGHT,   0,     OLD,   NEW,   CARRY_ON,      STATE_PREFLIGHT },
	{ STATE_STEP,        3000,  OLD,   NEW,   CARRY_ON,      STATE_STEP },
	{ STATE_HOLD,        3000,  OLD,   NEW,   CARRY_ON,      STATE_HOLD },
	{ STATE_BAKE,        9800,  OLD,   NEW,   CARRY_ON,      STATE_BAKE },
	{ STATE_DONE,        10000, OLD,   NEW,   CARRY_ON,      STATE_DONE },
	{ STATE_ROLLED_BACK, 0,     OLD,   NEW,   CARRY_ON,      STATE_ROLLED_BACK },
	/* another candidate, or none */
	{ STATE_IDLE,        0,     OLD,   THIRD, CARRY_ON,      STATE_IDLE },
	{ STATE_IDLE,        0,     OLD,   NONE,  CARRY_ON,      STATE_IDLE },
	{ STATE_PREFLIGHT,   0,     OLD,   THIRD, CARRY_ANEW,    STATE_IDLE },
	{ STATE_STEP,        3000,  OLD,   THIRD, CARRY_ANEW,    STATE_IDLE },
	{ STATE_STEP,        0,     OLD,   THIRD, CARRY_ANEW,    STATE_IDLE },
	{ STATE_STEP,        3000,  OLD,   NONE,  CARRY_ANEW,    STATE_IDLE },
	{ STATE_HOLD,        3000,  OLD,   THIRD, CARRY_ANEW,    STATE_IDLE },
	{ STATE_BAKE,        10000, OLD,   THIRD, CARRY_ANEW,    STATE_IDLE },
	{ STATE_DONE,        10000, OLD,   THIRD, CARRY_REFUSED, STATE_DONE },
	{ STATE_DONE,        10000, OLD,   NONE,  CARRY_REFUSED, STATE_DONE },
	{ STATE_ROLLED_BACK, 0,     OLD,   THIRD, CARRY_ON,      STATE_ROLLED_BACK },
	/* another stable */
	{ STATE_IDLE,        0,     THIRD, NEW,   CARRY_ON,      STATE_IDLE },
	{ STATE_STEP,        3000,  THIRD, NEW,   CARRY_ANEW,    STATE_IDLE },
	{ STATE_DONE,        10000, THIRD, NEW,   CARRY_ANEW,    STATE_IDLE },
	{ STATE_ROLLED_BACK, 0,     THIRD, NEW,   CARRY_ON,      STATE_ROLLED_BACK },
	/* the candidate becomes stable: the normal end */
	{ STATE_DONE,        10000, NEW,   NONE,  CARRY_ANEW,    STATE_IDLE },
	{ STATE_DONE,        10000, NEW,   THIRD, CARRY_ANEW,    STATE_IDLE },
	{ STATE_STEP,        5000,  NEW,   THIRD, CARRY_ANEW,    STATE_IDLE },
	/* clang-format on */
};

static void
test_all(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint64_t models[ARM_COUNT] = { cases[i].stable, cases[i].candidate };
		struct policy_release r = { .state = (uint8_t)cases[i].state,
			.held_state = (uint8_t)cases[i].state,
			.share_bp = cases[i].share_bp,
			.stage_percent = (uint16_t)(cases[i].share_bp / 100),
			.rollout_id = 7,
			.revision = 9,
			.frozen = 1,
			.waived = 3,
			.models = { OLD, NEW } };
		const struct policy_release before = r;
		enum carry carry = carry_release(&r, models);

		CU_ASSERT_EQUAL(carry, cases[i].carry);
		CU_ASSERT_EQUAL(r.state, cases[i].after);
		CU_ASSERT_EQUAL(r.revision, 9);
		CU_ASSERT_EQUAL(r.frozen, 1);
		if (carry == CARRY_REFUSED) {
			CU_ASSERT_EQUAL(memcmp(&r, &before, sizeof(r)), 0);
		} else {
			CU_ASSERT_EQUAL(memcmp(r.models, models, sizeof(models)), 0);
		}
		if (carry == CARRY_ANEW) {
			CU_ASSERT_EQUAL(r.share_bp + r.stage_percent, 0);
			CU_ASSERT_EQUAL(r.rollout_id, 0);
			CU_ASSERT_EQUAL(r.waived, 0);
		}
		if (carry != cases[i].carry || r.state != cases[i].after)
			fprintf(stderr, "\ncase %zu: %d, state %d\n", i, carry, r.state);
	}
}

void
suite_carry(void)
{
	CU_pSuite s = CU_add_suite("carry", NULL, NULL);

	CU_add_test(s, "every state, every change of models", test_all);
}
