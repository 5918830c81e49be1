// SPDX-License-Identifier: MIT
/*
 * What follows when an attempt has ended badly: the same arm again, the other arm, or the end. A
 * pure function of the attempt's outcome and of what the request may still spend; time, randomness
 * and the state of the budget are arguments. Used by the workers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/outcome.h"
#include "common/shm.h"

enum retry_action { RETRY_GIVE_UP, RETRY_SAME, RETRY_FALLBACK };

/* Why the same arm is not asked again, whether or not the other is. */
enum retry_why {
	RETRY_WHY_NONE,	       /* it is asked again */
	RETRY_WHY_OUTCOME,     /* the outcome would be the same again */
	RETRY_WHY_DEADLINE,    /* no time is left for the wait and an answer */
	RETRY_WHY_RETRY_AFTER, /* the provider wants a longer wait than the deadline leaves */
	RETRY_WHY_ATTEMPTS,    /* all attempts are used up */
	RETRY_WHY_SENT,	       /* the provider may be at work on it already */
	RETRY_WHY_BUDGET,      /* the worker has too many retries under way */
	RETRY_WHY_COUNT
};

struct retry_state {
	enum arm arm;		   /* of the attempt that ended */
	uint8_t attempts_done;	   /* of the request, that one included */
	uint8_t arm_attempts_done; /* of those, on this arm */
	uint32_t attempts_max, candidate_attempts_max;
	bool fallback_enabled, pinned;
	bool fallback_used; /* this arm is asked already because the other failed */
	bool retry_sent;    /* the operator allows repeating what may have been sent twice */
	bool sent;	    /* bytes reached the provider, none of an answer came back */
	enum outcome outcome;
	int64_t retry_after_ms; /* the provider's wish; -1: none */
	uint64_t now_ms, deadline_ms;
	uint32_t backoff_ms;  /* before the second attempt on an arm; doubles with each more */
	bool retry_budget_ok; /* retry_budget_has() */
	uint64_t random;
};

struct retry_verdict {
	enum retry_action action;
	uint32_t delay_ms; /* to wait before the next attempt begins */
	bool uses_budget;  /* the next attempt must be taken from the retry budget */
	enum retry_why why;
};

/* Never RETRY_SAME or RETRY_FALLBACK after a good outcome. */
struct retry_verdict retry_decide(const struct retry_state *s);

/* "outcome", "deadline", ...; "" for RETRY_WHY_NONE. */
const char *retry_why_name(enum retry_why why);

/* The timeout of the n-th attempt (1: the first) of a request: the n-th of the list, or its last.
 * The list is not empty. */
uint32_t retry_timeout_ms(const uint32_t *list, unsigned n, unsigned attempt);

/* How many retries a worker has under way, waiting ones included. Zeroed: none. */
struct retry_budget {
	uint32_t taken;
};

#define RETRY_BUDGET_LEAST 3 /* retries allowed at a time, however little there is to do */

/* Whether one more is within `percent` of the worker's active requests. */
bool retry_budget_has(const struct retry_budget *b, uint32_t active, uint32_t percent);
/* Each take is answered by one release, when the retry has ended or was called off. */
void retry_budget_take(struct retry_budget *b);
void retry_budget_release(struct retry_budget *b);
