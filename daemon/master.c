// SPDX-License-Identifier: MIT
/*
 * The life of the master, see master.h: make everything that can fail, then loop, then take it all
 * down in reverse. Signals arrive through a descriptor: no handler runs in this process, and
 * children inherit none.
 */
#include "daemon/master.h"
#include "daemon/alarm.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/title.h"
#include "daemon/activate.h"
#include "daemon/control.h"
#include "daemon/generation.h"
#include "daemon/guard.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "daemon/planner.h"
#include "daemon/preflight.h"
#include "daemon/rates.h"
#include "daemon/upgrade.h"
#include "daemon/validation.h"
#include "worker/worker.h"

/* ---- signals --------------------------------------------------------------------------------- */

static void
on_term(struct master *m)
{
	master_stop(m, "a signal");
}

static void
on_reopen(struct master *m)
{
	struct err e;

	if (master_reopen_logs(m, &e) != 0)
		log_event(LOG_ERROR, "reopen_failed", "%s; the old log stays in use", e.msg);
}

static void
on_reload(struct master *m)
{
	generation_reload_by_signal(m);
}

static void
on_upgrade(struct master *m)
{
	upgrade_by_signal(m);
}

static const struct {
	int number;
	void (*handle)(struct master *m);
} signals[] = {
	{ SIGCHLD, supervisor_reap },
	{ SIGTERM, on_term },
	{ SIGINT, on_term },
	{ SIGUSR1, on_reopen },
	{ SIGHUP, on_reload },
	{ SIGUSR2, on_upgrade },
};
#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;
	struct signalfd_siginfo info;

	(void)what;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		for (size_t i = 0; i < N_SIGNALS; i++) {
			if ((uint32_t)signals[i].number == info.ssi_signo)
				signals[i].handle(m);
		}
	}
	master_leave_when_alone(m);
}

static int
open_signals(struct master *m, struct err *e)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < N_SIGNALS; i++)
		sigaddset(&set, signals[i].number);
	if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_sys(e, "cannot set up signals");
	m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->signal_fd < 0)
		return err_sys(e, "cannot set up signals");
	event_assign(&m->signal_event, m->base, m->signal_fd, EV_READ | EV_PERSIST, on_signal, m);
	if (event_add(&m->signal_event, NULL) != 0)
		return err_set(e, "cannot set up signals: out of memory");
	return 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

static int
make_shared(struct master *m, struct err *e)
{
	if (policy_create(&m->store, e) != 0 || slots_create(&m->slots, e) != 0)
		return -1;
	m->seen = seen_create(&m->seen_fd, e);
	if (m->seen == NULL)
		return -1;
	if (m->predecessor != NULL)
		predecessor_give_limits(m);
	if (!m->limits_inherited && limits_create(&m->limits, e) != 0)
		return -1;
	if (limits_prepare(&m->limits, m->config, !m->limits_inherited, e) != 0)
		return -1;
	if (!m->limits_inherited)
		limits_commit(&m->limits, m->config, clock_mono_us());
	for (unsigned i = 0; i < m->config->n_releases; i++) {
		if (slots_declare(&m->slots, m->config->releases[i].name) != 0)
			return err_set(e, "more than %d releases", RELEASES_MAX);
	}
	for (unsigned i = 0; i < m->config->n_clients; i++) {
		if (slots_declare_client(&m->slots, m->config->clients[i].name) != 0)
			return err_set(e, "more than %d clients", CLIENTS_MAX);
	}
	return 0;
}

/* Workers inherit it. */
static void
on_libevent_message(int severity, const char *message)
{
	enum log_level level = severity >= EVENT_LOG_ERR ? LOG_ERROR : LOG_WARN;

	log_event(severity <= EVENT_LOG_MSG ? LOG_DEBUG : level, "libevent", "%s", message);
}

static int
make_loop(struct master *m, struct err *e)
{
	event_set_log_callback(on_libevent_message);
	m->base = event_base_new();
	if (m->base == NULL)
		return err_set(e, "cannot make the event loop");
	return open_signals(m, e);
}

