// SPDX-License-Identifier: MIT
/* See upgrade.h. What is said, and how: channel.h, handover.h. The new master's side:
 * predecessor.c. */
#include "daemon/upgrade.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/title.h"
#include "daemon/channel.h"
#include "daemon/control.h"
#include "daemon/generation.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/notify.h"
#include "daemon/preflight.h"
#include "daemon/record.h"

#define READY_US   (20 * US_PER_S) /* from the start of the binary until its workers are ready */
#define QUIET_US   (5 * US_PER_S)  /* for the journal */
#define SERVING_US (5 * US_PER_S)  /* from the last word to the first of the new master */
#define TOTALS_US  (500 * US_PER_MS)

enum phase { STARTING, QUIETING, HANDING, RELAYING, FAILED };

struct upgrade {
	enum phase phase;
	struct master *master;
	pid_t pid; /* 0: reaped */
	int fd;	   /* -1: closed */
	struct event event;
	uint64_t deadline_us, totals_at_us;
	struct err failure;    /* the new binary's own words; empty: none came */
	upgrade_done_fn *done; /* NULL: nobody waits */
	void *arg;
	struct channel_message message;
};

/* ---- the other process ------------------------------------------------------------------------
 */

/* In the child. Never returns. */
static void
run_binary(const struct master *m, int fd)
{
	char number[16], path_option[] = "-c", verbose_option[] = "-v";
	char *const argv[] = { m->program, path_option, m->config->path,
		m->verbose ? verbose_option : NULL, NULL };
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	sigaction(SIGPIPE, &usual, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fd, RECORD_FD) != RECORD_FD || close_range(RECORD_FD + 1, ~0u, 0) != 0)
		_exit(127);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	if (getenv("WATCHDOG_PID") != NULL)
		setenv("WATCHDOG_PID", number, 1);
	snprintf(number, sizeof(number), "%d", RECORD_FD);
	setenv(RECORD_VARIABLE, number, 1);
	execv(m->program, argv);
	_exit(127);
}

static void on_message(evutil_socket_t fd, short what, void *arg);

static int
start_binary(struct master *m, struct upgrade *u, struct err *e)
{
	int pair[2];

	if (access(m->program, X_OK) != 0)
		return err_sys(e, "cannot run %s", m->program);
	if (channel_open(pair, e) != 0)
		return -1;
	u->fd = pair[0];
	event_assign(&u->event, m->base, u->fd, EV_READ | EV_PERSIST, on_message, u);
	if (record_send_hello(m, u->fd, e) != 0 || event_add(&u->event, NULL) != 0) {
		close(pair[1]);
		return -1;
	}
	u->pid = fork();
	if (u->pid == 0)
		run_binary(m, pair[1]);
	close(pair[1]);
	if (u->pid > 0)
		return 0;
	u->pid = 0;
	return err_sys(e, "cannot start %s", m->program);
}

static void
close_channel(struct upgrade *u)
{
	if (u->fd < 0)
		return;
	event_del(&u->event);
	close(u->fd);
	u->fd = -1;
}

static void
upgrade_free(struct master *m, struct upgrade *u)
{
	close_channel(u);
	m->upgrade = NULL;
	free(u);
}

/* ---- failure ----------------------------------------------------------------------------------
 */

static void
tell(struct upgrade *u, const struct err *failure)
{
	upgrade_done_fn *done = u->done;

	u->done = NULL;
	if (done != NULL)
		done(failure, u->arg);
}

/* The journal is ours again as soon as the other process cannot write to it any more. */
static void
go_on(struct master *m, struct upgrade *u)
{
	upgrade_free(m, u);
	if (!m->stopping)
		supervisor_start_lasting(m);
}

static void
fail(struct master *m, struct upgrade *u, const char *why)
{
	struct err e;

	if (u->failure.msg[0] != '\0')
		err_set(&e, "the new grayd refuses: %s", u->failure.msg);
	else
		err_set(&e, "the new grayd %s", why);
	log_event(
	    LOG_ERROR, "upgrade_failed", "%s; this one (pid %d) goes on", e.msg, (int)getpid());
	u->phase = FAILED;
	close_channel(u);
	if (u->pid != 0)
		kill(u->pid, SIGKILL);
	tell(u, &e);
	if (u->pid == 0)
		go_on(m, u);
}

/* ---- handing over ------------------------------------------------------------------------------
 */

/* Whether nothing is on its way to the disk or to the workers, and the journal's writer has left.
 */
static bool
is_quiet(struct master *m)
{
	struct journal_health health;

	journal_health(m, &health);
	if (health.waiting > 0 || m->raising != NULL || m->pending != NULL)
		return false;
	return supervisor_dismiss_lasting(m, clock_mono_us() + QUIET_US);
}

