// SPDX-License-Identifier: MIT
/*
 * The evidence beyond the life of a master; see guard.h. While rollouts go on, what is counted goes
 * to disk every few seconds, and at an upgrade to the new binary, each time together with the keys
 * that were met: evidence without them would count known users anew, as if they were other ones.
 * Master process.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "daemon/dossier.h"
#include "daemon/guard_state.h"
#include "daemon/journal.h"
#include "daemon/master.h"

/* Between two times; and longer where many keys make it much that is written. */
#define KEEP_US		 (10 * (uint64_t)US_PER_S)
#define KEEP_BYTES_PER_S (256 * 1024)

/* ---- giving ---------------------------------------------------------------------------------- */

static bool
goes_on(const struct policy_release *now)
{
	return now->rollout_id != 0 && release_exposed(now->state);
}

int
guard_print_evidence(struct master *m, struct buf *out)
{
	static const struct verdict_span none;
	static struct evidence sum; /* the master has one thread */
	int rc = dossier_begin(out);

	for (uint32_t i = 0; i < m->policy.n_releases && rc == 0; i++) {
		const struct policy_release *now = &m->policy.releases[i];
		const struct watched *w = m->guard != NULL ? guard_find(m->guard, now->name) : NULL;

		if (!goes_on(now))
			continue;
		slots_sum_evidence(&m->slots, now->name, now->rollout_id, &sum);
		if (sum.n_shares > 0)
			rc = dossier_add(out, now,
			    w != NULL && w->rollout_id == now->rollout_id ? &w->span : &none, &sum);
	}
	return rc;
}

void
guard_keep(struct master *m, bool last)
{
	static const struct hash_key key = { "grayd-evidence" };
	struct guard *g = m->guard;
	struct buf text = { 0 };
	uint64_t now_us = clock_mono_us(), hash;

	if (g == NULL || m->seen == NULL || (!last && now_us < g->keep_at_us))
		return;
	g->keep_at_us = now_us + KEEP_US + seen_save_bytes(m->seen) * US_PER_S / KEEP_BYTES_PER_S;
	if (guard_print_evidence(m, &text) == 0) {
		hash = hash64(&key, buf_bytes(&text), buf_len(&text));
		if (hash != g->kept && journal_keep(m, &text) == 0)
			g->kept = hash;
	}
	buf_free(&text);
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* What was taken of this rollout before; emptied for another one. NULL: no room. */
static struct dossier_release *
told_of(struct dossier *told, const struct dossier_release *r)
{
	struct dossier_release *had = dossier_find(told, r->name);

	if (had == NULL && told->n == RELEASES_MAX)
		return NULL;
	if (had == NULL)
		had = &told->all[told->n++];
	if (had->evidence.rollout_id != r->evidence.rollout_id) {
		memset(had, 0, sizeof(*had));
		memcpy(had->name, r->name, sizeof(had->name));
		had->evidence.rollout_id = r->evidence.rollout_id;
	}
	return had;
}

static bool
is_of(const struct dossier_release *r, const struct policy_release *now)
{
	return now != NULL && goes_on(now) && now->rollout_id == r->evidence.rollout_id &&
	       memcmp(now->models, r->models, sizeof(now->models)) == 0;
}

/* What was thought without it is void, and none of it is fresh. */
static void
begin_with(struct watched *w, const struct dossier_release *r)
{
	w->rollout_id = r->evidence.rollout_id;
	w->span = r->span;
	w->before = UINT64_MAX;
	w->judged_us = 0;
	log_event(
	    LOG_INFO, "evidence_taken", "%s: the guard goes on with the evidence so far", r->name);
}

static void
take_release(struct master *m, const struct dossier_release *r, struct dossier *told, bool begins)
{
	static struct evidence more; /* the master has one thread */
	struct slot_release *into = slot_release_tally(&m->slots.all[0], r->name);
	struct dossier_release *had = told_of(told, r);
	struct watched *w = guard_find(m->guard, r->name);

	if (into == NULL || had == NULL || w == NULL)
		return;
	evidence_more(&r->evidence, &had->evidence, &more);
	if (!slot_evidence_add(&into->evidence, &more)) {
		log_event(LOG_WARN, "evidence_lost",
		    "%s: the evidence of the grayd before this one cannot be, and is left out",
		    r->name);
		return;
	}
	if (begins)
		begin_with(w, r);
}

static int
take(struct master *m, struct dossier *now, struct dossier *told, struct err *e)
{
	bool begins = now->keys_n > 0; /* what comes later has none */

	if (begins && seen_load(m->seen, now->keys, now->keys_n) != 0)
		return err_set(e, "its sticky keys cannot be read");
	/* What the tables hold is not what a first tick has to forget. */
	if (begins)
		m->guard->ticked = false;
	for (unsigned i = 0; i < now->n; i++) {
		const struct dossier_release *r = &now->all[i];

		if (is_of(r, policy_find(&m->policy, r->name)))
			take_release(m, r, told, begins);
	}
	return 0;
}

int
guard_take_evidence(
    struct master *m, const void *bytes, size_t n, struct dossier *told, struct err *e)
{
	struct dossier *now = calloc(1, sizeof(*now)); /* mostly untouched */
	int rc = -1;

	if (now == NULL || m->guard == NULL)
		err_set(e, "out of memory");
	else if (dossier_read(now, bytes, n, e) == 0)
		rc = take(m, now, told, e);
	free(now);
	return rc;
}

void
guard_recall_evidence(struct master *m)
{
	struct dossier *told = calloc(1, sizeof(*told));
	struct err e = { "out of memory" };
	size_t n = 0;
	char *bytes = told != NULL ? journal_kept(m, &n, &e) : NULL;
	int rc = bytes != NULL ? guard_take_evidence(m, bytes, n, told, &e) : -1;

	if (rc != 0 && e.msg[0] != '\0')
		log_event(LOG_WARN, "evidence_lost",
		    "the guard begins with no evidence, the file in state_dir is of no use: %s",
		    e.msg);
	free(bytes);
	free(told);
}
