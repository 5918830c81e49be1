// SPDX-License-Identifier: MIT
/*
 * Reading the journal for people; see journal_read.h. Writes nothing. History is read from the
 * newest file backwards, and no further than needed; a verification reads all of it, hashes each
 * record, builds it and spells it again.
 */
#include "daemon/journal_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json_escape.h"
#include "common/policy.h"
#include "daemon/journal_scan.h"
#include "daemon/release.h"

/* ---- history --------------------------------------------------------------------------------- */

/* The newest `limit` entries, as texts; a ring while a file is read. */
struct ring {
	char **texts;
	unsigned limit;
	uint64_t n; /* ever put; the last `limit` of them are kept */
};

struct search {
	const char *release; /* empty: all */
	uint64_t last;	     /* the sequence after which nothing counts */
	struct audit_record *record;
	struct policy before; /* by the record before this one, in the same file */
};

static int
add_member(struct buf *out, const char *name, const char *text)
{
	if (buf_addf(out, ",\"%s\":\"", name) != 0 || json_escape(out, text, strlen(text)) != 0)
		return -1;
	return buf_adds(out, "\"");
}

static int
add_stand(struct buf *out, const char *name, const struct audit_stand *s)
{
	static const char *const words[STATE_COUNT] = {
#define STATE(id, word, ...) [STATE_##id] = word,
#include "common/states.def"
#undef STATE
	};

	return buf_addf(out, ",\"%s\":{\"state\":\"%s\",\"percent\":%u.%02u}", name,
	    words[s->state], s->share_bp / 100u, s->share_bp % 100u);
}

/* Symptoms that this record has waived. Of the first record of a file all that are waived count. */
static int
add_waived(struct buf *out, const struct search *s, const struct audit_change *c)
{
	const struct policy_release *after = policy_find(&s->record->policy, c->release);
	const struct policy_release *before = policy_find(&s->before, c->release);
	uint32_t waived = after != NULL ? after->waived : 0;
	const char *between = "";

	if (before != NULL)
		waived &= ~before->waived;
	if (waived == 0 || strcmp(s->record->command, "resume") != 0)
		return 0;
	if (buf_adds(out, ",\"waived\":[") != 0)
		return -1;
	for (unsigned i = 0; release_waivable(i) != NULL; i++) {
		if (!(waived >> i & 1))
			continue;
		if (buf_addf(out, "%s\"%s\"", between, release_waivable(i)) != 0)
			return -1;
		between = ",";
	}
	return buf_adds(out, "]");
}

/* `c` is NULL for a record that changed no release. */
static int
add_entry(struct buf *out, const struct search *s, const struct audit_change *c)
{
	const struct audit_record *r = s->record;
	char time[CLOCK_ISO_BYTES];

	clock_iso(r->wall_us, time);
	if (buf_addf(out, "{\"sequence\":%llu,\"time\":\"%s\",\"revision\":%llu,\"uid\":%u",
		(unsigned long long)r->sequence, time, (unsigned long long)r->policy.revision,
		r->uid) != 0 ||
	    add_member(out, "actor", r->actor) != 0 || add_member(out, "command", r->command) != 0)
		return -1;
	if (c != NULL &&
	    (add_member(out, "release", c->release) != 0 ||
		buf_addf(out, ",\"rollout\":%llu", (unsigned long long)c->rollout_id) != 0 ||
		add_stand(out, "from", &c->from) != 0 || add_stand(out, "to", &c->to) != 0 ||
		add_waived(out, s, c) != 0))
		return -1;
	if (r->reason[0] != '\0' && add_member(out, "reason", r->reason) != 0)
		return -1;
	if (r->evidence[0] != '\0' && buf_addf(out, ",\"evidence\":%s", r->evidence) != 0)
		return -1;
	return buf_adds(out, "}");
}

static int
ring_put(struct ring *ring, const struct search *s, const struct audit_change *c)
{
	char **place = &ring->texts[ring->n % ring->limit];
	struct buf text = { 0 };

	if (add_entry(&text, s, c) != 0 || buf_add(&text, "", 1) != 0) {
		buf_free(&text);
		return -1;
	}
	free(*place);
	*place = strdup((const char *)buf_bytes(&text));
	buf_free(&text);
	ring->n++;
	return *place != NULL ? 0 : -1;
}

