// SPDX-License-Identifier: MIT
/*
 * Answers about the journal, read from its files: what happened, and whether the files are as they
 * were written. Runs in a child of the writer, so that neither the master nor a record that is to
 * be written waits for it. Looks no further than the record that was the last one when it was
 * asked.
 */
#pragma once

#include "common/audit.h"
#include "common/buf.h"
#include "common/err.h"

/* Adds the last `limit` changes as a JSON list, oldest first: of one release, or with an empty name
 * of all. Records that cannot be read are left out. */
int journal_read_history(int dir, const char *release, unsigned limit,
    const struct audit_chain *end, struct buf *out, struct err *e) MUST_CHECK;
/* Adds a JSON object: files, records, first, last, put_aside. -1: `e` says which record
 * is not what it was, and where it stands. */
int journal_read_verify(
    int dir, const struct audit_chain *end, struct buf *out, struct err *e) MUST_CHECK;
