// SPDX-License-Identifier: MIT
/*
 * The master's end of the journal; see journal.h. Records wait in line here until the writer has
 * confirmed them, one at a time, so what is on disk is always a beginning of what was wanted. The
 * line outlives the writer: a new one is told the first record again. Nothing here waits.
 */
#include "daemon/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/printable.h"
#include "daemon/channel.h"
#include "daemon/guard.h"
#include "daemon/journal_kept.h"
#include "daemon/journal_state.h"
#include "daemon/journal_writer.h"
#include "daemon/master.h"

#define RETRY_US (1 * US_PER_S) /* after an error, until the next attempt */

/* ---- the alarm ------------------------------------------------------------------------------- */

void
journal_count_error(struct master *m)
{
	struct slot *figures = &m->slots.all[0];

	tally_add(&figures->journal_errors, 1);
	atomic_store_explicit(&figures->journal_failing, 1, memory_order_relaxed);
}

static void
raise_alarm(struct master *m, const struct err *why)
{
	struct journal *j = m->journal;
	bool news = j->ok || strcmp(j->error.msg, why->msg) != 0;

	j->ok = false;
	j->error = *why;
	journal_count_error(m);
	j->retry_at_us = clock_mono_us() + RETRY_US;
	if (news)
		log_event(LOG_ERROR, "journal_failed",
		    "%s: shares cannot be raised until the journal can be written again; lowering "
		    "and rollback work",
		    why->msg);
}

static void
end_alarm(struct master *m)
{
	struct journal *j = m->journal;

	if (j->ok)
		return;
	j->ok = true;
	j->error.msg[0] = '\0';
	atomic_store_explicit(&m->slots.all[0].journal_failing, 0, memory_order_relaxed);
	log_event(LOG_INFO, "journal_recovered", "the journal is written again");
}

void
journal_health(const struct master *m, struct journal_health *out)
{
	const struct journal *j = m->journal;

	*out = (struct journal_health){ .ok = true };
	if (j == NULL)
		return;
	out->ok = j->ok;
	out->error = j->error;
	out->waiting = j->n_items;
	out->errors = tally_get(&m->slots.all[0].journal_errors);
	out->sequence = j->sequence;
}

int
journal_may_raise(const struct master *m, struct err *e)
{
	const struct journal *j = m->journal;

	if (j->ok)
		return 0;
	return err_set(e,
	    "no share can be raised while the journal cannot be written (%s); rollback works",
	    j->error.msg);
}

/* ---- records --------------------------------------------------------------------------------- */

static void
set_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text != NULL ? text : "");
	printable_clean(out);
}

static void
set_evidence(struct audit_record *r, const char *evidence)
{
	struct err e;

	if (evidence == NULL)
		return;
	if (audit_check_evidence(evidence, &e) == 0)
		snprintf(r->evidence, sizeof(r->evidence), "%s", evidence);
	else
		log_event(LOG_ERROR, "evidence_dropped", "%s", e.msg);
}

static struct audit_record *
make_record(const struct journal_note *n)
{
	struct audit_record *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->wall_us = clock_wall_us();
	r->uid = n->uid;
	set_text(r->actor, sizeof(r->actor), n->actor);
	set_text(r->command, sizeof(r->command), n->command);
	set_text(r->reason, sizeof(r->reason), n->reason);
	set_text(r->request, sizeof(r->request), n->request);
	set_evidence(r, n->evidence);
	r->policy = *n->after;
	audit_compare(r, n->before, n->after);
	return r;
}

static struct journal_item *
make_item(const struct journal_note *n)
{
	struct audit_record *r = make_record(n);
	struct buf body = { 0 };
	struct journal_item *item = NULL;

	if (r != NULL && audit_body(&body, r) == 0)
		item = calloc(1, sizeof(*item));
	if (item != NULL) {
		item->body = body;
		item->revision = r->policy.revision;
		item->raises = n->raises;
	} else {
		buf_free(&body);
	}
	free(r);
	return item;
}

static void
item_free(struct journal_item *item)
{
	buf_free(&item->body);
	free(item);
}

