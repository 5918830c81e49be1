// SPDX-License-Identifier: MIT
/*
 * The timer wheel. A slot holds the timers whose millisecond falls on it in any turn of the wheel;
 * those of a later turn are left where they are. A timer that fires has been taken off first, so it
 * may set, cancel or free any timer, itself included.
 */
#include "tests/simprovider/wheel.h"

#include <stddef.h>
#include <string.h>

#include "common/clock.h"

static void
link_timer(struct wheel *wheel, struct timer *timer)
{
	size_t slot = timer->due_ms % WHEEL_SLOTS;

	timer->next = wheel->slots[slot];
	timer->link = &wheel->slots[slot];
	if (timer->next != NULL)
		timer->next->link = &timer->next;
	wheel->slots[slot] = timer;
	wheel->used[slot / 64] |= 1ull << (slot % 64);
}

static void
arm(struct wheel *wheel, uint64_t due_ms)
{
	uint64_t now_us = clock_mono_us();
	uint64_t due_us = due_ms * US_PER_MS;
	uint64_t wait_us = due_us > now_us ? due_us - now_us : 0;
	struct timeval wait = { (time_t)(wait_us / US_PER_S), (suseconds_t)(wait_us % US_PER_S) };

	evtimer_add(wheel->tick, &wait);
	wheel->armed_ms = due_ms;
}

/* The next millisecond after `done_ms` whose slot is in use, 0 if none is. */
static uint64_t
next_used_ms(const struct wheel *wheel)
{
	for (uint64_t step = 1; step <= WHEEL_SLOTS;) {
		size_t slot = (wheel->done_ms + step) % WHEEL_SLOTS;
		uint64_t bits = wheel->used[slot / 64] >> (slot % 64);

		if (bits != 0)
			return wheel->done_ms + step + (uint64_t)__builtin_ctzll(bits);
		step += 64 - slot % 64;
	}
	return 0;
}

static void
fire_slot(struct wheel *wheel, uint64_t at_ms)
{
	size_t slot = at_ms % WHEEL_SLOTS;
	struct timer *todo = wheel->slots[slot];

	wheel->slots[slot] = NULL;
	wheel->used[slot / 64] &= ~(1ull << (slot % 64));
	if (todo != NULL)
		todo->link = &todo;
	while (todo != NULL) {
		struct timer *timer = todo;

		wheel_cancel(timer);
		if (timer->due_ms > at_ms)
			link_timer(wheel, timer);
		else
			timer->fire(timer);
	}
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct wheel *wheel = arg;
	uint64_t now_ms = clock_mono_us() / US_PER_MS;

	(void)fd, (void)what;
	wheel->turning = true;
	/* After a long pause one turn sees every slot, and every timer that is due by then. */
	if (now_ms - wheel->done_ms > WHEEL_SLOTS)
		wheel->done_ms = now_ms - WHEEL_SLOTS;
	while (wheel->done_ms < now_ms) {
		fire_slot(wheel, ++wheel->done_ms);
	}
	wheel->turning = false;
	wheel->armed_ms = 0;
	uint64_t next_ms = next_used_ms(wheel);

	if (next_ms != 0)
		arm(wheel, next_ms);
}

int
wheel_init(struct wheel *wheel, struct event_base *base)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->done_ms = clock_mono_us() / US_PER_MS;
	wheel->tick = evtimer_new(base, on_tick, wheel);
	return wheel->tick != NULL ? 0 : -1;
}

void
wheel_fini(struct wheel *wheel)
{
	if (wheel->tick != NULL)
		event_free(wheel->tick);
	wheel->tick = NULL;
}

void
wheel_set(struct wheel *wheel, struct timer *timer, uint64_t due_us)
{
	uint64_t due_ms = (due_us + US_PER_MS - 1) / US_PER_MS;

	wheel_cancel(timer);
	if (wheel->armed_ms == 0 && !wheel->turning)
		wheel->done_ms = clock_mono_us() / US_PER_MS;
	timer->due_ms = due_ms > wheel->done_ms ? due_ms : wheel->done_ms + 1;
	link_timer(wheel, timer);
	if (!wheel->turning && (wheel->armed_ms == 0 || timer->due_ms < wheel->armed_ms))
		arm(wheel, timer->due_ms);
}

void
wheel_cancel(struct timer *timer)
{
	if (timer->link == NULL)
		return;
	*timer->link = timer->next;
	if (timer->next != NULL)
		timer->next->link = timer->link;
	timer->link = NULL;
}
