// SPDX-License-Identifier: MIT
/*
 * Upgrade, as the old master sees it: it starts the new binary as another master, hands everything
 * over when that one is ready, and then stays, without sockets and without a word of its own, to
 * publish to its draining workers what the new master decides (their policy memory can be mapped
 * for writing by nobody else). Until the new master says that it serves, any failure of it leaves
 * the old one in office. Master process.
 *
 *   STARTING  the new binary runs; its workers come up and wait
 *   QUIETING  it is ready; records that are on their way reach the disk, the journal's writer
 * leaves HANDING   the last word was said; only a rollback is still carried out here, and ends the
 * upgrade RELAYING  the new master serves FAILED    the new binary was killed and is not reaped
 * yet; the journal rests until it is
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/ctlproto.h"
#include "common/err.h"

struct actor;
struct master;
struct upgrade;

/* Called once, from the loop: the new master serves (`failure` is NULL), or this one goes on. */
typedef void upgrade_done_fn(const struct err *failure, void *arg);

/* Starts the binary that stands at m->program now. CTL_OK: `done` will be called, unless
 * upgrade_forget(arg) comes first. CTL_REFUSED, CTL_BUSY: `e` says why not. */
enum ctl_code upgrade_begin(struct master *m, const struct actor *actor, upgrade_done_fn *done,
    void *arg, struct err *e) MUST_CHECK;
void upgrade_by_signal(struct master *m);
void upgrade_forget(struct master *m, const void *arg);
/* The process of the new master, once it serves; 0: no upgrade has come so far. */
pid_t upgrade_successor(const struct master *m);

/* Whether changes are the new master's business, or nobody's for a moment. */
bool upgrade_closes_door(const struct master *m);
/* A rollback must not wait: whatever of the upgrade is not finished is given up. False: it is
 * finished, and the new master must be asked. */
bool upgrade_give_way(struct master *m);
/* The master stops. */
void upgrade_stop(struct master *m);

/* For each tick and each child that has ended. */
void upgrade_check(struct master *m);
/* Tells the new master the last sums; at the very end. */
void upgrade_end(struct master *m);
