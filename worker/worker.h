// SPDX-License-Identifier: MIT
/*
 * The only door between daemon and worker: a worker is worker_main(seed) in a forked child. All
 * else they share is shared memory (common/shm.h) and one socket pair.
 */
#pragma once

#include "common/config.h"
#include "common/shm.h"

/* What a worker is born with. Descriptors are open in the child; the worker owns them. */
struct worker_seed {
	const struct config *config;
	unsigned index;	    /* 0 .. n_workers - 1 within its generation */
	unsigned n_workers; /* of its generation; shares of process-wide limits follow from it */
	uint64_t generation;
	struct slot *slot;		    /* mapped writable, this worker's alone */
	const struct policy_region *policy; /* mapped read-only */
	unsigned n_listen;
	int listen_fds[LISTEN_MAX]; /* non-blocking, listening; shared with the other workers */
	int master_fd;		    /* SOCK_SEQPACKET pair with the master; messages below */
};

/*
 * Messages are single bytes. Master to worker: MSG_POLICY (look at the policy and acknowledge),
 * MSG_DRAIN (stop accepting, finish, leave), MSG_LOG (with a descriptor by SCM_RIGHTS: log there
 * from now on). EOF: the master is gone; drain, and begin no new candidate attempt.
 * Worker to master: MSG_READY (accepting), MSG_ACK (slot->acked_revision has moved).
 */
enum worker_message {
	MSG_POLICY = 'p',
	MSG_DRAIN = 'd',
	MSG_LOG = 'l',
	MSG_READY = 'r',
	MSG_ACK = 'a',
};

/* Serves until told to drain; returns the exit status of the process. */
int worker_main(const struct worker_seed *seed);
