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

/* A finding has come that is not the one before: says so, if the generation serves. */
void validation_changed(const struct validation *v, unsigned model, const struct finding *before);
/* Says what is amiss with the models of a generation that begins to serve. */
void validation_complain(const struct validation *v);
/* Leaves what is known where /metrics finds it. */
void validation_publish(const struct validation *v);
