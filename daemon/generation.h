// SPDX-License-Identifier: MIT
/*
 * Reload: a new generation of workers under a new config. It is started beside the old one and held
 * until all of it is ready; then, in one turn of the loop, the policy, the config and the listening
 * sockets become the new ones, the new workers serve and the old ones retire. Whatever goes wrong
 * before that turn changes nothing. Master process.
 */
#pragma once

#include "common/ctlproto.h"
#include "common/err.h"

struct actor;
struct generation;
struct master;
struct policy;

/* Called once, from the loop: the new generation serves (`failure` is NULL, `before` is the policy
 * under which the old one did), or it was given up. */
typedef void generation_done_fn(const struct err *failure, const struct policy *before, void *arg);

/* Reads the config again and starts a generation for it; `reason` may be NULL. CTL_OK: `done` (may
 * be NULL) will be called, unless generation_forget(arg) comes first. Otherwise nothing has
 * changed, and `e` says why: CTL_REFUSED (a bad config, or one that a reload cannot bring),
 * CTL_BUSY (a reload or upgrade is under way; too many workers of older generations still finish).
 */
enum ctl_code generation_reload(struct master *m, const struct actor *actor, const char *reason,
    generation_done_fn *done, void *arg, struct err *e) MUST_CHECK;
void generation_forget(struct master *m, const void *arg);
/* For SIGHUP: the same; while a reload is under way, another one follows it. */
void generation_reload_by_signal(struct master *m);
/* Looks whether the new generation is ready, or will never be. Called for each child that says or
 * ends something, and each tick. */
void generation_check(struct master *m);
/* Whether one is on its way. */
bool generation_under_way(const struct master *m);
/* Gives it up; at a stop. */
void generation_give_up(struct master *m, const char *why);
/* In a new child: the config and the sockets of its generation become the master's. */
void generation_adopt(struct master *m, uint64_t number);
