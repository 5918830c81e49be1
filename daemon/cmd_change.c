// SPDX-License-Identifier: MIT
/*
 * What is to be: the verbs that change something. Master process. Shares change through
 * transition_apply() alone; the answer waits until every worker has acknowledged.
 */
#include "daemon/cmd.h"

#include <assert.h>
#include <stdio.h>

#include "daemon/master.h"

static void
put_receipt(struct cmd *cmd, cJSON *answer, const struct receipt *r)
{
	cJSON *object = cmd_put_object(cmd, answer, "receipt");

	cmd_put_number(cmd, object, "publish_us", (double)r->publish_us);
	cmd_put_number(cmd, object, "acknowledge_us", (double)r->acknowledge_us);
	cmd_put_number(cmd, object, "acknowledged", r->acknowledged);
	cmd_put_number(cmd, object, "killed", r->killed);
	cmd_put_number(cmd, object, "candidate_in_flight", (double)r->candidate_in_flight);
}

/* As the publish left them: by the time of the receipt somebody may have changed them again. The
 * receipt is what makes the published share equal to the one that was set. */
static void
put_standing(struct cmd *cmd, cJSON *object, const char *release)
{
	const struct policy_release *set = policy_find(&cmd->master->policy, release);

	assert(set != NULL); /* transition_apply() has just found it */
	cmd_put_standing(cmd, object, set, set->share_bp);
}

static cJSON *
begin_answer(struct cmd *cmd)
{
	const char *name = cmd->request.values[PARAM_RELEASE].text;
	const struct master *m = cmd->master;
	cJSON *answer = cmd_begin(cmd), *releases;

	if (name != NULL) {
		put_standing(cmd, answer, name);
		return answer;
	}
	cmd_put_number(cmd, answer, "revision", (double)m->policy.revision);
	releases = cmd_put_object(cmd, answer, "releases");
	for (unsigned i = 0; i < m->policy.n_releases; i++) {
		const char *each = m->policy.releases[i].name;

		put_standing(cmd, cmd_put_object(cmd, releases, each), each);
	}
	return answer;
}

static void
end_answer(struct cmd *cmd)
{
	cJSON *answer = cmd->answer;

	cmd->answer = NULL;
	cmd_put_bool(cmd, answer, "changed", cmd->receipt.changed);
	put_receipt(cmd, answer, &cmd->receipt);
	cmd_answer(cmd, answer);
}

/* May come before transition_apply() has returned: then there is no answer to end yet. */
static void
on_acknowledged(const struct receipt *r, void *arg)
{
	struct cmd *cmd = arg;

	cmd->receipt = *r;
	cmd->acknowledged = true;
	if (cmd->answer != NULL)
		end_answer(cmd);
}

static void
apply(struct cmd *cmd, enum release_command command)
{
	const struct command_value *values = cmd->request.values;
	struct change change = {
		.command = command,
		.release = values[PARAM_RELEASE].text,
		.share_bp = (uint32_t)values[PARAM_PERCENT].number,
		.actor = cmd->actor,
		.reason = values[PARAM_REASON].text,
		.if_revision = values[PARAM_IF_REVISION].number,
		.request_id = cmd->request.id,
		.received_us = cmd->received_us,
	};
	struct err e = { "" };
	enum ctl_code code = transition_apply(cmd->master, &change, on_acknowledged, cmd, &e);

	if (code != CTL_OK) {
		cmd_fail(cmd, code, "%s", e.msg);
		return;
	}
	cmd->answer = begin_answer(cmd);
	if (cmd->answer == NULL) {
		transition_forget(cmd->master, cmd);
		cmd_fail(
		    cmd, CTL_INTERNAL, "it was published, but there is no memory for the receipt");
	} else if (cmd->acknowledged) {
		end_answer(cmd);
	}
}

void
cmd_stage(struct cmd *cmd)
{
	apply(cmd, COMMAND_STAGE);
}

void
cmd_weight(struct cmd *cmd)
{
	apply(cmd, COMMAND_WEIGHT);
}

void
cmd_rollback(struct cmd *cmd)
{
	const struct command_value *values = cmd->request.values;

	if (values[PARAM_ALL].given && values[PARAM_IF_REVISION].given)
		cmd_fail(cmd, CTL_USAGE,
		    "rollback: if_revision is the revision of one release: name it");
	else
		apply(cmd, COMMAND_ROLLBACK);
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
	snprintf(note, sizeof(note), "grayd finishes what runs, for at most %u s, and then ends",
	    m->config->limits.drain_ms / 1000);
	cmd_put_text(cmd, answer, "note", note);
	/* The answer first: stopping closes this socket. */
	cmd_answer(cmd, answer);
	master_stop(m, who);
}
