// SPDX-License-Identifier: MIT
/*
 * Which sticky keys a rollout has met: two tables of 64-bit digests in memory that all workers
 * share, and a third that remembers by request id which arm answered, for `grayctl judge`. A key
 * counts once, whichever worker it meets.
 *
 * Every entry is one word (or two that are checked against each other), changed by compare-and-swap
 * or a plain store; nobody waits for anybody, and a kill at any instruction leaves at most one key
 * that does not count. The master empties the tables.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/shm.h"

#define SEEN_PLACES    (1u << 20)
#define SEEN_PROBES    64 /* places looked at for one key */
#define ANSWERS_PLACES (1u << 18)

enum seen_table { SEEN_KEYS, SEEN_FAILED, SEEN_TABLES };

/* One answer that may still be judged. `tag` 0: none. */
struct seen_answer {
	_Atomic uint64_t tag;	/* digest of release, rollout and request id */
	_Atomic uint64_t what;	/* share_bp, arm, whether it was a first; see seen.c */
	_Atomic uint64_t key;	/* digest of its sticky key; 0: none */
	_Atomic uint64_t check; /* of the three: a torn entry is none */
};

struct seen_region {
	_Atomic uint64_t digests[SEEN_TABLES][SEEN_PLACES]; /* 0: free */
	struct seen_answer answers[ANSWERS_PLACES];
};

enum seen_result {
	SEEN_NEW,   /* and now it is in */
	SEEN_KNOWN, /* it was met before */
	SEEN_FULL,  /* no room: it must not count */
};

/* Makes the region in a memfd: NULL and `e` on failure. Sparse: unused places cost nothing. The
 * mapping is kept from children unless they map it themselves. */
struct seen_region *seen_create(int *fd, struct err *e) MUST_CHECK;
struct seen_region *seen_map(int fd, struct err *e) MUST_CHECK;
void seen_destroy(struct seen_region *s, int fd);

/* One digest of a key's hash and of what it is to be met in: a rollout, and a number that tells
 * symptoms or spans of time apart. Never 0. For one rollout and number no two hashes share one. */
uint64_t seen_digest(uint64_t key_hash, uint64_t rollout_id, uint64_t number);
enum seen_result seen_meet(struct seen_region *s, enum seen_table table, uint64_t digest);
/* Whether the table of keys is more than about half full, by a look at a few of its places. */
bool seen_crowded(const struct seen_region *s);
/* Forgets all keys. Others may be met meanwhile. */
void seen_forget(struct seen_region *s);
/* About how many bytes seen_save() would add, by a look at a few places. */
uint64_t seen_save_bytes(const struct seen_region *s);
/* Adds all keys of the region behind `fd` as bytes that do not depend on where they stood: for each
 * table a count, and the digests. What is met meanwhile may be missing. -1: `e`. */
int seen_save(int fd, struct buf *out, struct err *e) MUST_CHECK;
/* Meets all of them again. -1: the bytes are none of seen_save()'s; nothing was met. */
int seen_load(struct seen_region *s, const void *bytes, size_t n) MUST_CHECK;

/* What is remembered of an answer. */
struct seen_facts {
	uint32_t share_bp;
	enum arm arm;
	bool first;   /* it was the first request of its key, or had none */
	uint64_t key; /* hash of its key; 0: none */
};
/* What answers of a rollout have in common, made once; and the tag of one. */
uint64_t seen_rollout_tag(const char *release, uint64_t rollout_id);
uint64_t seen_answer_tag(uint64_t rollout_tag, const char *request_id);
void seen_answer_put(struct seen_region *s, uint64_t tag, const struct seen_facts *v);
/* Takes it out, so that it is judged once. False: it is not, or no longer, known. */
bool seen_answer_take(struct seen_region *s, uint64_t tag, struct seen_facts *out);
/* Whether it was taken out, and nothing else stands in its place yet. */
bool seen_answer_taken(struct seen_region *s, uint64_t tag);
