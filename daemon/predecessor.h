// SPDX-License-Identifier: MIT
/*
 * Upgrade, as the new master sees it: what it was given by the old one, and the old one itself as
 * long as that has workers that drain. They obey each publish: it is told to the old master, which
 * publishes it to them and says when all of them follow. The old master's side: upgrade.h. Master
 * process.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "daemon/listen.h"

struct master;
struct predecessor;

/* ---- before there is a loop: predecessor_meet.c -----------------------------------------------
 */

/* Before the config is read: takes what the old master says, its keys among it. *out is NULL where
 * nobody did, and this is an ordinary start. Waits at most a few seconds. -1: `e`, and the old
 * master was told. */
int predecessor_meet(struct predecessor **out, struct err *e) MUST_CHECK;
/* The start has failed: the old master is told why, and goes on. NULL is fine. */
void predecessor_refuse(struct predecessor *p, const char *why);

/* Where there is one: */
/* The sockets of the old master. */
void predecessor_give_sockets(struct predecessor *p, struct listeners *given);
/* The limits, if this version understands them: sets m->limits_inherited. */
void predecessor_give_limits(struct master *m);

/* ---- from the loop's begin until it has left: predecessor.c ------------------------------------
 */

/* Where there is one: listens to the old master; takes its policy over, as far as the config
 * allows. */
int predecessor_begin(struct master *m, struct err *e) MUST_CHECK;
/* The workers are ready and held. */
void predecessor_ready(struct master *m);
/* Whether it serves itself by now; true without a predecessor. */
bool predecessor_is_settled(const struct master *m);

/* The old master, while it still has something to finish; 0: none. */
pid_t predecessor_pid(const struct master *m);

/* A policy was published: tells the old master. */
void predecessor_publish(struct master *m);
/* Whether workers of the old master stand in the way of a revision. */
bool predecessor_is_missing(const struct master *m, uint64_t revision);
/* How many of its workers have acknowledged the newest revision that it has answered. */
unsigned predecessor_acknowledged(const struct master *m, uint64_t revision);
/* Adds what its workers have told of a rollback to a receipt of the same revision. */
struct receipt;
void predecessor_add_rollback(const struct master *m, struct receipt *r);
/* It has not answered or left in time: it is killed, and its workers, without a master, lower
 * themselves. */
void predecessor_kill(struct master *m);
void predecessor_stop(struct master *m);
void predecessor_reopen_logs(struct master *m);
/* For each tick: says again what could not be said. */
void predecessor_check(struct master *m);
void predecessor_end(struct master *m);
