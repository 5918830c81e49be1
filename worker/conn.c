// SPDX-License-Identifier: MIT
/*
 * Client connections of a worker. An event that is registered always waits for something to read
 * or write: on a reset, epoll reports a descriptor that waits for nothing again and again. Reading
 * stays armed while a request is at work, since that is how a client that leaves is noticed.
 */
#include "worker/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/listener.h"
#include "worker/reply.h"
#include "worker/request.h"

#define BODY_CHECK_US	     (5 * (uint64_t)US_PER_S)
#define BODY_LEAST_BYTES_A_S 500
#define LINGER_US	     (2 * (uint64_t)US_PER_S)
#define STALL_LEAST_BYTES    16384 /* a reader slower than this per write_stall_ms has stalled */
#define OUT_KEPT_BYTES	     4096  /* a larger output buffer is given back once it is empty */

static void on_event(evutil_socket_t fd, short what, void *arg);
static void on_deadline(void *arg);
static void pump(struct conn *c);

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
static void
rearm(struct conn *c)
{
	short wanted = EV_READ;

	if (c->state == CONN_BUSY && buf_len(&c->in) >= CONN_AHEAD_MAX)
		wanted = EV_READ | EV_CLOSED | EV_ET;
	if (buf_len(&c->out) > 0)
		wanted |= EV_WRITE;
	arm(c, wanted);
}