static int
search_record(const struct search *s, struct ring *ring)
{
	const struct audit_record *r = s->record;

	if (r->n_changes == 0 && s->release[0] == '\0' && ring_put(ring, s, NULL) != 0)
		return -1;
	for (unsigned i = 0; i < r->n_changes; i++) {
		const struct audit_change *c = &r->changes[i];

		if ((s->release[0] == '\0' || strcmp(s->release, c->release) == 0) &&
		    ring_put(ring, s, c) != 0)
			return -1;
	}
	return 0;
}

static int
search_file(int dir, uint64_t first, struct search *s, struct ring *ring, struct err *e)
{
	size_t n;
	char *text = journal_load(dir, first, &n, e), *at = text, *end;
	struct err ignored;
	int rc = 0;

	if (text == NULL)
		return errno == ENOENT ? 0 : -1;
	s->before.n_releases = 0;
	while (rc == 0 && (end = memchr(at, '\n', n - (size_t)(at - text))) != NULL) {
		if (audit_parse(at, (size_t)(end - at), s->record, &ignored) == 0 &&
		    s->record->sequence <= s->last) {
			rc = search_record(s, ring);
			s->before = s->record->policy;
		}
		at = end + 1;
	}
	free(text);
	return rc == 0 ? 0 : err_set(e, "out of memory");
}

static void
ring_free(struct ring *ring)
{
	for (unsigned i = 0; ring->texts != NULL && i < ring->limit; i++)
		free(ring->texts[i]);
	free(ring->texts);
}

/* Moves what a file had in front of what newer files had; `found` has room for `limit`. */
static void
prepend(char **found, unsigned *n_found, struct ring *ring)
{
	unsigned n = ring->n < ring->limit ? (unsigned)ring->n : ring->limit;

	memmove(found + n, found, *n_found * sizeof(*found));
	for (unsigned i = 0; i < n; i++) {
		char **place = &ring->texts[(ring->n - n + i) % ring->limit];

		found[i] = *place;
		*place = NULL;
	}
	*n_found += n;
}

static int
search_files(int dir, const struct journal_list *l, struct search *s, unsigned limit, char **found,
    unsigned *n_found, struct err *e)
{
	for (unsigned i = l->n; i-- > 0 && *n_found < limit;) {
		struct ring ring = { .limit = limit - *n_found };
		int rc = -1;

		ring.texts = calloc(ring.limit, sizeof(*ring.texts));
		if (ring.texts == NULL)
			err_set(e, "out of memory");
		else
			rc = search_file(dir, l->first[i], s, &ring, e);
		if (rc == 0)
			prepend(found, n_found, &ring);
		ring_free(&ring);
		if (rc != 0)
			return -1;
	}
	return 0;
}

static int
print_found(struct buf *out, char **found, unsigned n)
{
	if (buf_adds(out, "[") != 0)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		if ((i > 0 && buf_adds(out, ",") != 0) || buf_adds(out, found[i]) != 0)
			return -1;
	}
	return buf_adds(out, "]");
}

int
journal_read_history(int dir, const char *release, unsigned limit, const struct audit_chain *end,
    struct buf *out, struct err *e)
{
	struct search s = { .release = release, .last = end->sequence };
	struct journal_list *l = malloc(sizeof(*l));
	char **found = calloc(limit, sizeof(*found));
	unsigned n_found = 0;
	int rc = -1;

	s.record = malloc(sizeof(*s.record));
	if (l == NULL || found == NULL || s.record == NULL)
		err_set(e, "out of memory");
	else if (journal_list(dir, l, e) == 0 &&
		 search_files(dir, l, &s, limit, found, &n_found, e) == 0)
		rc = print_found(out, found, n_found) == 0 ? 0 : err_set(e, "out of memory");
	for (unsigned i = 0; i < n_found; i++)
		free(found[i]);
	free(found);
	free(s.record);
	free(l);
	return rc;
}

/* ---- verify ---------------------------------------------------------------------------------- */

