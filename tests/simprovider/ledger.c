// SPDX-License-Identifier: MIT
/*
 * Storage of the ledger: a ring of segments, allocated as they are needed. The oldest segment makes
 * room for a new one; the sums know of every attempt since the last reset all the same.
 */
#include "tests/simprovider/ledger.h"

#include <stdlib.h>

int
ledger_init(struct ledger *ledger, uint64_t limit)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->keeps = limit > 0;
	ledger->ring = (size_t)(limit + LEDGER_SEGMENT - 1) / LEDGER_SEGMENT + 1;
	ledger->segments = calloc(ledger->ring, sizeof(*ledger->segments));
	if (ledger->segments == NULL || names_init(&ledger->models) != 0 ||
	    names_init(&ledger->paths) != 0)
		return -1;
	return names_init(&ledger->keys);
}

static void
free_segments(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->ring; i++) {
		if (ledger->segments[i] != NULL)
			text_free(&ledger->segments[i]->request_ids);
		free(ledger->segments[i]);
		ledger->segments[i] = NULL;
	}
}

void
ledger_fini(struct ledger *ledger)
{
	free_segments(ledger);
	free(ledger->segments);
	names_fini(&ledger->models);
	names_fini(&ledger->paths);
	names_fini(&ledger->keys);
}

void
ledger_reset(struct ledger *ledger)
{
	free_segments(ledger);
	ledger->last = 0;
	ledger->epoch++;
	memset(ledger->sums, 0, sizeof(ledger->sums));
	memset(ledger->key_uses, 0, sizeof(ledger->key_uses));
	memset(ledger->statuses, 0, sizeof(ledger->statuses));
	memset(ledger->faults, 0, sizeof(ledger->faults));
	ledger->catalogue = ledger->refused_connections = 0;
}

static struct segment **
segment_place(const struct ledger *ledger, uint64_t id)
{
	return &ledger->segments[(id - 1) / LEDGER_SEGMENT % ledger->ring];
}

/* The segment that `id` belongs to, if it is there. */
static struct segment *
find_segment(const struct ledger *ledger, uint64_t id)
{
	struct segment *segment = id > 0 ? *segment_place(ledger, id) : NULL;

	return segment != NULL && id >= segment->first && id - segment->first < LEDGER_SEGMENT
		   ? segment
		   : NULL;
}

/* The segment for a new id, taken from the oldest if need be. NULL when out of memory. */
static struct segment *
make_segment(struct ledger *ledger, uint64_t id)
{
	struct segment **place = segment_place(ledger, id);

	if (*place == NULL)
		*place = calloc(1, sizeof(**place));
	if (*place == NULL)
		return NULL;
	if ((*place)->first != id - (id - 1) % LEDGER_SEGMENT) {
		(*place)->first = id - (id - 1) % LEDGER_SEGMENT;
		text_clear(&(*place)->request_ids);
		memset((*place)->entries, 0, sizeof((*place)->entries));
	}
	return *place;
}

static void
store(struct ledger *ledger, uint64_t id, struct entry *entry, struct str request_id)
{
	struct segment *segment = make_segment(ledger, id);

	if (segment == NULL)
		return;
	size_t at = text_len(&segment->request_ids);

	if (request_id.len > UINT8_MAX)
		request_id.len = UINT8_MAX;
	text_span(&segment->request_ids, request_id);
	if (text_len(&segment->request_ids) == at + request_id.len) {
		entry->request_id_at = (uint32_t)at;
		entry->request_id_len = (uint8_t)request_id.len;
	}
	segment->entries[id - segment->first] = *entry;
}

struct ticket
ledger_open(struct ledger *ledger, struct entry *entry, struct str request_id)
{
	uint64_t id = ++ledger->last;
	struct model_sums *sums = &ledger->sums[entry->model];

	sums->attempts++;
	sums->states[STATE_ACTIVE]++;
	entry->state = STATE_ACTIVE;
	if (ledger->keeps)
		store(ledger, id, entry, request_id);
	return (struct ticket){ ledger->epoch, id };
}

void
ledger_count_key(struct ledger *ledger, const char digest[12])
{
	if (digest[0] != '\0')
		ledger->key_uses[names_number(&ledger->keys, (struct str){ digest, 12 })]++;
}

static void
add_sums(struct ledger *ledger, const struct entry *entry)
{
	struct model_sums *sums = &ledger->sums[entry->model];

	sums->states[STATE_ACTIVE]--;
	sums->states[entry->state]++;
	sums->bytes_in += entry->bytes_in;
	sums->bytes_out += entry->bytes_out;
	sums->input += entry->input;
	sums->cached += entry->cached;
	sums->written += entry->written;
	sums->output += entry->output;
	sums->reasoning += entry->reasoning;
	ledger->statuses[entry->status % 1000]++;
	ledger->faults[entry->fault]++;
}

void
ledger_close(struct ledger *ledger, struct ticket ticket, const struct entry *entry)
{
	if (ticket.id == 0 || ticket.epoch != ledger->epoch)
		return;
	add_sums(ledger, entry);
	struct segment *segment = find_segment(ledger, ticket.id);

	if (segment != NULL)
		segment->entries[ticket.id - segment->first] = *entry;
}

const struct entry *
ledger_get(const struct ledger *ledger, uint64_t id, struct str *request_id)
{
	struct segment *segment = find_segment(ledger, id);

	if (segment == NULL || id > ledger->last)
		return NULL;
	const struct entry *entry = &segment->entries[id - segment->first];

	if (entry->start_us == 0)
		return NULL;
	if (request_id != NULL)
		*request_id = (struct str){ "", 0 };
	if (request_id != NULL && entry->request_id_len > 0)
		*request_id = (struct str){ (const char *)segment->request_ids.buf.data +
						entry->request_id_at,
			entry->request_id_len };
	return entry;
}

uint64_t
ledger_oldest(const struct ledger *ledger)
{
	uint64_t kept = (uint64_t)ledger->ring * LEDGER_SEGMENT;
	uint64_t begun = ledger->last + LEDGER_SEGMENT - 1;
	uint64_t in_segments = begun - begun % LEDGER_SEGMENT;

	return in_segments > kept ? in_segments - kept + 1 : 1;
}
