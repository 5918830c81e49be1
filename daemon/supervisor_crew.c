// SPDX-License-Identifier: MIT
/*
 * Children by the generation they belong to, see supervisor.h: added beside those that are there,
 * held, let loose, retired. Master process. Forking and reaping is done in supervisor.c alone.
 */
#include <sys/socket.h>

#include "daemon/master.h"
#include "daemon/roles.h"
#include "worker/worker.h"

/* Whether there are slots and entries for as many children as the config says. */
static bool
has_room(const struct master *m)
{
	const struct supervisor *s = &m->supervisor;
	unsigned wanted = 0, slots_wanted = 0, used = 0, slots_used = 0;

	for (unsigned i = 0; i < s->n_children; i++) {
		bool there = s->children[i].state != CHILD_NONE;

		used += there;
		slots_used += there && s->children[i].role->has_slot;
	}
	for (unsigned r = 0; r < n_roles; r++) {
		unsigned count = roles[r].lasting ? 0 : roles[r].count(m);

		wanted += count;
		slots_wanted += roles[r].has_slot ? count : 0;
	}
	return used + wanted <= CHILDREN_MAX && slots_used + slots_wanted <= SLOTS_MAX - 1;
}

int
supervisor_add_generation(struct master *m, uint64_t generation, struct err *e)
{
	if (!has_room(m))
		return err_set(e,
		    "too many workers of earlier generations still finish their requests: try "
		    "again when some of them have left (grayctl workers)");
	for (unsigned r = 0; r < n_roles; r++) {
		if (!roles[r].lasting)
			supervisor_add_role(m, &roles[r], generation, true);
	}
	return 0;
}

void
supervisor_serve(struct master *m, uint64_t generation)
{
	struct supervisor *s = &m->supervisor;

	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];

		if (c->state == CHILD_NONE || c->generation != generation || !c->held)
			continue;
		c->held = false;
		/* Its successor will serve from the start. */
		if ((c->role->has_slot || c->role->observes) && child_alive(c) &&
		    !supervisor_tell(c, MSG_SERVE, -1))
			supervisor_kill(c);
	}
}

/* Whether a role has its children already. One that was told to leave and has not yet is replaced
 * when it does. */
static bool
is_there(struct supervisor *s, const struct role *role)
{
	bool there = false;

	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];

		if (c->state == CHILD_NONE || c->role != role)
			continue;
		there = true;
		if (c->state != CHILD_DRAINING)
			continue;
		c->state = CHILD_READY;
		c->leave_by_us = 0;
	}
	return there;
}

void
supervisor_start_lasting(struct master *m)
{
	for (unsigned r = 0; r < n_roles; r++) {
		if (roles[r].lasting && !is_there(&m->supervisor, &roles[r]))
			supervisor_add_role(m, &roles[r], m->generation, false);
	}
}

bool
supervisor_dismiss_lasting(struct master *m, uint64_t deadline_us)
{
	struct supervisor *s = &m->supervisor;
	bool gone = true;

	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];

		if (c->state == CHILD_NONE || !c->role->lasting)
			continue;
		if (c->leave_by_us == 0) {
			supervisor_dismiss(c, MSG_DRAIN, deadline_us);
			/* What writes for others heeds no word, but the end of its orders. */
			if (c->fd >= 0)
				shutdown(c->fd, SHUT_WR);
		}
		gone &= c->state == CHILD_NONE;
	}
	return gone;
}

struct supervisor_progress
supervisor_progress(const struct master *m, uint64_t generation)
{
	const struct supervisor *s = &m->supervisor;
	struct supervisor_progress p = { 0 };

	for (unsigned i = 0; i < s->n_children; i++) {
		const struct child *c = &s->children[i];

		if (c->state == CHILD_NONE || c->generation != generation || c->role->lasting ||
		    c->role->aside)
			continue;
		p.children++;
		p.ready += c->state == CHILD_READY;
		if (c->failures > p.failures)
			p.failures = c->failures;
	}
	return p;
}

void
supervisor_retire(struct master *m, uint64_t generation, uint64_t deadline_us)
{
	struct supervisor *s = &m->supervisor;

	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];

		if (!c->role->lasting && c->generation == generation && c->leave_by_us == 0)
			supervisor_dismiss(c, MSG_RETIRE, deadline_us);
	}
}

void
supervisor_retire_others(struct master *m, uint64_t generation, uint64_t deadline_us)
{
	struct supervisor *s = &m->supervisor;

	for (unsigned i = 0; i < s->n_children; i++) {
		if (s->children[i].generation != generation)
			supervisor_retire(m, s->children[i].generation, deadline_us);
	}
}
