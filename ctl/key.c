// SPDX-License-Identifier: MIT
/* See key.h. */
#include "ctl/key.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <string.h>

#include "common/ctlproto.h"

#define RANDOM_BYTES 32
/* So that people and scanners for leaked secrets know one when they see it. */
#define PREFIX	   "gray_"
#define TEXT_BYTES sodium_base64_ENCODED_LEN(RANDOM_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)

struct cJSON *
key_new(const char *client)
{
	uint8_t random[RANDOM_BYTES], hash[32];
	char key[sizeof(PREFIX) - 1 + TEXT_BYTES] = PREFIX, hex[2 * sizeof(hash) + 1];
	cJSON *answer, *entry;

	if (sodium_init() < 0)
		return ctlproto_error(CTL_INTERNAL, NULL, "libsodium cannot start");
	randombytes_buf(random, sizeof(random));
	sodium_bin2base64(key + strlen(PREFIX), TEXT_BYTES, random, sizeof(random),
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	crypto_generichash(hash, sizeof(hash), (const uint8_t *)key, strlen(key), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	answer = ctlproto_answer(true, NULL);
	cJSON_AddStringToObject(answer, "client", client);
	cJSON_AddStringToObject(answer, "key", key);
	cJSON_AddStringToObject(answer, "key_hash", hex);
	entry = cJSON_AddObjectToObject(answer, "entry");
	cJSON_AddStringToObject(entry, "name", client);
	cJSON_AddStringToObject(entry, "key_hash", hex);
	sodium_memzero(random, sizeof(random));
	sodium_memzero(key, sizeof(key));
	return answer;
}
