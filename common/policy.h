// SPDX-License-Identifier: MIT
/*
 * The policy region: the master publishes whole policies, workers read them. Eight slots are
 * written in turn, each complete with a checksum before one atomic store makes it the valid one, so
 * a writer or reader killed at any instruction leaves nothing that another one could misread. The
 * memory is sealed: beside the one mapping made here nobody can ever map it for writing.
 *
 * A bell, one eventfd that all workers watch, rings at each publish. It is one system call for all
 * of them: a master that woke them one by one was put aside by the first, on its own processor,
 * and the others slept until that one had done its work.
 */
#pragma once

#include "common/err.h"
#include "common/shm.h"

/* The master's end. */
struct policy_store {
	int fd;			      /* close-on-exec; children map it and close it */
	int bell;		      /* close-on-exec, non-blocking; workers watch it */
	struct policy_region *region; /* writable; not inherited by children */
};

/* Makes the sealed region with nothing published. On -1 nothing is left behind. */
int policy_create(struct policy_store *s, struct err *e) MUST_CHECK;
void policy_destroy(struct policy_store *s);
/* Publishes a whole policy and rings. Its revision must be greater than the last one's. Cannot
 * fail: who misses the bell finds the policy before its next decision. */
void policy_publish(struct policy_store *s, const struct policy *p);

/* Maps the region for reading; NULL and `e` on failure. For children, which then close the fd. */
const struct policy_region *policy_map_readonly(int fd, struct err *e) MUST_CHECK;

/* A reader's own copy. Before the first refresh `current` is empty (revision 0, no releases). */
struct policy_reader {
	const struct policy_region *region;
	struct policy current;
	uint64_t
	    seen; /* what `published` said at the last refresh, whether or not it could be read */
};

enum policy_read {
	POLICY_SAME, /* nothing new */
	POLICY_NEW,  /* `current` is the newest policy */
	POLICY_BAD,  /* the newest cannot be read; `current` is still the one before */
};

void policy_reader_init(struct policy_reader *r, const struct policy_region *region);
/* Copies and checks the newest policy. Acknowledge current.revision, never `seen`. */
enum policy_read policy_refresh(struct policy_reader *r) MUST_CHECK;

/* Whether a refresh may find something new: one acquire load. */
static inline bool
policy_changed(const struct policy_reader *r)
{
	return atomic_load_explicit(&r->region->published, memory_order_acquire) != r->seen;
}

/* Copies the policy of this revision. False: it is too old, or does not exist yet. */
bool policy_read(
    const struct policy_region *region, uint64_t revision, struct policy *out) MUST_CHECK;
/* The release of this name, or NULL. */
const struct policy_release *policy_find(const struct policy *p, const char *name);
