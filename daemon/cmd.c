// SPDX-License-Identifier: MIT
/* What all commands share: their line in the log and the parts of their answers; see cmd.h. */
#include "daemon/cmd.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/master.h"

/* "stage gpt-4.1 30", for the log. */
static void
describe(const struct cmd *cmd, char *out, size_t size)
{
	const struct verb_info *verb = verb_info(cmd->request.verb);
	size_t n = (size_t)snprintf(out, size, "%s", verb->name);

	for (const struct verb_param *p = verb->params; p->role != ROLE_END; p++) {
		const struct command_value *v = &cmd->request.values[p->param];
		const struct param_info *info = param_info(p->param);

		if (!v->given || p->param == PARAM_REASON || n >= size)
			continue;
		if (info->type == TYPE_PERCENT)
			n += (size_t)snprintf(out + n, size - n, " %g", (double)v->number / 100);
		else if (info->type == TYPE_INTEGER)
			n += (size_t)snprintf(out + n, size - n, " %s %llu", info->name,
			    (unsigned long long)v->number);
		else
			n += (size_t)snprintf(out + n, size - n, " %s",
			    info->type == TYPE_FLAG ? info->name : v->text);
	}
}

void
cmd_log(const struct cmd *cmd, bool done, const char *result)
{
	const struct command_value *reason = &cmd->request.values[PARAM_REASON];
	char what[256];

	if (verb_info(cmd->request.verb)->right != RIGHT_CHANGE)
		return;
	describe(cmd, what, sizeof(what));
	log_event(done ? LOG_INFO : LOG_WARN, "command", "%s (uid %u, pid %d): %s: %s%s%s",
	    cmd->actor.name, (unsigned)cmd->actor.uid, (int)cmd->pid, what, result,
	    reason->given ? "; reason: " : "", reason->given ? reason->text : "");
}

static cJSON *
checked(struct cmd *cmd, cJSON *item)
{
	if (item == NULL)
		cmd->no_memory = true;
	return item;
}

cJSON *
cmd_begin(struct cmd *cmd)
{
	return checked(cmd, ctlproto_answer(true, cmd->request.id));
}

cJSON *
cmd_put_object(struct cmd *cmd, cJSON *in, const char *name)
{
	return checked(cmd, cJSON_AddObjectToObject(in, name));
}

cJSON *
cmd_put_array(struct cmd *cmd, cJSON *in, const char *name)
{
	return checked(cmd, cJSON_AddArrayToObject(in, name));
}

cJSON *
cmd_put_element(struct cmd *cmd, cJSON *array)
{
	cJSON *element = cJSON_CreateObject();

	if (!cJSON_AddItemToArray(array, element)) {
		cJSON_Delete(element);
		element = NULL;
	}
	return checked(cmd, element);
}

void
cmd_put_number(struct cmd *cmd, cJSON *in, const char *name, double value)
{
	checked(cmd, cJSON_AddNumberToObject(in, name, value));
}

void
cmd_put_digits(struct cmd *cmd, cJSON *in, const char *name, const char *digits)
{
	checked(cmd, cJSON_AddRawToObject(in, name, digits));
}

void
cmd_put_count(struct cmd *cmd, cJSON *in, const char *name, uint64_t count)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, count);
	cmd_put_digits(cmd, in, name, digits);
}

void
cmd_put_usd(struct cmd *cmd, cJSON *in, const char *name, const struct money *amount)
{
	char digits[MONEY_CHARS];

	if (amount != NULL)
		cmd_put_text(cmd, in, name, money_format(digits, *amount, PICOUSD_DECIMALS));
	else
		cmd_put_null(cmd, in, name);
}

void
cmd_put_saving(struct cmd *cmd, cJSON *in, const struct money *from, const struct money *to)
{
	char digits[MONEY_CHARS + 1] = "-";
	struct money less, more;

	if (from == NULL || to == NULL) {
		cmd_put_null(cmd, in, "saving_usd");
		cmd_put_null(cmd, in, "saving_percent");
		return;
	}
	less = money_difference(*from, *to);
	more = money_difference(*to, *from);
	if (more.usd > 0 || more.picousd > 0)
		money_format(digits + 1, more, PICOUSD_DECIMALS);
	else
		money_format(digits, less, PICOUSD_DECIMALS);
	cmd_put_text(cmd, in, "saving_usd", digits);
	cmd_put_number(cmd, in, "saving_percent", (double)money_saving_bp(*from, *to) / 100);
}

