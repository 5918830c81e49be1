// SPDX-License-Identifier: MIT
/*
 * The child's end of the socket pair with the master: what worker.h calls messages. Workers,
 * the admin process and the prober.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"

/* One message, with the descriptor that came along (-1: none), which is then the caller's. Returns
 * as recv() does: 0 means that the master is gone, -1 that nothing waits. */
ssize_t message_receive(int fd, char *message, int *passed) MUST_CHECK;
/* The same for a message that may be longer than a byte; what does not fit is cut off. */
ssize_t message_receive_long(int fd, void *message, size_t cap, int *passed) MUST_CHECK;
