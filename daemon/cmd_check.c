// SPDX-License-Identifier: MIT
/*
 * `check`: what the providers say of the models, asked for now. Master process; changes nothing.
 */
#include "daemon/cmd.h"

#include <string.h>

#include "common/clock.h"
#include "daemon/master.h"
#include "daemon/validation.h"

static bool
uses(const struct config_release *release, const struct config_model *model)
{
	return release->arms[ARM_STABLE] == model || release->arms[ARM_CANDIDATE] == model;
}

/* Whether a model belongs to what the command asks about. */
static bool
is_wanted(const struct cmd *cmd, const struct config_model *model)
{
	const struct config *config = cmd->master->config;
	const char *name = cmd->request.values[PARAM_RELEASE].text;

	for (unsigned i = 0; i < config->n_releases; i++) {
		const struct config_release *release = &config->releases[i];

		if ((name == NULL || strcmp(name, release->name) == 0) && uses(release, model))
			return true;
	}
	return false;
}

static void
put_alike(struct cmd *cmd, cJSON *in, const struct finding *f)
{
	cJSON *array = cmd_put_array(cmd, in, "alike");

	for (unsigned i = 0; i < f->n_alike; i++) {
		cJSON *name = cJSON_CreateString(f->alike[i]);

		if (!cJSON_AddItemToArray(array, name)) {
			cJSON_Delete(name);
			cmd->no_memory = true;
		}
	}
}

void
cmd_put_model_standing(struct cmd *cmd, cJSON *in, const struct config_model *model)
{
	uint64_t asked_wall_us;
	const struct finding *f = validation_find(cmd->master, model, &asked_wall_us);
	struct err e;

	cmd_put_text(cmd, in, "standing", standing_name(f->standing));
	if (asked_wall_us != 0)
		cmd_put_time(cmd, in, "asked", asked_wall_us);
	else
		cmd_put_null(cmd, in, "asked");
	if (f->standing == STANDING_VERIFIED)
		return;
	validation_describe(model, f, &e);
	cmd_put_text(cmd, in, "standing_text", e.msg);
}

static void
put_uses(struct cmd *cmd, cJSON *in, const struct config_model *model)
{
	const struct config *config = cmd->master->config;
	cJSON *array = cmd_put_array(cmd, in, "used_by");

	for (unsigned i = 0; i < config->n_releases; i++) {
		const struct config_release *release = &config->releases[i];

		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			cJSON *use;

			if (release->arms[arm] != model)
				continue;
			use = cmd_put_element(cmd, array);
			cmd_put_text(cmd, use, "release", release->name);
			cmd_put_text(cmd, use, "arm", arm_names[arm]);
		}
	}
}

static void
put_model(struct cmd *cmd, cJSON *models, const struct config_model *model)
{
	uint64_t asked_wall_us, now_us = clock_wall_us();
	const struct finding *f = validation_find(cmd->master, model, &asked_wall_us);
	cJSON *object = cmd_put_element(cmd, models);

	cmd_put_text(cmd, object, "provider", model->provider->name);
	cmd_put_text(cmd, object, "model", model->id);
	cmd_put_text(cmd, object, "name", model->name);
	cmd_put_model_standing(cmd, object, model);
	cmd_put_text(cmd, object, "why", f->why);
	put_alike(cmd, object, f);
	put_uses(cmd, object, model);
	if (asked_wall_us == 0 || asked_wall_us > now_us)
		cmd_put_null(cmd, object, "age_s");
	else
		cmd_put_number(
		    cmd, object, "age_s", (double)((now_us - asked_wall_us) / US_PER_MS) / 1000);
}

static void
on_asked(void *arg)
{
	struct cmd *cmd = arg;
	const struct config *config = cmd->master->config;
	cJSON *answer = cmd_begin(cmd), *models;
	unsigned counts[STANDING_COUNT] = { 0 };

	cmd_put_time(cmd, answer, "now", clock_wall_us());
	models = cmd_put_array(cmd, answer, "models");
	for (unsigned i = 0; i < config->n_models; i++) {
		const struct config_model *model = &config->models[i];

		if (!is_wanted(cmd, model))
			continue;
		counts[validation_find(cmd->master, model, NULL)->standing]++;
		put_model(cmd, models, model);
	}
	for (unsigned s = STANDING_VERIFIED; s < STANDING_COUNT; s++)
		cmd_put_number(cmd, answer, standing_name((enum standing)s), counts[s]);
	cmd_put_bool(cmd, answer, "passed",
	    counts[STANDING_UNKNOWN] + counts[STANDING_UNREACHABLE] + counts[STANDING_UNASKED] ==
		0);
	cmd_answer(cmd, answer);
}

void
cmd_check(struct cmd *cmd)
{
	const struct config *config = cmd->master->config;
	const char *name = cmd->request.values[PARAM_RELEASE].text;
	struct err e;

	if (name != NULL && config_find_release(config, name, strlen(name)) == NULL)
		cmd_no_such_release(cmd, name);
	else if (validation_ask(cmd->master, name, on_asked, cmd, &e) != 0)
		cmd_fail(cmd, CTL_INTERNAL, "%s", e.msg);
}
