// SPDX-License-Identifier: MIT
/* Points in time of each release's figures; see rates.h. Found by name: a reload moves releases. */
#include "daemon/rates.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/master.h"
#include "daemon/notes.h"

struct watched {
	char name[NAME_BYTES]; /* empty: not used */
	struct rate_ring ring;
};

struct rates {
	struct event tick;
	struct watched all[RELEASES_MAX];
	struct release_totals totals; /* too large for a stack */
};

/* ---- pure ------------------------------------------------------------------------------------ */

struct rate_point
rate_point(const struct release_totals *totals, uint64_t mono_us)
{
	struct rate_point point = { .mono_us = mono_us };

	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		const struct arm_totals *t = &totals->arms[arm];
		const uint64_t *c = t->counters;

		point.served[arm] = t->attempts[OUTCOME_OK] + t->attempts[OUTCOME_CANCELLED];
		point.cost[arm] =
		    money_sum(money_from_units(c[COUNTER_COST_UNITS], c[COUNTER_COST_PICOUSD]),
			money_from_units(c[COUNTER_ESTIMATED_UNITS], c[COUNTER_ESTIMATED_PICOUSD]));
	}
	return point;
}

void
rate_ring_add(struct rate_ring *ring, const struct rate_point *point)
{
	ring->points[(ring->first + ring->n) % RATES_KEPT] = *point;
	if (ring->n < RATES_KEPT)
		ring->n++;
	else
		ring->first = (ring->first + 1) % RATES_KEPT;
}

void
rate_ring_look(const struct rate_ring *ring, const struct rate_point *now, struct rate *out)
{
	const struct rate_point *then = NULL;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < ring->n && then == NULL; i++) {
		const struct rate_point *each = &ring->points[(ring->first + i) % RATES_KEPT];

		if (each->mono_us < now->mono_us && now->mono_us - each->mono_us <= RATES_WINDOW_US)
			then = each;
	}
	if (then == NULL)
		return;
	out->window_us = now->mono_us - then->mono_us;
	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		/* The figures of a worker that has lost its senses are left out, and sums fall. */
		if (now->served[arm] > then->served[arm])
			out->served[arm] = now->served[arm] - then->served[arm];
		out->cost[arm] = money_difference(now->cost[arm], then->cost[arm]);
	}
}

/* ---- the master's ---------------------------------------------------------------------------- */

static void
take_points(struct master *m)
{
	struct rates *rates = m->rates;
	uint64_t now_us = clock_mono_us();

	notes_forget_the_gone(m, m->rates->all, sizeof(m->rates->all[0]));
	for (unsigned i = 0; i < m->config->n_releases; i++) {
		const char *name = m->config->releases[i].name;
		struct watched *w = notes_find(rates->all, sizeof(*w), name);
		struct rate_point point;

		if (w == NULL)
			continue;
		slots_sum_release(&m->slots, name, 0, &rates->totals);
		point = rate_point(&rates->totals, now_us);
		rate_ring_add(&w->ring, &point);
	}
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	take_points(arg);
}

int
rates_start(struct master *m, struct err *e)
{
	static const struct timeval step = { .tv_sec = RATES_STEP_US / 1000000 };
	struct rates *rates = calloc(1, sizeof(*rates));

	if (rates == NULL)
		return err_set(e, "out of memory");
	m->rates = rates;
	event_assign(&rates->tick, m->base, -1, EV_PERSIST, on_tick, m);
	if (event_add(&rates->tick, &step) != 0)
		return err_set(e, "out of memory");
	take_points(m);
	return 0;
}

void
rates_stop(struct master *m)
{
	if (m->rates == NULL)
		return;
	event_del(&m->rates->tick);
	free(m->rates);
	m->rates = NULL;
}

void
rates_begin_anew(struct master *m)
{
	if (m->rates == NULL)
		return;
	memset(m->rates->all, 0, sizeof(m->rates->all));
	take_points(m);
}

void
rates_look(
    const struct master *m, const char *release, const struct rate_point *now, struct rate *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; m->rates != NULL && i < RELEASES_MAX; i++)
		if (strcmp(m->rates->all[i].name, release) == 0)
			rate_ring_look(&m->rates->all[i].ring, now, out);
}
