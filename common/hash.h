// SPDX-License-Identifier: MIT
/*
 * The keyed 64-bit hash (SipHash-2-4) that spreads users over buckets, and digests of secrets for
 * logs. Master, workers and grayctl compute the same values; so does every host and every version:
 * a change here would move users from one model to the other.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_BUCKETS	  10000 /* one for each hundredth of a percent */
#define HASH_DIGEST_BYTES 13	/* twelve hexadecimal digits and a NUL */

struct hash_key {
	uint8_t bytes[16];
};

/* The key of a release's split: the first 16 bytes of BLAKE2b-256 over "grayd-route-1", the public
 * name of the release, the candidate's name in `models`, and the salt, with a NUL between each. */
void hash_key_route(
    struct hash_key *key, const char *release, const char *candidate, const char *salt);

/* SipHash-2-4 of `n` bytes, as a little-endian number. */
uint64_t hash64(const struct hash_key *key, const void *bytes, size_t n);

/* The bucket of a hash: 0 .. HASH_BUCKETS - 1. */
static inline uint16_t
hash_bucket(uint64_t hash)
{
	return (uint16_t)(hash % HASH_BUCKETS);
}

/* A name for a secret that tells nothing of it: the first 6 bytes of its BLAKE2b-256, in hex. */
void hash_digest_hex(char out[HASH_DIGEST_BYTES], const void *secret, size_t n);
