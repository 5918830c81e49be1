// SPDX-License-Identifier: MIT
/*
 * Gates: each client and each model has one in each worker, with the queue of the requests that
 * wait there. What is counted stands in the limits region (common/limits.h), so a limit holds over
 * all workers; the queues are told there too, and a worker whose first request has come later than
 * that of another lets it go first, for a moment.
 */
#pragma once

#include <sys/queue.h>

#include "common/limits.h"
#include "worker/deadline.h"

struct request;
struct worker;
struct attempt;

enum gate_reason { GATE_OPEN, GATE_RATE, GATE_IN_FLIGHT, GATE_COOLING, GATE_REASON_COUNT };

/* Why a request has not passed, and when it may: never exact, since others come and go. */
struct gate_limit {
	enum gate_reason reason;
	bool moving;	   /* GATE_RATE: in a moment, in any case */
	uint64_t at_us;	   /* clock_mono_us(); of GATE_IN_FLIGHT nobody can know it */
	uint64_t rate;	   /* GATE_RATE: how many in a minute */
	uint64_t clear_us; /* GATE_RATE: when none of them will count any more */
};

struct gate {
	struct worker *worker;
	uint32_t number; /* of its limiter */
	TAILQ_HEAD(, request) waiting;
	unsigned n_waiting;
	/* Since when it lets the first of another worker go before; and since when that one waits.
	 */
	uint64_t yielded_us, yields_to_us;
	struct deadline timer;
};

/* In a request: its place in a queue, and what came of it. */
struct gate_turn {
	struct gate *gate;	 /* where it waits; NULL: nowhere */
	const struct gate *over; /* where it has waited in vain */
	uint64_t since_us;
	struct gate_limit limit; /* that it met last */
	struct gate *passed;	 /* where its turn has come, or was taken beforehand */
	struct gate *place;	 /* of which it has a place in flight; its attempt takes it over */
	TAILQ_ENTRY(request) link;
};

/* Gates for all clients and models of the config. -1: out of memory. */
int gate_open_all(struct worker *w) MUST_CHECK;
void gate_close_all(struct worker *w);
struct gate *gate_of_client(const struct worker *w, const struct config_client *client);
struct gate *gate_of_model(const struct worker *w, const struct config_model *model);

enum gate_result {
	GATE_PASSED,
	GATE_WAITS,   /* it stands in line; ask again when it is advanced */
	GATE_REFUSED, /* turn.limit says why */
};
/* Lets a request through, or makes it wait its turn, at most until then (0: never). A wait that
 * would be in vain is refused at once. */
enum gate_result gate_pass(struct gate *g, struct request *r, uint64_t until_us) MUST_CHECK;
/* Whether a request would not be let through at once, as far as one can see without trying. */
bool gate_is_closed(const struct gate *g);
/* Whether its model has to cool down just now. */
bool gate_is_cooling(const struct gate *g);
/* For the answer to one that was refused. */
int64_t gate_retry_after_ms(const struct request *r);
/* It leaves the line, if it stands in one. */
void gate_leave(struct request *r);
/* Its time in the line is over: it leaves, and will be refused. */
void gate_give_up(struct request *r);
/* Gives back the place in flight that a request has and does not need. */
void gate_give_back(struct request *r);
/* An attempt has begun, with the place of its request; and has ended, in whatever way: its model
 * may have to cool down. */
void gate_attempt_begun(struct attempt *a);
void gate_attempt_ended(struct attempt *a);

/* "rate", "in_flight", "cool_down". */
const char *gate_reason_name(enum gate_reason reason);
