// SPDX-License-Identifier: MIT
/*
 * Names and help of the counters of counters.def and client_counters.def, for whoever prints them.
 * Counting itself is tally_add(&arm->counters[COUNTER_x], n) by the worker that owns the slot.
 */
#pragma once

#include "common/shm.h"

struct counter_info {
	const char *name; /* "requests" */
	const char *help;
};

/* Never NULL; asserts c < COUNTER_COUNT. */
const struct counter_info *counter_info(enum counter c);
const struct counter_info *client_counter_info(enum client_counter c); /* likewise */
