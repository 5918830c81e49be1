// SPDX-License-Identifier: MIT
/*
 * The master process: all it knows, and its life from start to stop. One thread, one libevent loop;
 * nothing on the loop may wait (no name look-up, no sync of a file, no connection). It never parses
 * HTTP and never trusts what a worker wrote.
 *
 * Who reads what: the release states are in m->policy (policy_find()), sums in m->slots
 * (slots_sum_*()), processes in m->supervisor.children, addresses in m->listeners.
 */
#pragma once

#include <event2/event_struct.h>

#include "common/config.h"
#include "common/policy.h"
#include "common/slot.h"
#include "daemon/listen.h"
#include "daemon/privilege.h"
#include "daemon/supervisor.h"
#include "daemon/transition.h"

struct control;
struct pending_change;

/* Ids of commands that were carried out, so that a repeated one does nothing. */
#define REMEMBERED_IDS 64
struct remembered_id {
	char id[CTLPROTO_ID_MAX + 1];
	char release[NAME_BYTES];
	uint32_t uid; /* ids of different users do not meet */
	enum release_command command;
	uint32_t share_bp;
	uint64_t revision;
};

struct master {
	const struct config *config;
	struct event_base *base;
	struct event signal_event;
	int signal_fd;
	bool stopping; /* told to leave; nothing is replaced any more */
	uint64_t generation;
	uint64_t started_mono_us, started_wall_us;
	struct identity identity;
	struct listeners listeners;
	struct policy_store store;
	struct policy policy; /* what is published now; only transition.c writes it */
	struct policy acked;  /* the newest policy that every live worker has acknowledged */
	struct slots slots;
	struct supervisor supervisor;
	struct pending_change *pending; /* transition.c: published, not yet acknowledged by all */
	struct remembered_id remembered[REMEMBERED_IDS]; /* transition.c */
	unsigned n_remembered;
	/* control.c's own; NULL: not open. master.c calls control_open(m, e) before the first fork
	 * and control_close(m) at the end. Children never need to: they close every descriptor they
	 * were not given, and never touch the master's loop. */
	struct control *control;
};

/* Runs grayd until it is told to stop. 0, or 1 with `e` when it cannot start. */
int master_run(const struct config *config, struct err *e) MUST_CHECK;
/* Stops as SIGTERM does: no new connections, at most limits.drain_ms for what runs. A second call
 * makes it immediate. */
void master_stop(struct master *m, const char *who);
/* Opens the log file again and passes it to all workers. On -1 the old one stays in use. */
int master_reopen_logs(struct master *m, struct err *e) MUST_CHECK;
