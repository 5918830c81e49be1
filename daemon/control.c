// SPDX-License-Identifier: MIT
/*
 * The clients of the control socket; see control.h. Master process. A client is in one of three
 * moods: it waits for a line (with a deadline), its command is in work (then nothing is read from
 * it), or an answer flows out (with a deadline). One line of one client a turn of the loop.
 */
#include "daemon/control.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/cmd.h"
#include "daemon/ctlsocket.h"
#include "daemon/master.h"
#include "daemon/peer.h"

#define CALLERS_MAX      64
#define ACCEPTS_A_TURN   16
#define READ_BYTES       16384
#define LINE_DEADLINE_S  5  /* from the connection, or the first byte of a line, to its end */
#define IDLE_DEADLINE_S  60 /* between two commands */
#define WRITE_DEADLINE_S 10 /* from an answer to its last byte read */
#define PAUSE_MS         100 /* without descriptors: how long nothing is accepted */

struct control_client {
	struct control *control;
	unsigned place; /* in control->clients */
	int fd;
	struct peer peer;
	struct event input, output, again;
	struct buf in, out;
	uint64_t heard_us;    /* when it was last of any use; who has been silent longest makes room */
	uint64_t deadline_us; /* for its line */
	bool ended;           /* it will send nothing more, but may still read */
	bool closing;         /* after the answer */
	struct cmd *cmd;      /* in work */
};

struct control {
	struct master *master;
	struct ctlsocket socket;
	struct peer_rules rules;
	struct event listening, resume;
	struct control_client *clients[CALLERS_MAX];
};

#define cmd_none NULL
static void (*const handlers[VERB_COUNT])(struct cmd *cmd) = {
#define VERB(id, name, right, handler, ...) [VERB_##id] = cmd_##handler,
#include "common/commands.def"
#undef VERB
};

static void client_next(struct control_client *c);

/* ---- a client's end ---------------------------------------------------------------------------- */

static void
cmd_free(struct cmd *cmd)
{
	ctlproto_free(&cmd->request);
	cJSON_Delete(cmd->answer);
	free(cmd);
}

static void
client_drop(struct control_client *c)
{
	if (c->cmd != NULL) {
		transition_forget(c->control->master, c->cmd);
		cmd_free(c->cmd);
	}
	event_del(&c->input);
	event_del(&c->output);
	event_del(&c->again);
	close(c->fd);
	peer_free(&c->peer);
	buf_free(&c->in);
	buf_free(&c->out);
	c->control->clients[c->place] = NULL;
	free(c);
}

/* Tells somebody whose connection ends now why; what does not fit into the socket is lost. */
static void
say_goodbye(int fd, enum ctl_code code, const char *message)
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

/* ---- answers ----------------------------------------------------------------------------------- */

static void
client_flush(struct control_client *c)
{
	static const struct timeval limit = { .tv_sec = WRITE_DEADLINE_S };

	while (buf_len(&c->out) > 0) {
		ssize_t n = send(c->fd, buf_bytes(&c->out), buf_len(&c->out), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			buf_consume(&c->out, (size_t)n);
		} else if (errno == EAGAIN) {
			/* The limit runs from the answer, not from the last byte that somebody took. */
			if (!event_pending(&c->output, EV_WRITE, NULL) && event_add(&c->output, &limit) == -1)
				client_drop(c);
			return;
		} else if (errno != EINTR) {
			client_drop(c);
			return;
		}
	}
	event_del(&c->output);
	buf_free(&c->out);
	if (c->closing)
		client_drop(c);
	else
		client_next(c);
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	if (what & EV_TIMEOUT)
		client_drop(arg);
	else
		client_flush(arg);
}

static void
client_answer(struct control_client *c, const cJSON *answer)
{
	char *text = cJSON_PrintUnformatted(answer);

	if (text == NULL || buf_adds(&c->out, text) == -1 || buf_add(&c->out, "\n", 1) == -1) {
		say_goodbye(c->fd, CTL_INTERNAL, "grayd is out of memory");
		buf_free(&c->out);
		c->closing = true;
	}
	cJSON_free(text);
	client_flush(c);
}

