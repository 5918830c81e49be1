// SPDX-License-Identifier: MIT
/*
 * Listening sockets that the service manager has opened (LISTEN_PID, LISTEN_FDS; systemd's socket
 * units). They serve the addresses of the config that they are bound to. Master process, at its
 * start.
 */
#pragma once

#include "daemon/listen.h"

/* Takes them over and removes the variables. None are there: `given` is empty. */
int activate_take(struct listeners *given, struct err *e) MUST_CHECK;
