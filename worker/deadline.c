// SPDX-License-Identifier: MIT
/* Lazy timers of the worker; see deadline.h. */
#include "worker/deadline.h"

#include "common/clock.h"

static void
arm(struct deadline *d, uint64_t now_us)
{
	uint64_t left_us = d->at_us > now_us ? d->at_us - now_us : 0;
	struct timeval tv = { .tv_sec = (time_t)(left_us / US_PER_S),
		.tv_usec = (suseconds_t)(left_us % US_PER_S) };

	/* Out of memory: the next change of the deadline tries again. */
	d->armed_us = event_add(&d->event, &tv) == 0 ? d->at_us : 0;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct deadline *d = arg;
	uint64_t now_us = clock_mono_us();

	(void)fd, (void)what;
	d->armed_us = 0;
	if (d->at_us == 0)
		return;
	if (d->at_us > now_us) {
		arm(d, now_us);
		return;
	}
	d->at_us = 0;
	d->fire(d->arg);
}

void
deadline_init(struct deadline *d, struct event_base *base, void (*fire)(void *), void *arg)
{
	d->at_us = d->armed_us = 0;
	d->fire = fire;
	d->arg = arg;
	event_assign(&d->event, base, -1, 0, on_timer, d);
}

void
deadline_set(struct deadline *d, uint64_t at_us)
{
	d->at_us = at_us;
	if (at_us != 0 && (d->armed_us == 0 || at_us < d->armed_us))
		arm(d, clock_mono_us());
}

void
deadline_fini(struct deadline *d)
{
	d->at_us = d->armed_us = 0;
	event_del(&d->event);
}
