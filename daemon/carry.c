// SPDX-License-Identifier: MIT
/* See carry.h. */
#include "daemon/carry.h"

#include <string.h>

static void
begin_anew(struct policy_release *r)
{
	r->rollout_id = 0;
	r->share_bp = r->stage_percent = 0;
	r->state = r->held_state = STATE_IDLE;
	r->hold = HOLD_NONE;
	r->waived = 0;
	r->cut = 0;
}

enum carry
carry_release(struct policy_release *r, const uint64_t models[ARM_COUNT])
{
	bool same_stable = r->models[ARM_STABLE] == models[ARM_STABLE];
	bool nothing_exposed = r->state == STATE_IDLE || r->state == STATE_ROLLED_BACK;

	if (same_stable && r->models[ARM_CANDIDATE] == models[ARM_CANDIDATE])
		return CARRY_ON;
	if (r->state == STATE_DONE && same_stable)
		return CARRY_REFUSED;
	memcpy(r->models, models, sizeof(r->models));
	if (nothing_exposed && r->share_bp == 0)
		return CARRY_ON;
	begin_anew(r);
	return CARRY_ANEW;
}
