// SPDX-License-Identifier: MIT
/*
 * The one door for change, see transition.h. Master process. m->policy and m->remembered are
 * written here and nowhere else. When a change is finished: transition_receipt.c.
 */
#include "daemon/transition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/modelid.h"
#include "daemon/cause.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/transition_plan.h"
#include "daemon/upgrade.h"
#include "worker/worker.h"

/* ---- is it legal? ---------------------------------------------------------------------------- */

static const struct config_release *
config_of(const struct master *m, const char *name)
{
	return config_find_release(m->config, name, strlen(name));
}

static enum ctl_code
unknown_release(const struct master *m, const char *name, struct err *e)
{
	char names[256] = "";
	size_t n = 0;

	for (unsigned i = 0; i < m->config->n_releases && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i > 0 ? ", " : "",
		    m->config->releases[i].name);
	err_set(e, "there is no release \"%s\"; the config has %s", name, n > 0 ? names : "none");
	return CTL_REFUSED;
}

/* Puts a ruling into force on the policy to be. */
static void
plan_ruling(struct plan *p, struct policy_release *r, const struct release_ruling *ruling)
{
	uint16_t share_bp = r->share_bp;

	if (!ruling->changes)
		return;
	p->changed = true;
	p->revision = p->next.revision;
	*r = ruling->next;
	r->revision = p->next.revision;
	r->changed_wall_us = clock_wall_us();
	if (ruling->begins)
		r->rollout_id = r->revision;
	if (ruling->begins || r->share_bp != share_bp)
		r->share_revision = r->revision;
}

static enum ctl_code
plan_release(const struct master *m, struct plan *p, struct policy_release *r, struct err *e)
{
	const struct change *change = p->change;
	const struct config_release *c = config_of(m, r->name);
	struct release_ruling ruling;
	struct release_case facts = { .now = r,
		.config = c,
		.wall_us = clock_wall_us(),
		.command = change->command,
		.share_bp = change->share_bp,
		.hold = change->hold,
		.waive = change->waive,
		.until_us = change->until_us,
		.cut = change->cut };

	if (change->if_revision != 0 && change->if_revision != r->revision) {
		err_set(e, "release \"%s\" has revision %llu, not %llu: somebody changed it",
		    r->name, (unsigned long long)r->revision,
		    (unsigned long long)change->if_revision);
		return CTL_CONFLICT;
	}
	release_decide(&facts, &ruling);
	if (!ruling.legal) {
		err_set(e, "release \"%s\" %s", r->name, ruling.text);
		return CTL_REFUSED;
	}
	if (p->revision < r->revision)
		p->revision = r->revision;
	plan_ruling(p, r, &ruling);
	return CTL_OK;
}

/* Also a change that was journaled and then not published has used up its revision. */
uint64_t
plan_next_revision(const struct master *m)
{
	uint64_t journaled = m->journal != NULL ? journal_revision(m) : 0;

	return (journaled > m->policy.revision ? journaled : m->policy.revision) + 1;
}

/* Judges a change by the policy of now. */
static enum ctl_code
plan_make(const struct master *m, struct plan *p, struct err *e)
{
	const struct change *change = p->change;
	enum ctl_code code = CTL_OK;

	p->next = m->policy;
	p->next.revision = plan_next_revision(m);
	if (change->command != COMMAND_ROLLBACK && change->share_bp > SHARE_FULL_BP) {
		err_set(e, "a share is 0 to 100 %%");
		return CTL_USAGE;
	}
	if (change->release == NULL && !release_takes_all(change->command)) {
		err_set(e, "name one release");
		return CTL_USAGE;
	}
	if (change->release == NULL && change->if_revision != 0) {
		err_set(e, "if_revision is the revision of one release: name it");
		return CTL_USAGE;
	}
	if (change->release != NULL && policy_find(&m->policy, change->release) == NULL)
		return unknown_release(m, change->release, e);
	for (uint32_t i = 0; i < p->next.n_releases && code == CTL_OK; i++) {
		struct policy_release *r = &p->next.releases[i];

		if (change->release == NULL || strcmp(r->name, change->release) == 0)
			code = plan_release(m, p, r, e);
	}
	return code;
}

bool
transition_would_begin(const struct master *m, const struct change *c)
{
	struct plan plan = { .change = c };
	struct err e;

	if (c->release == NULL || policy_find(&m->policy, c->release) == NULL ||
	    plan_make(m, &plan, &e) != CTL_OK)
		return false;
	return policy_find(&plan.next, c->release)->rollout_id == plan.next.revision;
}

