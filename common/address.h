// SPDX-License-Identifier: MIT
/*
 * Addresses to listen on, as the config writes them: "HOST:PORT" with an IPv4 address,
 * "[HOST]:PORT" with an IPv6 address, "unix:/path". Names are not resolved: nothing here can wait.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "common/err.h"

#define UNIX_PATH_MAX 107 /* bytes that fit a socket's address */

struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* Fills `a`. Returns NULL, or what was expected instead of this text. Port 0 is allowed: the
 * kernel chooses one. */
const char *address_parse(const char *text, struct address *a) MUST_CHECK;
/* Whether only this machine can reach it: a Unix socket, 127.0.0.0/8, ::1. */
bool address_is_local(const struct address *a);
/* Whether a bound socket's address is this one. */
bool address_is_bound(
    const struct address *a, const struct sockaddr_storage *bound, socklen_t length);