/* "stage gpt-4.1 30", for the log. */
static void
describe(const struct cmd *cmd, char *out, size_t size)
{
	const struct verb_info *verb = verb_info(cmd->request.verb);
	size_t n = (size_t)snprintf(out, size, "%s", verb->name);

	for (const struct verb_param *p = verb->params; p->role != ROLE_END; p++) {
		const struct command_value *v = &cmd->request.values[p->param];
		const struct param_info *info = param_info(p->param);

		if (!v->given || p->param == PARAM_REASON || n >= size)
			continue;
		if (info->type == TYPE_PERCENT)
			n += (size_t)snprintf(out + n, size - n, " %g", (double)v->number / 100);
		else if (info->type == TYPE_INTEGER)
			n += (size_t)snprintf(
			    out + n, size - n, " %s %llu", info->name, (unsigned long long)v->number);
		else
			n += (size_t)snprintf(
			    out + n, size - n, " %s", info->type == TYPE_FLAG ? info->name : v->text);
	}
}

/* Who changed what and why, and who tried to: one line each. */
static void
log_change(const struct cmd *cmd, bool done, const char *result)
{
	const struct command_value *reason = &cmd->request.values[PARAM_REASON];
	char what[256];

	if (verb_info(cmd->request.verb)->right != RIGHT_CHANGE)
		return;
	describe(cmd, what, sizeof(what));
	log_event(done ? LOG_INFO : LOG_WARN, "command", "%s (uid %u, pid %d): %s: %s%s%s",
	    cmd->actor.name, (unsigned)cmd->actor.uid, (int)cmd->client->peer.pid, what, result,
	    reason->given ? "; reason: " : "", reason->given ? reason->text : "");
}

static void
finish(struct cmd *cmd, cJSON *answer)
{
	struct control_client *c = cmd->client;

	assert(c->cmd == cmd);
	if (cmd->no_memory) {
		cJSON_Delete(answer);
		answer = ctlproto_error(CTL_INTERNAL, cmd->request.id, "grayd is out of memory");
	}
	c->cmd = NULL;
	c->heard_us = clock_mono_us();
	cmd_free(cmd);
	client_answer(c, answer);
	cJSON_Delete(answer);
}

void
cmd_answer(struct cmd *cmd, cJSON *answer)
{
	const cJSON *revision = cJSON_GetObjectItemCaseSensitive(answer, "revision");
	char result[64] = "done";

	if (cJSON_IsNumber(revision))
		snprintf(result, sizeof(result), "done, revision %.0f", revision->valuedouble);
	log_change(cmd, true, result);
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
	log_change(cmd, false, e.msg);
	finish(cmd, ctlproto_error(code, cmd->request.id, e.msg));
}

/* ---- commands ---------------------------------------------------------------------------------- */

static void
client_refuse_line(struct control_client *c, const char *message)
{
	cJSON *answer = ctlproto_error(CTL_USAGE, NULL, message);

	client_answer(c, answer);
	cJSON_Delete(answer);
}

static void
client_run(struct control_client *c, const char *line, size_t n)
{
	struct cmd *cmd = calloc(1, sizeof(*cmd));
	struct err e;

	if (cmd == NULL) {
		say_goodbye(c->fd, CTL_INTERNAL, "grayd is out of memory");
		client_drop(c);
		return;
	}
	if (ctlproto_decode(line, n, &cmd->request, &e) == -1) {
		free(cmd);
		client_refuse_line(c, e.msg);
		return;
	}
	cmd->master = c->control->master;
	cmd->client = c;
	cmd->received_us = c->heard_us;
	cmd->actor.uid = c->peer.uid;
	snprintf(cmd->actor.name, sizeof(cmd->actor.name), "%s", c->peer.name);
	c->cmd = cmd;
	if (verb_info(cmd->request.verb)->right == RIGHT_CHANGE && c->peer.right != PEER_CHANGE)
		cmd_fail(cmd, CTL_DENIED,
		    "%s (uid %u) may look but not change: \"operators\" in %s names who may", c->peer.name,
		    (unsigned)c->peer.uid, c->control->master->config->path);
	else
		handlers[cmd->request.verb](cmd); /* may end in client_drop() */
}

