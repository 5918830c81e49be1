// SPDX-License-Identifier: MIT
/*
 * The way to grayd: one connection to the control socket, a line out, a line back. Every wait ends
 * at a deadline of the monotonic clock.
 */
#pragma once

#include <stdint.h>

#include "common/buf.h"
#include "common/ctlproto.h"

#define CLIENT_FOREVER UINT64_MAX

enum client_result {
	CLIENT_OK,
	CLIENT_UNREACHABLE, /* no connection */
	CLIENT_TIMED_OUT,   /* connected, but no answer by the deadline */
	CLIENT_BROKEN	    /* the connection broke, or the answer is none */
};

struct client {
	int fd; /* -1: not connected */
	struct buf in;
};

#define CLIENT_INIT      \
	{                \
		.fd = -1 \
	}

/* Connects where it is not connected, sends the request and reads the answer into `answer`, to be
 * freed by the caller. On anything but CLIENT_OK it is closed again, and `e` says what to do. */
enum client_result client_ask(struct client *c, const char *socket,
    const struct ctl_request *request, uint64_t deadline_us, struct cJSON **answer,
    struct err *e) MUST_CHECK;
void client_close(struct client *c);
