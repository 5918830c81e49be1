// SPDX-License-Identifier: MIT
/*
 * One file beside the journal: the guard's evidence (dossier.h) as it was some seconds ago. It is
 * written over and over, as a whole, so it has no place in a journal that only grows: it would push
 * out of it who changed what and why. Written by the journal's writer, read by the master at its
 * start. What is missing or damaged there costs evidence, never a share.
 */
#pragma once

#include <stddef.h>

#include "common/err.h"

/* Replaces the file in one step: who is killed in between leaves the old one. */
int journal_kept_write(int dir, const void *bytes, size_t n, struct err *e) MUST_CHECK;
/* Of a journal that is no more. */
void journal_kept_remove(int dir);
/* To be freed by the caller. NULL: `e` says why, empty: there is none. */
char *journal_kept_read(int dir, size_t *n, struct err *e) MUST_CHECK;
