// SPDX-License-Identifier: MIT
/*
 * Who put each release into the state that it has, from the newest records of the journal: known
 * again after a restart or an upgrade. Master process, before it serves. Looks at the newest files
 * only, from their end, and no further than it must.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cause.h"
#include "daemon/journal_scan.h"
#include "daemon/journal_state.h"
#include "daemon/master.h"

#define FILES_READ 2	/* the last may have been begun just now */
#define LINES_READ 4000 /* some tenths of a second at most */

struct look {
	struct master *m;
	uint64_t last; /* the sequence after which nothing counts */
	struct audit_record *record;
	unsigned lines;
};

/* Only states that somebody has to ask about. */
static bool
is_wanted(const struct master *m, const struct policy_release *r)
{
	return (r->state == STATE_HOLD || r->state == STATE_ROLLED_BACK ||
		   r->state == STATE_DONE) &&
	       cause_find(m, r) == NULL;
}

static bool
anything_wanted(const struct master *m)
{
	for (uint32_t i = 0; i < m->policy.n_releases; i++) {
		if (is_wanted(m, &m->policy.releases[i]))
			return true;
	}
	return false;
}

static void
take(struct look *l, const struct audit_change *c)
{
	const struct audit_record *r = l->record;
	const struct policy_release *now = policy_find(&l->m->policy, c->release);
	const struct policy_release *then = policy_find(&r->policy, c->release);
	struct cause cause;

	if (now == NULL || then == NULL || !is_wanted(l->m, now) || then->state != now->state ||
	    then->hold != now->hold || then->rollout_id != now->rollout_id ||
	    !cause_is_new(c->from.state, c->to.state, false, r->command))
		return;
	cause = (struct cause){ .rollout_id = now->rollout_id,
		.state = now->state,
		.hold = now->hold,
		.wall_us = then->changed_wall_us,
		.uid = r->uid };
	memcpy(cause.release, now->name, sizeof(cause.release));
	memcpy(cause.actor, r->actor, sizeof(cause.actor));
	memcpy(cause.command, r->command, sizeof(cause.command));
	snprintf(cause.reason, sizeof(cause.reason), "%.*s", CAUSE_REASON_BYTES - 1, r->reason);
	cause_put(l->m, &cause);
}

static void
look_at_line(struct look *l, const char *line, size_t n)
{
	struct err e;

	if (audit_parse(line, n, l->record, &e) != 0 || l->record->sequence > l->last)
		return;
	for (unsigned i = 0; i < l->record->n_changes; i++)
		take(l, &l->record->changes[i]);
}

/* From the last line to the first. */
static void
look_at_text(struct look *l, const char *text, size_t n)
{
	while (n > 0 && l->lines < LINES_READ && anything_wanted(l->m)) {
		const char *before = memrchr(text, '\n', n - 1);
		const char *line = before != NULL ? before + 1 : text;

		look_at_line(l, line, (size_t)(text + n - line) - (text[n - 1] == '\n'));
		l->lines++;
		n = (size_t)(line - text);
	}
}

static void
look_at_files(struct look *l, const struct journal_list *files)
{
	for (unsigned i = files->n;
	     i-- > 0 && files->n - i <= FILES_READ && anything_wanted(l->m);) {
		struct err e;
		size_t n = 0;
		char *text = journal_load(l->m->journal->dir, files->first[i], &n, &e);

		if (text != NULL)
			look_at_text(l, text, n);
		free(text);
	}
}

void
journal_recall_causes(struct master *m)
{
	struct look l = { .m = m, .last = m->journal->sequence };
	struct journal_list *files = malloc(sizeof(*files));
	struct err e;

	l.record = malloc(sizeof(*l.record));
	if (files != NULL && l.record != NULL && m->journal->dir >= 0 && anything_wanted(m) &&
	    journal_list(m->journal->dir, files, &e) == 0)
		look_at_files(&l, files);
	free(l.record);
	free(files);
}
