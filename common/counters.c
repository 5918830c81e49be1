// SPDX-License-Identifier: MIT
/* The table of counters.def, see counters.h. */
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
