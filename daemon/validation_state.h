// SPDX-License-Identifier: MIT
/* What the files of the validation share. Included by validation*.c only; master process. */
#pragma once

#include "daemon/validation.h"

/* Questions that were asked together. */
struct round {
	struct round *next;
	uint32_t number;
	uint64_t deadline_us;
	bool sent;
	unsigned n, missing; /* models; those without an answer */
	uint16_t models[PROBE_MODELS_MAX];
	bool answered[PROBE_MODELS_MAX];
	validation_done_fn *done; /* NULL: nobody waits */
	void *arg;
};

/* What is known of one model. */
struct known {
	bool used;  /* by a release */
	bool asked; /* its provider may be asked */
	struct finding finding;
	uint64_t wall_us; /* when it was found; 0: never */
};

struct validation {
	struct master *master;
	uint64_t generation;
	const struct config *config; /* of that generation */
	struct child *prober;	     /* NULL: none lives */
	bool settled, serves;
	uint32_t last_round;
	struct round *rounds;
	struct known *models; /* as in config.models */
	uint64_t *next_us;    /* as in config.providers: when it is asked again */
};

static inline unsigned
model_number(const struct config *c, const struct config_model *model)
{
	return (unsigned)(model - c->models);
}

/* NULL: the generation has none, or no more. */
struct validation *validation_of(const struct master *m, uint64_t generation);

/* ---- validation_round.c ------------------------------------------------------------------------
 */

/* A round that has not begun. NULL: out of memory. */
struct round *round_new(validation_done_fn *done, void *arg, struct err *e) MUST_CHECK;
/* Puts a model into it that is in use and may be asked for; once. */
void round_add(const struct validation *v, struct round *r, unsigned model);
/* Begins it; one without models ends at once. */
void round_begin(struct validation *v, struct round *r);
/* Sends its order, if it is not sent and can be. */
void round_send(const struct validation *v, struct round *r);
/* Takes it off the list and tells who waits for it, which may change everything. */
void round_end(struct validation *v, struct round *r);
/* The same at its deadline: who has not been told of could not be asked. */
void round_give_up(struct validation *v, struct round *r);

/* ---- validation_judge.c ------------------------------------------------------------------------
 */

/* A finding has come that is not the one before: says so, if the generation serves. */
void validation_changed(const struct validation *v, unsigned model, const struct finding *before);
/* Says what is amiss with the models of a generation that begins to serve. */
void validation_complain(const struct validation *v);
/* Leaves what is known where /metrics finds it. */
void validation_publish(const struct validation *v);
