// SPDX-License-Identifier: MIT
/*
 * Computes each decision of the guard anew from the numbers that its record in the journal holds,
 * and says which one came out differently. Runs in a child of the journal's writer.
 */
#pragma once

#include "common/audit.h"
#include "common/buf.h"
#include "common/err.h"

/* Adds {"decisions":[...],"differing":N} for a release, oldest first. Looks no further than the
 * record `end`. */
int journal_replay(int dir, const char *release, const struct audit_chain *end, struct buf *out,
    struct err *e) MUST_CHECK;
