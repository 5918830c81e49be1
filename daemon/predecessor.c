// SPDX-License-Identifier: MIT
/* See predecessor.h. */
#include "daemon/predecessor.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/channel.h"
#include "daemon/control.h"
#include "daemon/dossier.h"
#include "daemon/generation.h"
#include "daemon/guard.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/record.h"
#include "daemon/validation.h"

#define HELLO_MS 5000

enum phase { MET, WAITING, SERVING };

struct predecessor {
	enum phase phase;
	struct master *master;
	int fd;
	pid_t pid;
	struct event event;
	struct handover *record; /* the last that came */
	struct dossier *told;	 /* evidence that was taken; NULL: none was */
	unsigned n_sockets;
	int sockets[LISTEN_MAX + 1]; /* -1: somebody has it */
	int control_fd, limits_fd;   /* -1: the same */
	struct receipt acked;	     /* of the newest revision that its workers follow */
	bool unsaid;		     /* the newest policy could not be sent */
	uint64_t leave_by_us;	     /* told to stop: killed if it is there then; 0: it was not */
	struct channel_message message;
};

/* ---- meeting -----------------------------------------------------------------------------------
 */

static void
close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
predecessor_free(struct predecessor *p)
{
	if (p->master != NULL) {
		event_del(&p->event);
		p->master->predecessor = NULL;
	}
	close_one(&p->fd);
	close_one(&p->control_fd);
	close_one(&p->limits_fd);
	for (unsigned i = 0; i < p->n_sockets; i++)
		close_one(&p->sockets[i]);
	free(p->record);
	free(p->told);
	free(p);
}

void
predecessor_refuse(struct predecessor *p, const char *why)
{
	if (p == NULL || p->fd < 0)
		return;
	(void)!channel_send(p->fd, CHANNEL_FAILED, why, strlen(why), NULL, 0);
}

/* The descriptor that the variable names, if it is one end of a pair; -1: there is none. */
static int
find_channel(pid_t *other)
{
	const char *text = getenv(RECORD_VARIABLE);
	struct ucred who;
	socklen_t length = sizeof(who);
	int fd = text != NULL ? atoi(text) : -1;

	unsetenv(RECORD_VARIABLE);
	if (fd <= STDERR_FILENO || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return -1;
	*other = who.pid;
	return fd;
}

static int
take_hello(struct predecessor *p, struct err *e)
{
	struct channel_message *m = &p->message;

	if (channel_await(p->fd, m, HELLO_MS) != 1 || m->kind != CHANNEL_HELLO ||
	    m->n_fds < RECORD_HELLO_SOCKETS)
		return err_set(e, "the old grayd does not say what it hands over");
	p->control_fd = m->fds[RECORD_HELLO_CONTROL];
	p->limits_fd = m->fds[RECORD_HELLO_LIMITS];
	m->fds[RECORD_HELLO_CONTROL] = m->fds[RECORD_HELLO_LIMITS] = -1;
	for (unsigned i = RECORD_HELLO_SOCKETS; i < m->n_fds && p->n_sockets <= LISTEN_MAX; i++) {
		p->sockets[p->n_sockets++] = m->fds[i];
		m->fds[i] = -1;
	}
	p->record = record_read(m->fds[RECORD_HELLO_TEXT], e);
	if (p->record == NULL || record_take_keys(m->fds[RECORD_HELLO_KEYS], e) != 0)
		return -1;
	if (p->record->n_sockets != p->n_sockets)
		return err_set(e, "the old grayd hands over %u sockets and speaks of %u",
		    p->n_sockets, p->record->n_sockets);
	return 0;
}

int
predecessor_meet(struct predecessor **out, struct err *e)
{
	struct predecessor *p;
	pid_t pid = 0;
	int fd = find_channel(&pid), rc;

	*out = NULL;
	if (fd < 0)
		return 0;
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		close(fd);
		return err_set(e, "out of memory");
	}
	p->fd = fd;
	p->pid = pid;
	p->control_fd = p->limits_fd = -1;
	rc = take_hello(p, e);
	channel_close_fds(&p->message);
	if (rc == 0) {
		*out = p;
		return 0;
	}
	predecessor_refuse(p, e->msg);
	predecessor_free(p);
	return -1;
}

