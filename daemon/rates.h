// SPDX-License-Identifier: MIT
/*
 * How fast each release spends: its figures once a minute, for an hour. Master process. What
 * `cost` calls the present rate is counted over the last hour, or for as long as this grayd has
 * served where that is less.
 */
#pragma once

#include <stdint.h>

#include "common/money.h"
#include "common/slot.h"

struct master;

#define RATES_STEP_US	(60 * UINT64_C(1000000))
#define RATES_WINDOW_US (60 * RATES_STEP_US)
#define RATES_KEPT	62 /* points: an hour of them, and one that is just older */

/* The figures of a release at one moment; they only grow. */
struct rate_point {
	uint64_t mono_us;
	uint64_t served[ARM_COUNT];   /* requests that the arm's model answered, or was left with */
	struct money cost[ARM_COUNT]; /* as told and as estimated, together */
};

/* The points of one release, in the order of time. */
struct rate_ring {
	unsigned first, n;
	struct rate_point points[RATES_KEPT];
};

/* What has come since a point about an hour ago. `window_us` 0: there is no point yet. */
struct rate {
	uint64_t window_us;
	uint64_t served[ARM_COUNT];
	struct money cost[ARM_COUNT];
};

/* ---- pure ------------------------------------------------------------------------------------ */

/* The figures of a sum. */
struct rate_point rate_point(const struct release_totals *totals, uint64_t mono_us);
/* Adds a point, over the oldest when there is no room. */
void rate_ring_add(struct rate_ring *ring, const struct rate_point *point);
/* Against the oldest point that is not older than the window. */
void rate_ring_look(const struct rate_ring *ring, const struct rate_point *now, struct rate *out);

/* ---- the master's ---------------------------------------------------------------------------- */

int rates_start(struct master *m, struct err *e) MUST_CHECK;
void rates_stop(struct master *m); /* also when it was never started */
/* The sums have grown by what somebody else has counted: begins anew. */
void rates_begin_anew(struct master *m);
/* The rate of a release up to `now`. */
void rates_look(
    const struct master *m, const char *release, const struct rate_point *now, struct rate *out);
