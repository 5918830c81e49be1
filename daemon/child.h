// SPDX-License-Identifier: MIT
/*
 * The first moments of a child after the fork: it gives up all that is the master's, takes what its
 * role has, and runs. Child processes only.
 */
#pragma once

#include "daemon/supervisor.h"

/* `master_fd`: the child's end of its pair. Never returns. */
void child_run(struct master *m, const struct child *c, int master_fd) __attribute__((noreturn));
