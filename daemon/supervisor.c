// SPDX-License-Identifier: MIT
/*
 * Starts, watches and replaces children, see supervisor.h. Master process. An entry of the table
 * stands for one place (worker 3 of generation 1), whoever fills it at the moment; a child is
 * waited for by its pid only.
 */
#include "daemon/supervisor.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/printable.h"
#include "common/slot_evidence.h"
#include "daemon/child.h"
#include "daemon/figures.h"
#include "daemon/generation.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/notify.h"
#include "daemon/preflight.h"
#include "daemon/roles.h"
#include "daemon/upgrade.h"
#include "daemon/validation.h"
#include "worker/worker.h"

#define TICK_US		 (100 * US_PER_MS)
#define GAP_US		 (1 * US_PER_S)	 /* ticks further apart: the master itself was stopped */
#define SILENT_US	 (2 * US_PER_S)	 /* without a heartbeat */
#define SILENT_START_US	 (10 * US_PER_S) /* the same for one that has not yet begun to serve */
#define ABORT_US	 (1 * US_PER_S)	 /* from SIGABRT to SIGKILL */
#define CLOSED_US	 (5 * US_PER_S)	 /* from the end of its pair to its own end */
#define MESSAGES_AT_ONCE 64
#define PACKET_BYTES	 32768

const char *const child_state_names[] = {
	[CHILD_NONE] = "none",
	[CHILD_WAITING] = "waiting",
	[CHILD_STARTING] = "starting",
	[CHILD_READY] = "ready",
	[CHILD_DRAINING] = "draining",
};

uint32_t
supervisor_delay_ms(unsigned failures)
{
	uint32_t delay = 100;

	if (failures == 0)
		return 0;
	while (--failures > 0 && delay < RESPAWN_DELAY_MAX_MS)
		delay *= 2;
	return delay < RESPAWN_DELAY_MAX_MS ? delay : RESPAWN_DELAY_MAX_MS;
}

/* ---- talking --------------------------------------------------------------------------------- */

bool
supervisor_tell(struct child *c, char message, int pass_fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec byte = { .iov_base = &message, .iov_len = 1 };
	struct msghdr header = { .msg_iov = &byte, .msg_iovlen = 1 };

	if (c->fd < 0)
		return false;
	if (pass_fd >= 0) {
		struct cmsghdr *cmsg;

		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass_fd, sizeof(int));
	}
	return sendmsg(c->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* Its end is gone: it is about to end, or it is not what we started. */
static void
close_pair(struct child *c)
{
	if (c->fd < 0)
		return;
	event_del(&c->event);
	close(c->fd);
	c->fd = -1;
	c->closed_us = clock_mono_us();
}

static void
on_ready(struct child *c)
{
	if (c->state != CHILD_STARTING)
		return;
	c->state = CHILD_READY;
	log_event(LOG_INFO, "child_ready", "%s %u (pid %d) is ready after %llu ms", c->role->name,
	    c->index, (int)c->pid,
	    (unsigned long long)(clock_mono_us() - c->started_us) / US_PER_MS);
}

static void
on_child_message(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;
	bool acknowledged = false;

	(void)what;
	for (unsigned i = 0; i < MESSAGES_AT_ONCE; i++) {
		char packet[PACKET_BYTES];
		ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			close_pair(c);
			break;
		}
		if (packet[0] == MSG_READY)
			on_ready(c);
		else if (packet[0] != MSG_ACK && c->role->heard != NULL)
			c->role->heard(c, packet, (size_t)n);
		acknowledged |= packet[0] == MSG_READY || packet[0] == MSG_ACK;
	}
	if (acknowledged) {
		transition_check(c->master);
		generation_check(c->master);
	}
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Its end of the pair, of which the other one is now c->fd; -1: it cannot be had. */
static int
open_pair(struct master *m, struct child *c)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	c->fd = pair[0];
	event_assign(&c->event, m->base, c->fd, EV_READ | EV_PERSIST, on_child_message, c);
	if (event_add(&c->event, NULL) == 0)
		return pair[1];
	close(pair[0]);
	close(pair[1]);
	c->fd = -1;
	errno = ENOMEM;
	return -1;
}

static int
claim_slot(struct master *m, struct child *c)
{
	int slot = 0;

	if (c->role->has_slot)
		slot = slot_claim(&m->slots, c->generation, clock_mono_us());
	if (slot < 0) {
		errno = ENOSPC;
		return -1;
	}
	c->slot = (unsigned)slot;
	c->seat = c->role->has_slot ? limits_seat_take(&m->limits) : 0;
	if (!c->role->has_slot || c->seat != 0)
		return 0;
	errno = ENOSPC;
	return -1;
}

static void
give_seat_back(struct master *m, struct child *c)
{
	if (c->seat > 0)
		limits_seat_free(&m->limits, c->seat);
	c->seat = 0;
}

