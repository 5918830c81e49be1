// SPDX-License-Identifier: MIT
/*
 * What lies in state_dir, read and judged; nothing here changes a file. The journal is a row of
 * files, each named by the sequence of its first record. Beside them stands the head: two lines
 * written in turn, of which the newer sound one says what the last record is. Used by the master at
 * its start, by the writer, and by whoever answers `history` and `verify`.
 */
#pragma once

#include "common/audit.h"
#include "common/err.h"

#define JOURNAL_NAME_BYTES 64
#define JOURNAL_FILE_MAX   (64u << 20) /* bytes; a larger file is none of ours */
#define JOURNAL_FILES_MAX  256

#define HEAD_FILE	"head"
#define HEAD_LINE_BYTES 172

/* "journal-00000000000000000042.jsonl" */
void journal_file_name(char out[JOURNAL_NAME_BYTES], uint64_t first);

struct journal_list {
	unsigned n;
	uint64_t first[JOURNAL_FILES_MAX]; /* ascending */
};
/* The journal's files in a folder. -1: it cannot be read, or has more than JOURNAL_FILES_MAX. */
int journal_list(int dir, struct journal_list *out, struct err *e) MUST_CHECK;
/* Reads a whole file; to be freed by the caller. NULL: `e` says why. */
char *journal_load(int dir, uint64_t first, size_t *n, struct err *e) MUST_CHECK;

struct journal_head {
	uint64_t sequence, revision;
	struct audit_hash hash;
};
void journal_head_line(const struct journal_head *h, char out[HEAD_LINE_BYTES + 1]);
/* False: there is no head, or it is unreadable. */
bool journal_head_read(int dir, struct journal_head *out);

/* One whole line after the other of a file's text. */
struct journal_walk {
	const char *text;
	size_t n, next;	  /* where the next line begins */
	const char *line; /* the last one that was read, and its length without the line end */
	size_t line_n;
	unsigned number; /* of that line; 1: the first */
	struct audit_chain chain;
	struct audit_seal seal; /* of that line */
};
enum walk_step { WALK_LINE, WALK_END, WALK_BROKEN };
/* Reads on. WALK_END: what is left, from `next`, holds no line end. WALK_BROKEN: `e` names the
 * line. */
enum walk_step journal_walk(struct journal_walk *w, struct err *e) MUST_CHECK;

enum journal_found {
	JOURNAL_NEW, /* there is none, and never was */
	JOURNAL_SOUND,
	JOURNAL_BROKEN, /* unreadable, shortened, edited, or none of ours */
};

struct journal_scan {
	enum journal_found found;
	struct err broken;	     /* JOURNAL_BROKEN: what is wrong, and where */
	char note[256];		     /* what does not count and is to be cut off; empty: nothing */
	uint64_t file, size;	     /* JOURNAL_SOUND: the last file, and how much of it counts */
	struct audit_chain end;	     /* the last record that counts */
	bool confirmed;		     /* the head knows that record */
	struct audit_record *last;   /* that record; else NULL */
	uint64_t sequence, revision; /* the highest of each that was seen anywhere */
};
/* Judges the journal. -1: out of memory. */
int journal_scan(int dir, struct journal_scan *out, struct err *e) MUST_CHECK;
void journal_scan_free(struct journal_scan *s);
