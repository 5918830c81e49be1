// SPDX-License-Identifier: MIT
/*
 * At most `limit` admissions in any sliding span of time, exact over all processes that share the
 * memory, without a lock: admission number i is one compare-and-swap of the cell i % capacity, from
 * the time of admission i - capacity to its own. Whoever is killed, at whatever instruction, has
 * either admitted or not; the next one goes on from there.
 *
 * Why it is exact: number i is taken only if number i - limit is at least a span older, and times
 * never fall from one number to the next (who comes with an older clock gets the time of the one
 * before). So of any limit + 1 admissions the last is a span later than the first.
 *
 * Pure: the time is an argument. Any process.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WINDOW_SPAN_US	60000000ull  /* of every limit in the config */
#define WINDOW_AHEAD_US 600000000ull /* no process is so late that a good time is so far ahead */

/* A view of one; what it points to is shared. All zero: nobody was ever admitted. */
struct window {
	_Atomic uint64_t *cells;    /* `capacity` of them: times, 0 for none */
	_Atomic uint64_t *admitted; /* how many so far; it may be one behind */
	uint64_t capacity;	    /* more than `limit` */
	uint64_t limit;		    /* > 0; may change from call to call */
	uint64_t span_us;
	uint64_t ahead_us; /* a time further ahead of now is none: the clock was set back */
};

enum window_result {
	WINDOW_ADMITTED,
	WINDOW_FULL,
	WINDOW_CLOSED, /* it is being moved elsewhere: a moment later there is another one */
};

/* Admits one, if there is room. *at_us: the time as which the admission counts (it is now, or the
 * time of the one before if that is later); of WINDOW_FULL when there will be room, if nobody else
 * takes it. */
enum window_result window_admit(const struct window *w, uint64_t now_us, uint64_t *at_us);
/* When there will be room for one more once `ahead` others are admitted; in the past: there was
 * since then. A forecast: nothing is taken. */
uint64_t window_room_us(const struct window *w, uint64_t now_us, uint64_t ahead);
/* How many of the last span count now. */
uint64_t window_used(const struct window *w, uint64_t now_us);
/* When nothing of what is admitted now will count any more. */
uint64_t window_clear_us(const struct window *w, uint64_t now_us);

/* Ends a window for everybody, for good; what was admitted is then known. */
void window_close(const struct window *w, uint64_t now_us);
/* Makes `into`, which nobody uses yet and which is all zero, go on where the closed `from` has
 * ended. */
void window_continue(const struct window *into, const struct window *from, uint64_t now_us);
