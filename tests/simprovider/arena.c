// SPDX-License-Identifier: MIT
/*
 * The arena of a script: a list of plain allocations. A script is loaded seldom and is small, so
 * each piece is an allocation of its own, which lets the sanitizer see every overrun.
 */
#include "tests/simprovider/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
	struct arena_block *next;
	alignas(max_align_t) unsigned char bytes[];
};

void *
arena_alloc(struct arena *arena, size_t n)
{
	struct arena_block *block = calloc(1, sizeof(*block) + n);

	if (block == NULL)
		return NULL;
	block->next = arena->blocks;
	arena->blocks = block;
	return block->bytes;
}

char *
arena_copy(struct arena *arena, const void *bytes, size_t n)
{
	char *copy = arena_alloc(arena, n + 1);

	if (copy != NULL && n > 0)
		memcpy(copy, bytes, n);
	return copy;
}

void
arena_free(struct arena *arena)
{
	while (arena->blocks != NULL) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
}
