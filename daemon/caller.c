// SPDX-License-Identifier: MIT
/*
 * Callers of the control socket, from their first byte to their last answer; see caller.h. Master
 * process. A caller is in one of three moods: it owes a line (with a deadline), its command is in
 * work (then nothing is read from it), or an answer flows out (with a deadline).
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "daemon/caller_state.h"
#include "daemon/cmd.h"
#include "daemon/generation.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/preflight.h"
#include "daemon/upgrade.h"
#include "daemon/validation.h"

#define READ_BYTES	 16384
#define LINE_DEADLINE_S	 5  /* from the connection, or the first byte of a line, to its end */
#define IDLE_DEADLINE_S	 60 /* between two commands */
#define WRITE_DEADLINE_S 10 /* from an answer to its last byte read */

#define cmd_none NULL
static void (*const handlers[VERB_COUNT])(struct cmd *cmd) = {
#define VERB(id, name, right, handler, ...) [VERB_##id] = cmd_##handler,
#include "common/commands.def"
#undef VERB
};

static void caller_next(struct caller *c);

/* ---- a caller's end -------------------------------------------------------------------------- */

static void
cmd_free(struct cmd *cmd)
{
	ctlproto_free(&cmd->request);
	free(cmd);
}

void
caller_drop(struct caller *c)
{
	if (c->cmd != NULL) {
		preflight_forget(c->callers->master, c->cmd);
		validation_forget(c->callers->master, c->cmd);
		transition_forget(c->callers->master, c->cmd);
		generation_forget(c->callers->master, c->cmd);
		upgrade_forget(c->callers->master, c->cmd);
		journal_forget(c->callers->master, c->cmd);
		cmd_free(c->cmd);
	}
	event_del(&c->input);
	event_del(&c->output);
	close(c->fd);
	peer_free(&c->peer);
	buf_free(&c->in);
	buf_free(&c->out);
	c->callers->all[c->place] = NULL;
	free(c);
}

