// SPDX-License-Identifier: MIT
/*
 * The journal of transitions as the master sees it: what it replayed at the start, the records that
 * are on their way to the disk, and whether the disk takes them. Files are written and synced by a
 * process of its own (journal_writer.h), since no sync may stall the master's loop. Master process.
 *
 * A change that raises exposure is published when its record is on disk; one that lowers it is
 * marked in mapped memory (journal_marks.h), published, and written afterwards.
 */
#pragma once

#include "common/buf.h"
#include "common/err.h"
#include "common/shm.h"

struct child;
struct change;
struct cmd;
struct journal;
struct master;

/* A transition that is to be written. All is borrowed for the call only. */
struct journal_entry {
	const struct change *change;
	const struct policy *before, *after;
	bool raises; /* dropped when it cannot be written; anything else is tried until it can */
};

/* Called once, from the loop: the record is on disk (`failure` is NULL), or it is refused. */
typedef void journal_done_fn(struct master *m, const struct err *failure, void *arg);

/* Opens state_dir and reads what is there; may take its time, so only before the loop. What is
 * wrong with the folder or the files does not stop grayd: it is logged, and every share will be 0.
 * -1: out of memory. */
int journal_open(struct master *m, struct err *e) MUST_CHECK;
void journal_close(struct master *m);
/* Instead of journal_open(), in the new master of an upgrade: the lock is the old one's. -1: `e`;
 * the descriptor is the journal's in either case. */
int journal_take_over(struct master *m, int lock_fd, struct err *e) MUST_CHECK;
/* Puts what the journal says into a policy that has an idle entry for each release of the config,
 * in the same order: by name, or share 0 where the journal cannot be trusted. To be called once,
 * before the first publish. */
void journal_restore(struct master *m, struct policy *p);

/* Who put each release into the state that m->policy has, as far as nobody knows: see cause.h.
 * Reads files: before anything is served. */
void journal_recall_causes(struct master *m);

/* Whether a raise can be tried. -1: why not, in words for the caller. */
int journal_may_raise(const struct master *m, struct err *e) MUST_CHECK;
/* Queues a record. -1: out of memory, `done` is not called; what does not raise leaves the alarm
 * on. `done` may be NULL. */
int journal_write(struct master *m, const struct journal_entry *entry, journal_done_fn *done,
    void *arg, struct err *e) MUST_CHECK;
/* Nobody wants to hear of this `arg` any more; a record that was not sent yet is dropped if it
 * raises. */
void journal_abandon(struct master *m, const void *arg);
/* Before a publish: a start that finds this revision newer than the journal takes share 0 for each
 * release that differs between the two. One store to mapped memory for each. */
void journal_mark(
    struct master *m, const struct policy *before, const struct policy *after, uint64_t revision);
/* The highest revision that a record or mark has ever had; the next one is higher. */
uint64_t journal_revision(const struct master *m);

/* `history` and `verify`: answered by the writer, on its own time. */
void journal_ask_history(struct master *m, struct cmd *cmd, const char *release, unsigned limit);
void journal_ask_verify(struct master *m, struct cmd *cmd);
void journal_ask_replay(struct master *m, struct cmd *cmd, const char *release);
/* The caller of this command has gone. */
void journal_forget(struct master *m, const struct cmd *cmd);

/* Gives the writer what is to be kept of the evidence: the beginning of a dossier, to which it adds
 * the keys. Nobody waits for it, and a failure is the writer's to tell. -1: it could not be told
 * now. */
int journal_keep(struct master *m, const struct buf *text) MUST_CHECK;
/* What was kept before this master; to be freed. NULL: `e` says why, empty: nothing was. */
char *journal_kept(const struct master *m, size_t *n, struct err *e) MUST_CHECK;

struct journal_health {
	bool ok;
	struct err error;  /* what failed last, while not ok */
	unsigned waiting;  /* records that are not on disk yet */
	uint64_t errors;   /* ever */
	uint64_t sequence; /* of the last record on disk */
};
void journal_health(const struct master *m, struct journal_health *out);

/* For the supervisor: the writer was started, said something, is gone; and a tick has passed. */
void journal_writer_started(struct child *c);
void journal_writer_heard(struct child *c, const void *message, size_t n);
void journal_writer_ended(struct child *c);
void journal_tick(struct master *m);
/* What the writer inherits: the lock on state_dir; -1: there is none. */
const char *journal_path(const struct master *m);
int journal_lock_fd(const struct master *m);
