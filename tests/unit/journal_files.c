// SPDX-License-Identifier: MIT
/* See journal_files.h. */
#include "tests/unit/journal_files.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/journal_read.h"

static char path[64];
int files_dir = -1;

int
files_init(void)
{
	struct err e;

	snprintf(path, sizeof(path), "/tmp/grayd-journal-XXXXXX");
	if (mkdtemp(path) == NULL)
		return -1;
	files_dir = journal_dir_open(path, &e);
	return files_dir >= 0 ? 0 : -1;
}

void
files_empty(void)
{
	DIR *d = opendir(path);
	const struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.')
			unlinkat(files_dir, entry->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
}

int
files_fini(void)
{
	files_empty();
	close(files_dir);
	return rmdir(path);
}

/* ---- files as bytes -------------------------------------------------------------------------- */

struct file_bytes
files_load(const char *name)
{
	struct file_bytes b = { .at = malloc(1 << 20) };
	int fd = openat(files_dir, name, O_RDONLY);
	ssize_t n;

	CU_ASSERT_FATAL(fd >= 0);
	n = read(fd, b.at, 1 << 20);
	CU_ASSERT_FATAL(n > 0);
	b.n = (size_t)n;
	snprintf(b.name, sizeof(b.name), "%s", name);
	close(fd);
	return b;
}

void
files_store(const char *name, const void *bytes, size_t n)
{
	int fd = openat(files_dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, bytes, n), (ssize_t)n);
	close(fd);
}

char *
files_line(const struct file_bytes *b, unsigned number, size_t *n)
{
	char *at = b->at, *end;

	while (number-- > 0)
		at = (char *)memchr(at, '\n', b->n - (size_t)(at - b->at)) + 1;
	end = memchr(at, '\n', b->n - (size_t)(at - b->at));
	*n = (size_t)(end - at) + 1;
	return at;
}

/* ---- a journal to play with ------------------------------------------------------------------ */

void
files_encode(struct buf *body, uint64_t revision, unsigned share_bp)
{
	struct audit_record *r = calloc(1, sizeof(*r));

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	strcpy(r->actor, "tester");
	strcpy(r->command, "weight");
	r->policy.revision = revision;
	r->policy.n_releases = r->n_changes = 1;
	strcpy(r->policy.releases[0].name, "a");
	strcpy(r->changes[0].release, "a");
	r->policy.releases[0].state = r->changes[0].to.state =
	    share_bp > 0 ? STATE_STEP : STATE_IDLE;
	r->policy.releases[0].share_bp = r->changes[0].to.share_bp = (uint16_t)share_bp;
	CU_ASSERT_EQUAL_FATAL(audit_body(body, r), 0);
	free(r);
}

void
files_append(struct journal_file *f, uint64_t revision, unsigned share_bp)
{
	struct buf body = { 0 };
	struct err e = { "" };

	files_encode(&body, revision, share_bp);
	CU_ASSERT_EQUAL(journal_file_append(f, buf_bytes(&body), buf_len(&body), revision, &e), 0);
	CU_ASSERT_STRING_EQUAL(e.msg, "");
	buf_free(&body);
}

void
files_begin(struct journal_file *f)
{
	struct journal_opening found;
	struct err e;

	files_empty();
	CU_ASSERT_EQUAL_FATAL(journal_file_open(f, files_dir, &found, &e), 0);
	CU_ASSERT_STRING_EQUAL(found.broken.msg, "");
}

/* Records with these shares, revisions from 1 on. */
struct audit_chain
files_write_shares(const unsigned *shares, unsigned n, uint64_t rotate_bytes)
{
	struct journal_file f;
	struct audit_chain end;

	files_begin(&f);
	f.rotate_bytes = rotate_bytes;
	for (unsigned i = 0; i < n; i++)
		files_append(&f, i + 1, shares[i]);
	end = f.end;
	journal_file_close(&f);
	return end;
}

const unsigned files_rising[FILES_RISING] = { 0, 1000, 3000, 5000 };

/* The share that a start would take. */
unsigned
files_share(struct journal_scan *s)
{
	struct err e;

	CU_ASSERT_EQUAL_FATAL(journal_scan(files_dir, s, &e), 0);
	if (s->found != JOURNAL_SOUND)
		return 0;
	CU_ASSERT_PTR_NOT_NULL_FATAL(s->last);
	return s->last->policy.releases[0].share_bp;
}

/* Opens what is there, as the writer would, and writes one more. */
void
files_check_goes_on(bool broken)
{
	struct journal_file f;
	struct journal_opening found;
	struct journal_scan s;
	struct audit_chain end;
	struct buf out = { 0 };
	struct err e = { "" };

	CU_ASSERT_EQUAL_FATAL(journal_file_open(&f, files_dir, &found, &e), 0);
	CU_ASSERT_EQUAL(found.broken.msg[0] != '\0', broken);
	files_append(&f, 100, 0);
	end = f.end;
	journal_file_close(&f);
	CU_ASSERT_EQUAL(files_share(&s), 0);
	CU_ASSERT_EQUAL(s.found, JOURNAL_SOUND);
	CU_ASSERT_EQUAL(s.end.sequence, end.sequence);
	CU_ASSERT_TRUE(s.confirmed);
	CU_ASSERT_EQUAL(s.note[0], '\0');
	journal_scan_free(&s);
	CU_ASSERT_EQUAL(journal_read_verify(files_dir, &end, &out, &e), 0);
	buf_free(&out);
}