/* ---- publish --------------------------------------------------------------------------------- */

/* Nobody sits before what the guard and the plan do: the log says it aloud where somebody has to
 * look. */
static enum log_level
level_of(const struct change *c)
{
	bool by_itself = strcmp(c->actor.name, "guard") == 0 || strcmp(c->actor.name, "plan") == 0;

	return by_itself && (c->command == COMMAND_ROLLBACK || c->command == COMMAND_PAUSE)
		   ? LOG_WARN
		   : LOG_INFO;
}

static void
tell_change(struct master *m, const struct policy *before, const struct plan *p)
{
	const struct change *change = p->change;

	for (uint32_t i = 0; i < before->n_releases; i++) {
		const struct policy_release *old = &before->releases[i];
		const struct policy_release *new = policy_find(&p->next, old->name);

		if (new == NULL || new->revision == old->revision)
			continue;
		cause_note(m, old, new, change);
		log_event(level_of(change), "transition",
		    "%s: %s %u.%02u %% -> %s %u.%02u %%, revision %llu, by %s (uid %u): %s%s%s",
		    new->name, release_state_name(old->state), old->share_bp / 100u,
		    old->share_bp % 100u, release_state_name(new->state), new->share_bp / 100u,
		    new->share_bp % 100u, (unsigned long long)new->revision, change->actor.name,
		    change->actor.uid, release_command_names[change->command],
		    change->reason != NULL ? ", " : "",
		    change->reason != NULL ? change->reason : "");
	}
}

static void
publish(struct master *m, struct policy *next)
{
	next->published_mono_us = clock_mono_us();
	policy_publish(&m->store, next);
	m->policy = *next;
}

static uint64_t
candidate_in_flight(const struct master *m, const struct change *c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < m->policy.n_releases; i++) {
		const char *name = m->policy.releases[i].name;

		if (c->release == NULL || strcmp(c->release, name) == 0)
			sum += slots_in_flight(&m->slots, name, ARM_CANDIDATE);
	}
	return sum;
}

/* ---- repeated commands ----------------------------------------------------------------------- */

static const struct remembered_id *
recall(const struct master *m, const struct change *c)
{
	for (unsigned i = 0; c->request_id != NULL && i < REMEMBERED_IDS; i++) {
		const struct remembered_id *r = &m->remembered[i];

		if (r->revision != 0 && r->uid == c->actor.uid && strcmp(r->id, c->request_id) == 0)
			return r;
	}
	return NULL;
}

static bool
is_same_command(const struct remembered_id *r, const struct change *c)
{
	return r->command == c->command && r->share_bp == c->share_bp &&
	       (r->from_journal || (r->waive == c->waive && r->cut == c->cut)) &&
	       strcmp(r->release, c->release != NULL ? c->release : "") == 0;
}

void
transition_remember(struct master *m, const struct remembered_id *id)
{
	m->remembered[m->n_remembered++ % REMEMBERED_IDS] = *id;
}

static void
remember(struct master *m, const struct change *c, uint64_t revision)
{
	struct remembered_id r = { .uid = c->actor.uid,
		.command = c->command,
		.share_bp = c->share_bp,
		.waive = c->waive,
		.cut = c->cut,
		.revision = revision };

	if (c->request_id == NULL || strlen(c->request_id) >= sizeof(r.id))
		return;
	snprintf(r.id, sizeof(r.id), "%s", c->request_id);
	snprintf(r.release, sizeof(r.release), "%s", c->release != NULL ? c->release : "");
	transition_remember(m, &r);
}

enum ctl_code
plan_command(const struct master *m, struct plan *p, struct err *e)
{
	const struct change *c = p->change;
	const struct remembered_id *known = recall(m, c);

	/* Carelessness with ids must not stand in the way of a rollback, and twice is no harm. */
	if (known == NULL || c->command == COMMAND_ROLLBACK)
		return plan_make(m, p, e);
	if (is_same_command(known, c)) {
		p->revision = known->revision;
		return CTL_OK;
	}
	err_set(e, "the request id \"%s\" was used for another command", c->request_id);
	return CTL_CONFLICT;
}

/* ---- the door -------------------------------------------------------------------------------- */

static void
on_written(struct master *m, const struct err *failure, void *arg)
{
	struct pending_change *p = arg;

	p->unwritten = false;
	if (failure == NULL)
		p->receipt.journal_us = clock_mono_us() - p->received_us;
	transition_check(m);
}

/* After the publish: whatever becomes of the record, the change holds. */
static void
write_down(struct master *m, const struct plan *plan, const struct policy *before,
    struct pending_change *p)
{
	const struct journal_entry entry = {
		.change = plan->change, .before = before, .after = &plan->next
	};
	struct err e;

