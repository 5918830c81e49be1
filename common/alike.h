// SPDX-License-Identifier: MIT
/*
 * Names that look like a name that is not known: what somebody may have meant. Pure. The few best
 * are kept, whatever number of them is tried.
 */
#pragma once

#include <stddef.h>

#include "common/shm.h"

#define ALIKE_KEPT 3

/* Zeroed but for `wanted` it is empty and ready. */
struct alike {
	const char *wanted; /* borrowed */
	unsigned n;
	int far[ALIKE_KEPT]; /* rising; less than nothing where much of the beginning is the same */
	char names[ALIKE_KEPT][NAME_BYTES]; /* the nearest first */
};

/* Edits (insert, drop, replace a byte) that make one word the other; words are cut at 63 bytes. */
unsigned alike_distance(const char *a, const char *b);
/* Keeps a name if it looks like the wanted one: a third of it may differ, or all that follows its
 * first half. Upper and lower case are the same. A name of NAME_BYTES or more is none. */
void alike_try(struct alike *a, const char *name);
