// SPDX-License-Identifier: MIT
/*
 * Who is calling: the client whose key a request carries. Keys are known only by their hashes, and
 * looking one up takes the same time whoever it belongs to.
 */
#pragma once

#include "worker/conn.h"

/* Makes the index of the config's clients. -1: out of memory. */
int auth_open(struct worker *w) MUST_CHECK;
void auth_close(struct worker *w);
/* False: there are clients in the config and the request carries the key of none of them. True with
 * *client NULL: the config has no clients, everybody may call. */
bool auth_check(struct conn *c, const struct http_head *head, const uint8_t *bytes,
    const struct config_client **client);
/* Whether a client may ask for a release. */
bool auth_may_use(const struct config_client *client, const struct config_release *release);
/* Whether a request of this client may be pinned to an arm. */
bool auth_may_pin(const struct config_client *client);