static void
log_start(const struct master *m)
{
	for (unsigned i = 0; i < m->listeners.n; i++)
		log_event(LOG_INFO, "listening", "%s", m->listeners.all[i].address);
	if (m->listeners.admin.fd >= 0)
		log_event(LOG_INFO, "admin_listening", "%s", m->listeners.admin.address);
	log_event(LOG_INFO, "started", "grayd %s with %s", GRAYD_VERSION, m->config->path);
}

/* What the service manager has opened is used where the config names it. */
static int
open_listeners(struct master *m, struct err *e)
{
	struct listeners given;

	if (activate_take(&given, e) != 0)
		return -1;
	if (m->predecessor != NULL)
		predecessor_give_sockets(m->predecessor, &given);
	if (listen_update(&m->listeners, &given, m->config, e) != 0)
		return -1;
	for (unsigned i = 0; m->predecessor == NULL && i < given.n; i++) {
		if (!listen_has(&m->listeners, given.all[i].fd))
			log_event(LOG_WARN, "socket_not_used",
			    "the service manager passes a socket of %s, which the config does not "
			    "name: nobody will answer there",
			    given.all[i].address);
	}
	/* Of a master that still may have to go on, no file is removed. */
	for (unsigned i = 0; i < given.n; i++)
		given.all[i].inode = m->predecessor != NULL ? 0 : given.all[i].inode;
	listen_close_others(&given, &m->listeners);
	return 0;
}

/* What a master that takes over does later, when the other one lets go of it. */
static int
begin_alone(struct master *m, struct err *e)
{
	if (control_open(m, e) != 0 || journal_open(m, e) != 0)
		return -1;
	transition_begin(m);
	return 0;
}

/* What must be there before the first fork, in the order in which it depends on each other. */
static int
start(struct master *m, struct err *e)
{
	const struct config *c = m->config;

	if (privilege_identity(&m->identity, c->user, e) != 0)
		return -1;
	if (open_listeners(m, e) != 0)
		return -1;
	if (make_shared(m, e) != 0 || make_loop(m, e) != 0)
		return -1;
	if (m->predecessor != NULL ? predecessor_begin(m, e) != 0 : begin_alone(m, e) != 0)
		return -1;
	if (guard_start(m, e) != 0 || planner_start(m, e) != 0 || rates_start(m, e) != 0 ||
	    alarms_start(m, e) != 0)
		return -1;
	if (validation_begin(m, m->generation, c, e) != 0)
		return -1;
	notify_send("STATUS=Asking the providers for their models");
	title_set("grayd: master %s", c->path);
	log_start(m);
	return supervisor_start(m, m->predecessor != NULL, e);
}

/* Also after a start that failed half-way. */
static void
end(struct master *m)
{
	bool others_serve =
	    !predecessor_is_settled(m) || (m->failure.msg[0] != '\0' && !m->refused);

	planner_stop(m);
	guard_stop(m);
	rates_stop(m);
	alarms_stop(m);
	upgrade_end(m);
	transition_end(m);
	if (others_serve) {
		control_leave(m);
		listen_leave(&m->listeners);
	}
	control_close(m);
	predecessor_end(m);
	supervisor_end(m);
	preflight_end(m);
	validation_end(m);
	journal_close(m);
	if (m->base != NULL && event_initialized(&m->signal_event))
		event_del(&m->signal_event);
	if (m->signal_fd >= 0)
		close(m->signal_fd);
	if (m->base != NULL)
		event_base_free(m->base);
	limits_destroy(&m->limits);
	slots_destroy(&m->slots);
	seen_destroy(m->seen, m->seen_fd);
	policy_destroy(&m->store);
	listen_close(&m->listeners);
	config_free(m->config);
	free(m);
}