static void
give_back(struct master *m, struct child *c)
{
	close_pair(c);
	if (c->slot > 0)
		slot_retire(&m->slots, c->slot);
	c->slot = 0;
	give_seat_back(m, c);
}

static void
wait_to_start(struct child *c)
{
	uint32_t delay_ms = supervisor_delay_ms(c->failures++);

	c->state = CHILD_WAITING;
	c->start_at_us = clock_mono_us() + (uint64_t)delay_ms * US_PER_MS;
}

static void
start_child(struct master *m, struct child *c)
{
	int theirs = -1;

	c->started_us = clock_mono_us();
	c->closed_us = c->aborted_us = 0;
	c->killed = false;
	if (claim_slot(m, c) == 0)
		theirs = open_pair(m, c);
	c->pid = theirs >= 0 ? fork() : -1;
	if (c->pid == 0)
		child_run(m, c, theirs);
	if (c->pid < 0) {
		log_event(LOG_ERROR, "start_failed", "cannot start %s %u: %s", c->role->name,
		    c->index, strerror(errno));
		c->pid = 0;
		give_back(m, c);
		wait_to_start(c);
	} else {
		if (c->seat > 0)
			limits_seat_name(&m->limits, c->seat, c->pid);
		c->state = CHILD_STARTING;
		if (c->role->started != NULL)
			c->role->started(c);
	}
	if (theirs >= 0)
		close(theirs);
}

static void on_tick(evutil_socket_t fd, short what, void *arg);

/* An entry that nobody uses; NULL: there is none. */
static struct child *
free_entry(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_children; i++) {
		if (s->children[i].state == CHILD_NONE)
			return &s->children[i];
	}
	return s->n_children < CHILDREN_MAX ? &s->children[s->n_children++] : NULL;
}

void
supervisor_add_role(struct master *m, const struct role *role, uint64_t generation, bool held)
{
	unsigned count = role->count(m);

	for (unsigned i = 0; i < count; i++) {
		struct child *c = free_entry(&m->supervisor);

		if (c == NULL)
			return;
		*c = (struct child){ .role = role,
			.state = CHILD_WAITING,
			.index = i,
			.generation = generation,
			.held = held,
			.fd = -1,
			.master = m };
		start_child(m, c);
	}
}

int
supervisor_start(struct master *m, bool takes_over, struct err *e)
{
	struct supervisor *s = &m->supervisor;
	const struct timeval tick = { .tv_usec = TICK_US };

	s->last_tick_us = s->awake_since_us = clock_mono_us();
	event_assign(&s->tick, m->base, -1, EV_PERSIST, on_tick, m);
	if (event_add(&s->tick, &tick) != 0)
		return err_set(e, "cannot start the master's clock: out of memory");
	for (unsigned r = 0; r < n_roles; r++) {
		if (!roles[r].lasting)
			supervisor_add_role(
			    m, &roles[r], m->generation, takes_over || roles[r].has_slot);
	}
	return 0;
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void
log_end(const struct child *c, int status, uint64_t lost, bool sane)
{
	bool asked = c->state == CHILD_DRAINING && WIFEXITED(status) && WEXITSTATUS(status) == 0;

	log_event(asked ? LOG_INFO : LOG_WARN, "child_ended",
	    "%s %u (pid %d) %s %d after %llu ms; requests lost: %llu%s", c->role->name, c->index,
	    (int)c->pid, WIFSIGNALED(status) ? "was ended by signal" : "ended with status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	    (unsigned long long)(clock_mono_us() - c->started_us) / US_PER_MS,
	    (unsigned long long)lost, sane ? "" : "; its tallies made no sense and are left out");
}

/* Its other tallies may be as they should. */
static void
tell_odd_evidence(const struct master *m, const struct child *c)
{
	const char *odd = slot_evidence_odd(&m->slots, c->slot);
	char name[NAME_BYTES];

	if (odd == NULL)
		return;
	snprintf(name, sizeof(name), "%s", odd);
	printable_clean(name);
	log_event(LOG_ERROR, "evidence_dropped",
	    "%s: what %s %u (pid %d) has counted for the guard cannot be: it is left out for good",
	    name, c->role->name, c->index, (int)c->pid);
}

static void
child_ended(struct master *m, struct child *c, int status)
{
	struct slot *retired = &m->slots.all[0];
	uint64_t lost = tally_get(&retired->lost);
	bool sane = true;

	if (c->role->ended != NULL)
		c->role->ended(c);
	close_pair(c);
	if (c->slot > 0) {
		tell_odd_evidence(m, c);
		sane = slot_retire(&m->slots, c->slot);
	}
	c->slot = 0;
	give_seat_back(m, c);
	log_end(c, status, tally_get(&retired->lost) - lost, sane);
	c->pid = 0;
	if (m->stopping || c->state == CHILD_DRAINING || !c->role->respawn) {
		c->state = CHILD_NONE;
		return;
	}
	if (clock_mono_us() - c->started_us >= RESPAWN_RESET_US)
		c->failures = 0;
	c->restarts++;
	if (c->role->has_slot)
		tally_add(&retired->restarts, 1);
	wait_to_start(c);
	if (c->start_at_us <= clock_mono_us())
		start_child(m, c);
}

void
supervisor_reap(struct master *m)
{
	struct supervisor *s = &m->supervisor;

	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];
		int status;

		if (c->pid != 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
			child_ended(m, c, status);
	}
	transition_check(m);
	generation_check(m);
	upgrade_check(m);
	predecessor_check(m);
	journal_tick(m);
}

