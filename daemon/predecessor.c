// SPDX-License-Identifier: MIT
/*
 * The old master, from the loop's begin until it has left: it hands over once, then its workers
 * follow what is published here; see predecessor.h. Master process.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/control.h"
#include "daemon/dossier.h"
#include "daemon/generation.h"
#include "daemon/guard.h"
#include "daemon/journal.h"
#include "daemon/predecessor_state.h"
#include "daemon/record.h"
#include "daemon/validation.h"

/* ---- starting ----------------------------------------------------------------------------------
 */

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

	if (p == NULL || p->phase != PREDECESSOR_MET)
		return;
	p->phase = PREDECESSOR_WAITING;
	if (channel_send(p->fd, CHANNEL_READY, "", 0, NULL, 0) != 0)
		master_fail(m, "the old grayd does not listen any more");
}

bool
predecessor_is_settled(const struct master *m)
{
	return m->predecessor == NULL || m->predecessor->phase == PREDECESSOR_SERVING;
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
	if (m->journal != NULL)
		journal_recall_causes(m);
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
	p->phase = PREDECESSOR_SERVING;
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
	if (p->phase != PREDECESSOR_SERVING) {
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
		if (p->message.kind == CHANNEL_GO && p->phase == PREDECESSOR_WAITING)
			on_go(m, p);
		else if (p->message.kind == CHANNEL_ACKED)
			on_acked(m, p);
		else if (p->message.kind == CHANNEL_TOTALS && p->phase == PREDECESSOR_SERVING)
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
	if (m->predecessor != NULL && m->predecessor->phase == PREDECESSOR_SERVING)
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

	return p != NULL && p->phase == PREDECESSOR_SERVING && p->acked.revision < revision;
}

unsigned
predecessor_acknowledged(const struct master *m, uint64_t revision)
{
	const struct predecessor *p = m->predecessor;

	return p != NULL && p->phase == PREDECESSOR_SERVING && p->acked.revision >= revision
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

	if (p != NULL && p->phase == PREDECESSOR_SERVING)
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
