// SPDX-License-Identifier: MIT
/*
 * The journal at the start of the master: opened, read, and turned into the first policy. May wait
 * for the disk, since nothing is served yet. Whatever cannot be trusted ends in share 0; nothing
 * here ever raises a share above that of the last record.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/modelid.h"
#include "daemon/carry.h"
#include "daemon/cause.h"
#include "daemon/journal_file.h"
#include "daemon/journal_state.h"
#include "daemon/master.h"

#define LOCK_FILE    "lock"
#define LOCK_WAIT_US (5 * US_PER_S) /* for the writer of a master that was killed to finish */
#define LOCK_STEP_MS 5

/* ---- opening --------------------------------------------------------------------------------- */

/* One grayd at a time: the lock is held by the master and its writer, so also a writer that has
 * lost its master is waited for. */
static int
take_lock(int dir, struct err *e)
{
	uint64_t end_us = clock_mono_us() + LOCK_WAIT_US;
	int fd = openat(dir, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, "%s", LOCK_FILE);
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || clock_mono_us() >= end_us) {
			err_sys(e, "%s is held by another process", LOCK_FILE);
			close(fd);
			return -1;
		}
		(void)!poll(NULL, 0, LOCK_STEP_MS);
	}
	return fd;
}

static int
open_marks(struct journal *j, struct err *e)
{
	bool made = false;

	if (marks_open(&j->marks, j->dir, &made, e) != 0)
		return -1;
	if (made && j->found.found == JOURNAL_SOUND) {
		j->found.found = JOURNAL_BROKEN;
		err_set(&j->found.broken,
		    "the file of marks is missing or damaged: a lowering may have been lost");
	}
	return 0;
}

static void
warn_of_others(const struct journal *j)
{
	struct stat st;

	if (fstat(j->dir, &st) == 0 && (st.st_mode & 022) != 0)
		log_event(LOG_WARN, "state_dir_open",
		    "others may write to %s: who can replace the journal can set shares", j->path);
}

static int
open_all(struct journal *j, struct err *e)
{
	j->dir = journal_dir_open(j->path, e);
	if (j->dir < 0)
		return -1;
	warn_of_others(j);
	/* Also of a folder that cannot be written to: no revision is used twice. */
	j->lock = take_lock(j->dir, e);
	if (journal_scan(j->dir, &j->found, j->lock < 0 ? NULL : e) != 0 || j->lock < 0)
		return -1;
	return open_marks(j, e);
}

int
journal_open(struct master *m, struct err *e)
{
	struct journal *j = calloc(1, sizeof(*j));
	struct err why;

	if (j == NULL || (j->path = strdup(m->config->state_dir)) == NULL) {
		free(j);
		return err_set(e, "out of memory");
	}
	j->dir = j->lock = j->marks.word_fd = -1;
	j->ok = true;
	m->journal = j;
	if (open_all(j, &why) == 0)
		return 0;
	/* No writer: grayd serves stable alone until it is started with a folder that works. */
	err_prefix(&why, "state_dir %s cannot be used", m->config->state_dir);
	j->ok = false;
	journal_count_error(m);
	err_set(&j->error, "%s; mend it and start grayd again", why.msg);
	if (j->lock >= 0)
		close(j->lock);
	j->lock = -1;
	return 0;
}

/* ---- the first policy ------------------------------------------------------------------------ */

struct restore {
	struct master *m;
	struct policy *p;
	const struct audit_record *last; /* NULL: nothing is known */
	uint64_t revision;		 /* of whatever differs from the last record */
	bool trusted, changed;
};

static void
take_to_stable(struct policy_release *to, enum release_state state)
{
	struct policy_release fresh = { .rollout_id = to->rollout_id };

	memcpy(fresh.name, to->name, sizeof(fresh.name));
	memcpy(fresh.models, to->models, sizeof(fresh.models));
	fresh.state = fresh.held_state = (uint8_t)state;
	fresh.frozen = to->frozen;
	fresh.freeze_until_us = to->freeze_until_us;
	*to = fresh;
}

/* It is not as the last record has it. */
static void
renew(struct restore *r, struct policy_release *to)
{
	to->revision = to->share_revision = r->revision;
	to->changed_wall_us = clock_wall_us();
	r->changed = true;
}

static bool
is_exposed(const struct policy_release *r)
{
	return r->share_bp > 0 || (r->state != STATE_IDLE && r->state != STATE_ROLLED_BACK);
}

/* The config may be another one than the last record knew. */
static void
fit_to_config(struct restore *r, struct policy_release *to, const struct config_release *c)
{
	uint64_t models[ARM_COUNT];
	enum carry carry;

	modelid_release(c, models);
	carry = carry_release(to, models);
	if (carry == CARRY_ON)
		return;
	if (carry == CARRY_REFUSED) {
		memcpy(to->models, models, sizeof(models));
		take_to_stable(to, STATE_ROLLED_BACK);
	}
	log_event(LOG_WARN, "rollout_ended",
	    "%s: its models have changed while grayd was not running, so its rollout is over: %s, "
	    "share 0",
	    to->name, release_state_name(to->state));
	renew(r, to);
}

