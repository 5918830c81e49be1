// SPDX-License-Identifier: MIT
/*
 * What the files of the master's end of the journal share: journal.c (records), journal_start.c
 * (the start), journal_ask.c (questions). Nobody else includes it. Master process.
 */
#pragma once

#include "common/audit.h"
#include "daemon/journal.h"
#include "daemon/journal_marks.h"
#include "daemon/journal_scan.h"
#include "daemon/journal_writer.h"

/* A record on its way. */
struct journal_item {
	struct journal_item *next;
	uint64_t id, revision;
	bool raises, sent;
	struct buf body;
	journal_done_fn *done; /* NULL: nobody waits */
	void *arg;
};

struct journal_question {
	struct journal_question *next;
	uint64_t id;
	struct cmd *cmd; /* NULL: the caller has gone */
	char kind;	 /* enum journal_order */
	struct history_wish wish;
	bool sent;
	const char *member; /* of the answer that takes what comes as its value */
	struct buf answer;
};

struct journal {
	char *path;    /* of state_dir, which no reload changes */
	int dir, lock; /* -1: state_dir cannot be used; then there is no writer either */
	struct journal_marks marks;
	struct child *writer; /* NULL: there is none at the moment */
	bool hello;	      /* it has said what it found */
	struct journal_item *items;
	unsigned n_items;
	struct journal_question *questions;
	uint64_t last_id;
	uint64_t revision; /* the highest of any record or mark */
	uint64_t settled;  /* of the last record that was confirmed: older marks mean nothing */
	uint64_t sequence;
	bool ok;
	struct err error;
	uint64_t retry_at_us;
	struct journal_scan found; /* at the start, until it is restored */
};

/* Who changed what and why, as a record has it. */
struct journal_note {
	uint32_t uid;
	const char *actor, *command;
	const char *reason, *request, *evidence; /* NULL: none */
	const struct policy *before, *after;
	bool raises;
};
int journal_note(struct master *m, const struct journal_note *n, journal_done_fn *done, void *arg,
    struct err *e) MUST_CHECK;

/* ---- journal_ids.c --------------------------------------------------------------------------- */
/* Remembers the request ids of the newest records, up to the last one that counts. */
void journal_recall_ids(struct master *m, uint64_t last);

/* For the metrics. */
void journal_count_error(struct master *m);

/* ---- journal_ask.c --------------------------------------------------------------------------- */
/* Sends those that the writer has not got yet, and for which all records before them are written.
 */
void journal_send_questions(struct journal *j);
void journal_answer(struct master *m, const struct report_head *h, const char *bytes, size_t n);
/* The writer is gone, and with it who was to answer. */
void journal_fail_questions(struct master *m);
void journal_free_questions(struct journal *j);
