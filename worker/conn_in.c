// SPDX-License-Identifier: MIT
/*
 * Bytes from the client: split into heads and bodies, one request at a time. What comes before its
 * turn waits in a bounded buffer, and the answer to a request is always given before the next is
 * looked at.
 */
#include "worker/conn_parts.h"

#include <errno.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "worker/reply.h"
#include "worker/request.h"

void
conn_stop_reading(struct conn *c)
{
	c->keep_alive = false;
	c->linger = true;
	if (c->state != CONN_DEAD)
		c->state = CONN_BUSY;
}

/* Answers bytes that never became a request. */
void
conn_refuse(struct conn *c, unsigned status, const char *code, const char *text)
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
		conn_refuse(c, c->head.error_status, "malformed_request", c->head.error_text);
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
	deadline_set(&c->deadline, 0);
	if (c->head.has_body)
		conn_set_body_deadline(c, now_us);
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

/* The next request waits for the answer to the one before, and for a client that has more answers
 * to take than may be queued. */
bool
conn_must_wait(const struct conn *c)
{
	if (c->no_memory)
		return true;
	if (c->state == CONN_IDLE || c->state == CONN_HEAD)
		return buf_len(&c->out) > 0;
	return c->state >= CONN_BUSY;
}

/* Hands bytes to whatever is waited for; returns how many were taken. */
static size_t
feed(struct conn *c, uint8_t *bytes, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t used = 0;

		if (c->close_when_sent || conn_must_wait(c))
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

/* Lets a connection that has not to wait any more look at what came meanwhile. */
void
conn_pump(struct conn *c)
{
	size_t n = buf_len(&c->in);

	if (n == 0 || conn_must_wait(c) || c->close_when_sent)
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
			conn_pump(c);
		return;
	}
	used = feed(c, bytes, n);
	if (c->state != CONN_DEAD && c->state != CONN_LINGER && used < n &&
	    buf_add(&c->in, bytes + used, n - used) < 0)
		conn_close(c);
}

void
conn_read(struct conn *c)
{
	struct worker *w = c->worker;
	size_t room = sizeof(w->scratch);
	ssize_t n;

	if (conn_must_wait(c)) {
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
