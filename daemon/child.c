// SPDX-License-Identifier: MIT
/*
 * From the fork to the role's own function, see child.h. What a child keeps is listed; every other
 * descriptor is closed, so nothing that the master opens some day can be forgotten here. The
 * master's writable mappings never reach a child (MADV_DONTFORK), and its loop is never touched: a
 * copy of it lies in memory, without a descriptor behind it.
 */
#include "daemon/child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/keys.h"
#include "common/log.h"
#include "common/title.h"
#include "daemon/crash.h"
#include "daemon/generation.h"
#include "daemon/journal.h"
#include "daemon/master.h"

#define KEEP_MAX (LISTEN_MAX + 6)

static int
compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes everything but `keep`. */
static int
close_others(int *keep, unsigned n, struct err *e)
{
	unsigned from = 0;

	qsort(keep, n, sizeof(*keep), compare_fds);
	for (unsigned i = 0; i < n; i++) {
		unsigned fd = (unsigned)keep[i];

		if (fd > from && close_range(from, fd - 1, 0) != 0)
			return err_sys(e, "cannot close the master's descriptors");
		from = fd + 1;
	}
	if (close_range(from, ~0u, 0) != 0)
		return err_sys(e, "cannot close the master's descriptors");
	return 0;
}

/* Ctrl-C and a service manager may reach every process of grayd at once; children leave only when
 * the master tells them to, or is gone. */
static int
reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
		if (sigaction(ignored[i], &ignore, NULL) != 0)
			return -1;
	}
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Everything of the master's that a child must not have goes here. */
static int
drop_all(const struct master *m, const struct child *c, int master_fd, struct err *e)
{
	int keep[KEEP_MAX] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, log_fd(), master_fd };
	unsigned n = 5;

	for (unsigned i = 0; c->role->listens && i < m->listeners.n; i++)
		keep[n++] = m->listeners.all[i].fd;
	if (c->role->has_slot)
		keep[n++] = m->store.bell;
	if (c->role->observes)
		keep[n++] = m->listeners.admin.fd;
	if (c->role->keeps_user) {
		keep[n++] = journal_lock_fd(m);
		keep[n++] = m->seen_fd;
	}
	if (close_others(keep, n, e) != 0)
		return -1;
	keys_forget(); /* what is kept for reloads */
	if (reset_signals() != 0)
		return err_sys(e, "cannot reset signals");
	if (c->role->keeps_user)
		return privilege_keep(e);
	return privilege_drop(&m->identity, e);
}

static int
take_shared(const struct master *m, const struct child *c, struct child_seed *seed, struct err *e)
{
	if (!c->role->has_slot && !c->role->observes)
		return 0;
	seed->policy = policy_map_readonly(m->store.fd, e);
	if (seed->policy == NULL)
		return -1;
	if (c->role->observes)
		return slots_map_readonly(&seed->slots, m->slots.fd, e) == 0 &&
			       limits_map_readonly(&seed->limits_view, m->limits.fd, e) == 0
			   ? 0
			   : -1;
	seed->seen = seen_map(m->seen_fd, e);
	if (seed->seen == NULL)
		return -1;
	seed->slot = slot_map_own(m->slots.fd, c->slot, e);
	seed->limits = limits_map(m->limits.fd, e);
	return seed->slot != NULL && seed->limits != NULL ? 0 : -1;
}

void
child_run(struct master *m, const struct child *c, int master_fd)
{
	struct child_seed seed = { .master_fd = master_fd };
	char name[32];
	struct err e;

	snprintf(name, sizeof(name), "%s %u", c->role->name, c->index);
	log_after_fork(name);
	generation_adopt(m, c->generation);
	title_set("grayd: %s", name);
	if (take_shared(m, c, &seed, &e) != 0 || drop_all(m, c, master_fd, &e) != 0) {
		log_event(LOG_ERROR, "start_failed", "%s", e.msg);
		exit(1);
	}
	crash_report(name);
	exit(c->role->run(m, c, &seed));
}
