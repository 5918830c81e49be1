// SPDX-License-Identifier: MIT
/*
 * The kinds of children, in one table: name, what runs in the child, how many, what it gets. What a
 * role runs sees the master's memory as it was at the fork; it must use nothing of it but the
 * config and what it was seeded with.
 */
#include "daemon/roles.h"

#include <sched.h>

#include "daemon/journal.h"
#include "daemon/journal_writer.h"
#include "daemon/master.h"
#include "daemon/validation.h"
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
		.seen = s->seen,
		.policy = s->policy,
		.policy_bell = m->store.bell,
		.limits = s->limits,
		.seat = c->seat,
		.n_listen = m->listeners.n,
		.master_fd = s->master_fd,
		.held = c->held,
	};

	for (unsigned i = 0; i < m->listeners.n; i++)
		seed.listen_fds[i] = m->listeners.all[i].fd;
	return worker_main(&seed);
}

static unsigned
count_admins(const struct master *m)
{
	return m->listeners.admin.fd >= 0;
}

/* It asks no provider anything, and it talks to strangers. */
static void
forget_keys(const struct config *c)
{
	for (unsigned i = 0; i < c->n_providers; i++) {
		secret_free(c->providers[i].api_key);
		c->providers[i].api_key = NULL;
	}
}

static int
run_admin(const struct master *m, const struct child *c, const struct child_seed *s)
{
	const struct admin_seed seed = {
		.config = m->config,
		.slots = &s->slots,
		.policy = s->policy,
		.limits = s->limits_view.region,
		.started_wall_us = m->started_wall_us,
		.started_mono_us = m->started_mono_us,
		.listen_fd = m->listeners.admin.fd,
		.master_fd = s->master_fd,
		.held = c->held,
	};

	forget_keys(m->config);
	return admin_main(&seed);
}

static unsigned
count_journals(const struct master *m)
{
	return journal_lock_fd(m) >= 0;
}

static int
run_journal(const struct master *m, const struct child *c, const struct child_seed *s)
{
	const struct journal_writer_seed seed = { .path = journal_path(m),
		.master_fd = s->master_fd,
		.lock_fd = journal_lock_fd(m),
		.seen_fd = m->seen_fd };

	(void)c;
	forget_keys(m->config);
	return journal_writer_main(&seed);
}

static unsigned
count_probers(const struct master *m)
{
	return validation_is_wanted(m->config);
}

static int
run_prober(const struct master *m, const struct child *c, const struct child_seed *s)
{
	const struct prober_seed seed = { .config = m->config, .master_fd = s->master_fd };

	(void)c;
	return prober_main(&seed);
}

const struct role roles[] = {
	{ .name = "worker",
	    .run = run_worker,
	    .count = count_workers,
	    .has_slot = true,
	    .listens = true,
	    .respawn = true },
	{ .name = "admin",
	    .run = run_admin,
	    .count = count_admins,
	    .observes = true,
	    .respawn = true },
	{ .name = "prober",
	    .run = run_prober,
	    .count = count_probers,
	    .started = validation_started,
	    .heard = validation_heard,
	    .ended = validation_ended,
	    .aside = true,
	    .respawn = true },
	{ .name = "journal",
	    .run = run_journal,
	    .count = count_journals,
	    .started = journal_writer_started,
	    .heard = journal_writer_heard,
	    .ended = journal_writer_ended,
	    .keeps_user = true,
	    .lasting = true,
	    .respawn = true },
};
const unsigned n_roles = sizeof(roles) / sizeof(roles[0]);