/* ---- starting with what was given
 * ---------------------------------------------------------------- */

/* The file of a Unix socket that is ours from now on. */
static void
own_file(struct listener *l)
{
	struct stat st;

	if (strncmp(l->address, "unix:", 5) != 0 || lstat(l->address + 5, &st) != 0)
		return;
	l->device = st.st_dev;
	l->inode = st.st_ino;
}

void
predecessor_give_sockets(struct predecessor *p, struct listeners *given)
{
	*given = (struct listeners){ .admin = { .fd = -1 } };
	for (unsigned i = 0; i < p->n_sockets; i++) {
		const struct handover_socket *s = &p->record->sockets[i];
		struct listener one;
		struct err e;

		if ((!s->admin && given->n == LISTEN_MAX) ||
		    listen_take(&one, p->sockets[i], &e) != 0)
			continue;
		p->sockets[i] = -1;
		snprintf(one.configured, sizeof(one.configured), "%s", s->configured);
		if (s->own_file)
			own_file(&one);
		if (s->admin)
			given->admin = one;
		else
			given->all[given->n++] = one;
	}
}

void
predecessor_give_limits(struct master *m)
{
	int fd = m->predecessor->limits_fd;
	struct err e;

	m->predecessor->limits_fd = -1;
	m->limits_inherited = limits_adopt(&m->limits, fd, &e) == 0;
	if (!m->limits_inherited)
		log_event(LOG_WARN, "limits_begin_anew",
		    "the limits of the old grayd cannot be taken over, so that for a minute twice "
		    "as much may be admitted: %s",
		    e.msg);
}

/* What was taken hold of for good must stay where it is. */
static int
check_places(const struct config *c, const struct handover *record, struct err *e)
{
	if (strcmp(c->control_socket, record->control_socket) != 0)
		return err_set(e, "%s: control_socket: an upgrade cannot change it from \"%s\"",
		    c->path, record->control_socket);
	if (strcmp(c->state_dir, record->state_dir) != 0)
		return err_set(e, "%s: state_dir: an upgrade cannot change it from \"%s\"", c->path,
		    record->state_dir);
	return 0;
}

static void on_message(evutil_socket_t fd, short what, void *arg);

int
predecessor_begin(struct master *m, struct err *e)
{
	struct predecessor *p = m->predecessor;

	if (check_places(m->config, p->record, e) != 0)
		return -1;
	m->generation = m->last_generation = p->record->generation + 1;
	for (unsigned i = 0; i < p->record->n_releases; i++) {
		if (slots_declare(&m->slots, p->record->releases[i].name) != 0)
			return err_set(e, "more than %d releases", RELEASES_MAX);
	}
	for (unsigned i = 0; i < p->record->n_clients; i++) {
		if (slots_declare_client(&m->slots, p->record->clients[i].name) != 0)
			return err_set(e, "more than %d clients", CLIENTS_MAX);
	}
	if (transition_take_over(m, &p->record->policy, e) != 0)
		return -1;
	event_assign(&p->event, m->base, p->fd, EV_READ | EV_PERSIST, on_message, p);
	p->master = m;
	return event_add(&p->event, NULL) == 0 ? 0 : err_set(e, "out of memory");
}

void
predecessor_ready(struct master *m)
{
	struct predecessor *p = m->predecessor;

	if (p == NULL || p->phase != MET)
		return;
	p->phase = WAITING;
	if (channel_send(p->fd, CHANNEL_READY, "", 0, NULL, 0) != 0)
		master_fail(m, "the old grayd does not listen any more");
}

bool
predecessor_is_settled(const struct master *m)
{
	return m->predecessor == NULL || m->predecessor->phase == SERVING;
}

/* ---- taking over -------------------------------------------------------------------------------
 */

