// SPDX-License-Identifier: MIT
/*
 * How a rollout stands and where keys go: the members of `status` about the plan, and `route`.
 * Master process; reads only.
 */
#include "daemon/cmd.h"

#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "daemon/master.h"
#include "daemon/planner.h"

/* ---- status ---------------------------------------------------------------------------------- */

/* Why a candidate has no requests, where it is on hold for that or would be. */
static void
put_silence(struct cmd *cmd, cJSON *in, const struct policy_release *set,
    const struct config_release *release)
{
	char text[CMD_WHY_BYTES];

	if (cmd_say_silence(cmd, set, release, text))
		cmd_put_text(cmd, in, "silence", text);
	else
		cmd_put_null(cmd, in, "silence");
}

static void
put_plan(struct cmd *cmd, cJSON *in, const struct policy_release *set,
    const struct config_release *release)
{
	static const char *const modes[] = {
		[PLAN_MANUAL] = "manual", [PLAN_TIMED] = "timed", [PLAN_AUTO] = "auto"
	};
	cJSON *plan = cmd_put_object(cmd, in, "plan");
	struct plan_view view;

	planner_look(cmd->master, set, release, &view);
	cmd_put_text(cmd, plan, "mode", modes[release->plan.mode]);
	cmd_put_text(cmd, plan, "phase", plan_phase_name(view.phase));
	cmd_put_bool(cmd, plan, "idle", view.idle);
	cmd_put_bool(cmd, plan, "moves", view.moves);
	cmd_put_bool(cmd, plan, "waits_for_guard", view.waits_for_guard);
	if (view.moves)
		cmd_put_number(
		    cmd, plan, "remaining_s", (double)(view.remaining_us / US_PER_MS) / 1000);
	if (view.next_bp != 0)
		cmd_put_percent(cmd, plan, "next_percent", view.next_bp);
	else
		cmd_put_null(cmd, plan, "next_percent");
	if (view.warning != HOLD_NONE) {
		cmd_put_text(cmd, plan, "warning", release_hold_name(view.warning));
		cmd_put_text(cmd, plan, "warning_text", release_hold_text(view.warning));
		put_silence(cmd, plan, set, release);
	}
}

void
cmd_put_rollout(struct cmd *cmd, cJSON *in, const struct policy_release *set,
    const struct config_release *release)
{
	if (set->state == STATE_HOLD)
		cmd_put_bool(cmd, in, "hold_recovers", release_hold_recovers(set->hold));
	if (set->state == STATE_HOLD && set->hold == HOLD_NO_DATA)
		put_silence(cmd, in, set, release);
	cmd_put_cause(cmd, in, set);
	if (set->frozen && set->freeze_until_us != 0)
		cmd_put_time(cmd, in, "frozen_until", set->freeze_until_us);
	cmd_put_number(cmd, in, "rollout", (double)set->rollout_id);
	cmd_put_names(cmd, in, "waived", set->waived);
	put_plan(cmd, in, set, release);
	cmd_put_guard(cmd, in, set, release);
}

/* ---- route ----------------------------------------------------------------------------------- */

static void
put_key(struct cmd *cmd, cJSON *keys, const struct hash_key *hash, const char *key,
    const struct policy_release *set, const struct config_release *release)
{
	uint16_t bucket = hash_bucket(hash64(hash, key, strlen(key)));
	enum arm arm = bucket < set->share_bp ? ARM_CANDIDATE : ARM_STABLE;
	cJSON *object = cmd_put_element(cmd, keys);

	cmd_put_text(cmd, object, "key", key);
	cmd_put_number(cmd, object, "bucket", bucket);
	cmd_put_text(cmd, object, "arm", arm_names[arm]);
	cmd_put_text(cmd, object, "model", release->arms[arm]->id);
}

void
cmd_route(struct cmd *cmd)
{
	const struct command_value *values = cmd->request.values;
	const char *name = values[PARAM_RELEASE].text;
	const struct config_release *release =
	    config_find_release(cmd->master->config, name, strlen(name));
	const struct policy_release *set;
	struct hash_key hash;
	cJSON *answer, *keys;

	if (release == NULL) {
		cmd_no_such_release(cmd, name);
		return;
	}
	answer = cmd_begin(cmd);
	set = cmd_put_current(cmd, answer, name);
	hash_key_route(&hash, name,
	    release->arms[ARM_CANDIDATE] != NULL ? release->arms[ARM_CANDIDATE]->id : "",
	    release->salt);
	keys = cmd_put_array(cmd, answer, "keys");
	for (uint64_t i = 0; i < values[PARAM_KEY].number; i++)
		put_key(cmd, keys, &hash, values[PARAM_KEY].list[i], set, release);
	cmd_answer(cmd, answer);
}
