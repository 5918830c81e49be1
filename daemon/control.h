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
/* The listening socket, to be passed on; -1: not open. */
int control_fd(const struct master *m);
/* As control_open(), with the socket of the master before. On -1 the descriptor is the caller's. */
int control_take(struct master *m, int fd, struct err *e) MUST_CHECK;
/* As control_close(), but the file stays: another master listens there. */
void control_leave(struct master *m);
/* Who may do what, from now on; takes what the rules hold and leaves `rules` empty. */
struct peer_rules;
void control_use_rules(struct master *m, struct peer_rules *rules);
/* Drops the clients, closes the socket and removes its file while it is ours. Without m->control:
 * nothing. Call it after transition_end() or before; no callback comes afterwards. */
void control_close(struct master *m);