/* What cannot be read counts as none, and so does all that follows it: it would be half of it. */
static void
take_evidence(struct master *m, struct predecessor *p, int memory)
{
	struct err e = { "out of memory" };
	size_t n;
	const char *bytes;
	int rc = -1;

	if (p->told == NULL)
		return;
	bytes = channel_map(memory, &n, &e);
	if (bytes != NULL) {
		rc = guard_take_evidence(m, bytes, n, p->told, &e);
		channel_unmap(bytes, n);
	}
	if (rc == 0)
		return;
	log_event(
	    LOG_WARN, "evidence_lost", "the evidence of the old grayd is left out: %s", e.msg);
	free(p->told);
	p->told = NULL;
}

static int
take_over(struct master *m, struct predecessor *p, struct err *e)
{
	int lock = p->message.n_fds > RECORD_GO_LOCK ? p->message.fds[RECORD_GO_LOCK] : -1;
	struct handover *record =
	    p->message.n_fds > 0 ? record_read(p->message.fds[RECORD_GO_TEXT], e) : NULL;

	if (record == NULL)
		return -1;
	free(p->record);
	p->record = record;
	if (lock >= 0) {
		p->message.fds[RECORD_GO_LOCK] = -1;
		if (journal_take_over(m, lock, e) != 0)
			return -1;
	}
	if (transition_take_over(m, &record->policy, e) != 0 ||
	    control_take(m, p->control_fd, e) != 0)
		return -1;
	p->control_fd = -1;
	record_add_totals(m, record, NULL);
	if (p->message.n_fds > RECORD_GO_EVIDENCE) {
		p->told = calloc(1, sizeof(*p->told));
		take_evidence(m, p, p->message.fds[RECORD_GO_EVIDENCE]);
	}
	return 0;
}

static void
on_go(struct master *m, struct predecessor *p)
{
	struct err e = { "the old grayd hands over nothing" };

	if (take_over(m, p, &e) != 0) {
		predecessor_refuse(p, e.msg);
		master_fail(m, e.msg);
		return;
	}
	p->phase = SERVING;
	if (channel_send(p->fd, CHANNEL_SERVING, "", 0, NULL, 0) != 0) {
		master_fail(m, "the old grayd does not listen any more");
		return;
	}
	validation_serve(m, m->generation);
	if (m->limits_inherited)
		limits_commit(&m->limits, m->config, clock_mono_us());
	supervisor_serve(m, m->generation);
	supervisor_start_lasting(m);
	predecessor_publish(m);
	log_event(LOG_INFO, "took_over",
	    "this grayd serves now; the old one (pid %d) finishes what it has", (int)p->pid);
	generation_check(m);
}

/* ---- the old workers ----------------------------------------------------------------------------
 */

static void
on_acked(struct master *m, struct predecessor *p)
{
	unsigned long long n[6];

	if (sscanf(p->message.body, "%llu %llu %llu %llu %llu %llu", &n[0], &n[1], &n[2], &n[3],
		&n[4], &n[5]) != 6 ||
	    n[0] < p->acked.revision)
		return;
	p->acked = (struct receipt){ .revision = n[0],
		.acknowledged = (unsigned)n[1],
		.killed = (unsigned)n[2],
		.rescued = n[3],
		.streaming = n[4],
		.candidate_at_us = n[5] };
	transition_check(m);
}

static void
on_totals(struct master *m, struct predecessor *p)
{
	struct err e;
	struct handover *now = p->message.n_fds > 0 ? record_read(p->message.fds[0], &e) : NULL;

	if (p->message.n_fds > RECORD_TOTALS_EVIDENCE)
		take_evidence(m, p, p->message.fds[RECORD_TOTALS_EVIDENCE]);
	if (now == NULL)
		return;
	record_add_totals(m, now, p->record);
	free(p->record);
	p->record = now;
}

/* What its workers had begun and nobody has told the end of. */
static void
count_lost(struct master *m, const struct handover *last)
{
	const struct overall_totals *o = &last->overall;
	uint64_t ended = o->finished + o->lost;

	if (o->started > ended)
		tally_add(&m->slots.all[0].lost, o->started - ended);
}

static void
on_gone(struct master *m, struct predecessor *p)
{
	if (p->phase != SERVING) {
		predecessor_free(p);
		master_fail(m, "the old grayd is gone before it handed over");
		return;
	}
	log_event(LOG_INFO, "predecessor_gone", "the old grayd (pid %d) has left", (int)p->pid);
	count_lost(m, p->record);
	predecessor_free(p);
	transition_check(m);
	master_leave_when_alone(m);
}

