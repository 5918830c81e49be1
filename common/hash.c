// SPDX-License-Identifier: MIT
/* Keyed hash and digests, by libsodium; see hash.h. No function here can fail. */
#include "common/hash.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(struct hash_key) == crypto_shorthash_KEYBYTES, "key of SipHash");

void
hash_key_route(struct hash_key *key, const char *release, const char *candidate, const char *salt)
{
	const char *parts[] = { "grayd-route-1", release, candidate, salt };
	unsigned char digest[32];
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(digest));
	for (size_t i = 0; i < 4; i++) {
		/* The NUL of each but the last is the separator. */
		size_t n = strlen(parts[i]) + (i < 3 ? 1 : 0);

		crypto_generichash_update(&state, (const unsigned char *)parts[i], n);
	}
	crypto_generichash_final(&state, digest, sizeof(digest));
	memcpy(key->bytes, digest, sizeof(key->bytes));
}

uint64_t
hash64(const struct hash_key *key, const void *bytes, size_t n)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t value = 0;

	crypto_shorthash(out, bytes, n, key->bytes);
	for (size_t i = 0; i < sizeof(out); i++)
		value |= (uint64_t)out[i] << (8 * i);
	return value;
}

void
hash_digest_hex(char out[HASH_DIGEST_BYTES], const void *secret, size_t n)
{
	unsigned char digest[32];

	crypto_generichash(digest, sizeof(digest), secret, n, NULL, 0);
	sodium_bin2hex(out, HASH_DIGEST_BYTES, digest, (HASH_DIGEST_BYTES - 1) / 2);
}