void
callers_say_goodbye(int fd, enum ctl_code code, const char *message)
{
	cJSON *answer = ctlproto_error(code, NULL, message);
	char *text = cJSON_PrintUnformatted(answer);
	char line[1024];

	if (text != NULL) {
		int n = snprintf(line, sizeof(line), "%s\n", text);

		if (n > 0 && (size_t)n < sizeof(line))
			(void)!send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	cJSON_free(text);
	cJSON_Delete(answer);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
caller_flush(struct caller *c)
{
	static const struct timeval limit = { .tv_sec = WRITE_DEADLINE_S };

	while (buf_len(&c->out) > 0) {
		ssize_t n =
		    send(c->fd, buf_bytes(&c->out), buf_len(&c->out), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			buf_consume(&c->out, (size_t)n);
		} else if (errno == EAGAIN) {
			if (!event_pending(&c->output, EV_WRITE, NULL) &&
			    event_add(&c->output, &limit) == -1)
				caller_drop(c);
			return;
		} else if (errno != EINTR) {
			caller_drop(c);
			return;
		}
	}
	event_del(&c->output);
	buf_free(&c->out);
	if (c->closing)
		caller_drop(c);
	else
		caller_next(c);
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	struct caller *c = arg;

	(void)fd;
	/* The limit runs from the answer, not from the last byte that somebody took. */
	if ((what & EV_TIMEOUT) || clock_mono_us() >= c->deadline_us)
		caller_drop(c);
	else
		caller_flush(c);
}

static void
caller_answer(struct caller *c, const cJSON *answer)
{
	char *text = cJSON_PrintUnformatted(answer);

	if (text == NULL || buf_adds(&c->out, text) == -1 || buf_add(&c->out, "\n", 1) == -1) {
		callers_say_goodbye(c->fd, CTL_INTERNAL, "grayd is out of memory");
		buf_free(&c->out);
		c->closing = true;
	}
	cJSON_free(text);
	c->deadline_us = clock_mono_us() + WRITE_DEADLINE_S * US_PER_S;
	caller_flush(c);
}

static void
finish(struct cmd *cmd, cJSON *answer)
{
	struct caller *c = cmd->caller;

	assert(c->cmd == cmd);
	if (cmd->no_memory) {
		cJSON_Delete(answer);
		answer = ctlproto_error(CTL_INTERNAL, cmd->request.id, "grayd is out of memory");
	}
	c->cmd = NULL;
	c->served = true;
	c->heard_us = clock_mono_us();
	cmd_free(cmd);
	caller_answer(c, answer);
	cJSON_Delete(answer);
}

void
cmd_answer(struct cmd *cmd, cJSON *answer)
{
	const cJSON *revision = cJSON_GetObjectItemCaseSensitive(answer, "revision");
	char result[64] = "done";

	if (cJSON_IsNumber(revision))
		snprintf(result, sizeof(result), "done, revision %.0f", revision->valuedouble);
	cmd_log(cmd, true, result);
	finish(cmd, answer);
}

void
cmd_fail(struct cmd *cmd, enum ctl_code code, const char *fmt, ...)
{
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.msg, sizeof(e.msg), fmt, ap);
	va_end(ap);
	cmd_log(cmd, false, e.msg);
	finish(cmd, ctlproto_error(code, cmd->request.id, e.msg));
}

/* ---- commands -------------------------------------------------------------------------------- */

static void
caller_refuse_line(struct caller *c, const char *message)
{
	cJSON *answer = ctlproto_error(CTL_USAGE, NULL, message);

	caller_answer(c, answer);
	cJSON_Delete(answer);
}

static void
caller_run(struct caller *c, const char *line, size_t n)
{
	struct cmd *cmd = calloc(1, sizeof(*cmd));
	struct err e;

	if (cmd == NULL) {
		callers_say_goodbye(c->fd, CTL_INTERNAL, "grayd is out of memory");
		caller_drop(c);
		return;
	}
	if (ctlproto_decode(line, n, &cmd->request, &e) == -1) {
		free(cmd);
		caller_refuse_line(c, e.msg);
		return;
	}
	cmd->master = c->callers->master;
	cmd->caller = c;
	cmd->received_us = c->heard_us;
	cmd->pid = c->peer.pid;
	cmd->actor.uid = c->peer.uid;
	snprintf(cmd->actor.name, sizeof(cmd->actor.name), "%s", c->peer.name);
	c->cmd = cmd;
	if (verb_info(cmd->request.verb)->right == RIGHT_CHANGE && c->peer.right != PEER_CHANGE)
		cmd_fail(cmd, CTL_DENIED,
		    "%s (uid %u) may look but not change: \"operators\" in %s names who may",
		    c->peer.name, (unsigned)c->peer.uid, c->callers->master->config->path);
	else
		handlers[cmd->request.verb](cmd); /* may end in caller_drop() */
}

static uint8_t *
line_end(const struct caller *c)
{
	size_t n = buf_len(&c->in);

	return n > 0 ? memchr(buf_bytes(&c->in), '\n', n) : NULL;
}

static void
caller_take_line(struct caller *c)
{
	size_t n = (size_t)(line_end(c) - buf_bytes(&c->in));
	char *line = strndup((const char *)buf_bytes(&c->in), n);

	c->ready = false;
	buf_consume(&c->in, n + 1);
	if (line == NULL || strlen(line) != n)
		caller_refuse_line(
		    c, line == NULL ? "grayd is out of memory" : "the line holds a NUL");
	else
		caller_run(c, line, n); /* may end in caller_drop() */
	free(line);
}

/* The client has a whole line, which waits for a turn. False: there was no memory for that. */
static bool
caller_await_turn(struct caller *c)
{
	static const struct timeval next_turn = { 0 };
	struct callers *all = c->callers;

	/* A receipt counts from here. */
	if (!c->ready)
		c->heard_us = clock_mono_us();
	c->ready = true;
	if (event_pending(&all->turn, EV_TIMEOUT, NULL) || event_add(&all->turn, &next_turn) == 0)
		return true;
	caller_drop(c);
	return false;
}

/* The same, and runs it at once if this turn is still free. */
static void
caller_line_ready(struct caller *c)
{
	struct callers *all = c->callers;

	if (!caller_await_turn(c) || all->ran)
		return;
	all->ran = true;
	all->last = c->place;
	caller_take_line(c);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct callers *all = arg;

	(void)fd;
	(void)what;
	all->ran = false;
	for (unsigned i = 1; i <= CALLERS_MAX; i++) {
		struct caller *c = all->all[(all->last + i) % CALLERS_MAX];

		if (c != NULL && c->ready) {
			caller_line_ready(c);
			return;
		}
	}
}

/* The client is free for its next line, which has to wait for a turn: what has answered the one
 * before may be in the midst of a change. */
static void
caller_next(struct caller *c)
{
	struct timeval left = { .tv_sec = IDLE_DEADLINE_S };

	if (line_end(c) != NULL) {
		(void)caller_await_turn(c);
		return;
	}
	if (buf_len(&c->in) > 0)
		left.tv_sec = LINE_DEADLINE_S;
	c->deadline_us = clock_mono_us() + (uint64_t)left.tv_sec * US_PER_S;
	if (c->ended || event_add(&c->input, &left) == -1)
		caller_drop(c);
}

/* Waits for the rest of a line; its deadline began with its first byte. */
static void
caller_wait_more(struct caller *c, bool first_bytes)
{
	uint64_t now_us = clock_mono_us();
	struct timeval left;

	if (first_bytes && c->deadline_us > now_us + LINE_DEADLINE_S * US_PER_S)
		c->deadline_us = now_us + LINE_DEADLINE_S * US_PER_S;
	if (buf_len(&c->in) > CTLPROTO_REQUEST_MAX) {
		c->closing = true;
		caller_refuse_line(c, "the line is longer than 65536 bytes");
		return;
	}
	if (c->deadline_us <= now_us) {
		caller_drop(c);
		return;
	}
	left.tv_sec = (time_t)((c->deadline_us - now_us) / US_PER_S);
	left.tv_usec = (suseconds_t)((c->deadline_us - now_us) % US_PER_S);
	if (event_add(&c->input, &left) == -1)
		caller_drop(c);
}

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	struct caller *c = arg;
	bool first_bytes = buf_len(&c->in) == 0;
	ssize_t n;

	if ((what & EV_TIMEOUT) || buf_reserve(&c->in, READ_BYTES) == -1) {
		caller_drop(c);
		return;
	}
	n = recv(fd, c->in.data + c->in.tail, READ_BYTES, MSG_DONTWAIT);
	if (n == -1 && errno != EAGAIN && errno != EINTR) {
		caller_drop(c);
		return;
	}
	if (n > 0)
		c->in.tail += (size_t)n;
	/* It may have closed only its own half, and wait for the answer to its last line. */
	c->ended = n == 0;
	if (line_end(c) != NULL)
		caller_line_ready(c);
	else if (c->ended)
		caller_drop(c);
	else
		caller_wait_more(c, first_bytes);
}

