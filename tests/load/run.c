// SPDX-License-Identifier: MIT
/* The schedule; see run.h. */
#include "tests/load/run.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define TICK_US		 10000
#define OPEN_PER_TICK	 128 /* new connections; a listener's backlog is finite */
#define SCAN_EVERY_TICKS 10
#define LONGEST_RUN_US	 (600 * (uint64_t)US_PER_S) /* where only a count was given */

/* ---- what is due ----------------------------------------------------------------------------- */

/* A number in (0, 1]: splitmix64. */
static double
roll(struct run *r)
{
	uint64_t z = r->dice += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return (double)((z >> 11) + 1) / (double)(1ULL << 53);
}

/* The clock of an open loop. Even arrivals are computed from the beginning, so that rounding does
 * not add up to another rate. */
static uint64_t
due_after(struct run *r)
{
	double rate = r->options->rate;

	if (r->options->poisson)
		return r->next_due_us + (uint64_t)(-log(roll(r)) * US_PER_S / rate + 0.5);
	return r->begin_us + (uint64_t)((double)(r->taken + 1) * US_PER_S / rate);
}

static void
stop(struct run *r, uint64_t now_us)
{
	if (r->stopping)
		return;
	r->stopping = true;
	r->stopped_us = now_us;
}

/* Takes the next request if one is due. */
static bool
take(struct run *r, uint64_t now_us, uint64_t *number, uint64_t *due_us)
{
	bool open_loop = r->options->rate > 0;

	*due_us = open_loop ? r->next_due_us : now_us;
	if (r->taken >= r->options->requests || *due_us >= r->end_us)
		stop(r, now_us);
	if (r->stopping || *due_us > now_us)
		return false;
	if (open_loop)
		r->next_due_us = due_after(r);
	*number = r->taken++;
	return true;
}

static void
arm_arrival(struct run *r, uint64_t now_us)
{
	uint64_t wait = r->next_due_us - now_us;
	struct timeval tv = { (time_t)(wait / US_PER_S), (suseconds_t)(wait % US_PER_S) };

	if (r->next_due_us > now_us)
		evtimer_add(r->arrival, &tv);
}

/* Gives requests to free connections, warm ones first. */
static void
pump(struct run *r, uint64_t now_us)
{
	uint64_t number, due_us;
	struct conn *c;

	while (r->n_idle + r->n_closed > 0 && take(r, now_us, &number, &due_us)) {
		c = r->n_idle > 0 ? r->idle[--r->n_idle] : r->closed[--r->n_closed];
		r->n_busy++;
		conn_start(c, number, due_us, now_us);
	}
	if (r->options->rate > 0 && !r->stopping)
		arm_arrival(r, now_us);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void
snapshot(struct run *r, struct totals *to, uint64_t now_us)
{
	struct summary *s = r->summary;

	s->now.at_us = now_us;
	if (r->options->n_watch > 0)
		s->now.watch = watch_read(r->options->watch, r->options->n_watch);
	*to = s->now;
}

static void
measure(struct run *r, uint64_t now_us, bool over)
{
	struct summary *s = r->summary;

	if (!s->measuring && !r->measured && (over || now_us >= r->measure_us)) {
		snapshot(r, &s->first, now_us);
		s->measuring = true;
	}
	if (s->measuring && (over || now_us >= r->end_us)) {
		snapshot(r, &s->last, now_us);
		s->measuring = false;
		r->measured = true;
	}
}

static void
end_if_over(struct run *r, uint64_t now_us)
{
	if (!r->stopping || r->n_busy > 0)
		return;
	measure(r, now_us, true);
	event_base_loopbreak(r->base);
}

/* ---- connections ----------------------------------------------------------------------------- */

void
run_on_end(struct run *r, const struct record *record)
{
	r->n_busy--;
	summary_add(r->summary, record);
	record_log_add(r->log, record);
}

void
run_on_free(struct run *r, struct conn *c, uint64_t now_us)
{
	if (c->state == CONN_RESTING) {
		r->n_resting++;
	} else if (c->state == CONN_IDLE) {
		c->slot = r->n_idle;
		r->idle[r->n_idle++] = c;
	} else {
		r->closed[r->n_closed++] = c;
	}
	if (c->state != CONN_RESTING)
		pump(r, now_us);
	end_if_over(r, now_us);
}

void
run_on_idle_close(struct run *r, struct conn *c)
{
	struct conn *last = r->idle[--r->n_idle];

	r->idle[c->slot] = last;
	last->slot = c->slot;
}

/* How many connections may have been opened by now. */
static unsigned
released_by(const struct run *r, uint64_t now_us)
{
	uint64_t ramp = r->options->ramp_us, elapsed = now_us - r->begin_us;
	uint64_t n = elapsed >= ramp ? r->n_conns : r->n_conns * elapsed / ramp;
	unsigned most = r->n_released + OPEN_PER_TICK;

	return n < most ? (unsigned)n : most;
}

static void
release(struct run *r, uint64_t now_us)
{
	unsigned until = released_by(r, now_us);

	while (r->n_released < until)
		r->closed[r->n_closed++] = &r->conns[r->n_released++];
}

/* Ends what took too long, wakes what has rested. With `all`, ends everything. */
static void
scan(struct run *r, uint64_t now_us, bool all)
{
	struct conn *c;
	unsigned i;

	for (i = 0; i < r->n_conns; i++) {
		c = &r->conns[i];
		if (c->state == CONN_RESTING && now_us >= c->rest_until_us) {
			r->n_resting--;
			c->state = CONN_CLOSED;
			r->closed[r->n_closed++] = c;
		} else if (c->state >= CONN_CONNECTING && c->state <= CONN_WAITING) {
			if (all)
				conn_expire(c, VERDICT_STOPPED, now_us);
			else if (now_us - c->due_us > r->options->timeout_us)
				conn_expire(c, VERDICT_TIMEOUT, now_us);
		}
	}
}

/* Arrivals that were due and found no connection until the end. */
static void
count_unsent(struct run *r)
{
	uint64_t until = r->end_us < r->stopped_us ? r->end_us : r->stopped_us;

	if (r->options->rate <= 0)
		return;
	while (r->next_due_us < until && r->taken < r->options->requests) {
		r->taken++;
		r->next_due_us = due_after(r);
		r->summary->now.requests++;
		r->summary->verdicts[VERDICT_NOT_SENT]++;
	}
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct run *r = arg;
	uint64_t now_us = clock_mono_us(), deadline;

	(void)fd;
	(void)what;
	r->log->wall_offset_us = (int64_t)(clock_wall_us() - now_us);
	measure(r, now_us, false);
	release(r, now_us);
	if (++r->ticks % SCAN_EVERY_TICKS == 0 || r->n_resting > 0)
		scan(r, now_us, false);
	pump(r, now_us);
	deadline = r->end_us + r->options->drain_us;
	if (r->stopping && r->stopped_us < r->end_us)
		deadline = r->stopped_us + r->options->drain_us;
	if (now_us >= deadline) {
		stop(r, now_us);
		scan(r, now_us, true);
	}
	end_if_over(r, now_us);
}

static void
on_arrival(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg, clock_mono_us());
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct run *r = arg;

	(void)fd;
	(void)what;
	r->end_us = clock_mono_us();
}