int
master_run(struct config *config, const struct master_options *o, struct err *e)
{
	struct master *m = calloc(1, sizeof(*m));
	bool refused;
	int rc;

	if (m == NULL) {
		config_free(config);
		err_set(e, "out of memory");
		return 1;
	}
	m->config = config;
	m->verbose = o->verbose;
	m->program = o->program;
	m->predecessor = o->predecessor;
	m->signal_fd = m->store.fd = m->store.bell = m->slots.fd = m->seen_fd =
	    m->listeners.admin.fd = -1;
	m->limits.fd = -1;
	m->generation = m->last_generation = 1;
	m->started_mono_us = clock_mono_us();
	m->started_wall_us = clock_wall_us();
	rc = start(m, e);
	if (rc == 0 && event_base_dispatch(m->base) < 0)
		rc = err_set(e, "the event loop failed");
	if (rc == 0 && m->failure.msg[0] != '\0')
		rc = err_set(e, "%s", m->failure.msg);
	if (rc != 0)
		predecessor_refuse(m->predecessor, e->msg);
	if (rc == 0)
		log_event(LOG_INFO, "stopped", "grayd has stopped");
	refused = m->refused;
	end(m);
	return rc == 0 ? 0 : refused ? 2 : 1;
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void
stop_at_once(struct master *m, const char *who)
{
	log_event(
	    LOG_WARN, "stopping_now", "told again to stop, by %s: not waiting for requests", who);
	for (unsigned i = 0; i < m->supervisor.n_children; i++)
		supervisor_kill(&m->supervisor.children[i]);
	predecessor_stop(m);
}

void
master_stop(struct master *m, const char *who)
{
	uint64_t drain_us = (uint64_t)m->config->limits.drain_ms * US_PER_MS;

	if (upgrade_successor(m) != 0 && !m->told_to_stop) {
		m->told_to_stop = true;
		supervisor_stop(m, clock_mono_us() + drain_us + MASTER_DRAIN_GRACE_US);
		predecessor_stop(m);
		return;
	}
	if (m->stopping) {
		stop_at_once(m, who);
		return;
	}
	m->stopping = m->told_to_stop = true;
	log_event(LOG_INFO, "stopping", "told to stop, by %s: at most %u ms for what runs", who,
	    m->config->limits.drain_ms);
	title_set("grayd: master, stopping");
	notify_send("STOPPING=1");
	upgrade_stop(m);
	preflight_cancel(m, NULL, "grayd was stopped");
	generation_give_up(m, "grayd stops");
	predecessor_stop(m);
	listen_close(&m->listeners);
	supervisor_stop(m, clock_mono_us() + drain_us + MASTER_DRAIN_GRACE_US);
	/* With nobody to wait for there is no signal to come; the answer of a caller still leaves.
	 */
	if (!supervisor_any_alive(m) && m->predecessor == NULL)
		event_base_loopexit(m->base, NULL);
}

void
master_leave_when_alone(struct master *m)
{
	if (m->stopping && !supervisor_any_alive(m) && m->predecessor == NULL)
		event_base_loopbreak(m->base);
}

void
master_fail(struct master *m, const char *why)
{
	log_event(LOG_ERROR, "start_failed", "%s", why);
	m->failure = (struct err){ "" };
	err_set(&m->failure, "%s", why);
	event_base_loopbreak(m->base);
}

void
master_refuse(struct master *m, const struct err *why)
{
	if (m->predecessor != NULL) {
		master_fail(m, why->msg);
		return;
	}
	m->failure = *why;
	m->refused = m->stopping = true;
	listen_close(&m->listeners);
	supervisor_stop(m, clock_mono_us() + MASTER_DRAIN_GRACE_US);
	if (!supervisor_any_alive(m))
		event_base_loopexit(m->base, NULL);
}

void
master_pass_log(struct master *m)
{
	for (unsigned i = 0; i < m->supervisor.n_children; i++) {
		struct child *c = &m->supervisor.children[i];

		if (child_alive(c) && !supervisor_tell(c, MSG_LOG, log_fd()))
			log_event(LOG_WARN, "log_not_passed", "%s %u (pid %d) keeps its old log",
			    c->role->name, c->index, (int)c->pid);
	}
}

int
master_reopen_logs(struct master *m, struct err *e)
{
	if (log_reopen(e) != 0)
		return -1;
	master_pass_log(m);
	predecessor_reopen_logs(m);
	log_event(LOG_INFO, "reopened", "the log was opened again");
	return 0;
}
