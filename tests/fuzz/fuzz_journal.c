// SPDX-License-Identifier: MIT
/*
 * Fuzzes the journal as it is read: common/audit_read.c and daemon/journal_scan.c. A line that is
 * taken is one that grayd would write, to the letter. Of whole files the first byte says which part
 * is the head; whatever they hold, the verdict is one of three, and a sound journal ends with a
 * record that was read.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/audit.h"
#include "daemon/journal_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIRST_FILE "journal-00000000000000000001.jsonl"

static void
check_line(const char *line, size_t n)
{
	static struct audit_record r, again;
	struct buf body = { 0 }, out = { 0 };
	struct audit_hash hash;
	struct err e;
	int rc;

	if (audit_parse(line, n, &r, &e) != 0)
		return;
	rc = audit_body(&body, &r);
	assert(rc == 0);
	rc = audit_seal(&out, r.sequence, &r.before, buf_bytes(&body), buf_len(&body), &hash);
	assert(rc == 0 && buf_len(&out) == n + 1 && memcmp(buf_bytes(&out), line, n) == 0);
	rc = audit_parse((const char *)buf_bytes(&out), n, &again, &e);
	assert(rc == 0 && memcmp(&r, &again, sizeof(r)) == 0);
	buf_free(&body);
	buf_free(&out);
}

/* The same bytes with a right hash at the end, since no fuzzer finds one. */
static void
check_sealed(const char *bytes, size_t n)
{
	static const struct audit_hash before;
	struct buf line = { 0 };
	struct audit_hash hash;

	if (memchr(bytes, '\n', n) == NULL && audit_seal(&line, 1, &before, bytes, n, &hash) == 0)
		check_line((const char *)buf_bytes(&line), buf_len(&line) - 1);
	buf_free(&line);
}

static char path[] = "/tmp/fuzz-journal-XXXXXX";
static int dir = -1;

static void
remove_folder(void)
{
	unlinkat(dir, HEAD_FILE, 0);
	unlinkat(dir, FIRST_FILE, 0);
	rmdir(path);
}

static void
open_folder(void)
{
	if (mkdtemp(path) == NULL)
		abort();
	dir = open(path, O_RDONLY | O_DIRECTORY);
	assert(dir >= 0);
	atexit(remove_folder);
}

static void
store(const char *name, const char *bytes, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t written;

	assert(fd >= 0);
	written = write(fd, bytes, n);
	assert(written == (ssize_t)n);
	close(fd);
}

static void
check_folder(const char *bytes, size_t n, size_t head_n)
{
	struct journal_scan s;
	struct err e;
	int rc;

	if (dir < 0)
		open_folder();
	store(HEAD_FILE, bytes, head_n);
	store(FIRST_FILE, bytes + head_n, n - head_n);
	rc = journal_scan(dir, &s, &e);
	assert(rc == 0);
	assert((s.found == JOURNAL_SOUND) == (s.last != NULL));
	assert(s.found != JOURNAL_BROKEN || s.broken.msg[0] != '\0');
	assert(s.last == NULL || s.last->sequence == s.end.sequence);
	journal_scan_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size > 0 ? size : 1);
	size_t head_n;

	assert(exact != NULL);
	memcpy(exact, data, size);
	check_line(exact, size);
	check_sealed(exact, size);
	if (size > 0) {
		head_n = data[0] * 2u < size - 1 ? data[0] * 2u : size - 1;
		check_folder(exact + 1, size - 1, head_n);
	}
	free(exact);
	return 0;
}
