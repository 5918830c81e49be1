// SPDX-License-Identifier: MIT
/*
 * One request from its head to its log line. The steps are a list at the top of request.c;
 * request_advance() alone moves a request along; it is finished exactly once.
 */
#pragma once

#include "common/price.h"
#include "worker/attempt.h"
#include "worker/conn.h"
#include "worker/intake.h"
#include "worker/reply.h"
#include "worker/route.h"

#define PARAM_BYTES   64
#define ATTEMPTS_KEPT 16 /* failed attempts remembered for the error answer and the error ring */

/* What is remembered of an attempt that failed. */
struct failure {
	enum arm arm;
	enum outcome outcome;
	uint16_t status;
	uint8_t attempt;
	const char *model, *provider;
	char code[64], message[240];
};

/* What witness.c notes of a request at its assignment. */
struct witness {
	bool counts; /* it is in the guard's statistics */
	bool again;  /* it counts again, for the breaker */
	bool first;  /* of its key in this rollout, or it has none */
	bool has_key;
	uint16_t share_bp;
	uint64_t rollout_id, key;
};

struct request {
	struct worker *worker;
	struct conn *conn;
	const struct endpoint *endpoint; /* NULL: the path is not known */
	uint8_t step;			 /* index into the list of steps */
	bool body_whole;		 /* the body has come, or there is none */
	bool waits_backoff;		 /* `timer` runs for the next attempt */
	bool listed;			 /* is in worker.requests */
	bool http_head_only;		 /* HEAD: the answer has no body */
	const struct http_head *head;	 /* only while the head is read (the first steps) */
	const uint8_t *head_bytes;
	const struct config_client *client;
	char id[REQUEST_ID_BYTES];
	char traceparent[64];			  /* empty: none */
	char *anthropic_version, *anthropic_beta; /* whole lines of the client's head; or NULL */
	char local_name[NAME_BYTES];		  /* of GET /v1/models/NAME; empty: the list */
	struct buf header_keys; /* values of the headers that sticky keys come from */
	struct jspan header_key[CHAT_KEYS_MAX]; /* into header_keys, as worker.header_names */

	struct body body;
	struct chat chat;
	bool usage_asked; /* by the client; grayd always asks */
	bool cost_asked;  /* x-gray-cost: the cost is wanted in the usage of a stream */
	bool unjudged;	  /* x-gray-stress: nothing of it says anything to the guard */
	bool stable_only; /* a kind of request that only stable may answer */
	/* The member that the candidate could not be asked with, plain and safe; empty: none. */
	char untranslated[PARAM_BYTES];

	struct live_release *release; /* NULL: not known yet */
	enum route_pin pin;
	struct route_decision decision;
	struct witness witness;
	uint16_t stage_percent;
	uint64_t revision; /* of the policy that decided */

	struct gate_turn turn;	/* at its client's limit, or at that of the model it is to ask */
	uint64_t wait_until_us; /* so long it may wait there before anybody was asked */
	uint64_t queued_us;	/* so long it has waited there */
	uint64_t
	    admitted_us; /* as which time it counts against its client's rate; 0: it does not */
	struct {
		uint64_t limit, left, clear_us;
	} rate; /* that rate, as it was then, for the answer; limit 0: there is none */
	/* Its bucket was the candidate's, which could not be asked: stable's. */
	bool diverted;
	/* It came while the candidate could not be asked, whatever its bucket: what is compared
	 * must be missing on both sides. */
	bool incomparable;
	enum gate_reason diverted_by;

	struct attempt attempt;
	enum arm arm; /* that is asked now */
	uint8_t attempts_done, arm_attempts_done, attempts_sent;
	bool fell_back, rescued;
	bool budget_taken; /* the next or present attempt is a retry from the budget */
	enum outcome fallback_reason;
	unsigned n_failures;
	struct failure *failures; /* ATTEMPTS_KEPT of them once the first attempt has failed */

	enum outcome outcome;
	uint16_t status; /* sent to the client; 0: nothing was sent */
	bool billed;	 /* of some attempt it is known, or estimated, what it cost */
	struct tokens tokens, estimated; /* over all attempts; what was told, and the rest */
	struct money cost, estimated_cost;
	uint64_t started_us, deadline_us; /* clock_mono_us; deadline 0: not routed yet */
	uint64_t upstream_us;		  /* spent waiting for providers and backing off, so far */
	uint64_t backoff_from_us;
	LIST_ENTRY(request) link;
	struct request *next_spare;

	/* What follows outlives a request when its memory is used again: the timer stays armed. */
	struct deadline timer;
};

/* From the connection. */
void request_begin(
    struct conn *c, const struct http_head *head, const uint8_t *bytes, uint64_t now_us);
/* A piece of the body. -1: the request has ended, with an answer. */
int request_body(struct request *r, const uint8_t *bytes, size_t n) MUST_CHECK;
void request_body_whole(struct request *r);
/* Ends a request whose body goes wrong. */
void request_refuse(struct request *r, unsigned status, const char *code, const char *text);
void request_client_left(struct request *r);
/* The client reads too slowly, or fast enough again. */
void request_pause(struct request *r, bool pause);

/* From a gate: the request's turn has come. */
void request_go_on(struct request *r);

/* From the attempt. */
void request_attempt_ended(struct request *r);
/* The deadlines of the attempt have changed. */
void request_set_timer(struct request *r);
/* A wait between two attempts is over: it counts as time of the provider's, not of grayd's. */
void request_end_backoff(struct request *r);

/* From the worker: a rollback. The first tells in the slot, for the receipt, how many answers have
 * lost their candidate, and the second, in the same turn, carries it out: candidate attempts that
 * have not committed end, and stable is asked at once; those that have are ended if the policy says
 * so. The acknowledgement stands between them: it means that no candidate attempt begins any more,
 * which need not wait for the new ones of stable. */
void request_tell_rollbacks(struct worker *w);
void request_rescue_all(struct worker *w);
/* Ends all that is left when the drain time is over. */
void request_abort_all(struct worker *w);
void request_free_spares(struct worker *w);
