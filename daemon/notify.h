// SPDX-License-Identifier: MIT
/*
 * What the service manager is told, by systemd's protocol: datagrams of lines NAME=value to the
 * Unix socket that NOTIFY_SOCKET names. Without that variable nothing is sent. Nothing here waits.
 * Master process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "common/err.h"

/* Reads the environment. To be called once. */
void notify_open(void);
void notify_close(void);
/* "READY=1", "RELOADING=1\nMONOTONIC_USEC=…" and the like. What cannot be sent at once is lost. */
void notify_send(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Says that the master's loop turns, as often as the watchdog wants to hear it. */
void notify_alive(uint64_t now_us);

/* The address of a NOTIFY_SOCKET: a path, or an abstract name after '@'. False: it is neither.
 * Pure.
 */
bool notify_address(const char *text, struct sockaddr_un *where, socklen_t *length) MUST_CHECK;
/* How often to say so: half of WATCHDOG_USEC; 0: never, for it is not set, or WATCHDOG_PID is
 * somebody else. Pure. */
uint64_t notify_interval_us(const char *watchdog_usec, const char *watchdog_pid, pid_t self);
