// SPDX-License-Identifier: MIT
/*
 * The sliding window of a provider's limit. The ring holds as many moments as requests are allowed,
 * so the oldest of them decides.
 */
#include "tests/simprovider/limit.h"

#include "common/clock.h"

static uint64_t
until_gone(const struct limit *limit, uint64_t admitted_us, uint64_t now_us)
{
	uint64_t gone_us = admitted_us + limit->window_ms * US_PER_MS;

	return gone_us > now_us ? gone_us - now_us : 0;
}

/* When the n-th last one was admitted, from 1 on; it must exist. */
static uint64_t
nth_last(const struct limit *limit, uint64_t n)
{
	return limit->admitted_us[(limit->count - n) % limit->requests];
}

/* How many of the last ones are still inside the window. They are in the order of time, so that is
 * a search for the first that is not. */
static uint64_t
used(const struct limit *limit, uint64_t now_us)
{
	uint64_t from = 0, to = limit->count < limit->requests ? limit->count : limit->requests;

	while (from < to) {
		uint64_t middle = from + (to - from + 1) / 2;

		if (until_gone(limit, nth_last(limit, middle), now_us) > 0)
			from = middle;
		else
			to = middle - 1;
	}
	return from;
}

struct limit_state
limit_take(struct limit *limit, uint64_t now_us)
{
	struct limit_state state = { .refused = used(limit, now_us) == limit->requests };

	if (!state.refused)
		limit->admitted_us[limit->count++ % limit->requests] = now_us;
	state.remaining = limit->requests - used(limit, now_us);
	if (state.remaining == 0)
		state.wait_us = until_gone(limit, nth_last(limit, limit->requests), now_us);
	state.reset_us = until_gone(limit, nth_last(limit, 1), now_us);
	return state;
}
