// SPDX-License-Identifier: MIT
/*
 * Client connections of a worker. An event that is registered always waits for something to read
 * or write: on a reset, epoll reports a descriptor that waits for nothing again and again. Reading
 * stays armed while a request is at work, since that is how a client that leaves is noticed.
 */
#include "worker/conn_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/listener.h"
#include "worker/request.h"

#define BODY_LEAST_BYTES_A_S 500
#define STALL_LEAST_BYTES    16384 /* a reader slower than this per write_stall_ms has stalled */
#define HURRY_US	     (100 * (uint64_t)US_PER_MS) /* for a request that is on its way */

static void on_event(evutil_socket_t fd, short what, void *arg);
static void on_deadline(void *arg);

/* ---- life ------------------------------------------------------------------------------------ */

static void
arm(struct conn *c, short wanted)
{
	if (c->armed == wanted)
		return;
	if (c->armed != 0)
		event_del(&c->event);
	c->armed = wanted;
	event_assign(&c->event, c->worker->base, c->fd, wanted | EV_PERSIST, on_event, c);
	event_add(&c->event, NULL);
}

/* What to wait for now. With enough input ahead only edges are waited for, which tell of a client
 * that leaves without reporting the bytes that are left lying. */
void
conn_rearm(struct conn *c)
{
	short wanted = EV_READ;

	if (conn_must_wait(c) && buf_len(&c->in) >= CONN_AHEAD_MAX)
		wanted = EV_READ | EV_CLOSED | EV_ET;
	if (buf_len(&c->out) > 0)
		wanted |= EV_WRITE;
	arm(c, wanted);
}

/* How long a connection may say nothing. */
static uint64_t
idle_limit_us(const struct worker *w)
{
	return w->hurried ? HURRY_US : (uint64_t)w->config->limits.idle_timeout_ms * US_PER_MS;
}

void
conn_set_idle(struct conn *c)
{
	c->state = CONN_IDLE;
	http_head_reset(&c->head);
	deadline_set(&c->deadline, clock_mono_us() + idle_limit_us(c->worker));
}

bool
conn_ends_here(struct conn *c)
{
	/* What the client has sent ahead is answered first, and an end of ours behind the answer
	 * must not turn into a reset that takes the answer with it. */
	if (c->worker->draining && buf_len(&c->in) == 0) {
		c->keep_alive = false;
		c->linger = true;
	}
	return !c->keep_alive;
}

int
conn_open(struct worker *w, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -1;
	c->worker = w;
	c->fd = fd;
	deadline_init(&c->deadline, w->base, on_deadline, c);
	arm(c, EV_READ);
	conn_set_idle(c);
	LIST_INSERT_HEAD(&w->conns, c, link);
	w->n_conns++;
	tally_add(&w->slot->connections, 1);
	tally_add(&w->slot->open, 1);
	return 0;
}

void
conn_close(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_DEAD;
	event_del(&c->event);
	deadline_fini(&c->deadline);
	close(c->fd);
	LIST_REMOVE(c, link);
	SLIST_INSERT_HEAD(&w->dead, c, dead_link);
	w->n_conns--;
	tally_add(&w->slot->open, (uint64_t)-1);
	if (c->request != NULL)
		request_client_left(c->request);
	listener_resume(w);
}

static void
free_dead(struct worker *w)
{
	struct conn *c;

	while ((c = SLIST_FIRST(&w->dead)) != NULL) {
		assert(c->request == NULL);
		SLIST_REMOVE_HEAD(&w->dead, dead_link);
		buf_free(&c->in);
		buf_free(&c->out);
		free(c);
	}
}

void
conn_mark_dirty(struct conn *c)
{
	if (!c->on_dirty)
		TAILQ_INSERT_TAIL(&c->worker->dirty, c, dirty_link);
	c->on_dirty = true;
}

/* ---- events ------------------------------------------------------------------------------------
 */

static bool
peer_is_gone(struct conn *c, short what)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (!(c->armed & EV_ET))
		return false;
	if (what & EV_CLOSED)
		return true;
	return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0;
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if (peer_is_gone(c, what)) {
		conn_close(c);
		return;
	}
	if (what & EV_WRITE)
		conn_flush(c);
	if (c->state != CONN_DEAD)
		conn_pump(c);
	if ((what & EV_READ) && c->state != CONN_DEAD)
		conn_read(c);
	if (c->state != CONN_DEAD)
		conn_rearm(c);
	worker_look_at_policy(c->worker);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static uint64_t
body_limit_us(const struct conn *c)
{
	return (uint64_t)c->worker->config->limits.body_timeout_ms * US_PER_MS;
}

void
conn_set_body_deadline(struct conn *c, uint64_t now_us)
{
	uint64_t next_us = now_us + BODY_CHECK_US, end_us = c->body_started_us + body_limit_us(c);

	deadline_set(&c->deadline, next_us < end_us ? next_us : end_us);
}

static void
on_body_deadline(struct conn *c)
{
	uint64_t now_us = clock_mono_us(), spent_us = now_us - c->body_started_us;

	if (spent_us >= body_limit_us(c))
		request_refuse(c->request, 408, "request_timeout",
		    "the body did not arrive within limits.body_timeout_ms");
	else if (c->body_read * US_PER_S < BODY_LEAST_BYTES_A_S * spent_us &&
		 spent_us >= BODY_CHECK_US)
		request_refuse(c->request, 408, "request_timeout", "the body arrives too slowly");
	else
		conn_set_body_deadline(c, now_us);
}

static void
on_deadline(void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_HEAD) {
		tally_add(&c->worker->slot->malformed, 1);
		conn_refuse(c, 408, "request_timeout",
		    "the head did not arrive within limits.header_timeout_ms");
	} else if (c->state == CONN_BODY && buf_len(&c->out) == 0) {
		on_body_deadline(c);
	} else if (buf_len(&c->out) > 0 && c->stall_bytes >= STALL_LEAST_BYTES) {
		conn_set_stall_clock(c);
	} else {
		conn_close(c);
	}
}

/* ---- the turn of the loop -------------------------------------------------------------------- */

void
conn_turn_end(struct worker *w)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&w->dirty)) != NULL) {
		TAILQ_REMOVE(&w->dirty, c, dirty_link);
		c->on_dirty = false;
		if (c->no_memory)
			conn_close(c);
		if (c->state != CONN_DEAD)
			conn_flush(c);
		if (c->state != CONN_DEAD) {
			conn_pump(c);
			if (c->state != CONN_DEAD)
				conn_rearm(c);
		}
		worker_look_at_policy(w);
	}
	free_dead(w);
}

void
conn_drain_over(struct worker *w)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&w->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (c->state == CONN_BODY && c->request != NULL)
			request_refuse(c->request, 503, "shutting_down",
			    "grayd is shutting down and can wait no longer; send the request "
			    "again");
	}
}

void
conn_hurry_all(struct worker *w)
{
	struct conn *c;
	uint64_t end_us = clock_mono_us() + HURRY_US;

	LIST_FOREACH(c, &w->conns, link)
	{
		if (c->state == CONN_IDLE && buf_len(&c->out) == 0)
			deadline_set(&c->deadline, end_us);
	}
}
