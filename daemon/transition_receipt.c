// SPDX-License-Identifier: MIT
/*
 * When a change is finished, and what its receipt says; see transition.h. Master process. m->acked
 * and m->pending are written here and nowhere else. A change is finished when no live process can
 * act on an older policy: each worker that was there at the publish has acknowledged or is dead and
 * reaped; younger ones were born with the new policy.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/transition_plan.h"

/* A worker that has not acknowledged by then is killed. */
#define ROLLBACK_ACK_US (1 * US_PER_S)
#define CHANGE_ACK_US	(10 * US_PER_S)
#define RELAY_US	(500 * US_PER_MS) /* more for the master before an upgrade */
/* How long a receipt waits for the record of a change that holds already. */
#define JOURNAL_WAIT_US (100 * US_PER_MS)

bool
receipt_awaits(const struct child *c)
{
	return child_alive(c) && c->slot > 0;
}

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
		n += receipt_awaits(&s->children[i]) &&
		     has_acknowledged(m, &s->children[i], revision);
	return n;
}

/* Whether a child stands in the way of a revision that was published at `published_us`. */
static bool
is_missing(const struct master *m, const struct child *c, uint64_t revision, uint64_t published_us)
{
	return receipt_awaits(c) && c->started_us <= published_us &&
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

void
receipt_free(struct master *m, struct pending_change *p)
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
	receipt_free(m, p);
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

		if (!receipt_awaits(c) || acked_revision(m, c) != p->receipt.revision)
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

void
receipt_set_acked(struct master *m, const struct policy *p)
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
		receipt_set_acked(m, newest);
	/* `done` may change the list. */
	while ((p = take_finished(m)) != NULL)
		finish(m, p);
	raise_move_line(m);
}

void
receipt_await(struct master *m, struct pending_change *p)
{
	struct pending_change **at = &m->pending;

	while (*at != NULL)
		at = &(*at)->next;
	*at = p;
}
