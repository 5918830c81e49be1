// SPDX-License-Identifier: MIT
/*
 * The neutral request: its memory, and calls by their ids; see xlate_ask.h. Used by the workers
 * while a request is translated. Invariant: every span lies in `body`, and has passed a scan.
 */
#include "worker/xlate_ask.h"

#include <stdlib.h>
#include <string.h>

void
ask_free(struct ask *a)
{
	free(a->system.items);
	free(a->turns.items);
	free(a->parts.items);
	free(a->tools.items);
	free(a->stops.items);
	free(a->calls.items);
}

/* A new item, all zero; NULL: refused or no memory. */
static void *
add(struct ask *a, struct ask_list *l, size_t size)
{
	uint8_t *item;

	if (l->n == ASK_ITEMS_MAX) {
		ask_refuse(a, "is one of more than %d, too many to be translated", ASK_ITEMS_MAX);
		return NULL;
	}
	if (l->n == l->room) {
		uint32_t room = l->room == 0 ? 8 : 2 * l->room;
		void *items = realloc(l->items, room * size);

		if (items == NULL) {
			a->no_memory = true;
			return NULL;
		}
		l->items = items;
		l->room = room;
	}
	item = (uint8_t *)l->items + l->n++ * size;
	memset(item, 0, size);
	return item;
}

bool
ask_begin_turn(struct ask *a, bool assistant)
{
	struct ask_turn *turn = a->turns.n > 0 ? &ask_turns(a)[a->turns.n - 1] : NULL;

	if (turn != NULL && turn->assistant == assistant)
		return true;
	turn = add(a, &a->turns, sizeof(*turn));
	if (turn == NULL)
		return false;
	turn->assistant = assistant;
	turn->first = a->parts.n;
	return true;
}

struct ask_part *
ask_add_part(struct ask *a, enum ask_part_kind kind, uint32_t item)
{
	struct ask_part *part = add(a, &a->parts, sizeof(*part));

	if (part == NULL)
		return NULL;
	ask_turns(a)[a->turns.n - 1].n++;
	part->kind = kind;
	part->message = a->message;
	part->item = item;
	return part;
}

bool
ask_add_text(struct ask *a, struct jspan text, uint32_t item)
{
	struct ask_part *part;

	if (text.len == 0)
		return true;
	part = ask_add_part(a, ASK_TEXT, item);
	if (part != NULL)
		part->text = text;
	return part != NULL;
}

static bool
add_span(struct ask *a, struct ask_list *list, struct jspan span)
{
	struct jspan *item = add(a, list, sizeof(*item));

	if (item != NULL)
		*item = span;
	return item != NULL;
}

bool
ask_add_system(struct ask *a, struct jspan text)
{
	return text.len == 0 || add_span(a, &a->system, text);
}

bool
ask_add_stop(struct ask *a, struct jspan text)
{
	return add_span(a, &a->stops, text);
}

struct ask_tool *
ask_add_tool(struct ask *a)
{
	return add(a, &a->tools, sizeof(struct ask_tool));
}

/* ---- calls by their ids ---------------------------------------------------------------------- */

static int
compare_ids(const struct ask *a, uint32_t x, uint32_t y)
{
	struct jspan one = ask_parts(a)[x].id, other = ask_parts(a)[y].id;

	if (one.len != other.len)
		return one.len < other.len ? -1 : 1;
	return memcmp(a->body + one.off, a->body + other.off, one.len);
}

/* Those with the same id by their places. */
static int
compare_calls(const void *x, const void *y, void *ask)
{
	uint32_t one = *(const uint32_t *)x, other = *(const uint32_t *)y;
	int side = compare_ids(ask, one, other);

	return side != 0 ? side : (one > other) - (one < other);
}

static bool
sort_calls(struct ask *a)
{
	for (uint32_t i = 0; i < a->parts.n; i++) {
		uint32_t *call;

		if (ask_parts(a)[i].kind != ASK_CALL)
			continue;
		call = add(a, &a->calls, sizeof(*call));
		if (call == NULL)
			return false;
		*call = i;
	}
	if (a->calls.n == 0)
		return false;
	qsort_r(a->calls.items, a->calls.n, sizeof(uint32_t), compare_calls, a);
	return true;
}

/* Sorted once: a client may send thousands of both, with ids that are long and alike. */
const struct ask_part *
ask_find_call(struct ask *a, const struct ask_part *result)
{
	uint32_t place = (uint32_t)(result - ask_parts(a)), low = 0, high;
	const uint32_t *calls;

	if (a->calls.n == 0 && !sort_calls(a))
		return NULL;
	calls = a->calls.items;
	for (high = a->calls.n; low < high;) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_calls(&calls[middle], &place, a) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || compare_ids(a, calls[low - 1], place) != 0)
		return NULL;
	return &ask_parts(a)[calls[low - 1]];
}