struct check {
	const struct audit_chain *end;
	struct audit_chain chain;
	struct audit_record *record;
	uint64_t first, records, revision;
	bool reached; /* the record that is to be the last one */
};

static int
check_record(struct check *c, const struct journal_walk *w, struct err *e)
{
	const struct audit_record *r = c->record;

	if (audit_parse(w->line, w->line_n, c->record, e) != 0)
		return err_prefix(e, "line %u", w->number);
	if (r->policy.revision < c->revision)
		return err_set(e, "line %u: the revision falls", w->number);
	c->revision = r->policy.revision;
	c->records++;
	if (c->first == 0)
		c->first = r->sequence;
	if (w->chain.sequence < c->end->sequence)
		return 0;
	c->reached = true;
	if (memcmp(&w->chain.hash, &c->end->hash, sizeof(c->end->hash)) != 0)
		return err_set(e, "line %u: it is not the record that grayd wrote last", w->number);
	return 0;
}

static int
check_text(struct check *c, uint64_t first, const char *text, size_t n, bool last, struct err *e)
{
	struct journal_walk w = { .text = text, .n = n, .chain = c->chain };

	while (!c->reached) {
		enum walk_step step = journal_walk(&w, e);

		if (step == WALK_BROKEN)
			return -1;
		if (step == WALK_END)
			break;
		if (w.number == 1 && w.seal.sequence != first)
			return err_set(e, "line 1: the name of the file says another record");
		if (check_record(c, &w, e) != 0)
			return -1;
	}
	c->chain = w.chain;
	if (!c->reached && w.next < w.n && !last)
		return err_set(e, "an unfinished line at its end");
	return 0;
}

static int
check_files(struct check *c, int dir, const struct journal_list *l, struct err *e)
{
	char name[JOURNAL_NAME_BYTES];

	for (unsigned i = 0; i < l->n && !c->reached; i++) {
		size_t n;
		char *text = journal_load(dir, l->first[i], &n, e);
		int rc;

		if (text == NULL)
			return -1;
		rc = check_text(c, l->first[i], text, n, i + 1 == l->n, e);
		free(text);
		journal_file_name(name, l->first[i]);
		if (rc != 0)
			return err_prefix(e, "%s", name);
	}
	return 0;
}

static int
check_end(const struct check *c, int dir, struct err *e)
{
	struct journal_head h;

	if (!c->reached && c->end->sequence != 0)
		return err_set(e, "record %llu, the last one that grayd wrote, is missing",
		    (unsigned long long)c->end->sequence);
	if (c->end->sequence == 0)
		return 0;
	if (!journal_head_read(dir, &h))
		return err_set(e, "%s: missing or unreadable", HEAD_FILE);
	if (h.sequence < c->end->sequence ||
	    (h.sequence == c->end->sequence && memcmp(&h.hash, &c->end->hash, sizeof(h.hash)) != 0))
		return err_set(e, "%s: it names another record than the last one", HEAD_FILE);
	return 0;
}

/* Files of journals that could not be trusted. */
static unsigned
count_put_aside(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	unsigned n = 0;

	while (d != NULL && (entry = readdir(d)) != NULL)
		n += strstr(entry->d_name, ".jsonl.broken-") != NULL;
	if (d != NULL)
		closedir(d);
	return n;
}

int
journal_read_verify(int dir, const struct audit_chain *end, struct buf *out, struct err *e)
{
	struct check c = { .end = end };
	struct journal_list *l = malloc(sizeof(*l));
	int rc = -1;

	c.record = malloc(sizeof(*c.record));
	if (l == NULL || c.record == NULL)
		err_set(e, "out of memory");
	else if (journal_list(dir, l, e) == 0 && check_files(&c, dir, l, e) == 0)
		rc = check_end(&c, dir, e);
	if (rc == 0 &&
	    buf_addf(out,
		"{\"files\":%u,\"records\":%llu,\"first\":%llu,\"last\":%llu,\"put_aside\":%u}",
		l->n, (unsigned long long)c.records, (unsigned long long)c.first,
		(unsigned long long)end->sequence, count_put_aside(dir)) != 0)
		rc = err_set(e, "out of memory");
	free(c.record);
	free(l);
	return rc;
}
