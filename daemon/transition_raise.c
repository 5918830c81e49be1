// SPDX-License-Identifier: MIT
/*
 * Changes that expose more of a candidate: each is written and synced before it is published, one
 * after the other, in the order in which they came. Master process. m->raising is the line; its
 * first one is being written. It was planned on the policy of that moment, so whatever else is
 * published meanwhile supersedes it; who stands behind it is judged anew when its turn comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/transition_plan.h"

/* Callers may leave, their changes stay: a disk that hangs must not gather them without end. */
#define LINE_MAX 64

/* A change that outlives the call that brought it. */
struct raise {
	struct change change;
	char *release, *reason, *evidence, *request_id; /* its strings; NULL where it has none */
	struct plan plan;
	bool writing;
};

static void
raise_free(struct raise *r)
{
	if (r == NULL)
		return;
	free(r->release);
	free(r->reason);
	free(r->evidence);
	free(r->request_id);
	free(r);
}

/* False: out of memory. */
static bool
copy_text(char **out, const char **text)
{
	if (*text == NULL)
		return true;
	*out = strdup(*text);
	*text = *out;
	return *out != NULL;
}

static struct raise *
raise_new(const struct change *c)
{
	struct raise *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->change = *c;
	if (copy_text(&r->release, &r->change.release) &&
	    copy_text(&r->reason, &r->change.reason) &&
	    copy_text(&r->evidence, &r->change.evidence) &&
	    copy_text(&r->request_id, &r->change.request_id))
		return r;
	raise_free(r);
	return NULL;
}

/* Takes a change out of the line. */
static struct raise *
leave_line(struct master *m, struct pending_change *p)
{
	struct pending_change **at = &m->raising;
	struct raise *r = p->raise;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->next = NULL;
	p->raise = NULL;
	return r;
}

static void
refuse(struct master *m, struct pending_change *p, enum ctl_code code, const struct err *e)
{
	raise_free(leave_line(m, p));
	p->receipt.code = code;
	p->receipt.error = *e;
	if (p->done != NULL)
		p->done(&p->receipt, p->arg);
	free(p);
}

static void on_journaled(struct master *m, const struct err *failure, void *arg);

static enum ctl_code
begin_writing(struct master *m, struct pending_change *p, const struct plan *plan, struct err *e)
{
	const struct journal_entry entry = { .change = &p->raise->change,
		.before = &m->policy,
		.after = &plan->next,
		.raises = true };

	if (journal_may_raise(m, e) != 0)
		return CTL_REFUSED;
	p->raise->plan = *plan;
	p->raise->plan.change = &p->raise->change;
	p->raise->plan.journaled = true;
	if (journal_write(m, &entry, on_journaled, p, e) != 0)
		return CTL_INTERNAL;
	p->raise->writing = true;
	return CTL_OK;
}

/* It is first in line: judges it by what holds now. */
static void
take_turn(struct master *m, struct pending_change *p)
{
	struct plan plan = { .change = &p->raise->change };
	struct raise *r;
	struct err e;
	enum ctl_code code = plan_command(m, &plan, &e);

	if (code == CTL_OK && plan.changed && audit_raises(&m->policy, &plan.next))
		code = begin_writing(m, p, &plan, &e);
	else if (code == CTL_OK) {
		r = leave_line(m, p);
		plan_carry_out(m, &plan, p);
		raise_free(r);
	}
	if (code != CTL_OK)
		refuse(m, p, code, &e);
}

void
raise_move_line(struct master *m)
{
	/* Whoever has its turn may be carried out, which looks at the line again. */
	if (m->line_moves)
		return;
	m->line_moves = true;
	while (m->raising != NULL && !m->raising->raise->writing)
		take_turn(m, m->raising);
	m->line_moves = false;
}

static void
on_journaled(struct master *m, const struct err *failure, void *arg)
{
	struct pending_change *p = arg;
	struct raise *r = p->raise;

	if (failure != NULL) {
		struct err e = *failure;

		err_prefix(&e, "nothing was changed, since the journal cannot be written");
		refuse(m, p, CTL_REFUSED, &e);
	} else {
		leave_line(m, p);
		p->receipt.journal_us = clock_mono_us() - p->received_us;
		plan_carry_out(m, &r->plan, p);
		raise_free(r);
	}
	raise_move_line(m);
}

enum ctl_code
raise_begin(struct master *m, const struct plan *plan, struct pending_change *p, struct err *e)
{
	struct pending_change **at = &m->raising;
	enum ctl_code code = CTL_OK;
	unsigned n = 0;

	for (; *at != NULL; at = &(*at)->next)
		n++;
	if (n >= LINE_MAX) {
		err_set(e, "%u changes wait for the disk already: nothing was changed", n);
		return CTL_BUSY;
	}
	p->raise = raise_new(plan->change);
	if (p->raise == NULL) {
		err_set(e, "out of memory: nothing was changed");
		return CTL_INTERNAL;
	}
	if (m->raising == NULL)
		code = begin_writing(m, p, plan, e);
	if (code != CTL_OK) {
		raise_free(p->raise);
		return code;
	}
	*at = p;
	return CTL_OK;
}

/* Whoever named a revision that somebody has changed meanwhile is told just that. */
static enum ctl_code
code_of_superseded(const struct master *m, const struct change *c, const struct policy *next)
{
	const struct policy_release *old, *new;

	if (c->if_revision == 0)
		return CTL_REFUSED;
	old = policy_find(&m->policy, c->release);
	new = policy_find(next, c->release);
	return new == NULL || old->revision != new->revision ? CTL_CONFLICT : CTL_REFUSED;
}

void
raise_supersede(struct master *m, const struct plan *by)
{
	struct pending_change *p = m->raising;
	const struct change *c = by->change;
	struct err e;

	if (p == NULL || !p->raise->writing)
		return;
	journal_abandon(m, p);
	/* Its record may be the last one on disk if we die before the next one is there. */
	journal_mark(m, &m->policy, &p->raise->plan.next, by->next.revision);
	err_set(&e, "superseded before it was published, by %s of %s: nothing was changed",
	    release_command_names[c->command], c->actor.name);
	log_event(LOG_WARN, "superseded", "%s by %s: %s",
	    release_command_names[p->raise->change.command], p->raise->change.actor.name, e.msg);
	refuse(m, p, code_of_superseded(m, &p->raise->change, &by->next), &e);
}

void
raise_forget(struct master *m, const void *arg)
{
	for (struct pending_change *p = m->raising; p != NULL; p = p->next) {
		if (p->arg == arg)
			p->done = NULL;
	}
}

void
raise_end(struct master *m)
{
	while (m->raising != NULL) {
		struct pending_change *p = m->raising;

		if (p->raise->writing)
			journal_abandon(m, p);
		raise_free(leave_line(m, p));
		free(p);
	}
}
