// SPDX-License-Identifier: MIT
/*
 * One answer of the gateway, read piece by piece as it comes: head lines, then a JSON text or the
 * events of a stream. Pure; times are given by the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/money.h"
#include "common/shm.h"

#define STRESS_WORD_BYTES    64
#define STRESS_MESSAGE_BYTES 200

struct stress_reply {
	bool stream;	 /* events were asked for */
	unsigned status; /* 0: no head has come */
	bool arm_known;	 /* who answered; the gateway's own errors come from nobody */
	enum arm arm;	 /* who answered */
	bool fallback;	 /* and it was assigned to the other one */
	char reason[STRESS_WORD_BYTES];
	bool diverted; /* the candidate's, but it could not be asked just now: stable was */
	unsigned attempts;
	uint64_t input, cached, output; /* tokens; `input` without cached ones */
	bool priced;
	struct money cost, estimated;
	uint64_t first_token_us;    /* when, by the caller's clock; 0: never */
	bool content, done, failed; /* some text; the end mark; an error, however told */
	char code[STRESS_WORD_BYTES], message[STRESS_MESSAGE_BYTES];
	struct buf bytes; /* of the answer, or of an unfinished line of a stream */
};

/* Makes it ready for another answer; what it holds is given back. */
void stress_reply_init(struct stress_reply *r, bool stream);
void stress_reply_free(struct stress_reply *r);
/* A line of the head, without its CRLF. */
void stress_reply_head(struct stress_reply *r, const char *line, size_t n);
/* -1: out of memory, or an answer without end. */
int stress_reply_bytes(
    struct stress_reply *r, const void *bytes, size_t n, uint64_t now_us) MUST_CHECK;
/* The answer is there, as far as it came. True: it is a good one; else code and message say why. */
bool stress_reply_end(struct stress_reply *r);
