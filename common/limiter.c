// SPDX-License-Identifier: MIT
/*
 * One limiter, as workers use it: its window, its places, its cool-down, the queues at it; see
 * limits.h. Each step is one atomic write to one word.
 */
#include "common/limits.h"

#include "common/clock.h"

#define CAUSE_BITS   8
#define WAITING_BITS 16
#define WAITING_MAX  UINT64_C(0xffff)

const char *const limiter_cause_names[CAUSE_COUNT] = {
	[CAUSE_RATE_LIMITED] = "rate_limited",
	[CAUSE_OVERLOADED] = "overloaded",
	[CAUSE_UNAVAILABLE] = "unavailable",
};

struct limiter *
limiter_at(struct limits_region *region, uint32_t number)
{
	return &region->limiters[number < LIMITERS_MAX ? number : 0];
}

bool
limiter_ring_window(
    struct limits_region *region, struct limiter_ring *ring, uint64_t limit, struct window *w)
{
	uint64_t first = atomic_load_explicit(&ring->first, memory_order_relaxed);
	uint64_t capacity = atomic_load_explicit(&ring->capacity, memory_order_relaxed);

	if (capacity < 2 || first >= LIMITS_CELLS || capacity > LIMITS_CELLS - first)
		return false;
	w->cells = &region->cells[first];
	w->admitted = &ring->admitted;
	w->capacity = capacity;
	w->limit = limit < capacity ? limit : capacity - 1;
	w->span_us = WINDOW_SPAN_US;
	w->ahead_us = WINDOW_AHEAD_US;
	return true;
}

bool
limiter_window(struct limits_region *region, uint32_t number, struct window *w)
{
	struct limiter *limiter = limiter_at(region, number);
	uint32_t place = atomic_load_explicit(&limiter->ring, memory_order_acquire) & 1;
	uint64_t rate = atomic_load_explicit(&limiter->rate, memory_order_relaxed);

	return rate != 0 && limiter_ring_window(region, &limiter->rings[place], rate, w);
}

/* ---- places in flight -------------------------------------------------------------------------
 */

static uint64_t
sum_in_flight(const struct limits_region *region, uint32_t number)
{
	uint32_t top = atomic_load_explicit(&region->seats_top, memory_order_relaxed);
	uint64_t sum = 0;

	for (unsigned seat = 1; seat < top && seat < SEATS_MAX; seat++)
		sum += atomic_load(&region->in_flight[number][seat]);
	return sum;
}

/* Whoever wants a place says so first and counts then, so that of two who want the last one at
 * least one sees the other. */
bool
limiter_begin(struct limits_region *region, uint32_t number, unsigned seat)
{
	struct limiter *limiter = limiter_at(region, number);
	_Atomic uint32_t *own = &region->in_flight[number][seat];
	uint64_t most = atomic_load_explicit(&limiter->max_in_flight, memory_order_relaxed);

	if (atomic_load_explicit(&limiter->counts_in_flight, memory_order_relaxed) == 0)
		atomic_store(&limiter->counts_in_flight, 1);
	if (sum_in_flight(region, number) >= most)
		return false;
	atomic_store(own, atomic_load(own) + 1);
	if (sum_in_flight(region, number) <= most)
		return true;
	atomic_store(own, atomic_load(own) - 1);
	return false;
}

void
limiter_end(struct limits_region *region, uint32_t number, unsigned seat)
{
	_Atomic uint32_t *own = &region->in_flight[number][seat];
	uint32_t n = atomic_load(own);

	if (n > 0)
		atomic_store(own, n - 1);
}

uint64_t
limiter_in_flight(const struct limits_region *region, uint32_t number)
{
	return atomic_load(&region->limiters[number].counts_in_flight) != 0
		   ? sum_in_flight(region, number)
		   : 0;
}

/* ---- cooling down -----------------------------------------------------------------------------
 */

bool
limiter_cool(struct limiter *limiter, uint64_t now_us, uint64_t until_us, enum limiter_cause cause)
{
	uint64_t had = atomic_load_explicit(&limiter->cooling, memory_order_relaxed);

	while (had >> CAUSE_BITS < until_us)
		if (atomic_compare_exchange_weak_explicit(&limiter->cooling, &had,
			until_us << CAUSE_BITS | cause, memory_order_relaxed, memory_order_relaxed))
			return had >> CAUSE_BITS <= now_us && until_us > now_us;
	return false;
}

uint64_t
limiter_cooling_us(const struct limiter *limiter, uint64_t now_us, enum limiter_cause *cause)
{
	uint64_t word = atomic_load_explicit(&limiter->cooling, memory_order_relaxed);
	uint64_t until_us = word >> CAUSE_BITS;

	/* Longer than anybody may let it cool: the clock was set back. */
	if (until_us <= now_us || until_us - now_us > (uint64_t)COOLING_MAX_MS * US_PER_MS)
		return 0;
	word &= (1u << CAUSE_BITS) - 1;
	*cause = word < CAUSE_COUNT ? (enum limiter_cause)word : CAUSE_RATE_LIMITED;
	return until_us;
}

/* ---- queues -----------------------------------------------------------------------------------
 */

void
limiter_queue(struct limits_region *region, uint32_t number, unsigned seat, uint64_t since_us,
    uint64_t waiting)
{
	struct limiter *limiter = limiter_at(region, number);
	_Atomic uint64_t *bits = &limiter->waiters[seat / 64];
	uint64_t bit = UINT64_C(1) << seat % 64;

	if (waiting > WAITING_MAX)
		waiting = WAITING_MAX;
	atomic_store_explicit(&region->waiting[number][seat],
	    waiting > 0 ? since_us << WAITING_BITS | waiting : 0, memory_order_release);
	if (waiting == 0)
		atomic_fetch_and_explicit(bits, ~bit, memory_order_acq_rel);
	else if ((atomic_load_explicit(bits, memory_order_relaxed) & bit) == 0)
		atomic_fetch_or_explicit(bits, bit, memory_order_acq_rel);
}

static void
look_at_queue(struct limiter_line *line, uint64_t word)
{
	if (word == 0)
		return;
	line->waiting += word & WAITING_MAX;
	if (word >> WAITING_BITS < line->oldest_since_us)
		line->oldest_since_us = word >> WAITING_BITS;
}

struct limiter_line
limiter_line(const struct limits_region *region, uint32_t number, unsigned own_seat)
{
	struct limiter_line line = { .oldest_since_us = UINT64_MAX };

	for (unsigned i = 0; i < SEATS_MAX / 64; i++) {
		uint64_t bits = atomic_load_explicit(
		    &region->limiters[number].waiters[i], memory_order_acquire);

		for (; bits != 0; bits &= bits - 1) {
			unsigned seat = i * 64 + (unsigned)__builtin_ctzll(bits);

			if (seat != own_seat)
				look_at_queue(&line, atomic_load(&region->waiting[number][seat]));
		}
	}
	return line;
}
