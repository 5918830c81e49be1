// SPDX-License-Identifier: MIT
/*
 * The evidence of all rollouts as bytes, for a master that comes later: after a kill, or at an
 * upgrade. One line of JSON for each release, then the sticky keys that were met, then a BLAKE2b
 * of all that. Whoever reads it believes all of it or nothing: the first two lines name the version
 * and everything that is counted, in order, and must be the reader's own; counts of a version that
 * watches something else would say of what it did not watch that it never happened. Nothing in it
 * depends on how shared memory is laid out.
 */
#pragma once

#include "common/buf.h"
#include "common/policy.h"
#include "daemon/verdict.h"

#define DOSSIER_TITLE "grayd-evidence 1"

struct dossier_release {
	char name[NAME_BYTES];
	uint64_t models[ARM_COUNT]; /* digests: common/modelid.h */
	struct verdict_span span;
	struct evidence evidence;
};

/* About 6 MB. */
struct dossier {
	unsigned n;
	struct dossier_release all[RELEASES_MAX];
	const void *keys; /* for seen_load(); in the bytes that were read */
	size_t keys_n;
};

/* The beginning; then each release; then the end, with the keys in the memory behind `seen_fd`
 * (-1: none). -1: out of memory, or `e`. A release with a figure of 2^53 or more is left out. */
int dossier_begin(struct buf *out) MUST_CHECK;
int dossier_add(struct buf *out, const struct policy_release *now, const struct verdict_span *span,
    const struct evidence *evidence) MUST_CHECK;
int dossier_end(struct buf *out, int seen_fd, struct err *e) MUST_CHECK;

/* Into zeros. -1: `e` says why nothing of it counts. */
int dossier_read(struct dossier *d, const void *bytes, size_t n, struct err *e) MUST_CHECK;
/* NULL: it has nothing of this release. */
struct dossier_release *dossier_find(struct dossier *d, const char *name);