static void
set_idle(struct conn *c)
{
	c->state = CONN_IDLE;
	http_head_reset(&c->head);
	deadline_set(&c->deadline,
	    clock_mono_us() + (uint64_t)c->worker->config->limits.idle_timeout_ms * US_PER_MS);
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
	set_idle(c);
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

static void
mark_dirty(struct conn *c)
{
	if (!c->on_dirty)
		TAILQ_INSERT_TAIL(&c->worker->dirty, c, dirty_link);
	c->on_dirty = true;
}

/* ---- out ------------------------------------------------------------------------------------- */

static void
start_linger(struct conn *c)
{
	shutdown(c->fd, SHUT_WR);
	c->state = CONN_LINGER;
	buf_free(&c->in);
	deadline_set(&c->deadline, clock_mono_us() + LINGER_US);
	rearm(c);
}

static void
set_stall_clock(struct conn *c)
{
	c->stall_bytes = 0;
	deadline_set(&c->deadline,
	    clock_mono_us() + (uint64_t)c->worker->config->limits.write_stall_ms * US_PER_MS);
}

/* Called when the output has become empty. */
static void
on_sent_all(struct conn *c)
{
	if (c->out.cap > OUT_KEPT_BYTES)
		buf_free(&c->out);
	if (c->close_when_sent && c->linger)
		start_linger(c);
	else if (c->close_when_sent)
		conn_close(c);
	else if (c->state == CONN_BUSY)
		deadline_set(&c->deadline, 0);
}

static void
flow_control(struct conn *c)
{
	if (!c->upstream_paused && buf_len(&c->out) > CONN_OUT_HIGH) {
		c->upstream_paused = true;
		if (c->request != NULL)
			request_pause(c->request, true);
	} else if (c->upstream_paused && buf_len(&c->out) < CONN_OUT_LOW) {
		c->upstream_paused = false;
		if (c->request != NULL)
			request_pause(c->request, false);
	}
}

/* Sends what is queued as far as the socket takes it. */
static void
flush(struct conn *c)
{
	while (buf_len(&c->out) > 0) {
		ssize_t n = send(c->fd, buf_bytes(&c->out), buf_len(&c->out), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			conn_close(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
		c->stall_bytes += (uint64_t)n;
	}
	flow_control(c);
	if (buf_len(&c->out) == 0) {
		on_sent_all(c);
	} else if (!(c->armed & EV_WRITE)) {
		set_stall_clock(c);
	}
	if (c->state != CONN_DEAD)
		rearm(c);
}

static void
queue(struct conn *c, const void *bytes, size_t n)
{
	if (c->state == CONN_DEAD || c->close_when_sent)
		return;
	if (buf_add(&c->out, bytes, n) < 0)
		conn_close(c);
	else
		mark_dirty(c);
}

void
conn_send(struct conn *c, const void *head, size_t head_len, const void *body, size_t body_len)
{
	struct iovec iov[2] = { { (void *)(uintptr_t)head, head_len },
		{ (void *)(uintptr_t)body, body_len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t sent = 0;

	if (c->state == CONN_DEAD)
		return;
	if (buf_len(&c->out) == 0) {
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

		sent = n > 0 ? (size_t)n : 0;
	}
	if (sent < head_len) {
		queue(c, (const uint8_t *)head + sent, head_len - sent);
		sent = head_len;
	}
	if (sent - head_len < body_len)
		queue(c, (const uint8_t *)body + (sent - head_len), body_len - (sent - head_len));
}

void
conn_stream(struct conn *c, const void *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char size[20], *p = size + sizeof(size);

	if (n == 0)
		return;
	if (!c->chunked_out) {
		queue(c, bytes, n);
		return;
	}
	*--p = '\n';
	*--p = '\r';
	for (size_t left = n; left > 0; left >>= 4)
		*--p = hex[left & 15];
	queue(c, p, (size_t)(size + sizeof(size) - p));
	queue(c, bytes, n);
	queue(c, "\r\n", 2);
}

void
conn_finish(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	if (c->chunked_out)
		queue(c, "0\r\n\r\n", 5);
	c->chunked_out = false;
	c->request = NULL;
	if (!c->keep_alive || c->worker->draining)
		c->close_when_sent = true;
	else
		set_idle(c);
	mark_dirty(c);
}

void
conn_break(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	c->request = NULL;
	c->close_when_sent = true;
	mark_dirty(c);
}

/* ---- in -------------------------------------------------------------------------------------- */

void
conn_stop_reading(struct conn *c)
{
	c->keep_alive = false;
	c->linger = true;
	if (c->state != CONN_DEAD)
		c->state = CONN_BUSY;
}

/* Answers bytes that never became a request. */
static void
refuse(struct conn *c, unsigned status, const char *code, const char *text)
{
	conn_stop_reading(c);
	reply_refuse(c, status, code, text);
}

static size_t
feed_head(struct conn *c, uint8_t *bytes, size_t n)
{
	ssize_t used = http_head_parse(&c->head, bytes, n);
	uint64_t now_us;

	if (used == 0) {
		if (c->state == CONN_IDLE && n > 0) {
			c->state = CONN_HEAD;
			deadline_set(&c->deadline,
			    clock_mono_us() +
				(uint64_t)c->worker->config->limits.header_timeout_ms * US_PER_MS);
		}
		return 0;
	}
	if (used < 0) {
		tally_add(&c->worker->slot->malformed, 1);
		refuse(c, c->head.error_status, "malformed_request", c->head.error_text);
		return n;
	}
	now_us = clock_mono_us();
	c->keep_alive = c->head.keep_alive;
	c->http10 = c->head.minor == 0;
	c->linger = false;
	c->state = c->head.has_body ? CONN_BODY : CONN_BUSY;
	c->body_started_us = now_us;
	c->body_read = 0;
	c->body_left = c->head.content_length > 0 ? (uint64_t)c->head.content_length : 0;
	chunked_reset(&c->chunked);
	deadline_set(&c->deadline, c->head.has_body ? now_us + BODY_CHECK_US : 0);
	request_begin(c, &c->head, bytes, now_us);
	return (size_t)used;
}

static void
on_body_whole(struct conn *c)
{
	c->state = CONN_BUSY;
	deadline_set(&c->deadline, 0);
	request_body_whole(c->request);
}

/* Takes bytes of a body whose length is known. */
static size_t
feed_counted(struct conn *c, const uint8_t *bytes, size_t n)
{
	size_t take = n < c->body_left ? n : (size_t)c->body_left;

	c->body_left -= take;
	c->body_read += take;
	if (request_body(c->request, bytes, take) == 0 && c->body_left == 0)
		on_body_whole(c);
	return take;
}

static size_t
feed_chunked(struct conn *c, uint8_t *bytes, size_t n)
{
	size_t used, got;
	enum chunked_result r = chunked_decode(&c->chunked, bytes, n, &used, &got);

	c->body_read += got;
	if (r == CHUNKED_ERROR) {
		tally_add(&c->worker->slot->malformed, 1);
		request_refuse(c->request, 400, "malformed_request", c->chunked.error_text);
		return n;
	}
	if (c->chunked.decoded + c->chunked.left > c->worker->config->limits.max_body_bytes) {
		request_refuse(c->request, 413, "request_too_large",
		    "the body is longer than limits.max_body_bytes");
		return n;
	}
	if (request_body(c->request, bytes, got) == 0 && r == CHUNKED_DONE)
		on_body_whole(c);
	return used;
}

/* Hands bytes to whatever is waited for; returns how many were taken. */
static size_t
feed(struct conn *c, uint8_t *bytes, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t used = 0;

		if (c->close_when_sent || c->state >= CONN_BUSY)
			break;
		if (c->state == CONN_BODY && c->head.chunked)
			used = feed_chunked(c, bytes + done, n - done);
		else if (c->state == CONN_BODY)
			used = feed_counted(c, bytes + done, n - done);
		else
			used = feed_head(c, bytes + done, n - done);
		if (used == 0)
			break;
		done += used;
	}
	return done;
}

/* Lets a connection whose request has ended look at what came meanwhile. */
static void
pump(struct conn *c)
{
	size_t n = buf_len(&c->in);

	if (n == 0 || c->state >= CONN_BUSY || c->close_when_sent)
		return;
	buf_consume(&c->in, feed(c, buf_bytes(&c->in), n));
	if (buf_len(&c->in) == 0)
		buf_free(&c->in);
}

static void
take_input(struct conn *c, uint8_t *bytes, size_t n)
{
	size_t used;

	if (c->state == CONN_LINGER || c->close_when_sent)
		return;
	if (buf_len(&c->in) > 0) {
		if (buf_add(&c->in, bytes, n) < 0)
			conn_close(c);
		else
			pump(c);
		return;
	}
	used = feed(c, bytes, n);
	if (c->state != CONN_DEAD && c->state != CONN_LINGER && used < n &&
	    buf_add(&c->in, bytes + used, n - used) < 0)
		conn_close(c);
}

static void
on_readable(struct conn *c)
{
	struct worker *w = c->worker;
	size_t room = sizeof(w->scratch);
	ssize_t n;

	if (c->state == CONN_BUSY) {
		size_t ahead = buf_len(&c->in);

		/* Full: only an edge comes here, to tell of new bytes or of the end; which of
		 * them, on_event knows. */
		if (ahead >= CONN_AHEAD_MAX)
			return;
		room = CONN_AHEAD_MAX - ahead;
	}
	n = recv(c->fd, w->scratch, room, 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	take_input(c, w->scratch, (size_t)n);
}

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
		flush(c);
	if ((what & EV_READ) && c->state != CONN_DEAD)
		on_readable(c);
	if (c->state != CONN_DEAD)
		rearm(c);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void
on_body_deadline(struct conn *c)
{
	uint64_t now_us = clock_mono_us(), spent_us = now_us - c->body_started_us;
	uint64_t limit_us = (uint64_t)c->worker->config->limits.body_timeout_ms * US_PER_MS;
	uint64_t next_us = now_us + BODY_CHECK_US, end_us = c->body_started_us + limit_us;

	if (spent_us >= limit_us)
		request_refuse(c->request, 408, "request_timeout",
		    "the body did not arrive within limits.body_timeout_ms");
	else if (c->body_read * US_PER_S < BODY_LEAST_BYTES_A_S * spent_us &&
		 spent_us >= BODY_CHECK_US)
		request_refuse(c->request, 408, "request_timeout", "the body arrives too slowly");
	else
		deadline_set(&c->deadline, next_us < end_us ? next_us : end_us);
}

static void
on_deadline(void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_HEAD) {
		tally_add(&c->worker->slot->malformed, 1);
		refuse(c, 408, "request_timeout",
		    "the head did not arrive within limits.header_timeout_ms");
	} else if (c->state == CONN_BODY && buf_len(&c->out) == 0) {
		on_body_deadline(c);
	} else if (buf_len(&c->out) > 0 && c->stall_bytes >= STALL_LEAST_BYTES) {
		set_stall_clock(c);
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
		if (c->state != CONN_DEAD)
			flush(c);
		if (c->state != CONN_DEAD) {
			pump(c);
			if (c->state != CONN_DEAD)
				rearm(c);
		}
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
			    "grayd is shutting down and can wait no longer; send the request again");
	}
}

void
conn_drain_all(struct worker *w)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&w->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (c->state == CONN_IDLE && buf_len(&c->out) == 0)
			conn_close(c);
		else
			c->keep_alive = false;
	}
}
