// SPDX-License-Identifier: MIT
/*
 * Tallies of clients: named, summed and folded as those of releases, see slot.h. Workers name them
 * in the order of their config, as slot 0 does, so a search begins where the last one ended and
 * finds the next name at once, however many there are.
 */
#include "common/slot_clients.h"

#include <string.h>

#define SANE_LIMIT (1ull << 56)

static unsigned
n_clients(const struct slot *slot)
{
	uint32_t n = atomic_load_explicit(&slot->n_clients, memory_order_acquire);

	return n < CLIENTS_MAX ? n : CLIENTS_MAX;
}

/* The place of a name among the first `n`, looked for from `at` on and round; CLIENTS_MAX: none. */
static unsigned
find_client(const struct slot *slot, unsigned n, const char *name, unsigned at)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned place = (at + i) % n;

		if (strncmp(slot->clients[place].name, name, NAME_BYTES) == 0)
			return place;
	}
	return CLIENTS_MAX;
}

struct slot_client *
slot_client_tally(struct slot *slot, const char *client)
{
	unsigned n = n_clients(slot), at = find_client(slot, n, client, 0);
	size_t len = strlen(client);

	if (at < CLIENTS_MAX)
		return &slot->clients[at];
	if (n == CLIENTS_MAX || len >= NAME_BYTES)
		return NULL;
	memcpy(slot->clients[n].name, client, len + 1);
	atomic_store_explicit(&slot->n_clients, n + 1, memory_order_release);
	return &slot->clients[n];
}

int
slots_declare_client(struct slots *s, const char *client)
{
	return slot_client_tally(&s->all[0], client) != NULL ? 0 : -1;
}

static bool
client_sane(const struct slot_client *c)
{
	for (unsigned i = 0; i < CLIENT_COUNTER_COUNT; i++)
		if (tally_get(&c->counters[i]) >= SANE_LIMIT)
			return false;
	return true;
}

bool
slot_clients_sane(const struct slots *s, const struct slot *slot)
{
	unsigned known = n_clients(&s->all[0]), at = 0;

	if (atomic_load_explicit(&slot->n_clients, memory_order_relaxed) > CLIENTS_MAX)
		return false;
	for (unsigned i = 0; i < n_clients(slot); i++) {
		at = find_client(&s->all[0], known, slot->clients[i].name, at);
		if (at == CLIENTS_MAX || !client_sane(&slot->clients[i]))
			return false;
	}
	return true;
}

void
slot_clients_fold(struct slots *s, const struct slot *from)
{
	struct slot *into = &s->all[0];
	unsigned known = n_clients(into), at = 0;

	for (unsigned i = 0; i < n_clients(from); i++) {
		at = find_client(into, known, from->clients[i].name, at);
		if (at == CLIENTS_MAX)
			continue;
		for (unsigned c = 0; c < CLIENT_COUNTER_COUNT; c++)
			tally_add(&into->clients[at].counters[c],
			    tally_get(&from->clients[i].counters[c]));
	}
}

/* Adds what one slot says of a client, if that is sane. */
static void
add_client(struct client_totals *sum, const struct slot_client *c)
{
	if (!client_sane(c))
		return;
	for (unsigned i = 0; i < CLIENT_COUNTER_COUNT; i++)
		sum->counters[i] += tally_get(&c->counters[i]);
}

static void
add_slot(struct client_totals *sums, unsigned n, const struct slot *slot)
{
	unsigned has = n_clients(slot), at = 0;

	for (unsigned i = 0; has > 0 && i < n; i++) {
		unsigned found = find_client(slot, has, sums[i].name, at);

		if (found == CLIENTS_MAX)
			continue;
		add_client(&sums[i], &slot->clients[found]);
		at = found + 1;
	}
}

unsigned
slots_sum_clients(const struct slots *s, struct client_totals *out)
{
	const struct slot *own = &s->all[0];
	unsigned n = n_clients(own);

	for (unsigned i = 0; i < n; i++) {
		memset(&out[i], 0, sizeof(out[i]));
		memcpy(out[i].name, own->clients[i].name, NAME_BYTES - 1);
	}
	for (unsigned i = 0; i < SLOTS_MAX; i++)
		if (i == 0 || s->used[i])
			add_slot(out, n, &s->all[i]);
	return n;
}
