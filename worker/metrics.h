// SPDX-License-Identifier: MIT
/*
 * What /metrics says: figures in, Prometheus' text format 0.0.4 out. Pure; the admin process
 * collects the figures. A line is never left out since its number is zero, so that rates and
 * alerts work from the first request on; what is not known has no line.
 */
#pragma once

#include "common/buf.h"
#include "common/config.h"
#include "common/slot.h"

struct metrics_release {
	struct policy_release set; /* what is published now */
	/* Of its models, by arm; NULL: it has none. */
	const struct config_model *models[ARM_COUNT];
	uint32_t standings[ARM_COUNT]; /* enum standing */
	uint64_t asked_wall_us[ARM_COUNT];
	uint64_t cooling_us[ARM_COUNT]; /* for so long they still cool down; 0: they do not */
	const struct slot_guard *guard; /* in slot 0; NULL: nothing is known of it */
	bool published_known;
	uint16_t published_bp; /* the share that every worker has acknowledged */
	struct release_totals totals;
};

/* Everything that is printed: 2.2 MB, so not for a stack. */
struct metrics {
	const char *version;
	uint64_t started_wall_us, uptime_us; /* of the master */
	uint64_t revision;
	uint64_t workers[SLOT_GONE]; /* by enum slot_state; those that are hung count as gone */
	uint64_t insane_slots;
	struct overall_totals overall;
	unsigned n_releases;
	struct metrics_release releases[RELEASES_MAX];
	unsigned n_clients;
	struct client_totals clients[CLIENTS_MAX];
};

/* The finest histogram that is offered: upper edges of buckets in microseconds, rising. Each is
 * also an edge of the fine histogram (common/histogram.h), so counts are exact. */
#define METRICS_EDGES 20
extern const uint64_t metrics_edges_us[METRICS_EDGES];

/* Adds the whole text. -1: out of memory; `out` then holds a part of it. */
int metrics_print(const struct metrics *m, struct buf *out) MUST_CHECK;
