// SPDX-License-Identifier: MIT
/*
 * Keeps the plans: asks plan.c at each tick about each release and takes its orders to the one
 * door, as the actor "plan". Master process, main loop.
 */
#pragma once

#include "common/err.h"
#include "daemon/plan.h"

struct master;
struct planner;

/* Starts the tick and sets m->planner. -1: out of memory. */
int planner_start(struct master *m, struct err *e) MUST_CHECK;
/* Without m->planner: nothing. */
void planner_stop(struct master *m);
/* Where the plan of a release stands and what comes next. Without m->planner: nothing does. */
void planner_look(const struct master *m, const struct policy_release *now,
    const struct config_release *config, struct plan_view *view);
