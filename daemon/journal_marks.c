// SPDX-License-Identifier: MIT
/*
 * Marks of lowerings; see journal_marks.h. Master process. A mark is two words, the release's name
 * as a hash and the revision, each written by the kernel in one copy: from a memfd, because a plain
 * store into a file whose disk has failed raises SIGBUS, while a copy just returns EFAULT. A kill
 * leaves the old word or the new one.
 */
#include "daemon/journal_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/audit_fields.h"
#include "common/hash.h"

#define MARKS_FILE  "marks"
#define MARKS_MAGIC UINT64_C(0x31736b72616d7967) /* "gymarks1": the version of this file */
#define PLACES	    (2 * RELEASES_MAX)

struct mark {
	uint64_t name; /* 0: the place is free */
	uint64_t revision;
};

struct marks_page {
	uint64_t magic;
	struct mark places[PLACES];
};

static uint64_t
name_hash(const char *release)
{
	static const struct hash_key key = { "grayd-mark-1" };
	uint64_t hash = hash64(&key, release, strlen(release));

	return hash != 0 ? hash : 1;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* A revision that no record can have would stand above all that are to come. */
static bool
is_sound(int fd)
{
	struct marks_page page;

	if (pread(fd, &page, sizeof(page), 0) != sizeof(page) || page.magic != MARKS_MAGIC)
		return false;
	for (unsigned i = 0; i < PLACES; i++) {
		if (page.places[i].revision > AUDIT_NUMBER_MAX / 2)
			return false;
	}
	return true;
}

static int
prepare_file(int fd, int dir, bool *made, struct err *e)
{
	const uint64_t magic = MARKS_MAGIC;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_sys(e, "%s", MARKS_FILE);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "%s is no regular file", MARKS_FILE);
	*made = !is_sound(fd);
	if (*made && ftruncate(fd, 0) != 0)
		return err_sys(e, "%s", MARKS_FILE);
	/* Room for all of it, so that no mark can meet a full disk. */
	errno = posix_fallocate(fd, 0, sizeof(struct marks_page));
	if (errno != 0)
		return err_sys(e, "%s", MARKS_FILE);
	if (*made && pwrite(fd, &magic, sizeof(magic), 0) != sizeof(magic))
		return err_sys(e, "%s", MARKS_FILE);
	if (fsync(fd) != 0 || fsync(dir) != 0)
		return err_sys(e, "%s cannot be synced", MARKS_FILE);
	return 0;
}

/* A mapping that children do not inherit; NULL: failed. */
static void *
map_own(int fd, size_t n)
{
	void *at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (madvise(at, n, MADV_DONTFORK) == 0) {
		/* Only against swapping; where the limit forbids it, so be it. */
		(void)!mlock(at, n);
		return at;
	}
	munmap(at, n);
	return NULL;
}

static int
open_word(struct journal_marks *m, struct err *e)
{
	m->word_fd = memfd_create("grayd-mark", MFD_CLOEXEC);
	if (m->word_fd < 0 || ftruncate(m->word_fd, sizeof(*m->word)) != 0)
		return err_sys(e, "cannot make memory for marks");
	m->word = map_own(m->word_fd, sizeof(*m->word));
	return m->word != NULL ? 0 : err_sys(e, "cannot map memory for marks");
}

int
marks_open(struct journal_marks *m, int dir, bool *made, struct err *e)
{
	int fd = openat(dir, MARKS_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	*m = (struct journal_marks){ .word_fd = -1 };
	if (fd < 0)
		return err_sys(e, "%s", MARKS_FILE);
	if (prepare_file(fd, dir, made, e) == 0 && open_word(m, e) == 0) {
		m->page = map_own(fd, sizeof(*m->page));
		if (m->page == NULL)
			err_sys(e, "cannot map %s", MARKS_FILE);
	}
	close(fd);
	if (m->page != NULL)
		return 0;
	marks_close(m);
	return -1;
}

void
marks_close(struct journal_marks *m)
{
	if (m->page != NULL)
		munmap(m->page, sizeof(*m->page));
	if (m->word != NULL)
		munmap(m->word, sizeof(*m->word));
	if (m->word_fd >= 0)
		close(m->word_fd);
	*m = (struct journal_marks){ .word_fd = -1 };
}

/* ---- marks ----------------------------------------------------------------------------------- */

uint64_t
marks_get(const struct journal_marks *m, const char *release)
{
	uint64_t name = name_hash(release);

	for (unsigned i = 0; m->page != NULL && i < PLACES; i++) {
		if (m->page->places[i].name == name)
			return m->page->places[i].revision;
	}
	return 0;
}

uint64_t
marks_highest(const struct journal_marks *m)
{
	uint64_t highest = 0;

	for (unsigned i = 0; m->page != NULL && i < PLACES; i++) {
		if (m->page->places[i].name != 0 && m->page->places[i].revision > highest)
			highest = m->page->places[i].revision;
	}
	return highest;
}

static int
set_word(struct journal_marks *m, uint64_t *at, uint64_t value)
{
	*m->word = value;
	return pread(m->word_fd, at, sizeof(*at), 0) == sizeof(*at) ? 0 : -1;
}

/* The place of this name, else a free one, else one whose mark says nothing any more. */
static struct mark *
find_place(struct journal_marks *m, uint64_t name, uint64_t settled)
{
	struct mark *free_place = NULL, *settled_place = NULL;

	for (unsigned i = 0; i < PLACES; i++) {
		struct mark *at = &m->page->places[i];

		if (at->name == name)
			return at;
		if (at->name == 0 && free_place == NULL)
			free_place = at;
		else if (at->revision <= settled && settled_place == NULL)
			settled_place = at;
	}
	return free_place != NULL ? free_place : settled_place;
}

int
marks_set(struct journal_marks *m, const char *release, uint64_t revision, uint64_t settled)
{
	uint64_t name = name_hash(release);
	struct mark *at;

	if (m->page == NULL)
		return -1;
	at = find_place(m, name, settled);
	if (at == NULL)
		return -1;
	if (at->name != name && at->name != 0 && set_word(m, &at->name, 0) != 0)
		return -1;
	if (set_word(m, &at->revision, revision) != 0)
		return -1;
	return at->name == name ? 0 : set_word(m, &at->name, name);
}
