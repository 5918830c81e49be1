// SPDX-License-Identifier: MIT
/*
 * Limits, and waiting at them; see gate.h. A request that finds no line and room passes at once:
 * a few loads, and for a rate two compare-and-swaps. The line of a worker has one timer, for its
 * first request.
 */
#include "worker/gate.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "worker/request.h"
#include "worker/state.h"

#define MS (uint64_t) US_PER_MS
/* A place in flight that another worker gives back is told by nobody. */
#define LOOK_AGAIN_US (5 * MS)
/* A ring that is being moved: microseconds, or a master that has died just then. */
#define MOVING_US     (1 * MS)
#define MOVING_MAX_US (100 * MS)
/* Whoever came first in another worker is given so long to take what is free. */
#define YIELD_US     (1 * MS)
#define YIELD_MAX_US (10 * MS)
/* So much earlier is not earlier: else each place would wait for another worker to wake up. */
#define ALIKE_US (20 * MS)
/* How long answers take, nobody knows. */
#define IN_FLIGHT_WAIT_MS 1000

const char *
gate_reason_name(enum gate_reason reason)
{
	static const char *const names[GATE_REASON_COUNT] = {
		[GATE_OPEN] = "open",
		[GATE_RATE] = "rate",
		[GATE_IN_FLIGHT] = "in_flight",
		[GATE_COOLING] = "cool_down",
	};

	assert((unsigned)reason < GATE_REASON_COUNT);
	return names[reason];
}

static struct limits_region *
region_of(const struct gate *g)
{
	return g->worker->seed->limits;
}

static struct limiter *
limiter_of(const struct gate *g)
{
	return limiter_at(region_of(g), g->number);
}

static unsigned
seat_of(const struct gate *g)
{
	return g->worker->seed->seat;
}

/* ---- is there room? -------------------------------------------------------------------------- */

static bool
has_limits(const struct gate *g)
{
	const struct limiter *l = limiter_of(g);

	return (atomic_load_explicit(&l->rate, memory_order_relaxed) |
		   atomic_load_explicit(&l->max_in_flight, memory_order_relaxed) |
		   atomic_load_explicit(&l->cooling, memory_order_relaxed)) != 0;
}

static bool
begin_in_flight(struct gate *g, struct request *r, uint64_t now_us)
{
	if (tally_get(&limiter_of(g)->max_in_flight) == 0)
		return true;
	if (limiter_begin(region_of(g), g->number, seat_of(g))) {
		r->turn.place = g;
		return true;
	}
	r->turn.limit = (struct gate_limit){ .reason = GATE_IN_FLIGHT, .at_us = now_us };
	return false;
}

static void
note_admission(struct request *r, const struct window *w, uint64_t at_us)
{
	uint64_t used = window_used(w, at_us);

	r->admitted_us = at_us;
	r->rate.limit = w->limit;
	r->rate.left = used < w->limit ? w->limit - used : 0;
	r->rate.clear_us = at_us + w->span_us;
}

static bool
admit(struct gate *g, struct request *r, uint64_t now_us)
{
	struct gate_limit *limit = &r->turn.limit;
	struct window w;
	uint64_t at_us;

	if (!limiter_window(region_of(g), g->number, &w))
		return true;
	switch (window_admit(&w, now_us, &at_us)) {
	case WINDOW_ADMITTED:
		if (r->client != NULL && g == gate_of_client(g->worker, r->client))
			note_admission(r, &w, at_us);
		return true;
	case WINDOW_FULL:
		*limit = (struct gate_limit){ .reason = GATE_RATE,
			.at_us = at_us,
			.rate = w.limit,
			.clear_us = window_clear_us(&w, now_us) };
		break;
	case WINDOW_CLOSED:
		*limit = (struct gate_limit){ .reason = GATE_RATE,
			.moving = true,
			.at_us = now_us + MOVING_US,
			.rate = w.limit,
			.clear_us = now_us };
		break;
	}
	return false;
}

/* Lets the request through now, or says why not. */
static bool
take(struct gate *g, struct request *r, uint64_t now_us)
{
	enum limiter_cause cause;
	uint64_t cooling_us = limiter_cooling_us(limiter_of(g), now_us, &cause);

	r->turn.limit = (struct gate_limit){ .reason = GATE_COOLING, .at_us = cooling_us };
	if (cooling_us != 0 || !begin_in_flight(g, r, now_us))
		return false;
	if (!admit(g, r, now_us)) {
		gate_give_back(r);
		return false;
	}
	r->turn.limit.reason = GATE_OPEN;
	return true;
}

