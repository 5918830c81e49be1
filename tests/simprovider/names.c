// SPDX-License-Identifier: MIT
/*
 * A table of names with open addressing, twice as large as it may get full. Names are never given
 * back: a run knows few of them, and the limit keeps a hostile one from growing it.
 */
#include "tests/simprovider/names.h"

#include <stdlib.h>

#define TABLE_SIZE (NAMES_LIMIT * 2)
#define OTHER	   1

static uint32_t
hash(struct str name)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (uint8_t)name.bytes[i]) * 16777619u;
	return h;
}

static int
append(struct names *names, struct str name)
{
	char *copy = malloc(name.len + 1);

	if (copy == NULL)
		return -1;
	if (name.len > 0)
		memcpy(copy, name.bytes, name.len);
	names->items[names->count++] = (struct str){ copy, name.len };
	return 0;
}

int
names_init(struct names *names)
{
	names->count = 0;
	names->items = calloc(NAMES_LIMIT, sizeof(*names->items));
	names->table = calloc(TABLE_SIZE, sizeof(*names->table));
	if (names->items == NULL || names->table == NULL)
		return -1;
	return append(names, (struct str){ "", 0 }) != 0
		   ? -1
		   : append(names, (struct str){ "(other)", 7 });
}

void
names_fini(struct names *names)
{
	for (uint16_t i = 0; i < names->count; i++) {
		/* The names were allocated here; only readers see them as constant. */
		free((void *)(uintptr_t)names->items[i].bytes);
	}
	free(names->items);
	free(names->table);
}

uint16_t
names_number(struct names *names, struct str name)
{
	if (name.len == 0)
		return 0;
	for (uint32_t at = hash(name) % TABLE_SIZE;; at = (at + 1) % TABLE_SIZE) {
		uint16_t number = names->table[at];

		if (number == 0) {
			if (names->count == NAMES_LIMIT || append(names, name) != 0)
				return OTHER;
			names->table[at] = (uint16_t)(names->count - 1);
			return names->table[at];
		}
		if (names->items[number].len == name.len &&
		    memcmp(names->items[number].bytes, name.bytes, name.len) == 0)
			return number;
	}
}
