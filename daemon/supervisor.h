// SPDX-License-Identifier: MIT
/*
 * Starts, watches and replaces the children of the master. Forks happen here only, from the
 * master's main thread, and what a child must not have is dropped in one function. A child has a
 * socket pair with the master; its end closing is how either notices the other's death.
 */
#pragma once

#include <event2/event_struct.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/limits.h"
#include "common/slot.h"

struct master;
struct child;

/* What a child has beside what it inherits as ordinary memory. */
struct child_seed {
	int master_fd;			    /* its end of the pair, non-blocking */
	const struct policy_region *policy; /* read-only; NULL where the role does not need it */
	struct slot *slot;		    /* its own; NULL without one */
	struct seen_region *seen;	    /* everybody's; NULL without a slot */
	struct limits_region *limits;	    /* writable, with a slot; else NULL */
	struct slots slots;		    /* of a role that observes: all of them, read-only */
	struct limits limits_view;	    /* of the same: read-only */
};

/* A kind of child: one row of the table in roles.c. */
struct role {
	const char *name;
	/* In the child, with all dropped: runs until told to leave; returns the exit status. */
	int (*run)(const struct master *m, const struct child *c, const struct child_seed *s);
	unsigned (*count)(const struct master *m);
	bool has_slot;	 /* tallies and a heartbeat in shared memory, follows the policy */
	bool listens;	 /* gets the listening sockets */
	bool observes;	 /* reads all tallies and the policy; gets the admin socket */
	bool respawn;	 /* replace it when it ends */
	bool keeps_user; /* stays who the master is, and has the lock on state_dir */
	/* For a role that says more than bytes; NULL: it does not. Called in the master: a child
	 * was started, has sent a packet that is none of enum worker_message, has ended. */
	void (*started)(struct child *c);
	void (*heard)(struct child *c, const void *packet, size_t n);
	void (*ended)(struct child *c);
	bool aside;   /* nobody waits for it: grayd serves without it */
	bool lasting; /* stays through a reload: what it does depends on nothing in the config */
};

#define CHILDREN_MAX	     (SLOTS_MAX - 1 + 32) /* some have no slot */
#define RESPAWN_RESET_US     (60 * 1000000ull) /* a life this long forgives all failures before it */
#define RESPAWN_DELAY_MAX_MS 10000

enum child_state {
	CHILD_NONE,	/* the entry is not used */
	CHILD_WAITING,	/* to be started at start_at_us */
	CHILD_STARTING, /* forked, not ready yet */
	CHILD_READY,
	CHILD_DRAINING, /* told to leave */
};
extern const char *const child_state_names[];

struct child {
	enum child_state state;
	const struct role *role;
	unsigned index; /* 0 .. count - 1 of its role and generation; stays when it is replaced */
	uint64_t generation;
	pid_t pid;	      /* 0 unless it lives */
	int fd;		      /* the master's end of the pair; -1: none */
	unsigned slot;	      /* number of its slot; 0: none */
	unsigned seat;	      /* its place in the limits; 0: none */
	uint64_t started_us;  /* clock_mono_us() of its fork */
	uint64_t start_at_us; /* CHILD_WAITING: not before */
	unsigned failures;    /* ends since it last lived for a minute */
	uint64_t restarts;    /* times it was replaced */
	uint64_t closed_us;   /* when it closed its end; 0: it has not */
	uint64_t aborted_us;  /* when the watchdog sent SIGABRT; 0: it has not */
	uint64_t leave_by_us; /* told to leave: killed if it lives then; 0: it was not */
	bool held;	      /* of a generation that does not serve yet */
	bool killed;	      /* SIGKILL was sent */
	struct event event;   /* fd readable */
	struct master *master;
};

struct supervisor {
	struct child children[CHILDREN_MAX];
	unsigned n_children; /* entries that may be in use; look at `state` */
	uint64_t last_tick_us, awake_since_us;
	struct event tick;
};

/* A child that lives (starting, ready or draining). */
static inline bool
child_alive(const struct child *c)
{
	return c->pid != 0;
}

/* Prepares one entry for each child of a generation and starts them. Workers accept nothing before
 * supervisor_serve(); with `takes_over` nobody does. -1: the loop has no room. */
int supervisor_start(struct master *m, bool takes_over, struct err *e) MUST_CHECK;
/* The same for another generation, beside those that are there; as many children of each role as
 * m->config says at this moment. -1: there is no place for so many; none was started. */
int supervisor_add_generation(struct master *m, uint64_t generation, struct err *e) MUST_CHECK;
/* Lets the children of a generation serve that were held. */
void supervisor_serve(struct master *m, uint64_t generation);
/* Tells the children of one generation, or of all but one, to leave; idle connections may stay as
 * long as limits.drain_ms lets them. */
void supervisor_retire(struct master *m, uint64_t generation, uint64_t deadline_us);
void supervisor_retire_others(struct master *m, uint64_t generation, uint64_t deadline_us);

/* Starts the children that belong to no generation, unless they are there. */
void supervisor_start_lasting(struct master *m);
/* Tells them to leave, once; true when none of them lives. */
bool supervisor_dismiss_lasting(struct master *m, uint64_t deadline_us);

/* How a generation that was added comes along. */
struct supervisor_progress {
	unsigned children, ready;
	unsigned failures; /* of the child that has ended most often */
};
struct supervisor_progress supervisor_progress(const struct master *m, uint64_t generation);
/* Reaps what has ended; called for SIGCHLD. */
void supervisor_reap(struct master *m);
/* Sends a message byte (enum worker_message) to a child; with `pass_fd` >= 0 also a descriptor.
 * False: its queue is full or its end closed. */
bool supervisor_tell(struct child *c, char message, int pass_fd);
/* Tells all children to leave; who has not at the deadline is killed. */
void supervisor_stop(struct master *m, uint64_t deadline_us);
/* SIGKILL to one child, once. */
void supervisor_kill(struct child *c);
/* Whether any child lives. */
bool supervisor_any_alive(const struct master *m);
/* Closes and frees what supervisor_start() made. */
void supervisor_end(struct master *m);
/* The pause before start number `failures` + 1: 0, 100, 200, 400 … RESPAWN_DELAY_MAX_MS. */
uint32_t supervisor_delay_ms(unsigned failures);

/* ---- for supervisor_crew.c ---------------------------------------------------------------------
 */

/* Adds and starts as many children of a role as m->config says. */
void supervisor_add_role(struct master *m, const struct role *role, uint64_t generation, bool held);
/* Tells one child to leave, by MSG_DRAIN or MSG_RETIRE; one that does not live is not started any
 * more. */
void supervisor_dismiss(struct child *c, char message, uint64_t deadline_us);
