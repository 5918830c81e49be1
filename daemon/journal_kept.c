// SPDX-License-Identifier: MIT
/* See journal_kept.h. The folder is not synced: at worst the file before this one is read. */
#include "daemon/journal_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_FILE      "evidence"
#define KEPT_NEW       "evidence.new"
#define KEPT_BYTES_MAX (64u << 20)

static int
write_all(int fd, const char *at, size_t n)
{
	while (n > 0) {
		ssize_t wrote = write(fd, at, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return -1;
		at += wrote;
		n -= (size_t)wrote;
	}
	return fdatasync(fd);
}

int
journal_kept_write(int dir, const void *bytes, size_t n, struct err *e)
{
	int fd = openat(dir, KEPT_NEW,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int rc = -1;

	if (fd < 0)
		return err_sys(e, KEPT_NEW " cannot be opened");
	if (write_all(fd, bytes, n) != 0)
		err_sys(e, KEPT_NEW " cannot be written");
	else if (renameat(dir, KEPT_NEW, dir, KEPT_FILE) != 0)
		err_sys(e, KEPT_FILE " cannot be replaced");
	else
		rc = 0;
	close(fd);
	if (rc != 0)
		unlinkat(dir, KEPT_NEW, 0); /* half of it would only take room */
	return rc;
}

void
journal_kept_remove(int dir)
{
	unlinkat(dir, KEPT_FILE, 0);
}

static char *
read_open(int fd, size_t *n, struct err *e)
{
	struct stat st;
	char *bytes;
	ssize_t got;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)KEPT_BYTES_MAX) {
		err_set(e, "it is no file of ours");
		return NULL;
	}
	bytes = malloc((size_t)st.st_size + 1);
	if (bytes == NULL) {
		err_set(e, "out of memory");
		return NULL;
	}
	for (*n = 0; *n < (size_t)st.st_size; *n += (size_t)got) {
		got = pread(fd, bytes + *n, (size_t)st.st_size - *n, (off_t)*n);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			break;
	}
	return bytes;
}

char *
journal_kept_read(int dir, size_t *n, struct err *e)
{
	int fd = openat(dir, KEPT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *bytes = NULL;

	e->msg[0] = '\0';
	if (fd >= 0) {
		bytes = read_open(fd, n, e);
		close(fd);
	} else if (errno != ENOENT) {
		err_sys(e, "it cannot be opened");
	}
	return bytes;
}