	if (journal_write(m, &entry, p != NULL ? on_written : NULL, p, &e) != 0)
		log_event(LOG_ERROR, "journal_failed", "%s", e.msg);
	else if (p != NULL)
		p->unwritten = true;
}

/* From here on nothing can fail, and nothing may wait. */
static void
put_in_force(struct master *m, struct plan *plan, struct pending_change *p)
{
	struct policy before = m->policy;

	if (m->journal != NULL && !plan->journaled) {
		raise_supersede(m, plan);
		if (audit_raises(&plan->next, &before))
			journal_mark(m, &before, &plan->next, plan->next.revision);
	}
	publish(m, &plan->next);
	if (p != NULL)
		p->receipt.candidate_in_flight = candidate_in_flight(m, plan->change);
	predecessor_publish(m);
	if (m->journal != NULL && !plan->journaled)
		write_down(m, plan, &before, p);
	tell_change(m, &before, plan);
	remember(m, plan->change, plan->next.revision);
}

void
plan_carry_out(struct master *m, struct plan *plan, struct pending_change *p)
{
	if (plan->changed)
		put_in_force(m, plan, p);
	if (p == NULL)
		return;
	p->published_us = plan->changed ? m->policy.published_mono_us : clock_mono_us();
	p->receipt.changed = plan->changed;
	p->receipt.revision = plan->revision;
	p->policy = m->policy;
	p->receipt.policy = &p->policy;
	if (p->published_us > p->received_us)
		p->receipt.publish_us = p->published_us - p->received_us;
	receipt_await(m, p);
	transition_check(m);
}

enum ctl_code
transition_apply(
    struct master *m, const struct change *c, transition_done_fn *done, void *arg, struct err *e)
{
	struct pending_change *p;
	struct plan plan = { .change = c };
	enum ctl_code code;

	if (upgrade_closes_door(m) && (c->command != COMMAND_ROLLBACK || !upgrade_give_way(m))) {
		err_set(e, "grayd hands over to another binary: try again");
		return CTL_BUSY;
	}
	code = plan_command(m, &plan, e);
	if (code != CTL_OK)
		return code;
	p = calloc(1, sizeof(*p));
	if (p != NULL) {
		p->rollback = c->command == COMMAND_ROLLBACK;
		p->received_us = c->received_us != 0 ? c->received_us : clock_mono_us();
		p->done = done;
		p->arg = arg;
	} else if (c->command != COMMAND_ROLLBACK) {
		err_set(e, "out of memory: nothing was changed");
		return CTL_INTERNAL;
	}
	if (p != NULL && m->journal != NULL && plan.changed &&
	    audit_raises(&m->policy, &plan.next)) {
		code = raise_begin(m, &plan, p, e);
		if (code != CTL_OK)
			free(p);
		return code;
	}
	plan_carry_out(m, &plan, p);
	if (p != NULL)
		return CTL_OK;
	err_set(e, "the rollback is published, but there is no memory to wait for its receipt");
	return CTL_INTERNAL;
}

void
transition_forget(struct master *m, const void *arg)
{
	for (struct pending_change *p = m->pending; p != NULL; p = p->next) {
		if (p->arg == arg)
			p->done = NULL;
	}
	raise_forget(m, arg);
}

void
transition_begin(struct master *m)
{
	const struct config *c = m->config;

	memset(&m->policy, 0, sizeof(m->policy));
	m->policy.revision = 1;
	m->policy.n_releases = c->n_releases;
	for (unsigned i = 0; i < c->n_releases; i++) {
		struct policy_release *r = &m->policy.releases[i];

		snprintf(r->name, sizeof(r->name), "%s", c->releases[i].name);
		r->revision = m->policy.revision;
		r->changed_wall_us = clock_wall_us();
		r->state = STATE_IDLE;
	}
	if (m->journal != NULL)
		journal_restore(m, &m->policy);
	for (unsigned i = 0; i < c->n_releases; i++)
		modelid_release(&c->releases[i], m->policy.releases[i].models);
	m->policy.published_mono_us = clock_mono_us();
	policy_publish(&m->store, &m->policy);
	if (m->journal != NULL)
		journal_recall_causes(m);
	receipt_set_acked(m, &m->policy);
}

void
transition_end(struct master *m)
{
	cause_end(m);
	raise_end(m);
	while (m->pending != NULL) {
		struct pending_change *p = m->pending;

		m->pending = p->next;
		receipt_free(m, p);
	}
}
