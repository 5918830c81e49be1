// SPDX-License-Identifier: MIT
/*
 * Marks of lowerings: for each release the revision of the last one, in a small file that the
 * master has mapped. Setting a mark makes no disk wait and no system call that could block, and a
 * mark outlives every process; so a lowering that was published and is not in the journal yet is
 * known at the next start. Master process.
 */
#pragma once

#include "common/err.h"
#include "common/shm.h"

struct marks_page;

struct journal_marks {
	struct marks_page *page; /* NULL: not open */
	uint64_t *word;		 /* what `word_fd` holds */
	int word_fd;
};

/* Opens the file in the folder, makes and preallocates it where it is missing; `*made` says which.
 * Before the loop: it syncs. -1: `e` says why; the marks are not open. */
int marks_open(struct journal_marks *m, int dir, bool *made, struct err *e) MUST_CHECK;
void marks_close(struct journal_marks *m);
/* The mark of a release; 0: it has none. */
uint64_t marks_get(const struct journal_marks *m, const char *release);
/* The highest of all. */
uint64_t marks_highest(const struct journal_marks *m);
/* Sets a mark. Without a free place one that is not above `settled` is given up. -1: it could not
 * be set, which never stops what it was for. */
int marks_set(
    struct journal_marks *m, const char *release, uint64_t revision, uint64_t settled) MUST_CHECK;
