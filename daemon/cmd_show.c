// SPDX-License-Identifier: MIT
/*
 * What runs: `status` and `workers`. Master process; reads only. Shares come from the policies that
 * the master published and that the workers acknowledged, figures from their slots.
 */
#include "daemon/cmd.h"

#include <unistd.h>

#include "common/clock.h"
#include "daemon/alarm.h"
#include "daemon/master.h"
#include "daemon/predecessor.h"

/* ---- status ---------------------------------------------------------------------------------- */

struct crew {
	unsigned configured, alive, ready, draining, acknowledged;
};

/* Processes that serve; those of older generations are only draining. */
static struct crew
count_crew(const struct master *m)
{
	struct crew crew = { 0 };

	for (unsigned i = 0; i < m->supervisor.n_children; i++) {
		const struct child *c = &m->supervisor.children[i];

		if (c->state == CHILD_NONE || !c->role->has_slot)
			continue;
		crew.configured += c->state != CHILD_DRAINING;
		crew.draining += c->state == CHILD_DRAINING;
		crew.alive += child_alive(c);
		crew.ready += c->state == CHILD_READY;
		if (c->state == CHILD_READY &&
		    tally_get(&m->slots.all[c->slot].acked_revision) >= m->policy.revision)
			crew.acknowledged++;
	}
	return crew;
}

static void
put_crew(struct cmd *cmd, cJSON *grayd)
{
	const struct master *m = cmd->master;
	struct crew crew = count_crew(m);
	struct overall_totals totals;
	cJSON *workers = cmd_put_object(cmd, grayd, "workers");

	slots_sum_overall(&m->slots, &totals);
	cmd_put_number(cmd, workers, "configured", crew.configured);
	cmd_put_number(cmd, workers, "alive", crew.alive);
	cmd_put_number(cmd, workers, "ready", crew.ready);
	cmd_put_number(cmd, workers, "draining", crew.draining);
	cmd_put_number(cmd, workers, "acknowledged", crew.acknowledged);
	cmd_put_number(cmd, workers, "restarts", (double)totals.restarts);
	cmd_put_number(cmd, grayd, "open_connections", (double)totals.open);
	cmd_put_bool(cmd, grayd, "stopping", m->stopping);
	cmd_put_bool(cmd, grayd, "validating", !m->announced);
	cmd_put_bool(cmd, grayd, "serving",
	    m->announced && !m->stopping && crew.configured > 0 && crew.ready == crew.configured &&
		crew.acknowledged == crew.ready);
}

static void
put_grayd(struct cmd *cmd, cJSON *grayd)
{
	const struct master *m = cmd->master;
	cJSON *listen;

	cmd_put_text(cmd, grayd, "version", GRAYD_VERSION);
	cmd_put_number(cmd, grayd, "pid", getpid());
	cmd_put_time(cmd, grayd, "started", m->started_wall_us);
	cmd_put_number(
	    cmd, grayd, "uptime_s", (double)((clock_mono_us() - m->started_mono_us) / US_PER_S));
	cmd_put_text(cmd, grayd, "config", m->config->path);
	cmd_put_number(cmd, grayd, "generation", (double)m->generation);
	listen = cmd_put_array(cmd, grayd, "listen");
	for (unsigned i = 0; i < m->listeners.n; i++) {
		cJSON *address = cJSON_CreateString(m->listeners.all[i].address);

		if (!cJSON_AddItemToArray(listen, address)) {
			cJSON_Delete(address);
			cmd->no_memory = true;
		}
	}
	cmd_put_text(cmd, grayd, "admin_listen", m->listeners.admin.address);
	if (predecessor_pid(m) != 0)
		cmd_put_number(cmd, grayd, "draining_pid", predecessor_pid(m));
	put_crew(cmd, grayd);
}

/* Requests that ended badly for the client. */
static uint64_t
count_errors(const struct arm_totals *arm)
{
	uint64_t n = 0;

	for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
		enum blame blame = outcome_info((enum outcome)o)->blame;

		if (blame == BLAME_ERROR || blame == BLAME_TIMEOUT || blame == BLAME_EMPTY)
			n += arm->finished[o];
	}
	return n;
}

/* What only a person can mend; null most of the time. */
static void
put_alarm(struct cmd *cmd, cJSON *in, const struct config_model *model)
{
	const struct alarm *alarm = alarm_find(cmd->master, model);
	cJSON *object;
	struct err what;

	if (alarm == NULL) {
		cmd_put_null(cmd, in, "alarm");
		return;
	}
	alarm_describe(alarm, model, &what);
	object = cmd_put_object(cmd, in, "alarm");
	cmd_put_text(cmd, object, "outcome", outcome_name(alarm->outcome));
	cmd_put_text(cmd, object, "text", what.msg);
	cmd_put_time(cmd, object, "since", alarm->since_wall_us);
	cmd_put_count(cmd, object, "attempts", alarm->attempts);
}

