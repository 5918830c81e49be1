// SPDX-License-Identifier: MIT
/*
 * Connections of the admin process: bounded in number, in bytes and in time, so that whoever is
 * slow or rude there costs others nothing. One request at a time.
 */
#pragma once

#include "worker/admin.h"

#define ADMIN_CONNS_MAX 32

/* Takes what waits on the listening socket. With ADMIN_CONNS_MAX open, the one whose last answer is
 * the oldest makes room. */
void adminconn_accept_all(struct admin *a);
/* Closes those that have been answered; the others end with the answer that they wait for. */
void adminconn_drain_all(struct admin *a);
void adminconn_close_all(struct admin *a);
