// SPDX-License-Identifier: MIT
/*
 * An attempt: one request and the making of its answer, stage by stage, with the waits and the
 * fault that the script asks for. It lives in its connection, and ends exactly once.
 */
#pragma once

#include <sodium.h>

#include "tests/simprovider/kind.h"
#include "tests/simprovider/ledger.h"

/* In their order; REST may come between any two, to send what a stage left over. */
enum stage {
	STAGE_REST,
	STAGE_HEAD,
	STAGE_BODY, /* of a whole answer; the next ones are of a stream */
	STAGE_ROLE,
	STAGE_REASONING,
	STAGE_CONTENT,
	STAGE_TOOLS,
	STAGE_FINISH,
	STAGE_USAGE,
	STAGE_DONE,
	STAGE_TAIL, /* the last chunk of HTTP */
	STAGE_OVER,
	STAGE_LIMBO /* the connection is left as it is until the peer closes it */
};

#define MODEL_MAX_BYTES 256
#define NOTE_MAX_BYTES	128
#define NEVER_US	UINT64_MAX

struct attempt {
	struct conn *conn;
	struct script *script; /* kept alive */
	const struct behaviour *behaviour;
	const struct fault *fault; /* NULL: none */
	const struct endpoint *endpoint;
	struct problem problem; /* status 0: none */
	struct limit_state limit;
	struct dice dice;
	struct reply reply;
	/* Copies of what the request says: its bytes go before its answer does. */
	char model[MODEL_MAX_BYTES], stop[NOTE_MAX_BYTES], unknown[NOTE_MAX_BYTES];
	struct entry entry;
	struct ticket ticket;
	bool stream, http10, wants_close;
	/* where it is */
	enum stage stage, after_rest;
	uint64_t index;	 /* of the next piece within its stage */
	uint64_t due_us; /* not before */
	uint64_t after_rest_due_us;
	uint64_t beat_us, beat_due_us; /* keep-alive comments while it waits; 0: none */
	bool rendered;		       /* the page holds the whole answer */
	bool cut;		       /* the point at a byte of the body is reached */
	bool tripped;		       /* the fault has struck */
	bool broken;		       /* the answer was broken off */
	/* the body */
	enum framing framing;
	enum then then;
	uint64_t body_bytes, pad_left;
	struct buf rest;
	crypto_hash_sha256_state sha256;
	uint64_t sent_before;
};

/* Takes a whole request from a connection and becomes its job. `bytes` are the request's; `broken`:
 * it could not be read. */
void attempt_begin(struct conn *conn, const uint8_t *bytes, bool broken);
/* Enters a request of which only a part had come when the client left. */
void attempt_enter_partial(struct conn *conn, const uint8_t *bytes, size_t n);
extern const struct job attempt_job;

/* Between the files of the attempt. */
/* A copy of `s`; bytes NULL where there is none, or it is too long. */
struct str attempt_note(char into[NOTE_MAX_BYTES], struct str s);
/* Decides what the answer is made of, once behaviour and fault, or the problem, are known. */
void attempt_plan(struct attempt *a, const struct ask *ask);
/* The fault of this attempt is of that kind. */
static inline bool
attempt_has(const struct attempt *a, enum fault_id id)
{
	return a->fault != NULL && a->fault->kind->id == id;
}

/* It sends something while it waits: comments in a stream, blank lines before a whole answer. */
static inline bool
attempt_beats(const struct attempt *a)
{
	const struct dist *wait = &a->behaviour->body_ms;

	return a->behaviour->heartbeat_ms > 0 && a->problem.status == 0 &&
	       (a->stream || wait->shape != DIST_FIXED || wait->a > 0.0);
}

static inline bool
attempt_is(const struct attempt *a, enum trait trait)
{
	return a->endpoint != NULL && (a->endpoint->traits & trait) != 0;
}

struct text *attempt_page(struct attempt *a); /* an empty page to make an answer on */
/* Sends bytes of the body in the attempt's framing. Returns how many; fewer than `n` only when the
 * fault's point lies among them. */
size_t emit_body(struct attempt *a, const void *bytes, size_t n);
/* Sends the page; what the fault's point leaves over is kept for STAGE_REST. */
void emit_page(struct attempt *a);
void emit_event(struct attempt *a, enum piece piece, uint64_t index);
void emit_comment(struct attempt *a);
/* Writes the head of the answer. `length` of the body, for FRAMING_LENGTH. */
void head_write(struct attempt *a, uint64_t length);
/* Where the fault strikes in this attempt; only with a fault. */
enum point trip_point(const struct attempt *a);
/* The fault's point is reached. */
bool trip_reached(const struct attempt *a);
/* Lets the fault strike: sets the next stage or a wait. */
void trip_strike(struct attempt *a, uint64_t now_us);