static void
hand_over(struct master *m, struct upgrade *u)
{
	struct err e;

	u->phase = HANDING;
	u->deadline_us = clock_mono_us() + SERVING_US;
	if (record_send_go(m, u->fd, &e) == 0) {
		log_event(LOG_INFO, "handed_over", "pid %d has all it needs to serve", (int)u->pid);
		return;
	}
	u->failure = e;
	fail(m, u, "");
}

/* The new binary is ready. */
static void
begin_quiet(struct master *m, struct upgrade *u)
{
	struct journal_health health;

	journal_health(m, &health);
	if (!health.ok) {
		err_set(&u->failure,
		    "the journal cannot be written, and must not change hands "
		    "before it can (%s)",
		    health.error.msg);
		fail(m, u, "");
		return;
	}
	u->phase = QUIETING;
	u->deadline_us = clock_mono_us() + QUIET_US;
	upgrade_check(m);
}

/* The new master serves. What is left to do here is to see the old workers out. */
static void
begin_relay(struct master *m, struct upgrade *u)
{
	uint64_t drain_us = (uint64_t)m->config->limits.drain_ms * US_PER_MS;

	u->phase = RELAYING;
	notify_send("MAINPID=%d", (int)u->pid);
	notify_close();
	log_event(LOG_INFO, "upgraded", "%s (pid %d) serves; this grayd finishes what it has",
	    m->program, (int)u->pid);
	title_set("grayd: master, replaced by %d", (int)u->pid);
	tell(u, NULL);
	preflight_cancel(m, NULL, "another grayd has taken over");
	m->stopping = true;
	control_leave(m);
	journal_close(m);
	listen_leave(&m->listeners);
	supervisor_retire_others(m, 0, clock_mono_us() + drain_us + MASTER_DRAIN_GRACE_US);
	master_leave_when_alone(m);
}

/* ---- relaying ----------------------------------------------------------------------------------
 */

static void
on_followed(const struct receipt *r, void *arg)
{
	struct upgrade *u = arg;
	char text[160];
	int n = snprintf(text, sizeof(text), "%llu %u %u %llu %llu %llu",
	    (unsigned long long)r->revision, r->acknowledged, r->killed,
	    (unsigned long long)r->rescued, (unsigned long long)r->streaming,
	    (unsigned long long)r->candidate_at_us);

	if (u->fd >= 0 && channel_send(u->fd, CHANNEL_ACKED, text, (size_t)n, NULL, 0) != 0)
		log_event(LOG_ERROR, "upgrade", "cannot acknowledge revision %s", text);
}

static void
on_policy(struct master *m, struct upgrade *u)
{
	struct policy next;
	struct err e;

	if (handover_parse_policy(&next, u->message.body, u->message.n, &e) != 0)
		log_event(LOG_ERROR, "upgrade", "a policy of the new grayd: %s", e.msg);
	else
		transition_follow(m, &next, on_followed, u);
}

