// SPDX-License-Identifier: MIT
/*
 * Connections: bytes in, requests out of them, bytes out. A connection that is closed inside a
 * callback stays readable memory until that callback ends, then the graveyard is emptied.
 */
#include "tests/simprovider/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/simprovider/admin.h"

#define CONTAINER(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define KEEP_BUFFER_BYTES 65536

static void
bury(struct sim *sim)
{
	while (sim->graveyard != NULL) {
		struct conn *c = sim->graveyard;

		sim->graveyard = c->next;
		buf_free(&c->in);
		text_free(&c->out);
		free(c);
	}
}

static void
conn_close(struct conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	event_del(&c->readable);
	event_del(&c->writable);
	wheel_cancel(&c->timer);
	wheel_cancel(&c->gap);
	close(c->fd);
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	c->next = c->sim->graveyard;
	c->sim->graveyard = c;
}

static uint8_t *
input(struct conn *c, size_t *n)
{
	*n = c->fresh != NULL ? c->fresh_len : buf_len(&c->in);
	return c->fresh != NULL ? c->fresh : buf_bytes(&c->in);
}

static void
consume_input(struct conn *c, size_t n)
{
	if (c->fresh == NULL) {
		buf_consume(&c->in, n);
		return;
	}
	c->fresh += n;
	c->fresh_len -= n;
}

/* The peer has left, or can no longer be talked to. */
static void
lose(struct conn *c)
{
	size_t n;
	uint8_t *bytes = input(c, &n);

	if (c->dead)
		return;
	if (c->job != NULL)
		c->job->gone(c);
	else if (n > 0 && !c->admin_only)
		attempt_enter_partial(c, bytes, n);
	conn_close(c);
}

static void
forbear(struct conn *c)
{
	/* A small client may wait for leave to send its body. */
	if (c->reader.have_head && c->reader.request.expects) {
		c->reader.request.expects = false;
		text_lit(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
		conn_flush(c);
	}
}

/* Begins the next request if it is all there. */
static bool
begin_next(struct conn *c)
{
	size_t n;
	uint8_t *bytes = input(c, &n);

	if (n == 0)
		return false;
	if (c->first_byte_us == 0)
		c->first_byte_us = clock_wall_us();
	enum reading_state state = reader_feed(&c->reader, bytes, n);

	if (state == READER_MORE) {
		forbear(c);
		return false;
	}
	if (state == READER_BAD)
		c->reader.request.wire_bytes = n;
	if (state == READER_DONE && (c->admin_only || admin_path(bytes, &c->reader.request)))
		admin_begin(c, bytes);
	else
		attempt_begin(c, bytes, state == READER_BAD);
	consume_input(c, c->reader.request.wire_bytes);
	reader_reset(&c->reader);
	c->first_byte_us = 0;
	return true;
}

static void
run(struct conn *c)
{
	while (!c->dead) {
		if (c->job != NULL)
			c->job->resume(c);
		if (c->broken || c->out.failed)
			lose(c);
		if (c->dead || c->job != NULL || !begin_next(c))
			return;
	}
}

static void
receive(struct conn *c, size_t n)
{
	if (buf_len(&c->in) > 0) {
		if (buf_add(&c->in, c->sim->scratch, n) != 0 ||
		    buf_len(&c->in) > CONN_MAX_INPUT_BYTES) {
			lose(c);
			return;
		}
	} else {
		c->fresh = c->sim->scratch;
		c->fresh_len = n;
	}
	run(c);
	if (c->dead)
		return;
	if (c->fresh != NULL && c->fresh_len > 0 && buf_add(&c->in, c->fresh, c->fresh_len) != 0)
		lose(c);
	c->fresh = NULL;
	if (buf_len(&c->in) == 0 && c->in.cap > KEEP_BUFFER_BYTES)
		buf_free(&c->in);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct sim *sim = c->sim;
	ssize_t n = recv(fd, sim->scratch, SIM_SCRATCH_BYTES, 0);

	(void)what;
	if (n > 0)
		receive(c, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		lose(c);
	bury(sim);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct sim *sim = c->sim;

	(void)fd, (void)what;
	conn_flush(c);
	run(c);
	bury(sim);
}

static void
on_timer(struct timer *timer)
{
	struct conn *c = CONTAINER(timer, struct conn, timer);
	struct sim *sim = c->sim;

	run(c);
	bury(sim);
}

static void
on_gap(struct timer *timer)
{
	struct conn *c = CONTAINER(timer, struct conn, gap);
	struct sim *sim = c->sim;

	conn_flush(c);
	run(c);
	bury(sim);
}

void
conn_open(struct sim *sim, int fd, bool admin_only)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return;
	}
	c->sim = sim;
	c->fd = fd;
	c->admin_only = admin_only;
	c->timer.fire = on_timer;
	c->gap.fire = on_gap;
	event_assign(&c->readable, sim->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, sim->base, fd, EV_WRITE, on_writable, c);
	c->next = sim->conns;
	c->link = &sim->conns;
	if (c->next != NULL)
		c->next->link = &c->next;
	sim->conns = c;
	if (event_add(&c->readable, NULL) != 0) {
		conn_close(c);
		bury(sim);
	}
}

void
conn_set_split(struct conn *c, const struct split *split)
{
	c->split = *split;
	c->piece_left = split->at_byte > 0 ? split->at_byte : split->bytes;
}

/* A piece of a split answer is out; true: the next one has to wait. */
static bool
piece_sent(struct conn *c, size_t n)
{
	if (c->piece_left == 0)
		return false;
	c->piece_left -= n;
	if (c->piece_left > 0)
		return false;
	c->piece_left = c->split.bytes;
	if (c->split.gap_ms == 0)
		return false;
	wheel_set(&c->sim->wheel, &c->gap, clock_mono_us() + c->split.gap_ms * US_PER_MS);
	return true;
}

void
conn_flush(struct conn *c)
{
	while (!c->dead && !conn_drained(c) && c->gap.link == NULL) {
		size_t n = text_len(&c->out);

		if (c->piece_left > 0 && n > c->piece_left)
			n = (size_t)c->piece_left;
		ssize_t sent = send(c->fd, buf_bytes(&c->out.buf), n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			event_add(&c->writable, NULL);
			return;
		}
		if (sent < 0) {
			c->broken = true;
			return;
		}
		c->sent_bytes += (uint64_t)sent;
		buf_consume(&c->out.buf, (size_t)sent);
		if (piece_sent(c, (size_t)sent))
			return;
	}
	if (conn_drained(c) && c->out.buf.cap > KEEP_BUFFER_BYTES)
		text_free(&c->out);
}

void
conn_wake_at(struct conn *c, uint64_t due_us)
{
	if (due_us == NEVER_US)
		wheel_cancel(&c->timer);
	else
		wheel_set(&c->sim->wheel, &c->timer, due_us);
}

void
conn_yield(struct conn *c)
{
	event_add(&c->writable, NULL);
}

void
conn_done(struct conn *c, enum then then)
{
	static const struct linger abort_it = { .l_onoff = 1, .l_linger = 0 };

	c->job = NULL;
	c->answers++;
	wheel_cancel(&c->timer);
	if (then == THEN_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	if (then == THEN_RESET || then == THEN_CLOSE)
		conn_close(c);
}

void
conn_close_all(struct sim *sim)
{
	while (sim->conns != NULL)
		lose(sim->conns);
	bury(sim);
}
