// SPDX-License-Identifier: MIT
/*
 * The file of the control socket: made, guarded against a second grayd, and removed while it is
 * still ours. Master process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct ctlsocket {
	int fd;
	char path[108];
	dev_t device; /* of the file, to know it again */
	ino_t inode;
};

/*
 * Listens at `path`, non-blocking. Makes the last folder of the path where it is missing (0755). A
 * file that is there is replaced only if it is a socket that nobody listens on. Mode 0660 with
 * `group` (NULL: our own); with `anybody` 0666, for then callers are told apart by who they are,
 * not by whether they can connect. -1: nothing is left open, and `e` says what is in the way.
 */
int ctlsocket_open(struct ctlsocket *s, const char *path, bool anybody, const gid_t *group,
    struct err *e) MUST_CHECK;
/* The same with a socket that is bound to `path` and listens already. On -1 it stays open. */
int ctlsocket_take(struct ctlsocket *s, int fd, const char *path, bool anybody, const gid_t *group,
    struct err *e) MUST_CHECK;
/* Lets others in than before; see above. */
int ctlsocket_admit(
    struct ctlsocket *s, bool anybody, const gid_t *group, struct err *e) MUST_CHECK;
/* Closes the descriptor; the file stays. */
void ctlsocket_leave(struct ctlsocket *s);
void ctlsocket_close(struct ctlsocket *s);
