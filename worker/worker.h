// SPDX-License-Identifier: MIT
/*
 * The only door between daemon and worker: a worker is worker_main(seed) in a forked child, the
 * admin process admin_main(seed), the prober prober_main(seed). All else they share is shared
 * memory (common/shm.h) and one socket pair.
 */
#pragma once

#include "common/config.h"
#include "common/seen.h"
#include "common/slot.h"

/* What a worker is born with. Descriptors are open in the child; the worker owns them. */
struct worker_seed {
	const struct config *config;
	unsigned index;	    /* 0 .. n_workers - 1 within its generation */
	unsigned n_workers; /* of its generation; shares of process-wide limits follow from it */
	uint64_t generation;
	struct slot *slot;		    /* mapped writable, this worker's alone */
	struct seen_region *seen;	    /* mapped writable, all workers' */
	const struct policy_region *policy; /* mapped read-only */
	int policy_bell;		    /* eventfd: each write to it is a new policy */
	struct limits_region *limits;	    /* mapped writable, shared with all workers */
	unsigned seat;			    /* this worker's column in it */
	unsigned n_listen;
	int listen_fds[LISTEN_MAX]; /* non-blocking, listening; shared with the other workers */
	int master_fd;		    /* SOCK_SEQPACKET pair with the master; messages below */
	bool held;		    /* accept nothing before MSG_SERVE */
};

/*
 * Messages are single bytes. Master to worker: MSG_SERVE (accept, if it was held), MSG_RETIRE
 * (others serve now: stop accepting, answer what still comes on the connections that are open,
 * leave when they are gone or drain_ms is over), MSG_DRAIN (the same, but do not wait for idle
 * connections), MSG_LOG (with a descriptor by SCM_RIGHTS: log there from now on). EOF: the master
 * is gone; as MSG_DRAIN, and begin no new candidate attempt.
 * Worker to master: MSG_READY (able to accept), MSG_ACK (slot->acked_revision has moved).
 */
enum worker_message {
	MSG_SERVE = 's',
	MSG_RETIRE = 'o',
	MSG_DRAIN = 'd',
	MSG_LOG = 'l',
	MSG_READY = 'r',
	MSG_ACK = 'a',
};

/* Serves until told to drain; returns the exit status of the process. */
int worker_main(const struct worker_seed *seed);

/* What the process is born with that serves /metrics, /healthz and /readyz. It gets the messages
 * MSG_SERVE, MSG_DRAIN and MSG_LOG, and sends MSG_READY. */
struct admin_seed {
	const struct config *config;		   /* of its generation, without keys */
	const struct slots *slots;		   /* mapped read-only, all of them */
	const struct policy_region *policy;	   /* mapped read-only */
	struct limits_region *limits;		   /* mapped read-only */
	uint64_t started_wall_us, started_mono_us; /* of the master */
	int listen_fd;				   /* non-blocking, listening */
	int master_fd;
	bool held; /* accept nothing before MSG_SERVE */
};

/* The same for the admin process. */
int admin_main(const struct admin_seed *seed);

/* What the prober is born with: it asks the providers for their models when the master tells it to
 * (common/probe.h), and touches no request. */
struct prober_seed {
	const struct config *config;
	int master_fd;
};

/* The same for the prober; it leaves at once when told to. */
int prober_main(const struct prober_seed *seed);
