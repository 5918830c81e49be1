// SPDX-License-Identifier: MIT
/*
 * What providers say of the models of the config, and how the prober and the master speak of it
 * over their socket pair: one order or report a packet, fixed in size. The prober asks; the master
 * keeps what was found, and believes nothing that a packet says beyond what it can check.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alike.h"
#include "common/err.h"
#include "common/shm.h"

/* What is known of a model. */
enum standing {
#define STANDING(id, ...) STANDING_##id,
#include "common/standings.def"
#undef STANDING
	STANDING_COUNT
};
const char *standing_name(enum standing s);

struct finding {
	enum standing standing;
	char why[240]; /* in words; empty: there is nothing to add */
	unsigned n_alike;
	char alike[ALIKE_KEPT]
		  [NAME_BYTES]; /* unknown: what the provider offers that looks like it */
};

/* One for each arm of each release. */
#define PROBE_MODELS_MAX (RELEASES_MAX * ARM_COUNT)
/* For one round of questions, whatever the providers do. */
#define PROBE_MS 10000

/* Master to prober: ask for these models. Also MSG_DRAIN and MSG_LOG of worker.h. */
#define PROBE_ORDER 'A'
struct probe_order {
	char kind;
	uint32_t round; /* comes back in each report */
	uint32_t n;
	uint16_t models[PROBE_MODELS_MAX]; /* their places in config.models */
};

/* Prober to master, one for each model of an order: at the latest PROBE_MS after it. */
#define PROBE_REPORT 'F'
struct probe_report {
	char kind;
	uint32_t round;
	uint16_t model;
	struct finding finding;
};

/* Reads a packet in the master. False: it is not what a sound prober sends about a config with
 * `n_models` models. Texts come out terminated and printable. */
bool probe_report_read(
    struct probe_report *out, const void *packet, size_t n, unsigned n_models) MUST_CHECK;
/* The same in the prober. */
bool probe_order_read(
    struct probe_order *out, const void *packet, size_t n, unsigned n_models) MUST_CHECK;