/* Takes a whole line, if there is one. */
static bool
client_take_line(struct control_client *c)
{
	size_t have = buf_len(&c->in), n;
	uint8_t *end = have > 0 ? memchr(buf_bytes(&c->in), '\n', have) : NULL;
	char *line;

	if (end == NULL)
		return false;
	n = (size_t)(end - buf_bytes(&c->in));
	line = strndup((const char *)buf_bytes(&c->in), n);
	buf_consume(&c->in, n + 1);
	c->heard_us = clock_mono_us();
	if (line == NULL || memchr(line, '\0', n) != NULL)
		client_refuse_line(c, line == NULL ? "grayd is out of memory" : "the line holds a NUL");
	else
		client_run(c, line, n);
	free(line);
	return true;
}

/* The client is free for its next line. */
static void
client_next(struct control_client *c)
{
	static const struct timeval now = { 0 };
	struct timeval left = { .tv_sec = IDLE_DEADLINE_S };

	if (buf_len(&c->in) > 0) {
		left.tv_sec = LINE_DEADLINE_S;
		if (memchr(buf_bytes(&c->in), '\n', buf_len(&c->in)) != NULL) {
			/* The next turn is early enough: others want theirs. */
			if (event_add(&c->again, &now) == -1)
				client_drop(c);
			return;
		}
	}
	c->deadline_us = clock_mono_us() + (uint64_t)left.tv_sec * US_PER_S;
	if (c->ended || event_add(&c->input, &left) == -1)
		client_drop(c);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *c = arg;

	(void)fd;
	(void)what;
	client_take_line(c);
}

/* Waits for the rest of a line; its deadline began with its first byte. */
static void
client_wait_more(struct control_client *c, bool first_bytes)
{
	uint64_t now_us = clock_mono_us();
	struct timeval left;

	if (first_bytes && c->deadline_us > now_us + LINE_DEADLINE_S * US_PER_S)
		c->deadline_us = now_us + LINE_DEADLINE_S * US_PER_S;
	if (buf_len(&c->in) > CTLPROTO_REQUEST_MAX) {
		c->closing = true;
		client_refuse_line(c, "the line is longer than 65536 bytes");
		return;
	}
	if (c->deadline_us <= now_us) {
		client_drop(c);
		return;
	}
	left.tv_sec = (time_t)((c->deadline_us - now_us) / US_PER_S);
	left.tv_usec = (suseconds_t)((c->deadline_us - now_us) % US_PER_S);
	if (event_add(&c->input, &left) == -1)
		client_drop(c);
}

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	struct control_client *c = arg;
	bool first_bytes = buf_len(&c->in) == 0;
	ssize_t n;

	if ((what & EV_TIMEOUT) || buf_reserve(&c->in, READ_BYTES) == -1) {
		client_drop(c);
		return;
	}
	n = recv(fd, c->in.data + c->in.tail, READ_BYTES, MSG_DONTWAIT);
	if (n == -1 && errno != EAGAIN && errno != EINTR) {
		client_drop(c);
		return;
	}
	if (n > 0)
		c->in.tail += (size_t)n;
	c->ended = n == 0;
	if (c->ended) {
		/* It may have closed only its own half, and wait for the answer to its last line. */
		if (!client_take_line(c))
			client_drop(c);
		return;
	}
	if (!client_take_line(c))
		client_wait_more(c, first_bytes);
}

/* ---- accepting --------------------------------------------------------------------------------- */

/* Sends away who has been silent longest among those that wait for nothing. */
static bool
make_room(struct control *ctl)
{
	struct control_client *idle = NULL;

	for (unsigned i = 0; i < CALLERS_MAX; i++) {
		struct control_client *c = ctl->clients[i];

		if (c == NULL || c->cmd != NULL || buf_len(&c->out) > 0)
			continue;
		if (idle == NULL || c->heard_us < idle->heard_us)
			idle = c;
	}
	if (idle == NULL)
		return false;
	say_goodbye(idle->fd, CTL_BUSY, "too many connections, and this one was silent longest");
	client_drop(idle);
	return true;
}

static int
free_place(struct control *ctl)
{
	for (int i = 0; i < CALLERS_MAX; i++)
		if (ctl->clients[i] == NULL)
			return i;
	return -1;
}

