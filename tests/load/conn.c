// SPDX-License-Identifier: MIT
/* Client connections; see conn.h. */
#include "tests/load/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/load/run.h"

#define REST_US	   20000
#define READ_BYTES 262144

static uint8_t read_buffer[READ_BYTES];

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_time_to_leave(evutil_socket_t fd, short what, void *arg);

void
conn_init(struct conn *c, struct run *run)
{
	c->run = run;
	c->state = CONN_CLOSED;
	c->fd = -1;
	evtimer_assign(&c->on_leave, run->base, on_time_to_leave, c);
}

static void
close_socket(struct conn *c, bool reset)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (c->fd < 0)
		return;
	event_del(&c->on_read);
	event_del(&c->on_write);
	event_del(&c->on_leave);
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
}

void
conn_free(struct conn *c)
{
	close_socket(c, false);
	answer_free(&c->answer);
}

/* ---- the end of a request -------------------------------------------------------------------- */

static bool
is_of_another(const struct conn *c)
{
	const char *id = c->answer.request_id, *prefix = c->run->options->id_prefix;

	return strncmp(id, prefix, strlen(prefix)) == 0 &&
	       strncmp(id, c->request.id, ANSWER_FIELD - 1) != 0;
}

static void
report(struct conn *c, enum verdict verdict, uint64_t now_us)
{
	struct record r = {
		.id = c->request.id,
		.key = c->request.key,
		.verdict = verdict,
		.answer = &c->answer,
		.due_us = c->due_us,
		.start_us = c->start_us,
		.first_us = c->first_us,
		.end_us = now_us,
		.left_us = c->left_us,
		.reused = c->requests > 1,
	};

	if (c->left_us > 0)
		r.verdict = VERDICT_LEFT;
	else if (is_of_another(c))
		r.verdict = VERDICT_MIXED;
	run_on_end(c->run, &r);
}

/* A failed connection rests, so that a dead server is not asked in an endless loop. */
static void
end_closed(struct conn *c, enum verdict verdict, uint64_t now_us)
{
	bool failed = verdict == VERDICT_CONNECT_ERROR || verdict == VERDICT_NO_ANSWER;

	close_socket(c, verdict == VERDICT_TIMEOUT);
	c->state = failed ? CONN_RESTING : CONN_CLOSED;
	c->rest_until_us = now_us + REST_US;
	report(c, verdict, now_us);
	run_on_free(c->run, c, now_us);
}

static void
end_open(struct conn *c, uint64_t now_us)
{
	c->state = CONN_IDLE;
	report(c, answer_verdict(&c->answer), now_us);
	run_on_free(c->run, c, now_us);
}

void
conn_expire(struct conn *c, enum verdict verdict, uint64_t now_us)
{
	end_closed(c, verdict, now_us);
}

/* ---- leaving early --------------------------------------------------------------------------- */

/* Bytes left unread would turn the close into a reset. */
static void
leave_by_fin(struct conn *c)
{
	while (recv(c->fd, read_buffer, sizeof(read_buffer), 0) > 0)
		;
	shutdown(c->fd, SHUT_WR);
	close_socket(c, false);
}

static void
leave(struct conn *c, uint64_t now_us)
{
	c->leaving = false;
	c->left_us = now_us;
	switch (c->run->options->leave_how) {
	case LEAVE_HALF: shutdown(c->fd, SHUT_WR); return;
	case LEAVE_SILENT: event_del(&c->on_read); return;
	case LEAVE_RST: close_socket(c, true); break;
	case LEAVE_FIN: leave_by_fin(c); break;
	}
	end_closed(c, VERDICT_LEFT, now_us);
}

static void
on_time_to_leave(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	leave(arg, clock_mono_us());
}

/* Called when all that is to be sent has been sent. */
static void
plan_to_leave(struct conn *c)
{
	struct timeval wait = { 0, 0 };
	const struct options *o = c->run->options;

	if (o->leave_when == LEAVE_MS) {
		wait.tv_sec = (time_t)(o->leave_count / 1000);
		wait.tv_usec = (suseconds_t)(o->leave_count % 1000 * US_PER_MS);
	} else if (o->leave_when != LEAVE_HEAD_SENT && o->leave_when != LEAVE_SENT) {
		return;
	}
	event_add(&c->on_leave, &wait);
}