static int
make_connections(struct run *r)
{
	size_t n = r->options->connections, bytes = n * sizeof(struct conn);
	size_t i;

	r->conns = aligned_alloc(_Alignof(struct conn), bytes);
	r->idle = calloc(n, sizeof(*r->idle));
	r->closed = calloc(n, sizeof(*r->closed));
	if (r->conns == NULL || r->idle == NULL || r->closed == NULL)
		return -1;
	memset(r->conns, 0, bytes);
	r->n_conns = (unsigned)n;
	for (i = 0; i < n; i++)
		conn_init(&r->conns[i], r);
	return 0;
}

static int
make_events(struct run *r)
{
	struct timeval tick = { 0, TICK_US };

	r->tick = event_new(r->base, -1, EV_PERSIST, on_tick, r);
	r->arrival = evtimer_new(r->base, on_arrival, r);
	r->interrupt = evsignal_new(r->base, SIGINT, on_signal, r);
	r->terminate = evsignal_new(r->base, SIGTERM, on_signal, r);
	if (r->tick == NULL || r->arrival == NULL || r->interrupt == NULL || r->terminate == NULL)
		return -1;
	event_add(r->interrupt, NULL);
	event_add(r->terminate, NULL);
	return event_add(r->tick, &tick);
}

/* Timers as fine as an open loop needs cost a system call a turn, which a closed loop is spared. */
static int
make_base(struct run *r)
{
	struct event_config *config = event_config_new();
	int rc = 0;

	if (config == NULL)
		return -1;
	if (r->options->rate > 0 || r->options->leave_when == LEAVE_MS)
		rc = event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	r->base = rc < 0 ? NULL : event_base_new_with_config(config);
	event_config_free(config);
	return r->base == NULL ? -1 : 0;
}

static void
begin(struct run *r)
{
	const struct options *o = r->options;

	r->begin_us = clock_mono_us();
	r->measure_us = r->begin_us + o->warmup_us;
	r->end_us =
	    r->begin_us + (o->duration_us > 0 ? o->warmup_us + o->duration_us : LONGEST_RUN_US);
	r->next_due_us = r->begin_us;
	r->dice = o->seed;
	on_tick(-1, 0, r);
}

static void
release_all(struct run *r)
{
	unsigned i;

	for (i = 0; i < r->n_conns; i++)
		conn_free(&r->conns[i]);
	event_free(r->tick);
	event_free(r->arrival);
	event_free(r->interrupt);
	event_free(r->terminate);
	event_base_free(r->base);
	free(r->conns);
	free(r->idle);
	free(r->closed);
}

int
run_all(struct run *r, struct err *e)
{
	if (make_base(r) < 0 || make_connections(r) < 0 || make_events(r) < 0)
		return err_set(e, "out of memory");
	begin(r);
	event_base_dispatch(r->base);
	count_unsent(r);
	release_all(r);
	return 0;
}
