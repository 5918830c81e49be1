// SPDX-License-Identifier: MIT
/*
 * What a process may do. All of grayd: no core, not dumpable (memory holds keys), as many
 * descriptors as allowed. Started as root, the master stays root and every other process becomes
 * `user` for good. Called by the master at start and by each child.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

/* Whom children become. */
struct identity {
	bool change; /* false: the master is not root, everybody stays who they are */
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* Not dumpable, no core, RLIMIT_NOFILE up to its hard limit. */
int privilege_harden(struct err *e) MUST_CHECK;
/* Finds out whom children must become. -1: root without a (non-root) user to become, or an unknown
 * one; `e` says what to set. */
int privilege_identity(struct identity *id, const char *user, struct err *e) MUST_CHECK;
/* In a child that stays who the master is: gives up gaining more. */
int privilege_keep(struct err *e) MUST_CHECK;
/* In a child: becomes that user and makes sure there is no way back. */
int privilege_drop(const struct identity *id, struct err *e) MUST_CHECK;
