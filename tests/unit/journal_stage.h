// SPDX-License-Identifier: MIT
/*
 * A master with a journal and without processes: the test plays the writer, and so decides what
 * reaches the disk and when the master hears of it.
 */
#pragma once

#include "daemon/journal_file.h"
#include "daemon/master.h"

extern char stage_path[64]; /* of state_dir */
extern struct master *stage_master;
extern struct journal_file stage_file; /* what the writer writes */
extern struct err stage_refusal;       /* of the last command that was refused at once */
extern const char stage_usual[];       /* two releases, "a" and "b", of the same two models */

/* For the suite: a folder, removed at its end. */
int stage_init(void);
int stage_fini(void);
void stage_empty(void);
/* Adds something to the first file of the journal. */
void stage_damage_journal(void);

/* A master with these releases; and all of it, writer included, up and at rest. */
void stage_open_master(const char *folder, const char *releases);
void stage_close_master(void);
void stage_begin(void);
void stage_end(void);
/* Nothing in memory survives. */
void stage_restart(void);
void stage_restart_with(const char *releases);

void stage_start_writer(void);
void stage_stop_writer(void);
/* Takes the next order. False: there is none. */
bool stage_take_order(void);
/* Puts it on the disk; reports it. `failure` NULL: it went well. */
void stage_write_order(void);
void stage_confirm_order(const char *failure, bool unclean);
/* Everything that waits is written and confirmed. */
void stage_write_all(void);

/* What became of a command. */
struct stage_heard {
	unsigned times;
	enum ctl_code code;
	bool changed;
	uint64_t revision;
	struct err error;
};
enum ctl_code stage_apply_if(enum release_command command, const char *release, uint32_t share_bp,
    uint64_t if_revision, struct stage_heard *h);
enum ctl_code stage_weight(const char *release, uint32_t share_bp, struct stage_heard *h);
enum ctl_code stage_rollback(const char *release, struct stage_heard *h);

const struct policy_release *stage_release(const char *name);
unsigned stage_share(const char *name);