void
supervisor_kill(struct child *c)
{
	if (c->pid == 0 || c->killed)
		return;
	c->killed = true;
	kill(c->pid, SIGKILL);
}

void
supervisor_dismiss(struct child *c, char message, uint64_t deadline_us)
{
	if (c->pid == 0) {
		c->state = CHILD_NONE;
		return;
	}
	c->state = CHILD_DRAINING;
	c->leave_by_us = deadline_us;
	if (!c->role->has_slot)
		message = MSG_DRAIN;
	/* The end of the pair says the same, also behind a full queue. */
	if (!supervisor_tell(c, message, -1) && c->fd >= 0)
		shutdown(c->fd, SHUT_WR);
}

void
supervisor_stop(struct master *m, uint64_t deadline_us)
{
	struct supervisor *s = &m->supervisor;

	for (unsigned i = 0; i < s->n_children; i++)
		supervisor_dismiss(&s->children[i], MSG_DRAIN, deadline_us);
}

bool
supervisor_any_alive(const struct master *m)
{
	for (unsigned i = 0; i < m->supervisor.n_children; i++) {
		if (child_alive(&m->supervisor.children[i]))
			return true;
	}
	return false;
}

void
supervisor_end(struct master *m)
{
	struct supervisor *s = &m->supervisor;

	for (unsigned i = 0; i < s->n_children; i++)
		give_back(m, &s->children[i]);
	if (event_initialized(&s->tick))
		event_del(&s->tick);
}

/* ---- watching -------------------------------------------------------------------------------- */

/* How long a child has been silent, the master's own absence not counted. */
static uint64_t
silent_us(const struct master *m, const struct child *c, uint64_t now)
{
	uint64_t heard = tally_get(&m->slots.all[c->slot].heartbeat_us);

	if (heard < c->started_us)
		heard = c->started_us;
	if (heard < m->supervisor.awake_since_us)
		heard = m->supervisor.awake_since_us;
	return heard < now ? now - heard : 0;
}

static void
watch_child(struct master *m, struct child *c, uint64_t now)
{
	uint64_t limit = c->state == CHILD_STARTING ? SILENT_START_US : SILENT_US;

	if (c->leave_by_us != 0 && now >= c->leave_by_us && !c->killed) {
		log_event(LOG_WARN, "drain_over", "%s %u (pid %d) has not finished in time: killed",
		    c->role->name, c->index, (int)c->pid);
		supervisor_kill(c);
	}
	if (c->closed_us != 0 && now - c->closed_us >= CLOSED_US)
		supervisor_kill(c);
	if (c->aborted_us != 0 && now - c->aborted_us >= ABORT_US)
		supervisor_kill(c);
	if (c->slot == 0 || c->aborted_us != 0 || c->killed || silent_us(m, c, now) < limit)
		return;
	log_event(LOG_WARN, "child_hangs",
	    "%s %u (pid %d) gave no sign of life for %llu ms: aborted", c->role->name, c->index,
	    (int)c->pid, (unsigned long long)silent_us(m, c, now) / US_PER_MS);
	c->aborted_us = now;
	kill(c->pid, SIGABRT);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;
	struct supervisor *s = &m->supervisor;
	uint64_t now = clock_mono_us(), since_us = now - s->last_tick_us;

	(void)fd;
	(void)what;
	if (since_us >= GAP_US)
		s->awake_since_us = now;
	s->last_tick_us = now;
	figures_publish(m, since_us > TICK_US ? since_us - TICK_US : 0);
	notify_alive(now);
	if (m->limits_inherited)
		limits_seats_sweep(&m->limits);
	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];

		if (child_alive(c))
			watch_child(m, c, now);
		else if (c->state == CHILD_WAITING && now >= c->start_at_us)
			start_child(m, c);
	}
	transition_check(m);
	generation_check(m);
	upgrade_check(m);
	predecessor_check(m);
	journal_tick(m);
	validation_tick(m);
	preflight_tick(m);
}
