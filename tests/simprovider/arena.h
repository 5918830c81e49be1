// SPDX-License-Identifier: MIT
/* Memory that is given back all at once: everything that a script holds. */
#pragma once

#include <stddef.h>

struct arena {
	struct arena_block *blocks;
};

/* Zeroed, aligned for any type; NULL when out of memory. */
void *arena_alloc(struct arena *arena, size_t n);
/* A copy with a NUL behind it. */
char *arena_copy(struct arena *arena, const void *bytes, size_t n);
void arena_free(struct arena *arena);
