// SPDX-License-Identifier: MIT
/*
 * What a part of the master notes of each release, found by its name: an array of RELEASES_MAX
 * structs, each of which begins with `char name[NAME_BYTES]`, empty where it is not used. Master
 * process.
 */
#pragma once

#include <stddef.h>

struct master;

/* The note of a release, a new one (zeros but for the name) if there is none; NULL: all are used.
 * `bytes`: of one struct. */
void *notes_find(void *all, size_t bytes, const char *name);
/* Empties the notes of releases that the policy has no more: a reload may have taken them away. Who
 * waited for a receipt with its note as `arg` is forgotten (transition_forget()). */
void notes_forget_the_gone(struct master *m, void *all, size_t bytes);
