// SPDX-License-Identifier: MIT
/*
 * Timers in steps of one millisecond on a hashed wheel, all behind one libevent timer: thousands of
 * streams that wait for their next token cost one wake-up each millisecond. A timer may fire up to
 * a millisecond late, never early.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define WHEEL_SLOTS 4096

struct timer {
	struct timer *next, **link; /* link: NULL when not set */
	uint64_t due_ms;
	void (*fire)(struct timer *timer);
};

struct wheel {
	struct event *tick;
	struct timer *slots[WHEEL_SLOTS];
	uint64_t used[WHEEL_SLOTS / 64]; /* one bit for each slot that may hold a timer */
	uint64_t done_ms;		 /* every slot up to here has been looked at */
	uint64_t armed_ms;		 /* when the libevent timer is due; 0: not armed */
	bool turning;
};

int wheel_init(struct wheel *wheel, struct event_base *base); /* 0 or -1 */
void wheel_fini(struct wheel *wheel);
/* Sets or moves a timer to a moment of the monotonic clock. */
void wheel_set(struct wheel *wheel, struct timer *timer, uint64_t due_us);
void wheel_cancel(struct timer *timer); /* also when not set */
