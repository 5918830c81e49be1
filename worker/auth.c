// SPDX-License-Identifier: MIT
/*
 * Client keys. The hash of a key costs a microsecond, so a connection remembers the last key it has
 * shown, as a keyed 64-bit hash that only this process can compute.
 */
#include "worker/auth.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

/* "Authorization: Bearer KEY", or "x-api-key: KEY". */
static const uint8_t *
find_key(const struct http_head *head, const uint8_t *bytes, size_t *n)
{
	const struct http_header *h = http_head_find(head, HTTP_H_AUTHORIZATION);

	if (h != NULL && h->value.len > 7 &&
	    strncasecmp((const char *)bytes + h->value.off, "Bearer ", 7) == 0) {
		*n = h->value.len - 7u;
		return bytes + h->value.off + 7;
	}
	h = http_head_find(head, HTTP_H_X_API_KEY);
	if (h == NULL || h->value.len == 0)
		return NULL;
	*n = h->value.len;
	return bytes + h->value.off;
}

static const struct config_client *
find_client(const struct config *config, const uint8_t *key, size_t n)
{
	const struct config_client *found = NULL;
	uint8_t hash[sizeof(found->key_hash)];

	crypto_generichash(hash, sizeof(hash), key, n, NULL, 0);
	for (unsigned i = 0; i < config->n_clients; i++)
		if (sodium_memcmp(config->clients[i].key_hash, hash, sizeof(hash)) == 0)
			found = &config->clients[i];
	return found;
}

bool
auth_check(struct conn *c, const struct http_head *head, const uint8_t *bytes,
    const struct config_client **client)
{
	const struct worker *w = c->worker;
	size_t n = 0;
	const uint8_t *key;
	uint64_t hash;

	*client = NULL;
	if (w->config->n_clients == 0)
		return true;
	key = find_key(head, bytes, &n);
	if (key == NULL)
		return false;
	hash = hash64(&w->auth_key, key, n);
	if (c->client == NULL || c->auth_hash != hash) {
		c->client = find_client(w->config, key, n);
		c->auth_hash = hash;
	}
	*client = c->client;
	return c->client != NULL;
}

bool
auth_may_use(const struct config_client *client, const struct config_release *release)
{
	if (client == NULL || client->n_releases == 0)
		return true;
	for (unsigned i = 0; i < client->n_releases; i++)
		if (client->releases[i] == release)
			return true;
	return false;
}

bool
auth_may_pin(const struct config_client *client)
{
	return client == NULL || client->override;
}
