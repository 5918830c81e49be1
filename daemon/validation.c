// SPDX-License-Identifier: MIT
/*
 * The validations of a master, from their begin to their end, see validation.h. Master process.
 * Their questions: validation_round.c; what answers mean: validation_judge.c.
 */
#include "daemon/validation.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/generation.h"
#include "daemon/master.h"
#include "daemon/validation_state.h"

/* ---- the validations of a master --------------------------------------------------------------
 */

struct validation *
validation_of(const struct master *m, uint64_t generation)
{
	if (m->validation != NULL && m->validation->generation == generation)
		return m->validation;
	if (m->next_validation != NULL && m->next_validation->generation == generation)
		return m->next_validation;
	return NULL;
}

static void
validation_free(struct validation *v)
{
	if (v == NULL)
		return;
	while (v->rounds != NULL) {
		struct round *r = v->rounds;

		v->rounds = r->next;
		free(r);
	}
	free(v->models);
	free(v->next_us);
	free(v);
}

bool
validation_is_wanted(const struct config *c)
{
	for (unsigned i = 0; i < c->n_providers; i++) {
		if (c->providers[i].validate)
			return true;
	}
	return false;
}

/* ---- beginning and end of a generation ---------------------------------------------------------
 */

static void
mark_used(struct validation *v)
{
	const struct config *c = v->config;

	for (unsigned i = 0; i < c->n_releases; i++) {
		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			const struct config_model *model = c->releases[i].arms[arm];
			struct known *known;

			if (model == NULL)
				continue;
			known = &v->models[model_number(c, model)];
			known->used = true;
			known->asked = model->provider->validate;
			if (!known->asked)
				known->finding = (struct finding){ .standing = STANDING_UNVERIFIED,
					.why = "it is not asked: its \"validate\" is false" };
		}
	}
}

static bool
is_same_model(const struct config_model *a, const struct config_model *b)
{
	const struct config_provider *p = a->provider, *q = b->provider;

	return strcmp(a->name, b->name) == 0 && p->kind == q->kind &&
	       strcmp(p->base_url, q->base_url) == 0 && strcmp(p->name, q->name) == 0;
}

/* Takes over what is verified already. True: it is. */
static bool
carry_model(struct validation *v, unsigned number, const struct validation *before)
{
	struct known *known = &v->models[number];

	for (unsigned i = 0; before != NULL && i < before->config->n_models; i++) {
		const struct known *old = &before->models[i];

		if (old->finding.standing != STANDING_VERIFIED ||
		    !is_same_model(&v->config->models[number], &before->config->models[i]))
			continue;
		known->finding = old->finding;
		known->wall_us = old->wall_us;
		return true;
	}
	return false;
}

static void
on_first_round(void *arg)
{
	struct validation *v = arg;

	v->settled = true;
	generation_check(v->master);
}

static int
begin_first_round(struct validation *v, struct err *e)
{
	struct round *r = round_new(on_first_round, v, e);

	if (r == NULL)
		return -1;
	for (unsigned i = 0; i < v->config->n_models; i++) {
		if (v->models[i].used && v->models[i].asked &&
		    !carry_model(v, i, v->master->validation))
			round_add(v, r, i);
	}
	v->settled = r->n == 0;
	if (v->settled)
		free(r);
	else
		round_begin(v, r);
	return 0;
}

static void
ask_later(struct validation *v, const struct config_provider *p)
{
	v->next_us[p - v->config->providers] =
	    clock_mono_us() + (uint64_t)p->validate_ms * US_PER_MS;
}

int
validation_begin(struct master *m, uint64_t generation, const struct config *c, struct err *e)
{
	struct validation *v = calloc(1, sizeof(*v));

	if (v != NULL) {
		v->master = m;
		v->generation = generation;
		v->config = c;
		v->models = calloc(c->n_models + 1, sizeof(*v->models));
		v->next_us = calloc(c->n_providers + 1, sizeof(*v->next_us));
	}
	if (v == NULL || v->models == NULL || v->next_us == NULL) {
		validation_free(v);
		return err_set(e, "out of memory");
	}
	mark_used(v);
	for (unsigned i = 0; i < c->n_providers; i++)
		ask_later(v, &c->providers[i]);
	if (begin_first_round(v, e) != 0) {
		validation_free(v);
		return -1;
	}
	if (m->validation == NULL)
		m->validation = v;
	else
		m->next_validation = v;
	return 0;
}

