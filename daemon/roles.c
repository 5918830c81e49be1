// SPDX-License-Identifier: MIT
/*
 * The kinds of children, in one table: name, what runs in the child, how many, what it gets. What a
 * role runs sees the master's memory as it was at the fork; it must use nothing of it but the
 * config and what it was seeded with.
 */
#include "daemon/roles.h"

#include <sched.h>

#include "daemon/master.h"
#include "worker/worker.h"

static unsigned
count_workers(const struct master *m)
{
	unsigned n = m->config->workers;
	cpu_set_t cpus;

	if (n == 0)
		n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
	return n < WORKERS_MAX ? n : WORKERS_MAX;
}

static int
run_worker(const struct master *m, const struct child *c, const struct child_seed *s)
{
	struct worker_seed seed = {
		.config = m->config,
		.index = c->index,
		.n_workers = count_workers(m),
		.generation = c->generation,
		.slot = s->slot,
		.policy = s->policy,
		.n_listen = m->listeners.n,
		.master_fd = s->master_fd,
	};

	for (unsigned i = 0; i < m->listeners.n; i++)
		seed.listen_fds[i] = m->listeners.all[i].fd;
	return worker_main(&seed);
}

const struct role roles[] = {
	{ .name = "worker",
	    .run = run_worker,
	    .count = count_workers,
	    .has_slot = true,
	    .listens = true,
	    .respawn = true },
};
const unsigned n_roles = sizeof(roles) / sizeof(roles[0]);
