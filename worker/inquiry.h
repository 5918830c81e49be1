// SPDX-License-Identifier: MIT
/*
 * The asking of one provider for some models: which question comes next, and what its answer means.
 * First the list, page by page; then each model that is not on it by its name, since aliases are
 * often not listed. Used by the prober. Pure: it sends nothing itself, and every question is a GET
 * that costs nothing.
 *
 * A model is unknown only if a whole list lacks it and its name gives 404; whatever else happens
 * proves nothing against it.
 */
#pragma once

#include "common/config.h"
#include "common/probe.h"
#include "worker/catalogue.h"

/* As much of an answer is read; what is longer is no answer. */
#define INQUIRY_ANSWER_MAX (8u << 20)
#define INQUIRY_PAGES_MAX  50

struct inquired {
	uint16_t model; /* its place in config.models */
	const char *name;
	bool listed;
	bool settled; /* `finding` is final */
	struct finding finding;
	struct alike alike;
};

enum inquiry_step { INQUIRY_LIST, INQUIRY_NAMES, INQUIRY_OVER };

struct inquiry {
	enum provider_kind kind;
	enum inquiry_step step;
	unsigned pages;		    /* read so far */
	unsigned listed;	    /* entries on them */
	bool whole;		    /* the list was read to its end */
	char no_list[240];	    /* why there is none; empty: there is */
	struct catalogue_page page; /* the last one */
	unsigned at;		    /* INQUIRY_NAMES: the model that is asked for */
	unsigned n;
	struct inquired *models; /* PROBE_MODELS_MAX of them */
};

/* -1: out of memory. */
int inquiry_init(struct inquiry *q, enum provider_kind kind) MUST_CHECK;
void inquiry_fini(struct inquiry *q);
/* At most PROBE_MODELS_MAX. `name` is borrowed. */
void inquiry_add(struct inquiry *q, uint16_t model, const char *name);

/* The next question, as path and query behind base_url. False: all models are settled. */
bool inquiry_next(struct inquiry *q, char path[CATALOGUE_PATH_BYTES]) MUST_CHECK;
/* The answer to it, whole. */
void inquiry_answered(struct inquiry *q, unsigned status, const uint8_t *bytes, size_t n);
/* There was none that could be read, or the time is over: what is not settled could not be asked,
 * for this reason. */
void inquiry_failed(struct inquiry *q, const char *why);