/* What keeps a request waiting behind so many others, and for how long. */
static void
forecast(const struct gate *g, struct request *r, uint64_t waiting, uint64_t now_us)
{
	struct gate_limit *limit = &r->turn.limit;
	enum limiter_cause cause;
	uint64_t cooling_us = limiter_cooling_us(limiter_of(g), now_us, &cause);
	struct window w;

	*limit = (struct gate_limit){ .reason = GATE_IN_FLIGHT, .at_us = now_us };
	if (limiter_window(region_of(g), g->number, &w)) {
		uint64_t room_us = window_room_us(&w, now_us, waiting);

		*limit = (struct gate_limit){ .reason = GATE_RATE,
			.at_us = room_us > now_us ? room_us : now_us,
			.rate = w.limit,
			.clear_us = window_clear_us(&w, now_us) };
	}
	if (cooling_us > limit->at_us)
		*limit = (struct gate_limit){ .reason = GATE_COOLING, .at_us = cooling_us };
}

static uint64_t
all_waiting(const struct gate *g)
{
	return g->n_waiting + limiter_line(region_of(g), g->number, seat_of(g)).waiting;
}

/* ---- the line -------------------------------------------------------------------------------- */

/* For other workers. */
static void
tell(struct gate *g)
{
	const struct request *first = TAILQ_FIRST(&g->waiting);

	limiter_queue(region_of(g), g->number, seat_of(g), first != NULL ? first->turn.since_us : 0,
	    g->n_waiting);
}

/* When to look again for a request that was not let through. */
static uint64_t
look_again_us(const struct request *r, uint64_t now_us)
{
	return r->turn.limit.reason == GATE_IN_FLIGHT ? now_us + LOOK_AGAIN_US
						      : r->turn.limit.at_us;
}

static void
join(struct gate *g, struct request *r, uint64_t until_us, uint64_t now_us)
{
	r->turn.gate = g;
	r->turn.since_us = now_us;
	TAILQ_INSERT_TAIL(&g->waiting, r, turn.link);
	g->n_waiting++;
	tell(g);
	if (g->n_waiting == 1)
		deadline_set(&g->timer, now_us); /* it looks when exactly to look again */
	deadline_set(&r->timer, until_us);
}

void
gate_leave(struct request *r)
{
	struct gate *g = r->turn.gate;

	if (g == NULL)
		return;
	TAILQ_REMOVE(&g->waiting, r, turn.link);
	g->n_waiting--;
	tell(g);
	r->turn.gate = NULL;
	r->queued_us += clock_mono_us() - r->turn.since_us;
	deadline_set(&r->timer, 0);
}

void
gate_give_up(struct request *r)
{
	const struct gate *g = r->turn.gate;

	gate_leave(r);
	forecast(g, r, all_waiting(g), clock_mono_us());
	r->turn.over = g;
}

/* Whether somebody who came before `r` waits in another worker, and still has time to take what is
 * free. The time begins anew with each other one who is the first of all; a worker that hangs is
 * waited for once. */
static bool
yields(struct gate *g, const struct request *r, uint64_t now_us)
{
	struct limiter_line line = limiter_line(region_of(g), g->number, seat_of(g));

	if (line.oldest_since_us == UINT64_MAX ||
	    line.oldest_since_us + ALIKE_US >= r->turn.since_us)
		return false;
	if (line.oldest_since_us != g->yields_to_us) {
		g->yields_to_us = line.oldest_since_us;
		g->yielded_us = now_us;
	}
	return now_us - g->yielded_us < YIELD_MAX_US;
}

/* Whether there is room now, as far as one can see without taking it. */
static bool
seems_open(const struct gate *g, uint64_t now_us)
{
	enum limiter_cause cause;
	struct window w;
	uint64_t most = tally_get(&limiter_of(g)->max_in_flight);

	if (most > 0 && limiter_in_flight(region_of(g), g->number) >= most)
		return false;

	if (limiter_cooling_us(limiter_of(g), now_us, &cause) != 0)
		return false;
	return !limiter_window(region_of(g), g->number, &w) ||
	       window_room_us(&w, now_us, 0) <= now_us;
}

bool
gate_is_closed(const struct gate *g)
{
	return has_limits(g) && !seems_open(g, clock_mono_us());
}

bool
gate_is_cooling(const struct gate *g)
{
	enum limiter_cause cause;

	return has_limits(g) && limiter_cooling_us(limiter_of(g), clock_mono_us(), &cause) != 0;
}

/* The first in the line, again and again while there is room. */
static void
on_timer(void *arg)
{
	struct gate *g = arg;
	struct request *r;

	while ((r = TAILQ_FIRST(&g->waiting)) != NULL) {
		uint64_t now_us = clock_mono_us();

		if (seems_open(g, now_us) && yields(g, r, now_us)) {
			deadline_set(&g->timer, now_us + YIELD_US);
			return;
		}
		if (!take(g, r, now_us)) {
			g->yields_to_us = 0;
			deadline_set(&g->timer, look_again_us(r, now_us));
			return;
		}
		r->turn.passed = g;
		gate_leave(r);
		request_go_on(r);
	}
}

