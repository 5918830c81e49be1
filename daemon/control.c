// SPDX-License-Identifier: MIT
/*
 * The control socket; see control.h. Master process. It accepts, judges who is there, and passes on
 * whoever may use grayd (caller.c); the others are told what to configure and cost no place.
 */
#include "daemon/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/caller.h"
#include "daemon/ctlsocket.h"
#include "daemon/master.h"
#include "daemon/peer.h"

#define ACCEPTS_A_TURN 16
#define PAUSE_MS       100 /* without descriptors: how long nothing is accepted */

struct control {
	struct master *master;
	struct ctlsocket socket;
	struct peer_rules rules;
	struct event listening, resume;
	struct callers callers;
};

static void
send_away(int fd, enum ctl_code code, const char *message)
{
	callers_say_goodbye(fd, code, message);
	close(fd);
}

static void
receive(struct control *ctl, int fd)
{
	struct peer peer;
	struct err e;

	if (peer_identify(fd, &ctl->rules, &peer) == -1) {
		send_away(fd, CTL_INTERNAL, "grayd cannot tell who you are");
		return;
	}
	if (peer.right != PEER_NONE) {
		callers_admit(&ctl->callers, fd, &peer);
		return;
	}
	err_set(&e,
	    "%s (uid %u) may not use grayd: \"operators\" in %s names who may change, "
	    "\"control_group\" who may look",
	    peer.name, (unsigned)peer.uid, ctl->master->config->path);
	send_away(fd, CTL_DENIED, e.msg);
	peer_free(&peer);
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
		} else if (errno == EAGAIN) {
			return;
		} else if ((errno == EMFILE || errno == ENFILE) &&
			   !callers_make_room(&ctl->callers, PEER_CHANGE)) {
			/* The connection stays in the queue, and would wake us for ever. */
			if (event_add(&ctl->resume, &pause) == 0)
				event_del(&ctl->listening);
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

/* `fd`: a socket that listens already; -1: one is made. */
static int
begin(struct control *ctl, int fd, struct err *e)
{
	const struct config *c = ctl->master->config;
	struct event_base *base = ctl->master->base;
	const gid_t *group;
	bool anybody = c->n_operators > 0;
	int rc;

	if (peer_rules_load(&ctl->rules, c, e) == -1)
		return -1;
	group = ctl->rules.has_readers ? &ctl->rules.readers : NULL;
	if (fd == -1)
		rc = ctlsocket_open(&ctl->socket, c->control_socket, anybody, group, e);
	else
		rc = ctlsocket_take(&ctl->socket, fd, c->control_socket, anybody, group, e);
	if (rc == -1) {
		peer_rules_free(&ctl->rules);
		return -1;
	}
	callers_init(&ctl->callers, ctl->master);
	event_assign(&ctl->listening, base, ctl->socket.fd, EV_READ | EV_PERSIST, on_accept, ctl);
	evtimer_assign(&ctl->resume, base, on_resume, ctl);
	if (event_add(&ctl->listening, NULL) == 0)
		return 0;
	if (fd == -1)
		ctlsocket_close(&ctl->socket);
	peer_rules_free(&ctl->rules);
	return err_set(e, "control_socket: out of memory");
}

static int
open_with(struct master *m, int fd, struct err *e)
{
	struct control *ctl = calloc(1, sizeof(*ctl));

	if (ctl == NULL)
		return err_set(e, "out of memory");
	ctl->master = m;
	if (begin(ctl, fd, e) == -1) {
		free(ctl);
		return -1;
	}
	m->control = ctl;
	return 0;
}

int
control_open(struct master *m, struct err *e)
{
	return open_with(m, -1, e);
}

int
control_take(struct master *m, int fd, struct err *e)
{
	return open_with(m, fd, e);
}

int
control_fd(const struct master *m)
{
	return m->control != NULL ? m->control->socket.fd : -1;
}

void
control_use_rules(struct master *m, struct peer_rules *rules)
{
	struct control *ctl = m->control;
	struct err e;

	if (ctl == NULL)
		return;
	peer_rules_free(&ctl->rules);
	ctl->rules = *rules;
	memset(rules, 0, sizeof(*rules));
	if (ctlsocket_admit(&ctl->socket, m->config->n_operators > 0,
		ctl->rules.has_readers ? &ctl->rules.readers : NULL, &e) != 0)
		log_event(LOG_ERROR, "control",
		    "%s; those who could not connect before still cannot", e.msg);
}

static void
end(struct master *m, bool remove_file)
{
	struct control *ctl = m->control;

	if (ctl == NULL)
		return;
	m->control = NULL;
	callers_end(&ctl->callers);
	event_del(&ctl->listening);
	event_del(&ctl->resume);
	if (remove_file)
		ctlsocket_close(&ctl->socket);
	else
		ctlsocket_leave(&ctl->socket);
	peer_rules_free(&ctl->rules);
	free(ctl);
}

void
control_close(struct master *m)
{
	end(m, true);
}

void
control_leave(struct master *m)
{
	end(m, false);
}
