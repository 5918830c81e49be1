// SPDX-License-Identifier: MIT
/*
 * Writing the journal; see journal_file.h. The order for each record: its bytes, a sync, the head,
 * a sync. So the head never names a record that is not there, and a record that the head does not
 * name was never confirmed.
 */
#include "daemon/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

/* ---- the folder ------------------------------------------------------------------------------ */

int
journal_dir_open(const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_sys(e, "state_dir: cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "state_dir: %s", path);
	/* Who can replace a file of the journal can raise a share. */
	if (fstat(fd, &st) == 0 && (st.st_mode & 022) != 0 && st.st_uid == geteuid() &&
	    fchmod(fd, st.st_mode & 07755) != 0) {
		err_sys(e, "state_dir: others may write to %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

static int
sync_dir(const struct journal_file *f, struct err *e)
{
	return fsync(f->dir) == 0 ? 0 : err_sys(e, "the folder cannot be synced");
}

static int
open_in(const struct journal_file *f, const char *name, int flags, struct err *e)
{
	int fd = openat(f->dir, name, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	return fd >= 0 ? fd : err_sys(e, "%s cannot be opened", name);
}

static int
write_at(int fd, const void *bytes, size_t n, uint64_t at)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, (off_t)at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return -1;
		p += w;
		at += (uint64_t)w;
		n -= (size_t)w;
	}
	return 0;
}

/* ---- the head -------------------------------------------------------------------------------- */

static int
write_head(struct journal_file *f, uint64_t sequence, uint64_t revision,
    const struct audit_hash *hash, struct err *e)
{
	const struct journal_head h = { .sequence = sequence, .revision = revision, .hash = *hash };
	char line[HEAD_LINE_BYTES + 1];

	journal_head_line(&h, line);
	if (write_at(f->head, line, HEAD_LINE_BYTES, sequence % 2 * HEAD_LINE_BYTES) != 0)
		return err_sys(e, "the head file cannot be written");
	return fdatasync(f->head) == 0 ? 0 : err_sys(e, "the head file cannot be synced");
}

/* A new head has room for both of its lines before the first record is written. */
static int
open_head(struct journal_file *f, struct err *e)
{
	const struct journal_head none = {
		.sequence = f->end.sequence, .revision = f->revision, .hash = f->end.hash
	};
	char line[HEAD_LINE_BYTES + 1];
	struct journal_head found;

	f->head = open_in(f, HEAD_FILE, O_CREAT, e);
	if (f->head < 0)
		return -1;
	if (journal_head_read(f->dir, &found))
		return 0;
	journal_head_line(&none, line);
	for (unsigned i = 0; i < 2; i++) {
		if (write_at(f->head, line, HEAD_LINE_BYTES, i * HEAD_LINE_BYTES) != 0)
			return err_sys(e, "the head file cannot be written");
	}
	if (fsync(f->head) != 0)
		return err_sys(e, "the head file cannot be synced");
	return sync_dir(f, e);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int
put_aside(struct journal_file *f, const char *name, struct err *e)
{
	char aside[JOURNAL_NAME_BYTES + 64];

	snprintf(aside, sizeof(aside), "%s.broken-%llu", name, (unsigned long long)clock_wall_us());
	if (renameat(f->dir, name, f->dir, aside) != 0 && errno != ENOENT)
		return err_sys(e, "%s cannot be put aside", name);
	return 0;
}

static int
put_all_aside(struct journal_file *f, const struct journal_list *l, struct err *e)
{
	char name[JOURNAL_NAME_BYTES];

	for (unsigned i = 0; i < l->n; i++) {
		journal_file_name(name, l->first[i]);
		if (put_aside(f, name, e) != 0)
			return -1;
	}
	return put_aside(f, HEAD_FILE, e) != 0 ? -1 : sync_dir(f, e);
}

/* Files behind the last one that counts: left over from a record that was never confirmed. */
static int
remove_behind(struct journal_file *f, const struct journal_list *l, uint64_t last, struct err *e)
{
	char name[JOURNAL_NAME_BYTES];

	for (unsigned i = 0; i < l->n; i++) {
		journal_file_name(name, l->first[i]);
		if (l->first[i] > last && unlinkat(f->dir, name, 0) != 0 && errno != ENOENT)
			return err_sys(e, "%s cannot be removed", name);
	}
	return 0;
}

/* Without the line end. */
static char *
copy_line(const void *line, size_t n, struct err *e)
{
	char *copy = malloc(n + 1);

	if (copy == NULL)
		err_set(e, "out of memory");
	else
		memcpy(copy, line, n);
	return copy;
}

static void
keep_last(struct journal_file *f, char *copy, size_t n)
{
	free(f->last);
	f->last = copy;
	f->last_n = n;
}

/* The line of the last record that counts, of which the file's text ends at `size`. */
static int
read_last(struct journal_file *f, const struct journal_scan *s, struct err *e)
{
	size_t n, begin;
	char *text = journal_load(f->dir, s->file, &n, e), *copy;

	if (text == NULL)
		return -1;
	if (n < s->size) {
		free(text);
		return err_set(e, "the journal shrank while it was opened");
	}
	begin = s->size - 1;
	while (begin > 0 && text[begin - 1] != '\n')
		begin--;
	copy = copy_line(text + begin, s->size - 1 - begin, e);
	free(text);
	if (copy == NULL)
		return -1;
	keep_last(f, copy, s->size - 1 - begin);
	return 0;
}

static int
resume(struct journal_file *f, const struct journal_scan *s, struct err *e)
{
	char name[JOURNAL_NAME_BYTES];

	journal_file_name(name, s->file);
	f->size = s->size;
	f->end = s->end;
	f->revision = s->last->policy.revision;
	if (read_last(f, s, e) != 0)
		return -1;
	f->fd = open_in(f, name, 0, e);
	if (f->fd < 0 || open_head(f, e) != 0)
		return -1;
	if (ftruncate(f->fd, (off_t)s->size) != 0)
		return err_sys(e, "%s cannot be cut", name);
	if (s->confirmed)
		return 0;
	if (fsync(f->fd) != 0)
		return err_sys(e, "%s cannot be synced", name);
	return write_head(f, f->end.sequence, f->revision, &f->end.hash, e);
}

static int
open_scanned(struct journal_file *f, const struct journal_scan *s, struct err *e)
{
	struct journal_list *l = malloc(sizeof(*l));
	int rc;

	if (l == NULL)
		return err_set(e, "out of memory");
	rc = journal_list(f->dir, l, e);
	if (rc == 0 && s->found == JOURNAL_BROKEN) {
		f->end.sequence = s->sequence;
		f->revision = s->revision;
		rc = put_all_aside(f, l, e);
	} else if (rc == 0) {
		rc = remove_behind(f, l, s->file, e);
		if (rc == 0 && s->found == JOURNAL_SOUND)
			rc = resume(f, s, e);
	}
	free(l);
	return rc;
}

int
journal_file_open(struct journal_file *f, int dir, struct journal_opening *found, struct err *e)
{
	struct journal_scan s;
	int rc;

	*f = (struct journal_file){ .dir = dir, .fd = -1, .head = -1 };
	f->rotate_bytes = JOURNAL_ROTATE_BYTES;
	f->keep = JOURNAL_KEEP;
	*found = (struct journal_opening){ 0 };
	if (journal_scan(dir, &s, e) != 0)
		return -1;
	if (s.found == JOURNAL_BROKEN)
		found->broken = s.broken;
	memcpy(found->note, s.note, sizeof(s.note));
	rc = open_scanned(f, &s, e);
	journal_scan_free(&s);
	if (rc != 0)
		journal_file_close(f);
	return rc;
}

static void
close_files(struct journal_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->head >= 0)
		close(f->head);
	f->fd = f->head = -1;
}

void
journal_file_close(struct journal_file *f)
{
	close_files(f);
	free(f->last);
	f->last = NULL;
}

/* ---- appending ------------------------------------------------------------------------------- */

/* After an error: makes the record that failed unreadable, as well as that can be done without
 * waiting for a sync, and gives the descriptors up. */
static void
take_back(struct journal_file *f, uint64_t size, uint64_t sequence, bool head_touched)
{
	static const char nothing[HEAD_LINE_BYTES];

	if (f->fd >= 0 && ftruncate(f->fd, (off_t)size) != 0)
		f->unclean = true;
	if (head_touched &&
	    write_at(f->head, nothing, sizeof(nothing), sequence % 2 * HEAD_LINE_BYTES) != 0)
		f->unclean = true;
	close_files(f);
}

static int
begin_file(struct journal_file *f, uint64_t first, struct err *e)
{
	char name[JOURNAL_NAME_BYTES];

	journal_file_name(name, first);
	/* Only a file without a record that counts can have this name. */
	if (unlinkat(f->dir, name, 0) != 0 && errno != ENOENT)
		return err_sys(e, "%s cannot be removed", name);
	f->fd = open_in(f, name, O_CREAT | O_EXCL, e);
	f->size = 0;
	return f->fd >= 0 ? 0 : -1;
}

static int
write_line(struct journal_file *f, const struct buf *line, bool new_file, struct err *e)
{
	if (write_at(f->fd, buf_bytes(line), buf_len(line), f->size) != 0)
		return err_sys(e, "the journal cannot be written");
	if (fsync(f->fd) != 0)
		return err_sys(e, "the journal cannot be synced");
	return new_file ? sync_dir(f, e) : 0;
}

/* Writes one sealed line into the open file, or a new one. */
static int
put_line(struct journal_file *f, const struct buf *line, uint64_t revision,
    const struct audit_hash *hash, struct err *e)
{
	uint64_t sequence = f->end.sequence + 1, size = f->size;
	bool new_file = f->fd < 0;

	if (f->head < 0 && open_head(f, e) != 0)
		goto fail;
	if (new_file) {
		size = 0;
		if (begin_file(f, sequence, e) != 0)
			goto fail;
	}
	if (write_line(f, line, new_file, e) != 0)
		goto fail;
	if (write_head(f, sequence, revision, hash, e) != 0) {
		take_back(f, size, sequence, true);
		return -1;
	}
	f->size += buf_len(line);
	f->end = (struct audit_chain){ .sequence = sequence, .hash = *hash };
	f->revision = revision;
	f->unclean = false;
	return 0;
fail:
	take_back(f, size, sequence, false);
	return -1;
}

static int
seal_and_put(struct journal_file *f, const void *body, size_t n, uint64_t revision, struct err *e)
{
	struct buf line = { 0 };
	struct audit_hash hash;
	char *copy = NULL;
	int rc = -1;

	if (audit_seal(&line, f->end.sequence + 1, &f->end.hash, body, n, &hash) != 0)
		err_set(e, "out of memory");
	else if (buf_len(&line) > AUDIT_LINE_MAX)
		err_set(e, "the record is longer than %d bytes", AUDIT_LINE_MAX);
	else if ((copy = copy_line(buf_bytes(&line), buf_len(&line) - 1, e)) != NULL)
		rc = put_line(f, &line, revision, &hash, e);
	if (rc == 0)
		keep_last(f, copy, buf_len(&line) - 1);
	else
		free(copy);
	buf_free(&line);
	return rc;
}

/* ---- rotation -------------------------------------------------------------------------------- */

static void
remove_oldest(const struct journal_file *f)
{
	struct journal_list *l = malloc(sizeof(*l));
	char name[JOURNAL_NAME_BYTES];
	struct err e;

	if (l != NULL && journal_list(f->dir, l, &e) == 0) {
		for (unsigned i = 0; i + f->keep < l->n; i++) {
			journal_file_name(name, l->first[i]);
			unlinkat(f->dir, name, 0);
		}
	}
	free(l);
}

/* The last record again, as one that changes nothing. */
static int
encode_rotation(const struct journal_file *f, struct buf *body, struct err *e)
{
	struct audit_record *r = malloc(sizeof(*r));
	int rc = -1;

	if (r == NULL)
		return err_set(e, "out of memory");
	if (audit_parse(f->last, f->last_n, r, e) == 0) {
		r->wall_us = clock_wall_us();
		r->uid = geteuid();
		r->n_changes = 0;
		r->reason[0] = r->request[0] = r->evidence[0] = '\0';
		snprintf(r->actor, sizeof(r->actor), "grayd");
		snprintf(r->command, sizeof(r->command), "rotate");
		rc = audit_body(body, r) == 0 ? 0 : err_set(e, "out of memory");
	}
	free(r);
	return rc;
}

static int
rotate(struct journal_file *f, struct err *e)
{
	struct buf body = { 0 };
	int rc = encode_rotation(f, &body, e);

	if (rc == 0) {
		close(f->fd);
		f->fd = -1;
		rc = seal_and_put(f, buf_bytes(&body), buf_len(&body), f->revision, e);
	}
	buf_free(&body);
	if (rc == 0)
		remove_oldest(f);
	return rc;
}

bool
journal_file_has(const struct journal_file *f, const void *body, size_t n)
{
	return f->last != NULL && f->last_n > n + AUDIT_TAIL_BYTES &&
	       memcmp(f->last + f->last_n - AUDIT_TAIL_BYTES - n, body, n) == 0;
}

int
journal_file_append(
    struct journal_file *f, const void *body, size_t n, uint64_t revision, struct err *e)
{
	if (f->fd >= 0 && f->last != NULL && f->size >= f->rotate_bytes && rotate(f, e) != 0)
		return err_prefix(e, "rotation");
	return seal_and_put(f, body, n, revision, e);
}
