// SPDX-License-Identifier: MIT
/*
 * One attempt: one call to one arm on behalf of a request, from the encoded body to an outcome.
 * A request has one attempt at a time; its memory is part of the request.
 */
#pragma once

#include "worker/state.h"
#include "worker/upstream.h"

#define UPSTREAM_ID_BYTES 128
#define PASSED_MAX_BYTES  2048 /* header lines of an error answer that are passed on */

struct attempt {
	struct request *request;
	struct upstream *upstream;
	struct call *call; /* NULL: not under way */
	const struct config_model *model;
	struct gate *place; /* of which it has a place in flight; NULL: none */
	enum arm arm;
	unsigned number;		 /* 1: the first of its request */
	enum api api;			 /* in which the provider is asked */
	struct translation *translation; /* NULL: it speaks the client's API */
	bool stream;			 /* the client wants events */
	bool event_stream;		 /* and the provider sends them */
	bool held_back;			 /* paused, since the client reads too slowly */
	bool given_back;		 /* its call: what judging passes on must not pause it */
	bool committed;			 /* something of this answer went to the client */
	bool sent;			 /* bytes of it reached the provider */
	uint16_t status;		 /* of the provider; 0: none */
	enum outcome outcome; /* valid once the attempt has ended, or was broken off by us */
	bool decided;	      /* `outcome` stands already, whatever libcurl says */
	uint64_t started_us, connected_us, last_byte_us, first_token_us, committed_us, ended_us;
	int64_t retry_after_ms;		     /* from the head; -1: none */
	char upstream_id[UPSTREAM_ID_BYTES]; /* the provider's request id; empty: none */
	bool says_retry, says_no_retry;	     /* its x-should-retry */
	struct buf passed; /* header lines to pass on with an error, each with CRLF */
	struct buf bytes;  /* the answer; of a stream what is held back or incomplete */
	size_t held;	   /* of `bytes`: whole events that wait for the commit */
	struct sse sse;
	bool cost_told;		 /* the client has the cost field that it asked for */
	uint32_t content_events; /* of a stream, that carried some of the answer */
	struct facts facts;
};

/* Begins an attempt on an arm; it ends in request_attempt_ended(). -1: it cannot begin, and
 * `a->outcome` says why. */
int attempt_begin(struct attempt *a, struct request *r, enum arm arm) MUST_CHECK;
/* Ends it now, with this outcome, without calling back: the connection to the provider closes. */
void attempt_abort(struct attempt *a, enum outcome outcome);
/* When something must have happened at the latest (clock_mono_us). */
uint64_t attempt_deadline_us(const struct attempt *a);
/* After that moment: how the attempt has to end. May tell the client the end of a stream. */
enum outcome attempt_expired(struct attempt *a, uint64_t now_us);
/* Gives back what an attempt that has ended still holds. */
void attempt_release(struct attempt *a);
