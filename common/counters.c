// SPDX-License-Identifier: MIT
/* The tables of counters.def and client_counters.def, see counters.h. */
#include "common/counters.h"

#include <assert.h>

static const struct counter_info infos[COUNTER_COUNT] = {
#define COUNTER(id, ...) [COUNTER_##id] = { __VA_ARGS__ },
#include "common/counters.def"
#undef COUNTER
};

const struct counter_info *
counter_info(enum counter c)
{
	assert((unsigned)c < COUNTER_COUNT);
	return &infos[c];
}

static const struct counter_info client_infos[CLIENT_COUNTER_COUNT] = {
#define CLIENT_COUNTER(id, ...) [CLIENT_COUNTER_##id] = { __VA_ARGS__ },
#include "common/client_counters.def"
#undef CLIENT_COUNTER
};

const struct counter_info *
client_counter_info(enum client_counter c)
{
	assert((unsigned)c < CLIENT_COUNTER_COUNT);
	return &client_infos[c];
}
