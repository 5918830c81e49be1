// SPDX-License-Identifier: MIT
/*
 * The one door for change, see transition.h. Master process. m->policy, m->acked, m->pending and
 * m->remembered are written here and nowhere else. A change is finished when no live process can
 * act on an older policy: each worker that was there at the publish has acknowledged or is dead
 * and reaped; younger ones were born with the new policy.
 */
#include "daemon/transition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/modelid.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/transition_plan.h"
#include "daemon/upgrade.h"
#include "worker/worker.h"

/* A worker that has not acknowledged by then is killed. */
#define ROLLBACK_ACK_US (1 * US_PER_S)
#define CHANGE_ACK_US	(10 * US_PER_S)
#define RELAY_US	(500 * US_PER_MS) /* more for the master before an upgrade */
/* How long a receipt waits for the record of a change that holds already. */
#define JOURNAL_WAIT_US (100 * US_PER_MS)

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

static void
log_change(const struct policy *before, const struct plan *p)
{
	const struct change *change = p->change;

	for (uint32_t i = 0; i < before->n_releases; i++) {
		const struct policy_release *old = &before->releases[i];
		const struct policy_release *new = policy_find(&p->next, old->name);

		if (new == NULL || new->revision == old->revision)
			continue;
		log_event(LOG_INFO, "transition",
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

static bool
follows_policy(const struct child *c)
{
	return child_alive(c) && c->slot > 0;
}

static void
wake_workers(struct master *m)
{
	for (unsigned i = 0; i < m->supervisor.n_children; i++) {
		if (follows_policy(&m->supervisor.children[i]))
			supervisor_tell(&m->supervisor.children[i], MSG_POLICY, -1);
	}
	predecessor_publish(m);
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

static uint64_t
acked_revision(const struct master *m, const struct child *c)
{
	return atomic_load_explicit(&m->slots.all[c->slot].acked_revision, memory_order_acquire);
}

/* Whether a child will act on nothing older than `revision`. One that claims a revision which does
 * not exist yet is not believed. */
static bool
has_acknowledged(const struct master *m, const struct child *c, uint64_t revision)
{
	uint64_t acked = acked_revision(m, c);

	return acked >= revision && acked <= m->policy.revision;
}

static unsigned
count_acknowledged(const struct master *m, uint64_t revision)
{
	const struct supervisor *s = &m->supervisor;
	unsigned n = predecessor_acknowledged(m, revision);

	for (unsigned i = 0; i < s->n_children; i++)
		n += follows_policy(&s->children[i]) &&
		     has_acknowledged(m, &s->children[i], revision);
	return n;
}

/* Whether a child stands in the way of a revision that was published at `published_us`. */
static bool
is_missing(const struct master *m, const struct child *c, uint64_t revision, uint64_t published_us)
{
	return follows_policy(c) && c->started_us <= published_us &&
	       !has_acknowledged(m, c, revision);
}

static bool
all_acknowledged(const struct master *m, uint64_t revision, uint64_t published_us)
{
	const struct supervisor *s = &m->supervisor;

	for (unsigned i = 0; i < s->n_children; i++) {
		if (is_missing(m, &s->children[i], revision, published_us))
			return false;
	}
	return !predecessor_is_missing(m, revision);
}

/* Kills who has not acknowledged in time, or claims what cannot be. It is waited for no longer than
 * until it is reaped. */
static void
kill_missing(struct master *m, struct pending_change *p)
{
	uint64_t limit_us = p->rollback ? ROLLBACK_ACK_US : CHANGE_ACK_US;
	bool late = clock_mono_us() - p->published_us >= limit_us;

	for (unsigned i = 0; i < m->supervisor.n_children; i++) {
		struct child *c = &m->supervisor.children[i];

		if (c->killed || !is_missing(m, c, p->receipt.revision, p->published_us))
			continue;
		if (!late && acked_revision(m, c) <= m->policy.revision)
			continue;
		log_event(LOG_ERROR, "not_acknowledged",
		    "%s %u (pid %d) has not acknowledged revision %llu but says %llu: killed",
		    c->role->name, c->index, (int)c->pid, (unsigned long long)p->receipt.revision,
		    (unsigned long long)acked_revision(m, c));
		supervisor_kill(c);
		p->receipt.killed++;
	}
	/* The master before does the same, in its own time. */
	if (clock_mono_us() - p->published_us >= limit_us + RELAY_US &&
	    predecessor_is_missing(m, p->receipt.revision))
		predecessor_kill(m);
}

static void
pending_free(struct master *m, struct pending_change *p)
{
	if (p->unwritten)
		journal_abandon(m, p);
	free(p);
}

static void
finish(struct master *m, struct pending_change *p)
{
	if (p->done != NULL)
		p->done(&p->receipt, p->arg);
	pending_free(m, p);
}

/* When the last of them did: by the workers' own stamps, which the master's turn does not delay, as
 * far as they can be true. */
static uint64_t
last_acknowledged_us(const struct master *m, const struct pending_change *p, uint64_t now_us)
{
	uint64_t last_us = predecessor_acknowledged(m, p->receipt.revision) > 0 ? now_us : 0;

	for (unsigned i = 0; i < m->supervisor.n_children; i++) {
		const struct child *c = &m->supervisor.children[i];
		uint64_t at_us = tally_get(&m->slots.all[c->slot].acked_us);

		if (!follows_policy(c) || acked_revision(m, c) != p->receipt.revision)
			continue;
		if (at_us < p->published_us || at_us > now_us)
			at_us = now_us;
		if (at_us > last_us)
			last_us = at_us;
	}
	return last_us > 0 ? last_us : now_us;
}

/* What the workers have told of a rollback that all of them have acknowledged. */
static void
collect_rescued(const struct master *m, struct pending_change *p)
{
	struct rollback_sum sum = { 0 };

	for (uint32_t i = 0; i < p->policy.n_releases; i++) {
		const struct policy_release *r = &p->policy.releases[i];

		if (r->state == STATE_ROLLED_BACK && r->revision == p->receipt.revision)
			slots_add_rollback(&m->slots, r->name, r->revision, &sum);
	}
	p->receipt.rescued = sum.rescued;
	p->receipt.streaming = sum.streaming;
	p->receipt.candidate_at_us = sum.candidate_at_us;
	predecessor_add_rollback(m, &p->receipt);
}

/* Whether nothing is left to wait for: each worker has acknowledged, and the record is on disk. For
 * the disk nobody waits long. */
static bool
is_finished(const struct master *m, struct pending_change *p)
{
	uint64_t now_us = clock_mono_us(), acked_us;

	if (p->receipt.acknowledge_us == 0) {
		if (!all_acknowledged(m, p->receipt.revision, p->published_us))
			return false;
		acked_us = last_acknowledged_us(m, p, now_us) - p->published_us;
		p->receipt.acknowledge_us = acked_us > 0 ? acked_us : 1;
		p->receipt.acknowledged = count_acknowledged(m, p->receipt.revision);
		if (p->rollback)
			collect_rescued(m, p);
	}
	return !p->unwritten || now_us - p->published_us >= JOURNAL_WAIT_US;
}

/* Takes the first change off the list that nothing stands in the way of; NULL: there is none. */
static struct pending_change *
take_finished(struct master *m)
{
	for (struct pending_change **at = &m->pending; *at != NULL; at = &(*at)->next) {
		struct pending_change *p = *at;

		if (is_finished(m, p)) {
			*at = p->next;
			return p;
		}
		if (p->receipt.acknowledge_us == 0)
			kill_missing(m, p);
	}
	return NULL;
}

/* Slot 0 says the same to whoever serves figures. */
static void
set_acked(struct master *m, const struct policy *p)
{
	m->acked = *p;
	atomic_store_explicit(&m->slots.all[0].acked_revision, p->revision, memory_order_release);
}

void
transition_check(struct master *m)
{
	const struct policy *newest = &m->policy;
	struct pending_change *p;

	if (m->acked.revision != newest->revision &&
	    all_acknowledged(m, newest->revision, newest->published_mono_us))
		set_acked(m, newest);
	/* `done` may change the list. */
	while ((p = take_finished(m)) != NULL)
		finish(m, p);
	raise_move_line(m);
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

/* Last in line, so that receipts come in the order of the changes. */
static void
enqueue(struct master *m, struct pending_change *p)
{
	struct pending_change **at = &m->pending;

	while (*at != NULL)
		at = &(*at)->next;
	*at = p;
}

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
	wake_workers(m);
	if (m->journal != NULL && !plan->journaled)
		write_down(m, plan, &before, p);
	log_change(&before, plan);
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
	enqueue(m, p);
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
	set_acked(m, &m->policy);
}

void
transition_end(struct master *m)
{
	raise_end(m);
	while (m->pending != NULL) {
		struct pending_change *p = m->pending;

		m->pending = p->next;
		pending_free(m, p);
	}
}