enum gate_result
gate_pass(struct gate *g, struct request *r, uint64_t until_us)
{
	struct gate *passed = r->turn.passed;
	bool over = r->turn.over == g;
	uint64_t now_us, waiting;

	r->turn.passed = NULL;
	r->turn.over = NULL;
	if (passed == g)
		return GATE_PASSED;
	/* It is to ask another model now than the one whose place it has. */
	gate_give_back(r);
	if (over)
		return GATE_REFUSED;
	if (!has_limits(g))
		return GATE_PASSED;
	now_us = clock_mono_us();
	waiting = all_waiting(g);
	/* Who cannot wait takes what is free, line or not. */
	if ((waiting == 0 || until_us <= now_us) && take(g, r, now_us))
		return GATE_PASSED;
	if (r->turn.limit.moving && until_us != 0)
		until_us = now_us + MOVING_MAX_US;
	else if (waiting > 0)
		forecast(g, r, waiting, now_us);
	if (until_us <= now_us || r->turn.limit.at_us > until_us)
		return GATE_REFUSED;
	join(g, r, until_us, now_us);
	return GATE_WAITS;
}

int64_t
gate_retry_after_ms(const struct request *r)
{
	uint64_t now_us = clock_mono_us(), at_us = r->turn.limit.at_us;

	if (r->turn.limit.reason == GATE_IN_FLIGHT)
		return IN_FLIGHT_WAIT_MS;
	return at_us > now_us ? (int64_t)((at_us - now_us + MS - 1) / MS) : 1;
}

/* ---- attempts -------------------------------------------------------------------------------- */

/* Somebody of this worker may have waited for the place; not from here, where libcurl or a list of
 * requests may be at work. */
static void
give_back(struct gate *g)
{
	limiter_end(region_of(g), g->number, seat_of(g));
	if (g->n_waiting > 0)
		deadline_set(&g->timer, clock_mono_us());
}

void
gate_give_back(struct request *r)
{
	if (r->turn.place != NULL)
		give_back(r->turn.place);
	r->turn.place = NULL;
}

void
gate_attempt_begun(struct attempt *a)
{
	a->place = a->request->turn.place;
	a->request->turn.place = NULL;
}

static void
cool(const struct gate *g, const struct attempt *a, enum limiter_cause cause)
{
	int64_t ms = a->retry_after_ms;

	/* "Too many" without a time is for backoff; "overloaded" is meant for everybody. */
	if (ms < 0 && cause == CAUSE_OVERLOADED)
		ms = COOLING_DEFAULT_MS;
	if (ms < 0)
		return;
	if (ms > COOLING_MAX_MS)
		ms = COOLING_MAX_MS;
	if (limiter_cool(limiter_of(g), a->ended_us, a->ended_us + (uint64_t)ms * MS, cause))
		tally_add(
		    &a->request->release->tally->arms[a->arm].counters[COUNTER_COOL_DOWNS], 1);
}

void
gate_attempt_ended(struct attempt *a)
{
	const struct gate *g = gate_of_model(a->request->worker, a->model);

	if (a->place != NULL)
		give_back(a->place);
	a->place = NULL;
	if (a->outcome == OUTCOME_RATE_LIMITED)
		cool(g, a, CAUSE_RATE_LIMITED);
	else if (a->status == 529)
		cool(g, a, CAUSE_OVERLOADED);
	else if (a->status == 503)
		cool(g, a, CAUSE_UNAVAILABLE);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void
open_gate(struct gate *g, struct worker *w, uint32_t number)
{
	g->worker = w;
	g->number = number;
	TAILQ_INIT(&g->waiting);
	deadline_init(&g->timer, w->base, on_timer, g);
}

int
gate_open_all(struct worker *w)
{
	const struct config *c = w->config;

	w->client_gates = calloc(c->n_clients + 1, sizeof(*w->client_gates));
	w->model_gates = calloc(c->n_models, sizeof(*w->model_gates));
	if (w->client_gates == NULL || w->model_gates == NULL)
		return -1;
	for (unsigned i = 0; i < c->n_clients; i++)
		open_gate(&w->client_gates[i], w, c->clients[i].limiter);
	for (unsigned i = 0; i < c->n_models; i++)
		open_gate(&w->model_gates[i], w, c->models[i].limiter);
	return 0;
}

void
gate_close_all(struct worker *w)
{
	for (unsigned i = 0; w->client_gates != NULL && i < w->config->n_clients; i++)
		deadline_fini(&w->client_gates[i].timer);
	for (unsigned i = 0; w->model_gates != NULL && i < w->config->n_models; i++)
		deadline_fini(&w->model_gates[i].timer);
	free(w->client_gates);
	free(w->model_gates);
}

struct gate *
gate_of_client(const struct worker *w, const struct config_client *client)
{
	return &w->client_gates[client - w->config->clients];
}

struct gate *
gate_of_model(const struct worker *w, const struct config_model *model)
{
	return &w->model_gates[model - w->config->models];
}
