// SPDX-License-Identifier: MIT
/*
 * Bytes to the client: tried at once, queued if the socket does not take them, sent once a loop
 * turn. A queue that grows pauses the provider; one that does not move ends the connection.
 */
#include "worker/conn_parts.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/clock.h"
#include "worker/request.h"

#define LINGER_US      (2 * (uint64_t)US_PER_S)
#define OUT_KEPT_BYTES 4096 /* a larger output buffer is given back once it is empty */

static void
start_linger(struct conn *c)
{
	shutdown(c->fd, SHUT_WR);
	c->state = CONN_LINGER;
	buf_free(&c->in);
	deadline_set(&c->deadline, clock_mono_us() + LINGER_US);
	conn_rearm(c);
}

void
conn_set_stall_clock(struct conn *c)
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
	else if (c->state == CONN_IDLE && (c->armed & EV_WRITE))
		conn_set_idle(c); /* the stall clock ran until now */
}

/* More is queued than may be. libcurl reads on for as long as bytes come, so it is held back while
 * it does, not only when the queue is flushed. */
static void
hold_back(struct conn *c)
{
	if (c->upstream_paused || buf_len(&c->out) <= CONN_OUT_HIGH)
		return;
	c->upstream_paused = true;
	if (c->request != NULL)
		request_pause(c->request, true);
}

static void
let_go_on(struct conn *c)
{
	if (!c->upstream_paused || buf_len(&c->out) >= CONN_OUT_LOW)
		return;
	c->upstream_paused = false;
	if (c->request != NULL)
		request_pause(c->request, false);
}

/* Sends what is queued as far as the socket takes it. */
void
conn_flush(struct conn *c)
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
	let_go_on(c);
	if (buf_len(&c->out) == 0) {
		on_sent_all(c);
	} else if (!(c->armed & EV_WRITE)) {
		conn_set_stall_clock(c);
	}
	if (c->state != CONN_DEAD)
		conn_rearm(c);
}

static void
queue(struct conn *c, const void *bytes, size_t n)
{
	if (c->state == CONN_DEAD || c->close_when_sent || c->no_memory)
		return;
	c->no_memory = buf_add(&c->out, bytes, n) < 0;
	conn_mark_dirty(c);
}

void
conn_send(struct conn *c, const void *head, size_t head_len, const void *body, size_t body_len)
{
	struct iovec iov[2] = { { (void *)(uintptr_t)head, head_len },
		{ (void *)(uintptr_t)body, body_len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t sent = 0;

	if (c->state == CONN_DEAD || c->no_memory)
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
		hold_back(c);
		return;
	}
	*--p = '\n';
	*--p = '\r';
	for (size_t left = n; left > 0; left >>= 4)
		*--p = hex[left & 15];
	queue(c, p, (size_t)(size + sizeof(size) - p));
	queue(c, bytes, n);
	queue(c, "\r\n", 2);
	hold_back(c);
}

void
conn_finish(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	if (c->chunked_out)
		queue(c, "0\r\n\r\n", 5);
	c->chunked_out = false;
	c->upstream_paused = false;
	c->request = NULL;
	if (!c->keep_alive)
		c->close_when_sent = true;
	else
		conn_set_idle(c);
	conn_mark_dirty(c);
}

void
conn_break(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	c->request = NULL;
	c->close_when_sent = true;
	conn_mark_dirty(c);
}
