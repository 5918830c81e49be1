// SPDX-License-Identifier: MIT
/*
 * Keys of clients: made here, shown once and kept nowhere. The config holds their BLAKE2b-256, from
 * which a key of 256 random bits cannot be found; so the hash needs no secret of its own, and the
 * config can be read by whoever may read it.
 */
#pragma once

struct cJSON;

/* {"ok":true, "client", "key", "key_hash", "entry": for "clients" of the config}. The name is one
 * that the config takes. NULL: out of memory. */
struct cJSON *key_new(const char *client);
