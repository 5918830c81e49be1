// SPDX-License-Identifier: MIT
/*
 * What was: `history` and `verify`. Master process; it only asks, the files are read by the
 * journal's writer.
 */
#include <string.h>

#include "daemon/cmd.h"
#include "daemon/journal.h"
#include "daemon/master.h"

#define HISTORY_USUAL 20

void
cmd_history(struct cmd *cmd)
{
	const struct command_value *values = cmd->request.values;
	uint64_t limit = values[PARAM_LAST].given ? values[PARAM_LAST].number : HISTORY_USUAL;

	/* Also of a release that the config has no more. */
	journal_ask_history(cmd->master, cmd, values[PARAM_RELEASE].text, (unsigned)limit);
}

void
cmd_verify(struct cmd *cmd)
{
	journal_ask_verify(cmd->master, cmd);
}

void
cmd_put_journal(struct cmd *cmd, cJSON *in)
{
	struct journal_health health;
	cJSON *object = cmd_put_object(cmd, in, "journal");

	journal_health(cmd->master, &health);
	cmd_put_bool(cmd, object, "ok", health.ok);
	if (health.ok)
		cmd_put_null(cmd, object, "error");
	else
		cmd_put_text(cmd, object, "error", health.error.msg);
	cmd_put_number(cmd, object, "record", (double)health.sequence);
	cmd_put_number(cmd, object, "waiting", health.waiting);
	cmd_put_number(cmd, object, "errors", (double)health.errors);
}