static void
on_message(evutil_socket_t fd, short what, void *arg)
{
	struct predecessor *p = arg;
	struct master *m = p->master;
	int got;

	(void)what;
	while (m->predecessor == p && (got = channel_receive(fd, &p->message)) != -1) {
		if (got == 0) {
			on_gone(m, p);
			break;
		}
		if (p->message.kind == CHANNEL_GO && p->phase == WAITING)
			on_go(m, p);
		else if (p->message.kind == CHANNEL_ACKED)
			on_acked(m, p);
		else if (p->message.kind == CHANNEL_TOTALS && p->phase == SERVING)
			on_totals(m, p);
		if (m->predecessor == p)
			channel_close_fds(&p->message);
	}
}

/* ---- telling it ---------------------------------------------------------------------------------
 */

static void
say_policy(struct predecessor *p, const struct policy *policy)
{
	struct buf text = { 0 };

	p->unsaid =
	    handover_print_policy(&text, policy) != 0 ||
	    channel_send(p->fd, CHANNEL_POLICY, buf_bytes(&text), buf_len(&text), NULL, 0) != 0;
	buf_free(&text);
}

void
predecessor_publish(struct master *m)
{
	if (m->predecessor != NULL && m->predecessor->phase == SERVING)
		say_policy(m->predecessor, &m->policy);
}

pid_t
predecessor_pid(const struct master *m)
{
	return m->predecessor != NULL && m->predecessor->pid > 0 ? m->predecessor->pid : 0;
}

bool
predecessor_is_missing(const struct master *m, uint64_t revision)
{
	const struct predecessor *p = m->predecessor;

	return p != NULL && p->phase == SERVING && p->acked.revision < revision;
}

unsigned
predecessor_acknowledged(const struct master *m, uint64_t revision)
{
	const struct predecessor *p = m->predecessor;

	return p != NULL && p->phase == SERVING && p->acked.revision >= revision
		   ? p->acked.acknowledged
		   : 0;
}

void
predecessor_add_rollback(const struct master *m, struct receipt *r)
{
	const struct predecessor *p = m->predecessor;

	if (p == NULL || p->acked.revision != r->revision)
		return;
	r->killed += p->acked.killed;
	r->rescued += p->acked.rescued;
	r->streaming += p->acked.streaming;
	if (r->candidate_at_us < p->acked.candidate_at_us)
		r->candidate_at_us = p->acked.candidate_at_us;
}

void
predecessor_kill(struct master *m)
{
	struct predecessor *p = m->predecessor;

	if (p == NULL || p->pid <= 0)
		return;
	log_event(LOG_ERROR, "predecessor_hangs",
	    "the old grayd (pid %d) does not do what it was told: killed", (int)p->pid);
	kill(p->pid, SIGKILL);
	p->pid = 0;
}

static void
say(struct master *m, enum channel_kind kind)
{
	struct predecessor *p = m->predecessor;

	if (p != NULL && p->phase == SERVING)
		(void)!channel_send(p->fd, kind, "", 0, NULL, 0);
}

void
predecessor_stop(struct master *m)
{
	uint64_t drain_us = (uint64_t)m->config->limits.drain_ms * US_PER_MS;

	if (m->predecessor != NULL && m->predecessor->leave_by_us == 0)
		m->predecessor->leave_by_us =
		    clock_mono_us() + drain_us + 2 * MASTER_DRAIN_GRACE_US;
	say(m, CHANNEL_STOP);
}

void
predecessor_reopen_logs(struct master *m)
{
	say(m, CHANNEL_REOPEN);
}

void
predecessor_check(struct master *m)
{
	struct predecessor *p = m->predecessor;

	if (p != NULL && p->unsaid)
		say_policy(p, &m->policy);
	if (p != NULL && p->leave_by_us != 0 && clock_mono_us() >= p->leave_by_us)
		predecessor_kill(m);
}

void
predecessor_end(struct master *m)
{
	if (m->predecessor != NULL)
		predecessor_free(m->predecessor);
}