/* ---- all of them ----------------------------------------------------------------------------- */

void
callers_init(struct callers *all, struct master *m)
{
	memset(all, 0, sizeof(*all));
	all->master = m;
	evtimer_assign(&all->turn, m->base, on_turn, all);
}

void
callers_end(struct callers *all)
{
	for (unsigned i = 0; i < CALLERS_MAX; i++)
		if (all->all[i] != NULL)
			caller_drop(all->all[i]);
	event_del(&all->turn);
}

/* A place for one more, or CALLERS_MAX. */
static unsigned
free_place(const struct callers *all)
{
	unsigned i = 0;

	while (i < CALLERS_MAX && all->all[i] != NULL)
		i++;
	return i;
}

static struct caller *
caller_new(struct callers *all, int fd, struct peer *peer, unsigned place)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->callers = all;
	c->place = place;
	c->fd = fd;
	c->peer = *peer;
	c->heard_us = clock_mono_us();
	c->deadline_us = c->heard_us + LINE_DEADLINE_S * US_PER_S;
	event_assign(&c->input, all->master->base, fd, EV_READ, on_input, c);
	event_assign(&c->output, all->master->base, fd, EV_WRITE | EV_PERSIST, on_output, c);
	all->all[place] = c;
	return c;
}

void
callers_admit(struct callers *all, int fd, struct peer *peer)
{
	static const struct timeval limit = { .tv_sec = LINE_DEADLINE_S };
	unsigned place = free_place(all);
	struct caller *c = NULL;

	if (place == CALLERS_MAX && callers_make_room(all, peer->right))
		place = free_place(all);
	if (place < CALLERS_MAX)
		c = caller_new(all, fd, peer, place);
	if (c == NULL) {
		callers_say_goodbye(fd, CTL_BUSY, "too many commands at once: try again");
		peer_free(peer);
		close(fd);
	} else if (event_add(&c->input, &limit) == -1) {
		caller_drop(c);
	}
}