static void
client_new(struct control *ctl, int fd, struct peer *peer, int place)
{
	struct event_base *base = ctl->master->base;
	struct control_client *c = calloc(1, sizeof(*c));
	struct timeval limit = { .tv_sec = LINE_DEADLINE_S };

	if (c == NULL) {
		peer_free(peer);
		close(fd);
		return;
	}
	c->control = ctl;
	c->place = (unsigned)place;
	c->fd = fd;
	c->peer = *peer;
	c->heard_us = clock_mono_us();
	c->deadline_us = c->heard_us + LINE_DEADLINE_S * US_PER_S;
	ctl->clients[place] = c;
	event_assign(&c->input, base, fd, EV_READ, on_input, c);
	event_assign(&c->output, base, fd, EV_WRITE | EV_PERSIST, on_output, c);
	evtimer_assign(&c->again, base, on_again, c);
	if (event_add(&c->input, &limit) == -1)
		client_drop(c);
}

/* Judges a caller before it costs a place. */
static void
receive(struct control *ctl, int fd)
{
	struct peer peer;
	struct err e;
	int place;

	if (peer_identify(fd, &ctl->rules, &peer) == -1) {
		say_goodbye(fd, CTL_INTERNAL, "grayd cannot tell who you are");
		close(fd);
		return;
	}
	if (peer.right == PEER_NONE) {
		err_set(&e,
		    "%s (uid %u) may not use grayd: \"operators\" in %s names who may change, "
		    "\"control_group\" who may look",
		    peer.name, (unsigned)peer.uid, ctl->master->config->path);
		say_goodbye(fd, CTL_DENIED, e.msg);
		peer_free(&peer);
		close(fd);
		return;
	}
	place = free_place(ctl);
	if (place == -1 && make_room(ctl))
		place = free_place(ctl);
	if (place == -1) {
		say_goodbye(fd, CTL_BUSY, "too many commands at once: try again");
		peer_free(&peer);
		close(fd);
		return;
	}
	client_new(ctl, fd, &peer, place);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval pause = { .tv_usec = PAUSE_MS * US_PER_MS };
	struct control *ctl = arg;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client != -1) {
			receive(ctl, client);
		} else if ((errno == EMFILE || errno == ENFILE) && !make_room(ctl)) {
			/* The connection stays in the queue, and would wake us for ever. */
			if (event_add(&ctl->resume, &pause) == 0)
				event_del(&ctl->listening);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct control *ctl = arg;

	(void)fd;
	(void)what;
	if (event_add(&ctl->listening, NULL) == -1)
		log_event(LOG_ERROR, "control", "no memory left to listen on the control socket");
}

int
control_open(struct master *m, struct err *e)
{
	struct control *ctl = calloc(1, sizeof(*ctl));
	bool public = m->config->n_operators > 0;

	if (ctl == NULL)
		return err_set(e, "out of memory");
	ctl->master = m;
	if (peer_rules_load(&ctl->rules, m->config, e) == -1)
		goto fail_rules;
	if (ctlsocket_open(&ctl->socket, m->config->control_socket, public,
		ctl->rules.has_readers ? &ctl->rules.readers : NULL, e) == -1)
		goto fail_socket;
	event_assign(
	    &ctl->listening, m->base, ctl->socket.fd, EV_READ | EV_PERSIST, on_accept, ctl);
	evtimer_assign(&ctl->resume, m->base, on_resume, ctl);
	if (event_add(&ctl->listening, NULL) == -1) {
		err_set(e, "out of memory");
		goto fail_event;
	}
	m->control = ctl;
	return 0;
fail_event:
	ctlsocket_close(&ctl->socket);
fail_socket:
	peer_rules_free(&ctl->rules);
fail_rules:
	free(ctl);
	return -1;
}

void
control_close(struct master *m)
{
	struct control *ctl = m->control;

	if (ctl == NULL)
		return;
	m->control = NULL;
	for (unsigned i = 0; i < CALLERS_MAX; i++)
		if (ctl->clients[i] != NULL)
			client_drop(ctl->clients[i]);
	event_del(&ctl->listening);
	event_del(&ctl->resume);
	ctlsocket_close(&ctl->socket);
	peer_rules_free(&ctl->rules);
	free(ctl);
}