void
cmd_put_text(struct cmd *cmd, cJSON *in, const char *name, const char *text)
{
	checked(cmd, cJSON_AddStringToObject(in, name, text));
}

void
cmd_put_bool(struct cmd *cmd, cJSON *in, const char *name, bool value)
{
	checked(cmd, cJSON_AddBoolToObject(in, name, value));
}

void
cmd_put_null(struct cmd *cmd, cJSON *in, const char *name)
{
	checked(cmd, cJSON_AddNullToObject(in, name));
}

void
cmd_put_time(struct cmd *cmd, cJSON *in, const char *name, uint64_t wall_us)
{
	char text[CLOCK_ISO_BYTES];

	clock_iso(wall_us, text);
	cmd_put_text(cmd, in, name, text);
}

void
cmd_put_percent(struct cmd *cmd, cJSON *in, const char *name, uint64_t bp)
{
	cmd_put_number(cmd, in, name, (double)bp / 100);
}

void
cmd_put_standing(
    struct cmd *cmd, cJSON *in, const struct policy_release *set, uint32_t published_bp)
{
	cmd_put_text(cmd, in, "release", set->name);
	cmd_put_text(cmd, in, "state", release_state_name(set->state));
	if (set->state == STATE_HOLD) {
		cmd_put_text(cmd, in, "hold", release_hold_name(set->hold));
		cmd_put_text(cmd, in, "hold_text", release_hold_text(set->hold));
	}
	cmd_put_number(cmd, in, "stage", set->stage_percent);
	cmd_put_percent(cmd, in, "set_percent", set->share_bp);
	cmd_put_percent(cmd, in, "published_percent", published_bp);
	cmd_put_number(cmd, in, "revision", (double)set->revision);
	cmd_put_bool(cmd, in, "frozen", release_frozen(set, clock_wall_us()));
}

const struct policy_release *
cmd_put_current(struct cmd *cmd, cJSON *in, const char *name)
{
	const struct policy_release *set = policy_find(&cmd->master->policy, name);
	const struct policy_release *acked = policy_find(&cmd->master->acked, name);

	/* The policy names every release of the config. */
	assert(set != NULL);
	cmd_put_standing(cmd, in, set, acked != NULL ? acked->share_bp : 0);
	return set;
}

void
cmd_put_measured(struct cmd *cmd, cJSON *in, const struct release_totals *totals)
{
	double candidate = (double)totals->arms[ARM_CANDIDATE].window;
	double all = candidate + (double)totals->arms[ARM_STABLE].window;

	if (all > 0)
		cmd_put_number(cmd, in, "measured_percent", round(candidate / all * 10000) / 100);
	else
		cmd_put_null(cmd, in, "measured_percent");
}

void
cmd_no_such_release(struct cmd *cmd, const char *name)
{
	const struct config *config = cmd->master->config;
	char known[256] = "none";

	for (unsigned i = 0, n = 0; i < config->n_releases && n < sizeof(known); i++)
		n += (unsigned)snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "",
		    config->releases[i].name);
	cmd_fail(cmd, CTL_REFUSED, "there is no release \"%s\"; there are: %s", name, known);
}

bool
cmd_each_release(struct cmd *cmd, cJSON *answer, cmd_release_fn *each)
{
	const struct config *config = cmd->master->config;
	const char *name = cmd->request.values[PARAM_RELEASE].text;
	cJSON *releases = cmd_put_object(cmd, answer, "releases");
	bool found = name == NULL;

	for (unsigned i = 0; i < config->n_releases; i++) {
		const struct config_release *release = &config->releases[i];

		if (name != NULL && strcmp(name, release->name) != 0)
			continue;
		found = true;
		each(cmd, cmd_put_object(cmd, releases, release->name), release);
	}
	if (!found) {
		cJSON_Delete(answer);
		cmd_no_such_release(cmd, name);
	}
	return found;
}