/* One release that the last record knows. */
static void
restore_known(struct restore *r, struct policy_release *to, const struct policy_release *from,
    const struct config_release *c)
{
	uint64_t mark = marks_get(&r->m->journal->marks, to->name);

	*to = *from;
	if (!r->trusted && is_exposed(from)) {
		take_to_stable(to, STATE_ROLLED_BACK);
		renew(r, to);
	} else if (r->trusted && mark > r->last->policy.revision) {
		log_event(LOG_ERROR, "lowering_lost",
		    "%s: it was lowered by revision %llu, which is not in the journal: share 0, "
		    "rolled back",
		    to->name, (unsigned long long)mark);
		take_to_stable(to, STATE_ROLLED_BACK);
		renew(r, to);
	}
	fit_to_config(r, to, c);
	/* Also models that stand by. */
	if (memcmp(to, from, sizeof(*to)) != 0)
		r->changed = true;
}

static void
restore_one(struct restore *r, struct policy_release *to, const struct config_release *c)
{
	const struct policy_release *from =
	    r->last != NULL ? policy_find(&r->last->policy, to->name) : NULL;
	bool lost = r->m->journal->found.found == JOURNAL_BROKEN;

	if (from != NULL) {
		restore_known(r, to, from, c);
		return;
	}
	modelid_release(c, to->models);
	take_to_stable(to, lost && c->arms[ARM_CANDIDATE] != NULL ? STATE_ROLLED_BACK : STATE_IDLE);
	renew(r, to);
}

static bool
has_gone(const struct restore *r)
{
	for (uint32_t i = 0; r->last != NULL && i < r->last->policy.n_releases; i++) {
		const char *name = r->last->policy.releases[i].name;

		if (policy_find(r->p, name) == NULL) {
			log_event(LOG_WARN, "release_gone",
			    "%s is in the journal but not in the config any more", name);
			return true;
		}
	}
	return false;
}

static void
log_found(const struct journal *j, const struct policy *p)
{
	const struct journal_scan *s = &j->found;

	if (!j->ok)
		log_event(LOG_ERROR, "journal_failed",
		    "%s: every share is 0 and cannot be raised until then", j->error.msg);
	else if (s->found == JOURNAL_BROKEN)
		log_event(LOG_ERROR, "journal_broken",
		    "%s: every share is 0 and every release rolled back", s->broken.msg);
	else if (s->found == JOURNAL_SOUND)
		log_event(LOG_INFO, "journal_replayed",
		    "the journal ends with record %llu: going on at revision %llu",
		    (unsigned long long)s->end.sequence, (unsigned long long)p->revision);
}

static void
write_start(struct master *m, const struct policy *before, const struct policy *p)
{
	const struct journal *j = m->journal;
	bool lost = j->found.found == JOURNAL_BROKEN;
	const struct journal_note n = { .uid = geteuid(),
		.actor = "grayd",
		.command = lost ? "recover" : "start",
		.reason = lost ? j->found.broken.msg : NULL,
		.before = before,
		.after = p };
	struct err e;

	if (journal_note(m, &n, NULL, NULL, &e) != 0)
		log_event(LOG_ERROR, "journal_failed", "%s", e.msg);
}

/* What this start has taken back itself, and is not in the journal yet. */
static void
note_causes(const struct restore *r)
{
	const struct journal *j = r->m->journal;
	bool lost = j->found.found == JOURNAL_BROKEN;

	for (uint32_t i = 0; i < r->p->n_releases; i++) {
		const struct policy_release *to = &r->p->releases[i];
		struct cause c = { .rollout_id = to->rollout_id,
			.state = to->state,
			.wall_us = to->changed_wall_us,
			.uid = geteuid(),
			.actor = "grayd" };

		if (to->state != STATE_ROLLED_BACK || to->revision != r->revision)
			continue;
		memcpy(c.release, to->name, sizeof(c.release));
		snprintf(c.command, sizeof(c.command), "%s", lost ? "recover" : "start");
		snprintf(c.reason, sizeof(c.reason), "%s",
		    lost    ? j->found.broken.msg
		    : j->ok ? "it was lowered before, by a change that the journal has not got, or "
			      "its models have changed"
			    : j->error.msg);
		cause_put(r->m, &c);
	}
}

void
journal_restore(struct master *m, struct policy *p)
{
	static const struct policy nothing;
	struct journal *j = m->journal;
	struct journal_scan *s = &j->found;
	struct restore r = { .m = m, .p = p, .last = s->last };

	r.trusted = j->ok && s->found == JOURNAL_SOUND;
	j->revision =
	    s->revision > marks_highest(&j->marks) ? s->revision : marks_highest(&j->marks);
	r.revision = j->revision + 1;
	for (uint32_t i = 0; i < p->n_releases; i++)
		restore_one(&r, &p->releases[i], &m->config->releases[i]);
	if (has_gone(&r) || r.last == NULL)
		r.changed = true;
	p->revision = r.changed ? r.revision : r.last->policy.revision;
	if (j->revision < p->revision)
		j->revision = p->revision;
	note_causes(&r);
	log_found(j, p);
	if (j->ok && r.changed)
		write_start(m, r.last != NULL ? &r.last->policy : &nothing, p);
	j->sequence = s->end.sequence;
	j->settled = s->last != NULL ? s->last->policy.revision : 0;
	if (r.trusted)
		journal_recall_ids(m, s->end.sequence);
	journal_scan_free(s);
}
