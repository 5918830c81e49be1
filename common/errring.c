// SPDX-License-Identifier: MIT
/*
 * The ring of last errors, see errring.h. An entry carries its number at both ends: the writer sets
 * the first before it writes and the last after, the reader copies in between two looks the other
 * way round, so equal numbers mean an untouched copy.
 */
#include "common/errring.h"

#include <assert.h>
#include <string.h>

#include "common/mask.h"

static struct errring_entry *
entry_of(struct errring *ring, uint64_t number)
{
	return &ring->entries[number % ERRORS_KEPT];
}

/* Copies a text of an array of `cap` bytes into one of the same size and terminates it there. */
static void
copy_text(char *to, const char *from, size_t cap)
{
	size_t n = strnlen(from, cap - 1);

	memcpy(to, from, n);
	memset(to + n, 0, cap - n);
}

/* The same for a reader: copied once, since it may change, and made printable. */
static void
read_text(char *to, const char *from, size_t cap)
{
	char copy[256];

	assert(cap <= sizeof(copy));
	memcpy(copy, from, cap);
	mask_printable(to, cap, copy, strnlen(copy, cap - 1));
}

void
errring_write(struct errring *ring, const struct error_note *note)
{
	uint64_t number = tally_get(&ring->written) + 1;
	struct errring_entry *e = entry_of(ring, number);

	atomic_store_explicit(&e->sequence_begin, number, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	e->wall_us = note->wall_us;
	copy_text(e->request_id, note->request_id, sizeof(e->request_id));
	copy_text(e->model, note->model, sizeof(e->model));
	copy_text(e->provider, note->provider, sizeof(e->provider));
	copy_text(e->code, note->code, sizeof(e->code));
	copy_text(e->message, note->message, sizeof(e->message));
	e->status = note->status;
	e->arm = (uint8_t)note->arm;
	e->outcome = (uint8_t)note->outcome;
	e->attempt = note->attempt;
	e->saved = (uint8_t)note->saved;
	atomic_store_explicit(&e->sequence_end, number, memory_order_release);
	atomic_store_explicit(&ring->written, number, memory_order_release);
}

/* A copy of one entry, made fit to be shown. False: empty or torn. */
static bool
read_entry(const struct errring_entry *e, struct error_note *out)
{
	uint64_t end = atomic_load_explicit(&e->sequence_end, memory_order_acquire);
	uint8_t arm = e->arm, outcome = e->outcome, saved = e->saved;

	out->wall_us = e->wall_us;
	read_text(out->request_id, e->request_id, sizeof(out->request_id));
	read_text(out->model, e->model, sizeof(out->model));
	read_text(out->provider, e->provider, sizeof(out->provider));
	read_text(out->code, e->code, sizeof(out->code));
	read_text(out->message, e->message, sizeof(out->message));
	out->status = e->status;
	out->attempt = e->attempt;
	atomic_thread_fence(memory_order_acquire);
	if (end == 0 || atomic_load_explicit(&e->sequence_begin, memory_order_relaxed) != end)
		return false;
	if (arm >= ARM_COUNT || outcome >= OUTCOME_COUNT || saved >= SAVED_COUNT)
		return false;
	out->arm = arm;
	out->outcome = outcome;
	out->saved = saved;
	return true;
}

/* Puts a note in its place by time; when the list is full the oldest falls out. */
static void
insert(struct error_list *list, const struct error_note *note)
{
	unsigned at = list->n;

	while (at > 0 && list->notes[at - 1].wall_us > note->wall_us)
		at--;
	if (list->n < ERRORS_KEPT) {
		memmove(&list->notes[at + 1], &list->notes[at], (list->n - at) * sizeof(*note));
		list->n++;
	} else if (at > 0) {
		at--;
		memmove(&list->notes[0], &list->notes[1], at * sizeof(*note));
	} else {
		return;
	}
	list->notes[at] = *note;
}

void
errring_collect(const struct errring *ring, struct error_list *list)
{
	uint64_t oldest = tally_get(&ring->written) + 1;
	struct error_note note;

	for (unsigned i = 0; i < ERRORS_KEPT; i++) {
		if (read_entry(&ring->entries[(oldest + i) % ERRORS_KEPT], &note))
			insert(list, &note);
	}
}

void
errring_fold(struct errring *into, const struct errring *from)
{
	struct error_list list;

	list.n = 0;
	errring_collect(into, &list);
	errring_collect(from, &list);
	for (unsigned i = 0; i < ERRORS_KEPT; i++)
		atomic_store_explicit(&into->entries[i].sequence_end, 0, memory_order_relaxed);
	for (unsigned i = 0; i < list.n; i++)
		errring_write(into, &list.notes[i]);
}
