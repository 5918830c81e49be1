// SPDX-License-Identifier: MIT
/* Sliding windows; see window.h. */
#include "common/window.h"

#define CLOSED UINT64_MAX
/* A number that was taken and not counted, and others that are taken meanwhile. If it goes on for
 * so long somebody has scribbled over the memory; or it is the greatest of accidents, and goes by.
 */
#define TRIES 1000

static _Atomic uint64_t *
cell_of(const struct window *w, uint64_t number)
{
	return &w->cells[number % w->capacity];
}

/* A time as it counts. One that lies far ahead is none: the clock was set back, or somebody has
 * scribbled over the memory. One that lies somewhat ahead is good: we are late. */
static uint64_t
sane(const struct window *w, uint64_t time_us, uint64_t now_us)
{
	return time_us > now_us + w->ahead_us ? 0 : time_us;
}

static uint64_t
time_of(const struct window *w, uint64_t number, uint64_t now_us)
{
	return sane(w, atomic_load_explicit(cell_of(w, number), memory_order_acquire), now_us);
}

/* The time of the admission that `number` must be a span behind; 0: there is none. */
static uint64_t
time_before(const struct window *w, uint64_t number, uint64_t now_us)
{
	return number >= w->limit ? time_of(w, number - w->limit, now_us) : 0;
}

static uint64_t
count(const struct window *w)
{
	return atomic_load_explicit(w->admitted, memory_order_acquire);
}

static void
count_up(const struct window *w, uint64_t number)
{
	atomic_compare_exchange_strong_explicit(
	    w->admitted, &number, number + 1, memory_order_acq_rel, memory_order_relaxed);
}

/* What stands in the cell of the next number, and what came just before. */
struct next {
	uint64_t number, found, time_us, last_us;
};

/* The next number to be taken. Whoever took one may have been killed before it was counted: its
 * cell is then not older than the one before, while a cell that is free is older by a span. */
static struct next
find_next(const struct window *w, uint64_t now_us)
{
	struct next n;

	for (unsigned i = 0; i < TRIES; i++) {
		n.number = count(w);
		n.found = atomic_load_explicit(cell_of(w, n.number), memory_order_acquire);
		n.time_us = sane(w, n.found, now_us);
		n.last_us = n.number > 0 ? time_of(w, n.number - 1, now_us) : 0;
		if (n.found == CLOSED || n.time_us == 0 || n.time_us < n.last_us)
			return n;
		count_up(w, n.number);
	}
	n.found = CLOSED;
	return n;
}

enum window_result
window_admit(const struct window *w, uint64_t now_us, uint64_t *at_us)
{
	for (;;) {
		struct next n = find_next(w, now_us);
		uint64_t before_us = time_before(w, n.number, now_us);
		uint64_t stamp_us = now_us > n.last_us ? now_us : n.last_us;

		if (n.found == CLOSED)
			return WINDOW_CLOSED;
		if (before_us != 0 && before_us + w->span_us > now_us) {
			if (count(w) != n.number)
				continue; /* what was read is of different moments */
			*at_us = before_us + w->span_us;
			return WINDOW_FULL;
		}
		if (!atomic_compare_exchange_strong_explicit(cell_of(w, n.number), &n.found,
			stamp_us, memory_order_acq_rel, memory_order_relaxed))
			continue;
		count_up(w, n.number);
		*at_us = stamp_us;
		return WINDOW_ADMITTED;
	}
}

uint64_t
window_room_us(const struct window *w, uint64_t now_us, uint64_t ahead)
{
	uint64_t rounds = ahead / w->limit, before_us;

	before_us = time_before(w, count(w) + ahead % w->limit, now_us);
	before_us = before_us != 0 ? before_us + w->span_us : 0;
	if (rounds == 0)
		return before_us;
	return (before_us > now_us ? before_us : now_us) + rounds * w->span_us;
}

uint64_t
window_used(const struct window *w, uint64_t now_us)
{
	uint64_t end = count(w), low = end > w->limit ? end - w->limit : 0, high = end;

	/* Times rise: the first that still counts. */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2, time_us = time_of(w, middle, now_us);

		if (time_us == 0 || time_us + w->span_us <= now_us)
			low = middle + 1;
		else
			high = middle;
	}
	return end - low;
}

uint64_t
window_clear_us(const struct window *w, uint64_t now_us)
{
	uint64_t n = count(w), last_us = n > 0 ? time_of(w, n - 1, now_us) : 0;

	return last_us != 0 && last_us + w->span_us > now_us ? last_us + w->span_us : now_us;
}

void
window_close(const struct window *w, uint64_t now_us)
{
	struct next n;

	do {
		n = find_next(w, now_us);
	} while (
	    n.found != CLOSED && !atomic_compare_exchange_strong_explicit(cell_of(w, n.number),
				     &n.found, CLOSED, memory_order_acq_rel, memory_order_relaxed));
}

void
window_continue(const struct window *into, const struct window *from, uint64_t now_us)
{
	uint64_t end = count(from), kept = from->capacity;

	/* The cell of `end` itself holds the mark. What does not count any more is none. */
	kept = (kept < into->capacity ? kept : into->capacity) - 1;
	for (uint64_t number = end; number > 0 && kept > 0; kept--) {
		uint64_t time_us = time_of(from, --number, now_us);

		if (time_us == 0 || time_us + from->span_us <= now_us)
			break;
		atomic_store_explicit(cell_of(into, number), time_us, memory_order_relaxed);
	}
	atomic_store_explicit(into->admitted, end, memory_order_release);
}
