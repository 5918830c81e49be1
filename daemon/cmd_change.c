// SPDX-License-Identifier: MIT
/*
 * What is to be: the verbs that change something. Master process. Shares change through
 * transition_apply() alone; the answer waits until every worker has acknowledged.
 */
#include "daemon/cmd.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/moment.h"
#include "daemon/generation.h"
#include "daemon/master.h"
#include "daemon/preflight.h"
#include "daemon/upgrade.h"
#include "daemon/validation.h"

static void
put_receipt(struct cmd *cmd, cJSON *answer, const struct receipt *r)
{
	cJSON *object = cmd_put_object(cmd, answer, "receipt");

	cmd_put_number(cmd, object, "publish_us", (double)r->publish_us);
	cmd_put_number(cmd, object, "acknowledge_us", (double)r->acknowledge_us);
	if (r->journal_us != 0)
		cmd_put_number(cmd, object, "journal_us", (double)r->journal_us);
	else
		cmd_put_null(cmd, object, "journal_us");
	cmd_put_number(cmd, object, "acknowledged", r->acknowledged);
	cmd_put_number(cmd, object, "killed", r->killed);
	cmd_put_number(cmd, object, "candidate_in_flight", (double)r->candidate_in_flight);
	if (cmd->request.verb != VERB_ROLLBACK)
		return;
	cmd_put_number(cmd, object, "rescued", (double)r->rescued);
	cmd_put_number(cmd, object, "streaming", (double)r->streaming);
	if (r->candidate_at_us == 0)
		cmd_put_null(cmd, object, "last_candidate_attempt_us");
	else
		cmd_put_number(cmd, object, "last_candidate_attempt_us",
		    (double)r->candidate_at_us - (double)r->policy->published_mono_us);
}

/* As the change left them: by now somebody may have changed them again. The receipt is what makes
 * the published share equal to the one that was set. */
static void
put_standing(struct cmd *cmd, cJSON *object, const struct policy *policy, const char *release)
{
	const struct policy_release *set = policy_find(policy, release);

	assert(set != NULL); /* transition_apply() has found it */
	cmd_put_standing(cmd, object, set, set->share_bp);
}

static cJSON *
begin_answer(struct cmd *cmd, const struct policy *policy)
{
	const char *name = cmd->request.values[PARAM_RELEASE].text;
	cJSON *answer = cmd_begin(cmd), *releases;

	if (name != NULL) {
		put_standing(cmd, answer, policy, name);
		return answer;
	}
	cmd_put_number(cmd, answer, "revision", (double)policy->revision);
	releases = cmd_put_object(cmd, answer, "releases");
	for (unsigned i = 0; i < policy->n_releases; i++) {
		const char *each = policy->releases[i].name;

		put_standing(cmd, cmd_put_object(cmd, releases, each), policy, each);
	}
	return answer;
}

/* A rollout has begun, or waits: what its candidate's provider says, where that is not all well. */
static void
put_warning(struct cmd *cmd, cJSON *answer, const struct receipt *r)
{
	const char *name = cmd->request.values[PARAM_RELEASE].text;
	const struct policy_release *set = name != NULL ? policy_find(r->policy, name) : NULL;
	const struct config_release *c =
	    set != NULL ? config_find_release(cmd->master->config, name, strlen(name)) : NULL;
	const struct finding *f;
	struct err e;

	if (c == NULL || c->arms[ARM_CANDIDATE] == NULL ||
	    (set->state != STATE_PREFLIGHT && set->rollout_id != r->revision))
		return;
	f = validation_find(cmd->master, c->arms[ARM_CANDIDATE], NULL);
	if (f->standing == STANDING_VERIFIED)
		return;
	validation_describe(c->arms[ARM_CANDIDATE], f, &e);
	cmd_put_text(cmd, answer, "warning", e.msg);
}

/* Resumed, against evidence that still stands: the next second brings the same hold. */
static void
warn_of_hold(struct cmd *cmd, cJSON *answer)
{
	const char *name = cmd->request.values[PARAM_RELEASE].text;
	const struct config_release *release =
	    config_find_release(cmd->master->config, name, strlen(name));
	const struct policy_release *set = policy_find(&cmd->master->policy, name);
	char text[CMD_WHY_BYTES];

	if (release != NULL && set != NULL && cmd_say_held_again(cmd, set, release, text))
		cmd_put_text(cmd, answer, "warning", text);
}

