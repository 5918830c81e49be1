// SPDX-License-Identifier: MIT
/*
 * The listening sockets, opened once by the master so that no connection is refused while a child
 * is replaced: those for applications, shared by all workers, and the admin process's. Master
 * process.
 */
#pragma once

#include <sys/types.h>

#include "common/config.h"
#include "common/err.h"

#define LISTEN_BACKLOG 4096

struct listener {
	int fd;
	char configured[160]; /* as the config has it; empty: somebody else has opened it */
	char address[160];    /* as bound: the real port stands there where the config said 0 */
	dev_t device;	      /* of a Unix socket's file, to remove it only while it is ours */
	ino_t inode;
};

struct listeners {
	unsigned n;
	struct listener all[LISTEN_MAX];
	struct listener admin; /* of config.admin_listen; fd -1: none */
};

/* Opens every address of config.listen, and admin_listen if there is one. On -1 nothing is left
 * open and `e` names the address. */
int listen_open(struct listeners *l, const struct config *c, struct err *e) MUST_CHECK;
/* The same for another config: addresses that `old` has keep their socket, which then stands in
 * both. On -1 `old` is as it was. */
int listen_update(struct listeners *next, const struct listeners *old, const struct config *c,
    struct err *e) MUST_CHECK;
/* Whether one of them has this descriptor. */
bool listen_has(const struct listeners *l, int fd);
/* Closes what `kept` does not have, and removes the files of Unix sockets. `l` is empty then. */
void listen_close_others(struct listeners *l, const struct listeners *kept);
/* Closes all of them. */
void listen_close(struct listeners *l);
/* The same, but somebody else goes on to listen there: files stay. */
void listen_leave(struct listeners *l);
/* Makes a listener of a socket that another process has opened. -1: it is none; the caller's
 * still. */
int listen_take(struct listener *l, int fd, struct err *e) MUST_CHECK;