/* Offers the first of the line to the writer. */
static void
offer(struct master *m)
{
	struct journal *j = m->journal;
	struct journal_item *item = j->items;
	struct order_head head = { .kind = ORDER_WRITE };
	struct iovec parts[2] = { { &head, sizeof(head) } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (item == NULL || item->sent || !j->hello || clock_mono_us() < j->retry_at_us)
		return;
	head.id = item->id;
	head.revision = item->revision;
	parts[1] = (struct iovec){ buf_bytes(&item->body), buf_len(&item->body) };
	/* A full queue is tried again at the next tick; a dead writer gets a successor. */
	if (sendmsg(j->writer->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		item->sent = true;
	else if (errno == EMSGSIZE)
		raise_alarm(m, &(struct err){ "a record is too long for the writer" });
}

int
journal_note(
    struct master *m, const struct journal_note *n, journal_done_fn *done, void *arg, struct err *e)
{
	struct journal *j = m->journal;
	struct journal_item *item = make_item(n), **at = &j->items;

	if (j->revision < n->after->revision)
		j->revision = n->after->revision;
	if (item == NULL) {
		err_set(e, "out of memory for a record of the journal");
		if (!n->raises)
			raise_alarm(m, e);
		return -1;
	}
	item->id = ++j->last_id;
	item->done = done;
	item->arg = arg;
	while (*at != NULL)
		at = &(*at)->next;
	*at = item;
	j->n_items++;
	offer(m);
	return 0;
}

int
journal_write(struct master *m, const struct journal_entry *entry, journal_done_fn *done, void *arg,
    struct err *e)
{
	const struct change *c = entry->change;
	const struct journal_note n = { .uid = c->actor.uid,
		.actor = c->actor.name,
		.command = release_command_names[c->command],
		.reason = c->reason,
		.request = c->request_id,
		.evidence = c->evidence,
		.before = entry->before,
		.after = entry->after,
		.raises = entry->raises };

	return journal_note(m, &n, done, arg, e);
}

void
journal_abandon(struct master *m, const void *arg)
{
	struct journal *j = m->journal;

	for (struct journal_item **at = &j->items; *at != NULL;) {
		struct journal_item *item = *at;

		if (item->arg == arg)
			item->done = NULL;
		if (item->arg == arg && item->raises && !item->sent) {
			*at = item->next;
			j->n_items--;
			item_free(item);
		} else {
			at = &item->next;
		}
	}
}

/* What holds now, by grayd itself: for a journal that does not know it. Above every mark, since it
 * is newer than what they mark. */
static void
write_current(struct master *m, const char *reason)
{
	struct policy now = m->policy;
	const struct journal_note n = { .uid = geteuid(),
		.actor = "grayd",
		.command = "continue",
		.reason = reason,
		.before = &m->policy,
		.after = &now };
	struct err e;

	now.revision = m->journal->revision;

	if (journal_note(m, &n, NULL, NULL, &e) != 0)
		log_event(LOG_ERROR, "journal_failed", "%s", e.msg);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static void
set_mark(struct journal *j, const char *release, uint64_t revision)
{
	if (j->revision < revision)
		j->revision = revision;
	/* Without a state_dir there is no share that could come back; and what failed long ago must
	 * not hide a later lowering. */
	if (j->lock < 0 || marks_get(&j->marks, release) >= revision)
		return;
	if (marks_set(&j->marks, release, revision, j->settled) != 0)
		log_event(LOG_ERROR, "mark_failed",
		    "%s: its lowering cannot be marked: if grayd is killed before the journal has "
		    "it, it is lost",
		    release);
}

void
journal_mark(
    struct master *m, const struct policy *before, const struct policy *after, uint64_t revision)
{
	for (uint32_t i = 0; i < after->n_releases; i++) {
		const struct policy_release *new = &after->releases[i];
		const struct policy_release *old = policy_find(before, new->name);

		if (old == NULL || old->revision != new->revision)
			set_mark(m->journal, new->name, revision);
	}
}

uint64_t
journal_revision(const struct master *m)
{
	return m->journal->revision;
}

/* ---- what the writer says -------------------------------------------------------------------- */

static void
on_hello(struct master *m, const struct report_head *h)
{
	struct journal *j = m->journal;
	bool as_known = h->sequence == j->sequence && h->revision >= m->policy.revision;

	j->hello = true;
	if (h->failed) {
		raise_alarm(m, &h->text);
		return;
	}
	j->sequence = h->sequence;
	if (j->revision < h->revision)
		j->revision = h->revision;
	if (h->broken)
		raise_alarm(m, &h->text);
	j->retry_at_us = 0;
	/* It may have lost something since a writer was last there, or be another journal. */
	if (j->items == NULL && (h->broken || !as_known))
		write_current(m, h->broken ? h->text.msg : NULL);
	offer(m);
	journal_send_questions(j);
}

/* The record failed and may still be read at the next start: marks say that it must not count. */
static void
disown(struct master *m, const struct journal_item *item)
{
	for (uint32_t i = 0; i < m->policy.n_releases; i++)
		set_mark(m->journal, m->policy.releases[i].name, item->revision + 1);
}

static void
on_failed(struct master *m, struct journal_item *item, const struct report_head *h)
{
	struct journal *j = m->journal;
	journal_done_fn *done = item->done;
	void *arg = item->arg;

	raise_alarm(m, &h->text);
	item->sent = false;
	if (!item->raises)
		return;
	if (h->unclean)
		disown(m, item);
	j->items = item->next;
	j->n_items--;
	item_free(item);
	if (done != NULL)
		done(m, &h->text, arg);
}

static void
on_written(struct master *m, struct journal_item *item, const struct report_head *h)
{
	struct journal *j = m->journal;
	journal_done_fn *done = item->done;
	void *arg = item->arg;

	j->sequence = h->sequence;
	j->settled = item->revision;
	j->items = item->next;
	j->n_items--;
	item_free(item);
	end_alarm(m);
	if (done != NULL)
		done(m, NULL, arg);
	offer(m);
	journal_send_questions(j);
}

void
journal_writer_heard(struct child *c, const void *message, size_t n)
{
	struct master *m = c->master;
	struct journal *j = m->journal;
	struct report_head h;

	if (n < sizeof(h))
		return;
	memcpy(&h, message, sizeof(h));
	h.text.msg[sizeof(h.text.msg) - 1] = '\0';
	if (h.kind == REPORT_HELLO)
		on_hello(m, &h);
	else if (h.kind == REPORT_PART || h.kind == REPORT_END)
		journal_answer(m, &h, (const char *)message + sizeof(h), n - sizeof(h));
	else if (h.kind == REPORT_WRITTEN && j->items != NULL && j->items->id == h.id) {
		if (h.failed)
			on_failed(m, j->items, &h);
		else
			on_written(m, j->items, &h);
	}
}

void
journal_writer_started(struct child *c)
{
	c->master->journal->writer = c;
}

void
journal_writer_ended(struct child *c)
{
	struct journal *j = c->master->journal;

	j->writer = NULL;
	j->hello = false;
	if (j->items != NULL)
		j->items->sent = false;
	journal_fail_questions(c->master);
}

/* ---- evidence -------------------------------------------------------------------------------- */

int
journal_keep(struct master *m, const struct buf *text)
{
	const struct journal *j = m->journal;
	struct err e;
	int memory, rc;

	if (j == NULL || j->writer == NULL || j->writer->fd < 0 || !j->hello)
		return -1;
	memory = channel_seal(buf_bytes(text), buf_len(text), &e);
	if (memory < 0)
		return -1;
	rc = channel_send(j->writer->fd, (enum channel_kind)ORDER_KEEP, "", 0, &memory, 1);
	close(memory);
	return rc;
}

char *
journal_kept(const struct master *m, size_t *n, struct err *e)
{
	e->msg[0] = '\0';
	return m->journal != NULL && m->journal->lock >= 0
		   ? journal_kept_read(m->journal->dir, n, e)
		   : NULL;
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool
others_alive(const struct master *m)
{
	for (unsigned i = 0; i < m->supervisor.n_children; i++) {
		const struct child *c = &m->supervisor.children[i];

		if (child_alive(c) && c != m->journal->writer)
			return true;
	}
	return false;
}

void
journal_tick(struct master *m)
{
	struct journal *j = m->journal;

	if (j == NULL)
		return;
	if (!j->ok && j->items == NULL && j->hello && clock_mono_us() >= j->retry_at_us)
		write_current(m, "the journal could not be written for a while");
	offer(m);
	if (j->hello)
		journal_send_questions(j);
	/* The writer is the last to leave. */
	if (m->stopping && j->items == NULL && j->writer != NULL && j->writer->fd >= 0 &&
	    !others_alive(m)) {
		guard_keep(m, true);
		shutdown(j->writer->fd, SHUT_WR);
	}
}

const char *
journal_path(const struct master *m)
{
	return m->journal->path;
}

int
journal_lock_fd(const struct master *m)
{
	return m->journal != NULL ? m->journal->lock : -1;
}

void
journal_close(struct master *m)
{
	struct journal *j = m->journal;

	if (j == NULL)
		return;
	m->journal = NULL;
	while (j->items != NULL) {
		struct journal_item *item = j->items;

		j->items = item->next;
		item_free(item);
	}
	journal_free_questions(j);
	marks_close(&j->marks);
	if (j->lock >= 0)
		close(j->lock);
	if (j->dir >= 0)
		close(j->dir);
	free(j->path);
	free(j);
}
