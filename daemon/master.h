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
#include "common/limits.h"
#include "common/policy.h"
#include "common/seen.h"
#include "common/slot.h"
#include "daemon/listen.h"
#include "daemon/predecessor.h"
#include "daemon/privilege.h"
#include "daemon/supervisor.h"
#include "daemon/transition.h"

struct control;
struct predecessor;
struct upgrade;
struct journal;
struct pending_change;
struct guard;
struct planner;
struct preflight;
struct rates;
struct alarms;
struct causes;
struct validation;

/* Ids of commands that were carried out, so that a repeated one does nothing. */
#define REMEMBERED_IDS 64
struct remembered_id {
	char id[CTLPROTO_ID_MAX + 1];
	char release[NAME_BYTES];
	uint32_t uid; /* ids of different users do not meet */
	enum release_command command;
	uint32_t share_bp, waive;
	bool cut;
	bool from_journal; /* without what a record does not tell: waive, cut */
	uint64_t revision;
};

struct master {
	struct config *config; /* its own; a reload brings another */
	struct event_base *base;
	struct event signal_event;
	int signal_fd;
	bool stopping;		   /* leaves; nothing is replaced any more */
	bool told_to_stop;	   /* by somebody, not by an upgrade */
	bool verbose;		   /* -v: whatever the config says of the log's level */
	uint64_t generation;	   /* that serves */
	uint64_t last_generation;  /* the highest number that was given to one */
	struct generation *reload; /* generation.c: on its way; NULL: none */
	/* validation.c: of the generation that serves, or will first; of one on its way */
	struct validation *validation, *next_validation;
	struct preflight *preflights;	 /* preflight.c: what waits for a provider's word */
	uint64_t preflight_us;		 /* preflight.c: when to ask for unknown candidates again */
	bool reload_again;		 /* generation.c: SIGHUP came meanwhile, or too early */
	char *program;			 /* the path of the binary, for an upgrade */
	struct upgrade *upgrade;	 /* upgrade.c: to a new master; NULL: none */
	struct predecessor *predecessor; /* predecessor.c: the old master; NULL: none, or gone */
	struct err failure;		 /* master_fail(), master_refuse() */
	bool refused;			 /* by master_refuse(): nobody serves */
	bool announced; /* generation.c: the service manager knows that grayd serves */
	uint64_t started_mono_us, started_wall_us;
	struct identity identity;
	struct listeners listeners;
	struct policy_store store;
	struct policy policy; /* what is published now; only transition.c writes it */
	struct policy acked;  /* the newest policy that every live worker has acknowledged */
	struct slots slots;
	struct seen_region *seen; /* sticky keys and answers that rollouts have met */
	int seen_fd;
	struct limits limits;
	bool limits_inherited; /* another master has made them, and may have workers there */
	struct supervisor supervisor;
	struct pending_change *pending; /* transition.c: published, not yet acknowledged by all */
	struct pending_change *raising; /* transition_raise.c: not yet published */
	bool line_moves;		/* transition_raise.c: those are looked at just now */
	struct journal *journal;	/* NULL: nothing is written down (tests) */
	struct remembered_id remembered[REMEMBERED_IDS]; /* transition.c */
	unsigned n_remembered;
	struct rates *rates;	 /* rates.c; NULL: nobody asks for rates (tests) */
	struct guard *guard;	 /* guard.c; NULL: nobody watches (tests) */
	struct alarms *alarms;	 /* alarm.c; NULL: nobody is told (tests) */
	struct causes *causes;	 /* cause.c; NULL: nothing is noted yet */
	struct planner *planner; /* planner.c; NULL: nothing moves by itself (tests) */
	/* control.c's own; NULL: not open. master.c calls control_open(m, e) before the first fork
	 * and control_close(m) at the end. Children never need to: they close every descriptor they
	 * were not given, and never touch the master's loop. */
	struct control *control;
};

/* For workers to end by themselves, once drain_ms is over. */
#define MASTER_DRAIN_GRACE_US 1000000ull

/* Runs grayd until it is told to stop. Takes the config over. 0; or with `e` 1 when it cannot
 * start, 2 when the providers do not know a stable model of the config. */
struct master_options {
	bool verbose;
	char *program;			 /* path of the binary */
	struct predecessor *predecessor; /* NULL: an ordinary start */
};
int master_run(struct config *config, const struct master_options *o, struct err *e) MUST_CHECK;
/* Ends the master at once: it cannot begin to serve. Only while another one does. */
void master_fail(struct master *m, const char *why);
/* Ends a start: its config cannot serve. Children leave first; then master_run() returns 2. */
void master_refuse(struct master *m, const struct err *why);
/* Ends the loop when the master is stopping and nobody is left to wait for. */
void master_leave_when_alone(struct master *m);
/* Stops as SIGTERM does: no new connections, at most limits.drain_ms for what runs. A second call
 * makes it immediate. */
void master_stop(struct master *m, const char *who);
/* Opens the log file again and passes it to all workers. On -1 the old one stays in use. */
int master_reopen_logs(struct master *m, struct err *e) MUST_CHECK;
/* Passes the log that is in use to all children. */
void master_pass_log(struct master *m);
