// SPDX-License-Identifier: MIT
/*
 * What is to be: the verbs that change something. Master process. Shares change through
 * transition_apply() alone; the answer waits until every worker has acknowledged.
 */
#include "daemon/cmd.h"

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

static void
put_standing(struct cmd *cmd, cJSON *object, const struct config_release *release)
{
	cmd_put_standing(cmd, object, release->name);
}

static void
on_acknowledged(const struct receipt *r, void *arg)
{
	struct cmd *cmd = arg;
	const char *release = cmd->request.values[PARAM_RELEASE].text;
	cJSON *answer = cmd_begin(cmd);

	cmd_put_bool(cmd, answer, "changed", r->changed);
	put_receipt(cmd, answer, r);
	if (release != NULL) {
		cmd_put_standing(cmd, answer, release);
		cmd_answer(cmd, answer);
		return;
	}
	cmd_put_number(cmd, answer, "revision", (double)r->revision);
	if (cmd_each_release(cmd, answer, put_standing))
		cmd_answer(cmd, answer);
}

/* With CTL_OK the command may be answered and gone by now: on_acknowledged() has it. */
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

	if (code != CTL_OK)
		cmd_fail(cmd, code, "%s", e.msg);
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
		cmd_fail(cmd, CTL_USAGE, "rollback: if_revision is the revision of one release: name it");
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
	char who[sizeof(cmd->actor.name)];

	snprintf(who, sizeof(who), "%s", cmd->actor.name);
	/* The answer first: stopping closes this socket. */
	cmd_answer(cmd, cmd_begin(cmd));
	master_stop(m, who);
}
