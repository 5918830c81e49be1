// SPDX-License-Identifier: MIT
/*
 * Who may do what over the control socket. Names of the config are looked up once, at the start,
 * since a look-up may wait for a network; a caller is then judged by numbers alone. Master process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/err.h"

enum peer_right { PEER_NONE, PEER_READ, PEER_CHANGE };

#define PEER_NAME_BYTES 64

struct peer_user {
	uid_t uid;
	char name[PEER_NAME_BYTES];
};

struct peer_rules {
	uid_t own; /* grayd's own user */
	bool has_readers;
	gid_t readers; /* control_group */
	unsigned n_users, n_groups;
	struct peer_user *users; /* of "operators" */
	gid_t *groups;		 /* of "operators", written "@group" */
};

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	unsigned n_groups;
	gid_t *groups;
	char name[PEER_NAME_BYTES]; /* the user's, or "uid 1234" */
	enum peer_right right;
};

/* Looks up control_group and operators of the config. -1: `e` names the one that is unknown. */
int peer_rules_load(struct peer_rules *r, const struct config *c, struct err *e) MUST_CHECK;
void peer_rules_free(struct peer_rules *r);
/* What somebody with this user and these groups may do. */
enum peer_right peer_judge(
    const struct peer_rules *r, uid_t uid, gid_t gid, const gid_t *groups, unsigned n_groups);
/* Fills in who stands at the other end of a Unix socket and what that one may do. */
int peer_identify(int fd, const struct peer_rules *r, struct peer *out) MUST_CHECK;
void peer_free(struct peer *p);
