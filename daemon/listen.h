// SPDX-License-Identifier: MIT
/*
 * The listening sockets for applications, opened once by the master and shared by all workers, so
 * that no connection is refused while a worker is replaced. Master process.
 */
#pragma once

#include <sys/types.h>

#include "common/config.h"
#include "common/err.h"

#define LISTEN_BACKLOG 4096

struct listener {
	int fd;
	char address[160]; /* as bound: the real port stands there where the config said 0 */
	dev_t device;	   /* of a Unix socket's file, to remove it only while it is ours */
	ino_t inode;
};

struct listeners {
	unsigned n;
	struct listener all[LISTEN_MAX];
};

/* Opens every address of config.listen. On -1 nothing is left open and `e` names the address. */
int listen_open(struct listeners *l, const struct config *c, struct err *e) MUST_CHECK;
/* Closes them and removes the files of Unix sockets. */
void listen_close(struct listeners *l);
