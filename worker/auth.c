// SPDX-License-Identifier: MIT
/*
 * Client keys. The hash of a key costs a microsecond, so a connection remembers the last key it has
 * shown, as a keyed 64-bit hash that only this process can compute.
 */
#include "worker/auth.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

_Static_assert(CLIENTS_MAX < UINT16_MAX, "a place holds the number of a client");

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

static size_t
place_of(const struct worker *w, const uint8_t hash[32])
{
	return hash64(&w->auth_key, hash, 32) & w->clients_mask;
}

/* Only the clients whose hashes fall on the same places are compared: one or two, whoever calls and
 * however many there are. The places depend on a secret of this process, so the time that it takes
 * tells nobody anything. */
static const struct config_client *
find_client(const struct worker *w, const uint8_t *key, size_t n)
{
	uint8_t hash[sizeof(w->config->clients->key_hash)];
	size_t place;

	crypto_generichash(hash, sizeof(hash), key, n, NULL, 0);
	for (place = place_of(w, hash); w->clients[place] != 0;
	     place = (place + 1) & w->clients_mask) {
		const struct config_client *client = &w->config->clients[w->clients[place] - 1];

		if (sodium_memcmp(client->key_hash, hash, sizeof(hash)) == 0)
			return client;
	}
	return NULL;
}

int
auth_open(struct worker *w)
{
	size_t places = 1;

	randombytes_buf(&w->auth_key, sizeof(w->auth_key));
	while (places < 4 * (size_t)w->config->n_clients)
		places *= 2;
	w->clients = calloc(places, sizeof(*w->clients));
	w->clients_mask = places - 1;
	for (unsigned i = 0; w->clients != NULL && i < w->config->n_clients; i++) {
		size_t place = place_of(w, w->config->clients[i].key_hash);

		while (w->clients[place] != 0)
			place = (place + 1) & w->clients_mask;
		w->clients[place] = (uint16_t)(i + 1);
	}
	return w->clients != NULL ? 0 : -1;
}

void
auth_close(struct worker *w)
{
	free(w->clients);
	w->clients = NULL;
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
		c->client = find_client(w, key, n);
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
