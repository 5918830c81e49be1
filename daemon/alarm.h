// SPDX-License-Identifier: MIT
/*
 * Alarms: what only a person can mend. A provider that refuses grayd's key, or has no balance or
 * quota left for it, will do so until somebody acts; grayd says it once, at the level error, and in
 * `status` for as long as it is so. Master process; it looks at the workers' counts once a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/slot.h"

struct master;

/* Of one model. */
struct alarm {
	bool on;
	enum outcome outcome;	/* what it is about */
	uint64_t since_wall_us; /* the first of the attempts in question was seen then */
	uint64_t attempts;	/* that ended so since */
};

enum alarm_change { ALARM_SAME, ALARM_RAISED, ALARM_CLEARED };

/* ---- pure ------------------------------------------------------------------------------------ */

/* Takes what has come since the last look: attempts at the model by outcome. One that ends well
 * clears the alarm, unless others still do not. */
enum alarm_change alarm_step(
    struct alarm *a, const uint64_t fresh[OUTCOME_COUNT], uint64_t wall_us) MUST_CHECK;
/* One sentence: what is wrong and what to do. */
void alarm_describe(const struct alarm *a, const struct config_model *model, struct err *out);

/* ---- the master's ---------------------------------------------------------------------------- */

int alarms_start(struct master *m, struct err *e) MUST_CHECK;
void alarms_stop(struct master *m); /* also when they were never started */
/* The counts have grown by what somebody else has counted, and said. */
void alarms_begin_anew(struct master *m);
/* NULL: the model has none. */
const struct alarm *alarm_find(const struct master *m, const struct config_model *model);
