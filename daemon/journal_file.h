// SPDX-License-Identifier: MIT
/*
 * The journal's files as they are written: append, sync, head, rotation, and what is done about an
 * error. Runs in the writer only (journal_writer.h), and in tests; every call may wait for the
 * disk. After an error nothing is synced again through the same descriptor: the next record begins
 * a new file, and until that is written the journal is as it was before the record that failed.
 */
#pragma once

#include "common/err.h"
#include "daemon/journal_scan.h"

#define JOURNAL_ROTATE_BYTES (8u << 20)
#define JOURNAL_KEEP	     8 /* files, the one that is being written included */

struct journal_file {
	int dir;		/* borrowed */
	int fd, head;		/* -1: closed; the next record begins a new file */
	uint64_t size;		/* of the open file */
	struct audit_chain end; /* the last record that is on disk */
	uint64_t revision;	/* of its policy */
	char *last;		/* its line; NULL: there is none */
	size_t last_n;		/* without the line end */
	uint64_t rotate_bytes;
	unsigned keep;
	bool unclean; /* a record that failed may still be on disk */
};

/* What was found, for the log. */
struct journal_opening {
	struct err broken; /* the journal cannot be trusted and was put aside; empty: it can */
	char note[256];	   /* what was cut off; empty: nothing */
};

/* Creates the folder where it is missing (0700), opens it, and takes away from others what could
 * change files in it. -1: `e` says why. */
int journal_dir_open(const char *path, struct err *e) MUST_CHECK;

/* Goes on where the journal ends: cuts off what does not count, puts a broken one aside. -1: `e`
 * says why; nothing is open, try again later. */
int journal_file_open(
    struct journal_file *f, int dir, struct journal_opening *found, struct err *e) MUST_CHECK;
/* Seals a body, appends, syncs, and writes the head. -1: the record is not in the journal, or
 * `unclean` says that it may be. */
int journal_file_append(struct journal_file *f, const void *body, size_t n, uint64_t revision,
    struct err *e) MUST_CHECK;
/* Whether the last record has this body: a writer that died may have written what it did not
 * report. */
bool journal_file_has(const struct journal_file *f, const void *body, size_t n);
void journal_file_close(struct journal_file *f);
