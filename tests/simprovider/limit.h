// SPDX-License-Identifier: MIT
/*
 * A provider's own limit: so many requests in any window of time. Exact: it remembers when each of
 * the last ones was admitted. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_MAX_REQUESTS 100000

struct limit {
	uint64_t requests, window_ms; /* requests 0: no limit */
	uint64_t *admitted_us;	      /* the last `requests` of them, as a ring */
	uint64_t count;		      /* ever admitted */
};

/* What a request met. */
struct limit_state {
	bool refused;
	uint64_t remaining; /* behind this request */
	uint64_t wait_us;   /* until one more is admitted; 0: at once */
	uint64_t reset_us;  /* until nothing is used any more */
};

/* Admits or refuses a request at `now_us`, which never goes back. */
struct limit_state limit_take(struct limit *limit, uint64_t now_us);
