// SPDX-License-Identifier: MIT
/*
 * Before the first percent of traffic: a change that would begin a rollout waits until the provider
 * has been asked for the candidate's model. One that it does not know begins nothing; whatever else
 * it says, or fails to say, holds nothing up. Master process.
 */
#pragma once

#include "daemon/transition.h"

struct preflight;

/* As transition_apply(), and the door for whoever may begin a rollout. While the provider is asked,
 * the strings of `c` must stay where they are, until `done` is called or preflight_forget(arg).
 * With `await` a release whose candidate is unknown is left in STATE_PREFLIGHT, and begins by
 * itself when the provider knows it. */
enum ctl_code preflight_apply(struct master *m, const struct change *c, bool await,
    transition_done_fn *done, void *arg, struct err *e) MUST_CHECK;
/* Whoever asked has gone: nothing begins. */
void preflight_forget(struct master *m, const void *arg);
/* What waits to begin this release (NULL: any) is refused: a rollback was ordered, or grayd leaves.
 */
void preflight_cancel(struct master *m, const char *release, const char *why);
/* Asks again for the candidates that are waited for. For each tick. */
void preflight_tick(struct master *m);
void preflight_end(struct master *m);
