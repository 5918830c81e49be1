// SPDX-License-Identifier: MIT
/*
 * The control socket: accepts, reads a line, hands the command to its cmd_ function, queues the
 * answer. Master process, on its loop; nothing here ever waits for a client, and no number of
 * clients, whatever they send or do not send, costs more than a bounded piece of a turn.
 */
#pragma once

#include "common/err.h"

struct master;

/* Opens config.control_socket and sets m->control. -1: `e` says what is in the way. */
int control_open(struct master *m, struct err *e) MUST_CHECK;
/* Drops the clients, closes the socket and removes its file while it is ours. Without m->control:
 * nothing. Call it after transition_end() or before; no callback comes afterwards. */
void control_close(struct master *m);