static void
on_receipt(const struct receipt *r, void *arg)
{
	struct cmd *cmd = arg;
	cJSON *answer;

	if (r->code != CTL_OK) {
		cmd_fail(cmd, r->code, "%s", r->error.msg);
		return;
	}
	answer = begin_answer(cmd, r->policy);
	cmd_put_bool(cmd, answer, "changed", r->changed);
	if (cmd->request.verb == VERB_RESUME)
		warn_of_hold(cmd, answer);
	else
		put_warning(cmd, answer, r);
	if (cmd->request.verb == VERB_ROLLBACK)
		cmd_put_bool(cmd, answer, "cut", cmd->request.values[PARAM_CUT].given);
	put_receipt(cmd, answer, r);
	cmd_answer(cmd, answer);
}

/* `change` has what is the verb's own. */
static void
apply(struct cmd *cmd, struct change change)
{
	const struct command_value *values = cmd->request.values;
	struct err e = { "" };
	enum ctl_code code;

	change.release = values[PARAM_RELEASE].text;
	change.actor = cmd->actor;
	change.reason = values[PARAM_REASON].text;
	change.if_revision = values[PARAM_IF_REVISION].number;
	change.request_id = cmd->request.id;
	change.received_us = cmd->received_us;
	if (change.command == COMMAND_ROLLBACK)
		preflight_cancel(cmd->master, change.release, "a rollback came");
	code = preflight_apply(
	    cmd->master, &change, values[PARAM_WHEN_KNOWN].given, on_receipt, cmd, &e);

	/* Otherwise the command may be gone already. */
	if (code != CTL_OK)
		cmd_fail(cmd, code, "%s", e.msg);
}

static uint32_t
share_of(const struct cmd *cmd)
{
	return (uint32_t)cmd->request.values[PARAM_PERCENT].number;
}

void
cmd_start(struct cmd *cmd)
{
	apply(cmd, (struct change){ .command = COMMAND_START });
}

void
cmd_stage(struct cmd *cmd)
{
	apply(cmd, (struct change){ .command = COMMAND_STAGE, .share_bp = share_of(cmd) });
}

void
cmd_weight(struct cmd *cmd)
{
	apply(cmd, (struct change){ .command = COMMAND_WEIGHT, .share_bp = share_of(cmd) });
}

void
cmd_promote(struct cmd *cmd)
{
	bool full = cmd->request.values[PARAM_FULL].given;

	apply(cmd, (struct change){ .command = full ? COMMAND_FULL : COMMAND_PROMOTE });
}

void
cmd_pause(struct cmd *cmd)
{
	apply(cmd, (struct change){ .command = COMMAND_PAUSE, .hold = HOLD_OPERATOR });
}

static void
refuse_waiver(struct cmd *cmd, const char *name, size_t n)
{
	char known[256] = "";
	size_t used = 0;

	for (unsigned i = 0; release_waivable(i) != NULL && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
		    i > 0 ? ", " : "", release_waivable(i));
	cmd_fail(cmd, CTL_USAGE, "resume: waive: \"%.*s\" is none of %s", (int)n, name, known);
}

/* "length,cost" as bits. False: the command has failed. */
static bool
read_waivers(struct cmd *cmd, const char *names, uint32_t *out)
{
	for (const char *name = names;; name++) {
		size_t n = strcspn(name, ",");
		unsigned number = 0;

		while (release_waivable(number) != NULL &&
		       (strlen(release_waivable(number)) != n ||
			   strncmp(release_waivable(number), name, n) != 0))
			number++;
		if (release_waivable(number) == NULL) {
			refuse_waiver(cmd, name, n);
			return false;
		}
		*out |= UINT32_C(1) << number;
		name += n;
		if (*name == '\0')
			return true;
	}
}

void
cmd_resume(struct cmd *cmd)
{
	const struct command_value *values = cmd->request.values;
	const char *names = values[PARAM_WAIVE].text;
	uint32_t waive = 0;

	if (names != NULL && !read_waivers(cmd, names, &waive))
		return;
	if (waive != 0 && !values[PARAM_REASON].given)
		cmd_fail(cmd, CTL_USAGE, "resume: a waiver needs a reason: add --reason TEXT");
	else
		apply(cmd, (struct change){ .command = COMMAND_RESUME, .waive = waive });
}

