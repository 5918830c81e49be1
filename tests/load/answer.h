// SPDX-License-Identifier: MIT
/*
 * Reads one HTTP answer: a pure state machine over bytes, in any pieces, used by every connection
 * of the load generator. It finds where the answer ends (Content-Length, chunked, or the close of
 * the connection), keeps what the log wants to know, and judges whether the answer was complete.
 */
#pragma once

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "tests/load/content.h"

enum verdict {
#define VERDICT(id, name, text) VERDICT_##id,
#include "tests/load/verdicts.def"
#undef VERDICT
	VERDICT_COUNT
};

extern const char *const verdict_names[VERDICT_COUNT];

enum answer_state {
	ANSWER_HEAD,
	ANSWER_LENGTH,	   /* a body of known length */
	ANSWER_CHUNK_SIZE, /* inside the line of a chunk's size */
	ANSWER_CHUNK_DATA,
	ANSWER_CHUNK_END, /* CR LF behind the data */
	ANSWER_TRAILER,
	ANSWER_CLOSE, /* a body that ends with the connection */
	ANSWER_DONE,
	ANSWER_BAD,
};

#define ANSWER_HEAD_MAX	  65536
#define ANSWER_FIELD	  64
#define ANSWER_HASH_BYTES 32

struct answer {
	enum answer_state state;
	uint16_t status;
	bool keep_alive, is_stream, has_length, chunked, ended_by_close, want_hash;
	uint64_t remaining; /* bytes of the body or of the chunk still to come */
	uint64_t body_bytes;
	unsigned line_bytes; /* of the line in the chunk framing */
	struct json_end json;
	struct sse_end sse;
	char request_id[ANSWER_FIELD];
	char arm[ANSWER_FIELD], fallback[ANSWER_FIELD], reason[ANSWER_FIELD];
	char attempts[ANSWER_FIELD], model[ANSWER_FIELD];
	struct buf head; /* only while the head comes in pieces */
	crypto_generichash_state hash;
};

/* Makes ready for the next answer; keeps the memory of the head. */
void answer_begin(struct answer *a, bool want_hash);
void answer_free(struct answer *a);
/* Takes bytes until the answer is done or bad; returns how many were taken. */
size_t answer_feed(struct answer *a, const uint8_t *bytes, size_t n);
/* The connection ended here. */
void answer_eof(struct answer *a);
/* What the answer is worth, once it is done, bad, or its connection ended. */
enum verdict answer_verdict(const struct answer *a);
/* The digest of the body, once; only with want_hash. */
void answer_hash(struct answer *a, uint8_t out[ANSWER_HASH_BYTES]);
