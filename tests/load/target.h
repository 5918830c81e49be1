// SPDX-License-Identifier: MIT
/*
 * Where the load goes: a loopback address or a Unix socket, never another machine. Anything that is
 * not loopback is refused before a socket is opened.
 */
#pragma once

#include <sys/socket.h>

#include "common/err.h"

struct target {
	struct sockaddr_storage address;
	socklen_t length;
	char host[128];	 /* for the Host header */
	char path[1024]; /* empty: the URL named none */
};

int target_parse(struct target *t, const char *url, struct err *e) MUST_CHECK;
/* A socket that connects or is connected, or -1 with errno. */
int target_connect(const struct target *t) MUST_CHECK;
