// SPDX-License-Identifier: MIT
/* Tests of common/hash.c against values from elsewhere: SipHash's reference vectors, and digests
 * computed with another implementation of BLAKE2b. */
#include "common/hash.h"

#include <CUnit/CUnit.h>
#include <string.h>

/* Appendix A of the SipHash paper and its reference code: key 00 01 .. 0f, input 00 01 .. */
static const struct {
	size_t n;
	uint64_t hash;
} siphash_vectors[] = {
	{ 0, 0x726fdb47dd0e0e31 },
	{ 1, 0x74f839c593dc67fd },
	{ 7, 0xab0200f58b01d137 },
	{ 8, 0x93f5f5799a932462 },
	{ 9, 0x9e0082df0ba9e4b0 },
	{ 15, 0xa129ca6149be45e5 },
	{ 63, 0x958a324ceb064572 },
};

static void
test_siphash(void)
{
	struct hash_key key;
	uint8_t input[64];

	for (uint8_t i = 0; i < sizeof(input); i++)
		input[i] = i;
	memcpy(key.bytes, input, sizeof(key.bytes));
	for (size_t i = 0; i < sizeof(siphash_vectors) / sizeof(siphash_vectors[0]); i++)
		CU_ASSERT_EQUAL(hash64(&key, input, siphash_vectors[i].n), siphash_vectors[i].hash);
}

static void
test_route_key(void)
{
	static const uint8_t expected[16] = { 0xce, 0xb8, 0x4b, 0x83, 0x2c, 0x27, 0xbc, 0xb9, 0x16,
		0xa4, 0x40, 0x95, 0x99, 0xf0, 0xa2, 0x2d };
	struct hash_key key, other;

	hash_key_route(&key, "gpt-4.1", "gpt-4.1-new", "");
	CU_ASSERT_EQUAL(memcmp(key.bytes, expected, sizeof(expected)), 0);

	/* The same letters, divided otherwise, are another key. */
	hash_key_route(&key, "a", "bc", "d");
	hash_key_route(&other, "ab", "c", "d");
	CU_ASSERT_NOT_EQUAL(memcmp(key.bytes, other.bytes, sizeof(key.bytes)), 0);
	hash_key_route(&other, "a", "b", "cd");
	CU_ASSERT_NOT_EQUAL(memcmp(key.bytes, other.bytes, sizeof(key.bytes)), 0);
}

static void
test_digest(void)
{
	char out[HASH_DIGEST_BYTES];

	hash_digest_hex(out, "", 0);
	CU_ASSERT_STRING_EQUAL(out, "0e5751c026e5");
	hash_digest_hex(out, "sk-canary-1", 11);
	CU_ASSERT_STRING_EQUAL(out, "deca52e0d628");
}

void suite_hash(void);

void
suite_hash(void)
{
	CU_pSuite suite = CU_add_suite("hash", NULL, NULL);

	CU_add_test(suite, "SipHash-2-4 as published", test_siphash);
	CU_add_test(suite, "the key of a release's split", test_route_key);
	CU_add_test(suite, "digests for logs", test_digest);
}