static bool
has_read_enough(const struct conn *c)
{
	const struct options *o = c->run->options;

	if (!c->leaving)
		return false;
	return o->leave_when == LEAVE_FIRST_BYTE ||
	       (o->leave_when == LEAVE_CHUNKS && c->answer.sse.events >= o->leave_count);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void
send_some(struct conn *c)
{
	struct msghdr m = { .msg_iov = c->request.pieces + c->request.at,
		.msg_iovlen = REQUEST_PIECES - c->request.at };
	ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN)
		n = 0;
	if (n >= 0 && !request_sent(&c->request, (size_t)n)) {
		event_add(&c->on_write, NULL);
		return;
	}
	/* After a failure to send there may still be an answer to read. */
	c->state = CONN_WAITING;
	event_del(&c->on_write);
	if (c->leaving)
		plan_to_leave(c);
}

static void
begin_sending(struct conn *c, uint64_t now_us)
{
	c->state = CONN_SENDING;
	c->start_us = now_us;
	c->requests++;
	send_some(c);
}

static void
on_connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	uint64_t now_us = clock_mono_us();

	event_del(&c->on_write);
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
		end_closed(c, VERDICT_CONNECT_ERROR, now_us);
		return;
	}
	event_add(&c->on_read, NULL);
	begin_sending(c, now_us);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CONN_CONNECTING)
		on_connected(c);
	else if (c->state == CONN_SENDING)
		send_some(c);
}

static void
open_socket(struct conn *c, uint64_t now_us)
{
	c->requests = 0;
	c->fd = target_connect(c->run->target);
	if (c->fd < 0) {
		end_closed(c, VERDICT_CONNECT_ERROR, now_us);
		return;
	}
	c->run->summary->connections++;
	c->state = CONN_CONNECTING;
	event_assign(&c->on_read, c->run->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->on_write, c->run->base, c->fd, EV_WRITE | EV_PERSIST, on_writable, c);
	event_add(&c->on_write, NULL);
}

void
conn_start(struct conn *c, uint64_t number, uint64_t due_us, uint64_t now_us)
{
	const struct options *o = c->run->options;

	c->due_us = due_us;
	c->start_us = c->first_us = c->left_us = c->last_event_us = 0;
	c->leaving = o->leave_when != LEAVE_NEVER && number % o->leave_every == 0;
	answer_begin(&c->answer, c->run->log->fd >= 0);
	request_build(
	    &c->request, c->run->template, number, c->leaving && o->leave_when == LEAVE_HEAD_SENT);
	if (c->state == CONN_IDLE)
		begin_sending(c, now_us);
	else
		open_socket(c, now_us);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void
on_idle_readable(struct conn *c, ssize_t n, uint64_t now_us)
{
	if (n > 0)
		c->run->summary->unsolicited++;
	run_on_idle_close(c->run, c);
	close_socket(c, false);
	c->state = CONN_CLOSED;
	run_on_free(c->run, c, now_us);
}

static void
on_end_of_input(struct conn *c, bool clean, uint64_t now_us)
{
	if (clean)
		answer_eof(&c->answer);
	end_closed(c, answer_verdict(&c->answer), now_us);
}

static void
count_events(struct conn *c, uint32_t before, uint64_t now_us)
{
	uint32_t n = c->answer.sse.events - before;

	if (n == 0)
		return;
	summary_events(c->run->summary, n, c->last_event_us > 0 ? now_us - c->last_event_us : 0);
	c->last_event_us = now_us;
}

static void
on_bytes(struct conn *c, size_t n, uint64_t now_us)
{
	struct answer *a = &c->answer;
	uint32_t events = a->sse.events;
	bool whole = answer_feed(a, read_buffer, n) == n;

	if (c->first_us == 0)
		c->first_us = now_us;
	count_events(c, events, now_us);
	if (has_read_enough(c))
		leave(c, now_us);
	else if (a->state == ANSWER_BAD)
		end_closed(c, VERDICT_BAD_HTTP, now_us);
	else if (!whole)
		end_closed(c, VERDICT_EXTRA, now_us);
	else if (a->state == ANSWER_DONE && a->keep_alive && c->state == CONN_WAITING &&
		 c->left_us == 0 && !c->run->options->close_each)
		end_open(c, now_us);
	else if (a->state == ANSWER_DONE)
		end_closed(c, answer_verdict(a), now_us);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	ssize_t n = recv(fd, read_buffer, sizeof(read_buffer), 0);
	uint64_t now_us = clock_mono_us();

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (c->state == CONN_IDLE)
		on_idle_readable(c, n, now_us);
	else if (n <= 0)
		on_end_of_input(c, n == 0, now_us);
	else
		on_bytes(c, (size_t)n, now_us);
}