void
validation_drop(struct master *m, uint64_t generation)
{
	if (m->next_validation == NULL || m->next_validation->generation != generation)
		return;
	validation_free(m->next_validation);
	m->next_validation = NULL;
}

void
validation_serve(struct master *m, uint64_t generation)
{
	struct validation *old = NULL;

	atomic_store_explicit(&m->slots.all[0].serving, 1, memory_order_relaxed);
	if (m->next_validation != NULL && m->next_validation->generation == generation) {
		old = m->validation;
		m->validation = m->next_validation;
		m->next_validation = NULL;
	}
	if (m->validation == NULL || m->validation->serves)
		return;
	m->validation->serves = true;
	validation_complain(m->validation);
	validation_publish(m->validation);
	/* Who still waits for the old one looks at what is known now. */
	while (old != NULL && old->rounds != NULL)
		round_end(old, old->rounds);
	validation_free(old);
}

void
validation_end(struct master *m)
{
	validation_free(m->validation);
	validation_free(m->next_validation);
	m->validation = m->next_validation = NULL;
}

bool
validation_is_settled(const struct master *m, uint64_t generation)
{
	const struct validation *v = validation_of(m, generation);

	return v == NULL || v->settled;
}

/* ---- asking again ------------------------------------------------------------------------------
 */

int
validation_ask(
    struct master *m, const char *release, validation_done_fn *done, void *arg, struct err *e)
{
	struct validation *v = m->validation;
	struct round *r = round_new(done, arg, e);

	if (r == NULL)
		return -1;
	for (unsigned i = 0; i < v->config->n_releases; i++) {
		const struct config_release *each = &v->config->releases[i];

		if (release != NULL && strcmp(each->name, release) != 0)
			continue;
		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			if (each->arms[arm] != NULL)
				round_add(v, r, model_number(v->config, each->arms[arm]));
		}
	}
	round_begin(v, r);
	return 0;
}

void
validation_forget(struct master *m, const void *arg)
{
	for (struct round *r = m->validation != NULL ? m->validation->rounds : NULL; r != NULL;
	     r = r->next) {
		if (r->arg == arg)
			r->done = NULL;
	}
}

/* The providers whose time has come again. */
static void
ask_again(struct validation *v)
{
	const struct config *c = v->config;
	uint64_t now_us = clock_mono_us();
	struct round *r = NULL;
	struct err e;

	for (unsigned i = 0; i < c->n_models; i++) {
		const struct config_provider *p = c->models[i].provider;

		if (!v->models[i].used || !v->models[i].asked ||
		    now_us < v->next_us[p - c->providers])
			continue;
		if (r == NULL && (r = round_new(NULL, NULL, &e)) == NULL)
			return;
		round_add(v, r, i);
	}
	if (r == NULL)
		return;
	for (unsigned i = 0; i < c->n_providers; i++) {
		if (now_us >= v->next_us[i])
			ask_later(v, &c->providers[i]);
	}
	round_begin(v, r);
}

static void
tick(struct validation *v)
{
	uint64_t now_us = clock_mono_us();
	struct round *r = v->rounds, *next;

	for (; r != NULL; r = next) {
		next = r->next;
		if (now_us >= r->deadline_us) {
			round_give_up(v, r);
			return; /* what it called may have changed everything */
		}
		round_send(v, r);
	}
	if (v->serves)
		ask_again(v);
}

void
validation_tick(struct master *m)
{
	if (m->stopping)
		return;
	if (m->next_validation != NULL)
		tick(m->next_validation);
	if (m->validation != NULL)
		tick(m->validation);
}

const struct finding *
validation_find(const struct master *m, const struct config_model *model, uint64_t *asked_wall_us)
{
	static const struct finding nothing;
	const struct validation *v = m->validation;

	if (asked_wall_us != NULL)
		*asked_wall_us = 0;
	if (v == NULL || v->config != m->config)
		return &nothing;
	if (asked_wall_us != NULL)
		*asked_wall_us = v->models[model_number(v->config, model)].wall_us;
	return &v->models[model_number(v->config, model)].finding;
}