static void
put_arm(struct cmd *cmd, cJSON *arms, enum arm arm, const struct config_model *model,
    const struct arm_totals *totals)
{
	cJSON *object;

	if (model == NULL) {
		cmd_put_null(cmd, arms, arm_names[arm]);
		return;
	}
	object = cmd_put_object(cmd, arms, arm_names[arm]);
	cmd_put_text(cmd, object, "model", model->id);
	cmd_put_text(cmd, object, "name", model->name);
	cmd_put_text(cmd, object, "provider", model->provider->name);
	cmd_put_model_standing(cmd, object, model);
	put_alarm(cmd, object, model);
	cmd_put_number(cmd, object, "requests", (double)totals->counters[COUNTER_REQUESTS]);
	cmd_put_number(cmd, object, "errors", (double)count_errors(totals));
	cmd_put_number(cmd, object, "fallbacks", (double)totals->counters[COUNTER_FALLBACKS]);
	cmd_put_number(cmd, object, "in_flight", (double)totals->in_flight);
}

static void
put_stages(struct cmd *cmd, cJSON *in, const struct config_release *release)
{
	int stages[STAGES_MAX];
	cJSON *array;

	for (unsigned i = 0; i < release->n_stages; i++)
		stages[i] = release->stages[i];
	array = cJSON_CreateIntArray(stages, (int)release->n_stages);
	if (!cJSON_AddItemToObject(in, "stages", array)) {
		cJSON_Delete(array);
		cmd->no_memory = true;
	}
}

static void
put_release(struct cmd *cmd, cJSON *object, const struct config_release *release)
{
	const struct policy_release *set = cmd_put_current(cmd, object, release->name);
	struct release_totals totals;
	cJSON *arms;

	slots_sum_release(&cmd->master->slots, release->name, set->share_revision, &totals);
	cmd_put_measured(cmd, object, &totals);
	cmd_put_text(cmd, object, "state_text", release_state_text(set->state));
	cmd_put_time(cmd, object, "changed", set->changed_wall_us);
	put_stages(cmd, object, release);
	cmd_put_rollout(cmd, object, set, release);
	arms = cmd_put_object(cmd, object, "arms");
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		put_arm(cmd, arms, (enum arm)arm, release->arms[arm], &totals.arms[arm]);
}

void
cmd_status(struct cmd *cmd)
{
	cJSON *answer = cmd_begin(cmd);

	cmd_put_time(cmd, answer, "now", clock_wall_us());
	cmd_put_number(cmd, answer, "revision", (double)cmd->master->policy.revision);
	put_grayd(cmd, cmd_put_object(cmd, answer, "grayd"));
	cmd_put_journal(cmd, answer);
	cmd_put_limits(cmd, answer, false);
	if (cmd_each_release(cmd, answer, put_release))
		cmd_answer(cmd, answer);
}

/* ---- workers --------------------------------------------------------------------------------- */

static double
age_ms(uint64_t now_us, uint64_t then_us)
{
	return then_us > now_us ? 0 : (double)((now_us - then_us) / US_PER_MS);
}

static void
put_slot(struct cmd *cmd, cJSON *object, unsigned index, uint64_t now_us)
{
	const struct slots *slots = &cmd->master->slots;
	const struct slot *slot = &slots->all[index];
	bool sane = slot_sane(slots, index);

	cmd_put_bool(cmd, object, "sane", sane);
	if (!sane)
		return;
	cmd_put_number(cmd, object, "heartbeat_ms", age_ms(now_us, tally_get(&slot->heartbeat_us)));
	cmd_put_number(cmd, object, "acknowledged", (double)tally_get(&slot->acked_revision));
	cmd_put_number(cmd, object, "started", (double)tally_get(&slot->started));
	cmd_put_number(cmd, object, "finished", (double)tally_get(&slot->finished));
	cmd_put_number(cmd, object, "open_connections", (double)tally_get(&slot->open));
}

static void
put_child(struct cmd *cmd, cJSON *object, const struct child *c, uint64_t now_us)
{
	cmd_put_text(cmd, object, "role", c->role->name);
	cmd_put_number(cmd, object, "index", c->index);
	cmd_put_number(cmd, object, "pid", c->pid);
	cmd_put_text(cmd, object, "state", child_state_names[c->state]);
	cmd_put_number(cmd, object, "generation", (double)c->generation);
	cmd_put_number(cmd, object, "restarts", (double)c->restarts);
	cmd_put_number(
	    cmd, object, "uptime_ms", child_alive(c) ? age_ms(now_us, c->started_us) : 0);
	if (child_alive(c) && c->slot != 0)
		put_slot(cmd, object, c->slot, now_us);
}

void
cmd_workers(struct cmd *cmd)
{
	const struct supervisor *s = &cmd->master->supervisor;
	uint64_t now_us = clock_mono_us();
	cJSON *answer = cmd_begin(cmd), *workers;

	cmd_put_time(cmd, answer, "now", clock_wall_us());
	cmd_put_number(cmd, answer, "revision", (double)cmd->master->policy.revision);
	workers = cmd_put_array(cmd, answer, "workers");
	for (unsigned i = 0; i < s->n_children; i++)
		if (s->children[i].state != CHILD_NONE)
			put_child(cmd, cmd_put_element(cmd, workers), &s->children[i], now_us);
	cmd_answer(cmd, answer);
}
