// SPDX-License-Identifier: MIT
/*
 * A timer that is cheap to move: postponing it is a plain store, since the event behind it is left
 * armed and, when it fires too early, arms itself again for the rest. Deadlines of requests and
 * connections move with each message and almost never fire, so almost no timer is ever re-armed.
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdint.h>

struct deadline {
	struct event event;
	uint64_t at_us;	   /* when it shall fire (clock_mono_us); 0: never */
	uint64_t armed_us; /* when the event will look; 0: it is not armed */
	void (*fire)(void *arg);
	void *arg;
};

void deadline_init(struct deadline *d, struct event_base *base, void (*fire)(void *), void *arg);
/* `at_us` 0 switches it off. The deadline is off again when `fire` is called. */
void deadline_set(struct deadline *d, uint64_t at_us);
void deadline_fini(struct deadline *d);
