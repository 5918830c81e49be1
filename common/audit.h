// SPDX-License-Identifier: MIT
/*
 * One transition as a line of JSON, and the chain that such lines form: each holds the BLAKE2b-256
 * of the one before and ends with its own, so that none can be changed, dropped or moved without
 * being found. Pure. The only line that is read back is one that would be written in just this way,
 * byte for byte.
 *   {"sequence":7,"before":"<hash>","time":"...","uid":0,"actor":"root","command":"stage",...,
 *    "changes":[...],"policy":{"revision":17,"releases":[...]},"hash":"<hash>"}
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/shm.h"

#define AUDIT_HASH_BYTES     32
#define AUDIT_ACTOR_BYTES    64
#define AUDIT_COMMAND_BYTES  32
#define AUDIT_REASON_BYTES   2048
#define AUDIT_REQUEST_BYTES  65
#define AUDIT_EVIDENCE_BYTES 16384
#define AUDIT_LINE_MAX	     (192 * 1024) /* bytes, line end included */

#define AUDIT_TAIL_BYTES 75 /* of a line, without its line end, behind the body */

struct audit_hash {
	uint8_t bytes[AUDIT_HASH_BYTES];
};

struct audit_stand {
	uint8_t state; /* enum release_state */
	uint16_t share_bp;
};

/* What became of one release. */
struct audit_change {
	char release[NAME_BYTES];
	uint64_t rollout_id;
	struct audit_stand from, to;
};

/* About 45 KB. Texts are terminated; an empty one is none. */
struct audit_record {
	uint64_t sequence;
	struct audit_hash before;
	uint64_t wall_us; /* kept to the millisecond */
	uint32_t uid;
	char actor[AUDIT_ACTOR_BYTES]; /* a user's name, "guard", "plan", "grayd" ... */
	char command[AUDIT_COMMAND_BYTES];
	char reason[AUDIT_REASON_BYTES];
	char request[AUDIT_REQUEST_BYTES];   /* the id that the caller gave its command */
	char evidence[AUDIT_EVIDENCE_BYTES]; /* a JSON object of which every leaf is an integer */
	unsigned n_changes;
	struct audit_change changes[RELEASES_MAX];
	struct policy policy; /* all of it, afterwards; published_mono_us is not kept */
};

/* ---- writing --------------------------------------------------------------------------------- */

/* Adds what stands between "before" and "hash". -1: out of memory. */
int audit_body(struct buf *out, const struct audit_record *r) MUST_CHECK;
/* Adds the whole line, with its line end, around a body. -1: out of memory, `out` as it was. */
int audit_seal(struct buf *out, uint64_t sequence, const struct audit_hash *before,
    const void *body, size_t n, struct audit_hash *hash) MUST_CHECK;
/* Fills in what differs between two policies. */
void audit_compare(struct audit_record *r, const struct policy *before, const struct policy *after);
/* Whether a policy exposes more of any candidate than the one before: a higher share, or a release
 * that leaves STATE_ROLLED_BACK. `before` may be NULL: nothing was exposed. */
bool audit_raises(const struct policy *before, const struct policy *after);
/* Whether a text may be a record's evidence. -1: `e` says what is wrong. */
int audit_check_evidence(const char *text, struct err *e) MUST_CHECK;

/* ---- reading --------------------------------------------------------------------------------- */

/* The end of a chain; sequence 0: it has not begun, and anything may come next. */
struct audit_chain {
	uint64_t sequence;
	struct audit_hash hash;
};

/* Where a line belongs; from its bytes alone, without building the record. */
struct audit_seal {
	uint64_t sequence;
	struct audit_hash before, hash;
};

/* Checks a line's frame and its own hash. `n` without the line end. */
int audit_open(const char *line, size_t n, struct audit_seal *out, struct err *e) MUST_CHECK;
/* Adds a link to the chain. -1: it is not the next one. */
int audit_follow(struct audit_chain *c, const struct audit_seal *s, struct err *e) MUST_CHECK;
/* Reads a line that audit_open() has passed. */
int audit_parse(const char *line, size_t n, struct audit_record *out, struct err *e) MUST_CHECK;
