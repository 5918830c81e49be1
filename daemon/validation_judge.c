// SPDX-License-Identifier: MIT
/*
 * What findings mean, see validation.h: whether a generation may serve, what people are told, what
 * /metrics shows. Master process.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/master.h"
#include "daemon/validation_state.h"

/* ---- in words ----------------------------------------------------------------------------------
 */

static const char *const says[STANDING_COUNT] = {
	[STANDING_UNASKED] = "has not been asked yet for model",
	[STANDING_VERIFIED] = "has model",
	[STANDING_UNKNOWN] = "has no model",
	[STANDING_UNVERIFIED] = "does not say whether it has model",
	[STANDING_UNREACHABLE] = "could not be asked for model",
};

void
validation_describe(const struct config_model *model, const struct finding *f, struct err *e)
{
	char hint[ALIKE_KEPT * (NAME_BYTES + 8) + 32] = "";
	size_t n = 0;

	for (unsigned i = 0; i < f->n_alike; i++)
		n += (size_t)snprintf(hint + n, sizeof(hint) - n, "%s\"%s\"",
		    i == 0		 ? "; did you mean "
		    : i + 1 < f->n_alike ? ", "
					 : " or ",
		    f->alike[i]);
	if (n > 0)
		snprintf(hint + n, sizeof(hint) - n, "?");
	err_set(e, "models.%s: provider \"%s\" %s \"%s\"%s%s%s", model->id, model->provider->name,
	    says[f->standing], model->name, f->why[0] != '\0' ? ": " : "", f->why, hint);
}

/* ---- may it serve? -----------------------------------------------------------------------------
 */

/* A candidate that has taken over serves everything: its old stable model may well be gone. */
static bool
is_done(const struct master *m, const struct config_release *r)
{
	const struct policy_release *now = policy_find(&m->policy, r->name);

	return now != NULL && now->state == STATE_DONE;
}

static int
refuse(const struct validation *v, const struct config_release *r, const struct finding *f,
    struct err *e)
{
	const struct config_model *model = r->arms[ARM_STABLE];
	struct err what;

	validation_complain(v); /* it may not be the only one */
	validation_describe(model, f, &what);
	return err_set(e,
	    "%s: releases.%s.stable: %s (correct models.%s.name; or set "
	    "providers.%s.validate to false, and nobody is asked)",
	    v->config->path, r->name, what.msg, model->id, model->provider->name);
}

int
validation_judge(const struct master *m, uint64_t generation, struct err *e)
{
	const struct validation *v =
	    m->next_validation != NULL ? m->next_validation : m->validation;

	if (v == NULL || v->generation != generation)
		return 0;
	for (unsigned i = 0; i < v->config->n_releases; i++) {
		const struct config_release *r = &v->config->releases[i];
		const struct known *known =
		    &v->models[model_number(v->config, r->arms[ARM_STABLE])];

		if (known->finding.standing == STANDING_UNKNOWN && !is_done(m, r))
			return refuse(v, r, &known->finding, e);
	}
	return 0;
}

/* ---- for the log -------------------------------------------------------------------------------
 */

/* "stable of chat, candidate of mail": who uses a model. */
static void
list_uses(const struct config *c, const struct config_model *model, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < c->n_releases * ARM_COUNT && n < size; i++) {
		const struct config_release *r = &c->releases[i / ARM_COUNT];

		if (r->arms[i % ARM_COUNT] == model)
			n += (size_t)snprintf(out + n, size - n, "%s%s of %s", n > 0 ? ", " : "",
			    arm_names[i % ARM_COUNT], r->name);
	}
}

static const struct {
	const char *event, *consequence;
} alarms[STANDING_COUNT] = {
	[STANDING_UNKNOWN] = { "model_unknown",
	    "what serves goes on; no rollout begins with an unknown candidate" },
	[STANDING_UNVERIFIED] = { "model_unverified", "nothing is held up by that" },
	[STANDING_UNREACHABLE] = { "model_unreachable", "nothing is held up by that" },
};

static void
complain(const struct validation *v, unsigned number)
{
	const struct config_model *model = &v->config->models[number];
	const struct finding *f = &v->models[number].finding;
	char uses[256];
	struct err what;

	validation_describe(model, f, &what);
	list_uses(v->config, model, uses, sizeof(uses));
	if (alarms[f->standing].event != NULL)
		log_event(LOG_WARN, alarms[f->standing].event, "%s (%s); %s", what.msg, uses,
		    alarms[f->standing].consequence);
	else
		log_event(LOG_INFO, "model_verified", "%s (%s)", what.msg, uses);
}

void
validation_changed(const struct validation *v, unsigned model, const struct finding *before)
{
	/* The words of a failure may differ each time; the failure does not. */
	if (v->models[model].finding.standing != before->standing)
		complain(v, model);
}

void
validation_complain(const struct validation *v)
{
	for (unsigned i = 0; i < v->config->n_models; i++) {
		if (v->models[i].asked)
			complain(v, i);
	}
}

/* ---- for /metrics ------------------------------------------------------------------------------
 */

static void
publish_arm(struct slot_arm *arm, const struct known *known)
{
	uint32_t standing = known != NULL ? known->finding.standing : STANDING_UNASKED;

	atomic_store_explicit(&arm->standing, standing, memory_order_relaxed);
	atomic_store_explicit(
	    &arm->asked_wall_us, known != NULL ? known->wall_us : 0, memory_order_relaxed);
}

void
validation_publish(const struct validation *v)
{
	struct slot *figures = &v->master->slots.all[0];

	for (unsigned i = 0; i < v->config->n_releases; i++) {
		const struct config_release *r = &v->config->releases[i];
		struct slot_release *slot = slot_release_tally(figures, r->name);

		for (unsigned arm = 0; slot != NULL && arm < ARM_COUNT; arm++)
			publish_arm(&slot->arms[arm],
			    r->arms[arm] != NULL ? &v->models[model_number(v->config, r->arms[arm])]
						 : NULL);
	}
}
