// SPDX-License-Identifier: MIT
/*
 * What went wrong: `errors`. Master process; reads only. The last attempts that failed come from
 * the rings of all workers, the totals from their counters since grayd started.
 */
#include <string.h>

#include "common/clock.h"
#include "daemon/cmd.h"
#include "daemon/master.h"

/* Workers note what the provider calls the model; people know it by its key in "models". A reload
 * may have taken both away. */
static const char *
model_id(const struct master *m, const struct error_note *note)
{
	for (unsigned i = 0; i < m->config->n_models; i++) {
		const struct config_model *model = &m->config->models[i];

		if (strcmp(model->name, note->model) == 0 &&
		    strcmp(model->provider->name, note->provider) == 0)
			return model->id;
	}
	return note->model;
}

static void
put_note(struct cmd *cmd, cJSON *object, const struct error_note *note)
{
	cmd_put_time(cmd, object, "time", note->wall_us);
	cmd_put_text(cmd, object, "request_id", note->request_id);
	cmd_put_text(cmd, object, "arm", arm_names[note->arm]);
	cmd_put_text(cmd, object, "model", model_id(cmd->master, note));
	cmd_put_text(cmd, object, "name", note->model);
	cmd_put_text(cmd, object, "provider", note->provider);
	cmd_put_text(cmd, object, "outcome", outcome_name(note->outcome));
	cmd_put_text(cmd, object, "text", outcome_info(note->outcome)->text);
	if (note->status != 0)
		cmd_put_number(cmd, object, "status", note->status);
	else
		cmd_put_null(cmd, object, "status");
	cmd_put_text(cmd, object, "code", note->code);
	cmd_put_text(cmd, object, "message", note->message);
	cmd_put_number(cmd, object, "attempt", note->attempt);
	cmd_put_bool(cmd, object, "saved", note->saved != SAVED_NOT);
	if (note->saved != SAVED_NOT)
		cmd_put_text(cmd, object, "saved_by", error_saved_names[note->saved]);
	else
		cmd_put_null(cmd, object, "saved_by");
}

/* Attempts of both arms that failed, by how. */
static void
put_failed(struct cmd *cmd, cJSON *in, const struct release_totals *totals)
{
	uint64_t failed[OUTCOME_COUNT];

	for (unsigned o = 0; o < OUTCOME_COUNT; o++)
		failed[o] =
		    totals->arms[ARM_STABLE].attempts[o] + totals->arms[ARM_CANDIDATE].attempts[o];
	failed[OUTCOME_OK] = 0;
	cmd_put_outcomes(cmd, in, "failed_attempts", failed);
}

static void
put_fallbacks(struct cmd *cmd, cJSON *in, const struct release_totals *totals)
{
	const struct arm_totals *arms = totals->arms;
	uint64_t reasons[OUTCOME_COUNT];

	for (unsigned o = 0; o < OUTCOME_COUNT; o++)
		reasons[o] = arms[ARM_STABLE].fallbacks[o] + arms[ARM_CANDIDATE].fallbacks[o];
	cmd_put_count(cmd, in, "fallbacks",
	    arms[ARM_STABLE].counters[COUNTER_FALLBACKS] +
		arms[ARM_CANDIDATE].counters[COUNTER_FALLBACKS]);
	cmd_put_outcomes(cmd, in, "fallback_reasons", reasons);
}

static void
put_errors(struct cmd *cmd, cJSON *object, const struct config_release *release)
{
	const struct command_value *limit = &cmd->request.values[PARAM_LIMIT];
	uint64_t shown = limit->given ? limit->number : ERRORS_KEPT;
	struct release_totals totals;
	struct error_list list;
	cJSON *array;

	slots_errors(&cmd->master->slots, release->name, &list);
	slots_sum_release(&cmd->master->slots, release->name, 0, &totals);
	cmd_put_text(cmd, object, "release", release->name);
	put_fallbacks(cmd, object, &totals);
	put_failed(cmd, object, &totals);
	array = cmd_put_array(cmd, object, "errors");
	for (unsigned i = list.n > shown ? list.n - (unsigned)shown : 0; i < list.n; i++)
		put_note(cmd, cmd_put_element(cmd, array), &list.notes[i]);
}

void
cmd_errors(struct cmd *cmd)
{
	cJSON *answer = cmd_begin(cmd);

	cmd_put_time(cmd, answer, "now", clock_wall_us());
	if (cmd_each_release(cmd, answer, put_errors))
		cmd_answer(cmd, answer);
}