void
cmd_freeze(struct cmd *cmd)
{
	const char *until = cmd->request.values[PARAM_UNTIL].text;
	uint64_t until_us = 0;

	/* The table of parameters has checked it. */
	if (until != NULL && moment_parse(until, clock_wall_us(), &until_us) == -1)
		cmd_fail(cmd, CTL_USAGE, "freeze: until is no time");
	else
		apply(cmd, (struct change){ .command = COMMAND_FREEZE, .until_us = until_us });
}

void
cmd_unfreeze(struct cmd *cmd)
{
	apply(cmd, (struct change){ .command = COMMAND_UNFREEZE });
}

void
cmd_restart(struct cmd *cmd)
{
	apply(cmd, (struct change){ .command = COMMAND_RESTART });
}

void
cmd_rollback(struct cmd *cmd)
{
	const struct command_value *values = cmd->request.values;

	if (values[PARAM_ALL].given && values[PARAM_IF_REVISION].given)
		cmd_fail(cmd, CTL_USAGE,
		    "rollback: if_revision is the revision of one release: name it");
	else
		apply(cmd,
		    (struct change){ .command = COMMAND_ROLLBACK, .cut = values[PARAM_CUT].given });
}

/* The rollouts that a config with other models has ended before their time. */
static void
put_ended(struct cmd *cmd, cJSON *answer, const struct policy *before)
{
	cJSON *ended = cmd_put_array(cmd, answer, "ended");

	for (uint32_t i = 0; i < before->n_releases; i++) {
		const struct policy_release *old = &before->releases[i];
		const struct policy_release *new = policy_find(&cmd->master->policy, old->name);

		if (old->share_bp > 0 && old->state != STATE_DONE &&
		    (new == NULL || new->rollout_id != old->rollout_id))
			cmd_put_text(cmd, cmd_put_element(cmd, ended), "release", old->name);
	}
}

static void
on_reloaded(const struct err *failure, const struct policy *before, void *arg)
{
	struct cmd *cmd = arg;
	cJSON *answer;

	if (failure != NULL) {
		cmd_fail(cmd, CTL_REFUSED, "%s", failure->msg);
		return;
	}
	answer = cmd_begin(cmd);
	cmd_put_number(cmd, answer, "generation", (double)cmd->master->generation);
	cmd_put_text(cmd, answer, "config", cmd->master->config->path);
	put_ended(cmd, answer, before);
	cmd_answer(cmd, answer);
}

static void
on_upgraded(const struct err *failure, void *arg)
{
	struct cmd *cmd = arg;
	cJSON *answer;

	if (failure != NULL) {
		cmd_fail(cmd, CTL_REFUSED, "%s", failure->msg);
		return;
	}
	answer = cmd_begin(cmd);
	cmd_put_number(cmd, answer, "pid", (double)upgrade_successor(cmd->master));
	cmd_answer(cmd, answer);
}

void
cmd_upgrade(struct cmd *cmd)
{
	struct err e = { "" };
	enum ctl_code code = upgrade_begin(cmd->master, &cmd->actor, on_upgraded, cmd, &e);

	if (code != CTL_OK)
		cmd_fail(cmd, code, "%s", e.msg);
}

void
cmd_reload(struct cmd *cmd)
{
	struct err e = { "" };
	enum ctl_code code = generation_reload(
	    cmd->master, &cmd->actor, cmd->request.values[PARAM_REASON].text, on_reloaded, cmd, &e);

	if (code != CTL_OK)
		cmd_fail(cmd, code, "%s", e.msg);
}

void
cmd_reopen(struct cmd *cmd)
{
	struct err e;

	if (master_reopen_logs(cmd->master, &e) == -1)
		cmd_fail(cmd, CTL_REFUSED, "%s", e.msg);
	else
		cmd_answer(cmd, cmd_begin(cmd));
}

void
cmd_stop(struct cmd *cmd)
{
	struct master *m = cmd->master;
	char who[sizeof(cmd->actor.name)], note[80];
	cJSON *answer = cmd_begin(cmd);

	snprintf(who, sizeof(who), "%s", cmd->actor.name);
	if (m->stopping)
		snprintf(note, sizeof(note), "told so again: grayd ends at once");
	else
		snprintf(note, sizeof(note),
		    "grayd finishes what runs, for at most %u s, and then ends; again: at once",
		    m->config->limits.drain_ms / 1000);
	cmd_put_text(cmd, answer, "note", note);
	/* The answer first: stopping closes this socket. */
	cmd_answer(cmd, answer);
	master_stop(m, who);
}