/* Nobody is left who could lower a share: the workers that still drain take none. */
static void
on_orphaned(struct master *m, struct upgrade *u)
{
	log_event(LOG_ERROR, "successor_gone",
	    "the new grayd is gone before the old workers are: they send nothing more to "
	    "candidates");
	close_channel(u);
	transition_lower_all(m);
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static void
on_kind(struct master *m, struct upgrade *u)
{
	struct err e;

	switch (u->message.kind) {
	case CHANNEL_FAILED:
		err_set(&u->failure, "%s", u->message.body);
		fail(m, u, "");
		break;
	case CHANNEL_READY:
		if (u->phase == STARTING)
			begin_quiet(m, u);
		break;
	case CHANNEL_SERVING:
		if (u->phase == HANDING)
			begin_relay(m, u);
		break;
	case CHANNEL_POLICY:
		if (u->phase == RELAYING)
			on_policy(m, u);
		break;
	case CHANNEL_STOP:
		if (u->phase == RELAYING)
			master_stop(m, "the new grayd");
		break;
	case CHANNEL_REOPEN:
		if (u->phase == RELAYING && master_reopen_logs(m, &e) != 0)
			log_event(LOG_ERROR, "reopen_failed", "%s", e.msg);
		break;
	default: break;
	}
}

static void
on_message(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade *u = arg;
	struct master *m = u->master;
	int got;

	(void)fd, (void)what;
	while (m->upgrade == u && u->fd >= 0 && (got = channel_receive(u->fd, &u->message)) != -1) {
		if (got == 1) {
			channel_close_fds(&u->message);
			on_kind(m, u);
		} else if (u->phase == RELAYING) {
			on_orphaned(m, u);
		} else {
			fail(m, u, "has closed the connection before it served");
		}
	}
}

/* ---- from outside ------------------------------------------------------------------------------
 */

static enum ctl_code
refuse_busy(const struct master *m, struct err *e)
{
	if (m->stopping)
		err_set(
		    e, m->upgrade != NULL ? "another grayd has taken over" : "grayd is stopping");
	else if (!m->announced)
		err_set(e, "grayd has not begun to serve yet: try again when it does");
	else if (generation_under_way(m))
		err_set(e, "a reload is under way: try again when it is over");
	else
		err_set(e, "an upgrade is under way: try again when it is over");
	return CTL_BUSY;
}

enum ctl_code
upgrade_begin(
    struct master *m, const struct actor *actor, upgrade_done_fn *done, void *arg, struct err *e)
{
	struct upgrade *u;

	if (m->stopping || m->upgrade != NULL || !m->announced || generation_under_way(m) ||
	    !predecessor_is_settled(m))
		return refuse_busy(m, e);
	u = calloc(1, sizeof(*u));
	if (u == NULL) {
		err_set(e, "out of memory: nothing was changed");
		return CTL_INTERNAL;
	}
	u->master = m;
	u->fd = -1;
	if (start_binary(m, u, e) != 0) {
		upgrade_free(m, u);
		log_event(LOG_ERROR, "upgrade_failed", "%s", e->msg);
		return CTL_REFUSED;
	}
	m->upgrade = u;
	u->phase = STARTING;
	u->deadline_us = clock_mono_us() + READY_US;
	u->done = done;
	u->arg = arg;
	log_event(LOG_INFO, "upgrading", "%s was started as pid %d, by %s", m->program, (int)u->pid,
	    actor->name);
	return CTL_OK;
}

void
upgrade_by_signal(struct master *m)
{
	const struct actor actor = { .uid = (uint32_t)getuid(), .name = "a signal" };
	struct err e;

	if (upgrade_begin(m, &actor, NULL, NULL, &e) == CTL_BUSY)
		log_event(LOG_WARN, "upgrade_ignored", "%s", e.msg);
}

void
upgrade_forget(struct master *m, const void *arg)
{
	if (m->upgrade != NULL && m->upgrade->arg == arg)
		m->upgrade->done = NULL;
}

pid_t
upgrade_successor(const struct master *m)
{
	return m->upgrade != NULL && m->upgrade->phase == RELAYING ? m->upgrade->pid : 0;
}

bool
upgrade_closes_door(const struct master *m)
{
	return m->upgrade != NULL && m->upgrade->phase >= QUIETING;
}

/* Whether the new master has said already that it serves, and nobody here has listened yet. */
static bool
has_taken_over(const struct upgrade *u)
{
	char kind = 0;

	return u->phase == HANDING && recv(u->fd, &kind, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
	       kind == CHANNEL_SERVING;
}

bool
upgrade_give_way(struct master *m)
{
	struct upgrade *u = m->upgrade;

	if (u == NULL || u->phase == FAILED)
		return true;
	if (u->phase == RELAYING || has_taken_over(u))
		return false;
	if (u->phase != STARTING)
		fail(m, u, "was stopped: a rollback came first");
	return true;
}

void
upgrade_stop(struct master *m)
{
	struct upgrade *u = m->upgrade;

	if (u != NULL && u->phase != RELAYING && u->phase != FAILED)
		fail(m, u, "was stopped: this one stops too");
}

/* Takes the status of the other process. */
static void
reap(struct master *m, struct upgrade *u)
{
	char why[64];
	int status;

	if (u->pid == 0 || waitpid(u->pid, &status, WNOHANG) != u->pid)
		return;
	u->pid = 0;
	if (u->phase == FAILED) {
		go_on(m, u);
		return;
	}
	/* Its last words may still lie there. */
	on_message(u->fd, 0, u);
	if (m->upgrade != u || u->phase == RELAYING)
		return;
	snprintf(why, sizeof(why), "%s %d before it served",
	    WIFSIGNALED(status) ? "was ended by signal" : "ended with status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	fail(m, u, why);
}

void
upgrade_check(struct master *m)
{
	static const char *const late[] = {
		[STARTING] = "was not ready in time",
		[QUIETING] = "is ready, but the journal did not come to rest",
		[HANDING] = "did not take over in time",
	};
	struct upgrade *u = m->upgrade;
	uint64_t now_us = clock_mono_us();

	if (u != NULL)
		reap(m, u);
	if (m->upgrade == NULL || u->phase == FAILED)
		return;
	if (u->phase == RELAYING) {
		if (now_us >= u->totals_at_us && u->fd >= 0)
			record_send_totals(m, u->fd);
		if (now_us >= u->totals_at_us)
			u->totals_at_us = now_us + TOTALS_US;
		return;
	}
	if (u->phase == QUIETING && is_quiet(m))
		hand_over(m, u);
	else if (now_us >= u->deadline_us)
		fail(m, u, late[u->phase]);
}

void
upgrade_end(struct master *m)
{
	struct upgrade *u = m->upgrade;

	if (u == NULL)
		return;
	if (u->phase == RELAYING && u->fd >= 0)
		record_send_totals(m, u->fd);
	upgrade_free(m, u);
}
