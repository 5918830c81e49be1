// SPDX-License-Identifier: MIT
/* A folder with the files of a journal, and what tests do to them. */
#pragma once

#include "daemon/journal_file.h"

extern int files_dir;

/* For the suite: a folder, removed at its end. */
int files_init(void);
int files_fini(void);
void files_empty(void);

struct file_bytes {
	char name[JOURNAL_NAME_BYTES];
	char *at;
	size_t n;
};
/* The whole of a file; `at` is to be freed. */
struct file_bytes files_load(const char *name);
void files_store(const char *name, const void *bytes, size_t n);
/* A line, from 0 on; `n` with its end. */
char *files_line(const struct file_bytes *b, unsigned number, size_t *n);

/* The body of a record of one release, "a". */
void files_encode(struct buf *body, uint64_t revision, unsigned share_bp);
void files_append(struct journal_file *f, uint64_t revision, unsigned share_bp);
/* In an empty folder. */
void files_begin(struct journal_file *f);
/* Records with these shares, revisions from 1 on. */
struct audit_chain files_write_shares(const unsigned *shares, unsigned n, uint64_t rotate_bytes);
#define FILES_RISING 4
extern const unsigned files_rising[FILES_RISING];

/* The share that a start would take. */
unsigned files_share(struct journal_scan *s);
/* Opens what is there, as the writer would, and writes one more. */
void files_check_goes_on(bool broken);
