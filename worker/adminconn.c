// SPDX-License-Identifier: MIT
/*
 * Connections of the admin process, see adminconn.h. While an answer is on its way nothing is read,
 * so a client that sends and never reads holds one buffer of input and one answer, until its
 * deadline.
 */
#include "worker/adminconn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

#define READ_BYTES	   4096
#define ACCEPTS_A_TURN	   16
#define HEAD_US		   (5 * (uint64_t)US_PER_S)  /* from the first byte of a head to its last */
#define ANSWER_US	   (15 * (uint64_t)US_PER_S) /* for a whole answer to leave */
#define IDLE_US		   (300 * (uint64_t)US_PER_S) /* longer than scrapers pause */
#define LINGER_US	   (2 * (uint64_t)US_PER_S)
#define EXHAUSTED_PAUSE_US (100 * (uint64_t)US_PER_MS)

struct adminconn {
	struct admin *admin;
	int fd;
	struct event event;
	short armed;
	bool answered; /* at least one request */
	bool close_when_sent;
	bool more;	/* there may be another head in the input: look again in the next turn */
	bool lingering; /* everything is said; reads on until the client closes too */
	struct deadline deadline;
	struct buf in, out;
	struct http_head head;
	TAILQ_ENTRY(adminconn) link;
};

static void on_event(evutil_socket_t fd, short what, void *arg);

static void
close_one(struct adminconn *c)
{
	struct admin *a = c->admin;

	if (c->armed != 0)
		event_del(&c->event);
	deadline_fini(&c->deadline);
	TAILQ_REMOVE(&a->conns, c, link);
	a->n_conns--;
	close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

static void
on_deadline(void *arg)
{
	close_one(arg);
}

static void
set_deadline(struct adminconn *c, uint64_t from_now_us)
{
	deadline_set(&c->deadline, clock_mono_us() + from_now_us);
}

static void
arm(struct adminconn *c, short wanted)
{
	if (c->armed == wanted)
		return;
	if (c->armed != 0)
		event_del(&c->event);
	c->armed = wanted;
	event_assign(&c->event, c->admin->base, c->fd, wanted | EV_PERSIST, on_event, c);
	event_add(&c->event, NULL);
}

/* ---- one request after the other: all return false when the connection is gone --------------- */

/* The answer has left. */
static bool
on_sent(struct adminconn *c)
{
	struct admin *a = c->admin;

	buf_free(&c->out);
	if (c->close_when_sent) {
		/* Closing with input unread would take the answer away from the client. */
		shutdown(c->fd, SHUT_WR);
		c->lingering = true;
		set_deadline(c, LINGER_US);
		return true;
	}
	set_deadline(c, buf_len(&c->in) > 0 ? HEAD_US : IDLE_US);
	TAILQ_REMOVE(&a->conns, c, link);
	TAILQ_INSERT_TAIL(&a->conns, c, link);
	return true;
}

static bool
flush(struct adminconn *c)
{
	while (buf_len(&c->out) > 0) {
		ssize_t n = send(c->fd, buf_bytes(&c->out), buf_len(&c->out), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n < 0) {
			close_one(c);
			return false;
		}
		buf_consume(&c->out, (size_t)n);
	}
	return on_sent(c);
}

/* Answers the next head, if it is there and the answer before it has left. One a turn, so that who
 * sends many at once does not keep others waiting. */
static bool
answer_next(struct adminconn *c)
{
	ssize_t used;

	if (buf_len(&c->in) == 0 || buf_len(&c->out) > 0 || c->lingering)
		return true;
	used = http_head_parse(&c->head, buf_bytes(&c->in), buf_len(&c->in));
	if (used == 0)
		return true;
	c->close_when_sent =
	    used < 0 || !c->head.keep_alive || c->head.has_body || c->admin->draining;
	set_deadline(c, ANSWER_US);
	if (admin_answer(c->admin, &c->head, buf_bytes(&c->in), c->close_when_sent, &c->out) < 0) {
		close_one(c);
		return false;
	}
	if (used > 0)
		buf_consume(&c->in, (size_t)used);
	http_head_reset(&c->head);
	c->answered = true;
	c->more = buf_len(&c->in) > 0;
	if (!c->more)
		buf_free(&c->in);
	return flush(c);
}

static bool
on_readable(struct adminconn *c)
{
	uint8_t bytes[READ_BYTES];
	bool first = buf_len(&c->in) == 0;
	ssize_t n;

	if (buf_len(&c->in) >= HTTP_HEAD_MAX)
		return true;
	n = recv(c->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return true;
	if (n > 0 && c->lingering)
		return true;
	if (n <= 0 || buf_add(&c->in, bytes, (size_t)n) < 0) {
		close_one(c);
		return false;
	}
	if (first)
		set_deadline(c, HEAD_US);
	return true;
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct adminconn *c = arg;

	(void)fd;
	c->more = false;
	if ((what & EV_WRITE) && !flush(c))
		return;
	if ((what & EV_READ) && !on_readable(c))
		return;
	if (!answer_next(c))
		return;
	arm(c, buf_len(&c->out) > 0 ? EV_WRITE : EV_READ);
	if (c->more)
		event_active(&c->event, EV_TIMEOUT, 0);
}

/* ---- coming and going ------------------------------------------------------------------------ */

static int
open_one(struct admin *a, int fd)
{
	struct adminconn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -1;
	if (a->n_conns >= ADMIN_CONNS_MAX)
		close_one(TAILQ_FIRST(&a->conns));
	c->admin = a;
	c->fd = fd;
	http_head_reset(&c->head);
	deadline_init(&c->deadline, a->base, on_deadline, c);
	set_deadline(c, HEAD_US);
	TAILQ_INSERT_TAIL(&a->conns, c, link);
	a->n_conns++;
	arm(c, EV_READ);
	return 0;
}

void
adminconn_accept_all(struct admin *a)
{
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(a->seed->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			/* No descriptors or no memory: trying again at once would spin. */
			event_del(&a->listen_event);
			deadline_set(&a->accept_pause, clock_mono_us() + EXHAUSTED_PAUSE_US);
		}
		if (fd < 0)
			return;
		if (open_one(a, fd) < 0)
			close(fd);
	}
}

void
adminconn_drain_all(struct admin *a)
{
	struct adminconn *c, *next;

	for (c = TAILQ_FIRST(&a->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (buf_len(&c->out) > 0)
			c->close_when_sent = true;
		else if (c->lingering || (c->answered && buf_len(&c->in) == 0))
			close_one(c);
	}
}

void
adminconn_close_all(struct admin *a)
{
	while (!TAILQ_EMPTY(&a->conns))
		close_one(TAILQ_FIRST(&a->conns));
}
