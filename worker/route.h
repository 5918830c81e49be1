// SPDX-License-Identifier: MIT
/*
 * Which arm a request goes to: a pure function of the policy, of the request's sticky key or a
 * random number, and of a pin. A key's bucket never changes and the candidate's buckets are the
 * first ones, so while the share rises nobody leaves the candidate.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/shm.h"

enum route_pin { ROUTE_PIN_NONE, ROUTE_PIN_STABLE, ROUTE_PIN_CANDIDATE };

enum route_reason {
	ROUTE_STICKY,	    /* by the bucket of the sticky key */
	ROUTE_RANDOM,	    /* no key: by a random bucket */
	ROUTE_PINNED,	    /* where the request asked to go */
	ROUTE_PIN_REFUSED,  /* it asked for a candidate that may not be asked now: stable */
	ROUTE_PIN_DENIED,   /* this client may not pin: as if it had not asked */
	ROUTE_NO_CANDIDATE, /* the release has none: stable */
	ROUTE_STABLE_ONLY,  /* a kind of request that only stable may answer */
	ROUTE_REASON_COUNT
};

struct route_input {
	uint16_t share_bp; /* of the candidate, hundredths of a percent, 0..10000 */
	bool has_candidate;
	bool rolled_back;      /* and not restarted since; the share then counts as 0 */
	bool stable_only;      /* embeddings and such */
	bool candidate_closed; /* it may not be asked just now: its limit is used up, or it cools
				  down */
	enum route_pin pin;
	bool may_pin;
	bool has_key;
	uint64_t key_hash; /* hash64() of the sticky key under hash_key_route() */
	uint64_t random;   /* used if there is no key */
};

struct route_decision {
	enum arm arm;
	uint16_t
	    bucket; /* of the key or of the random number; it decided only if the reason says so */
	enum route_reason reason;
	bool pinned; /* does not fall back, is left out of the statistics */
	bool
	    diverted; /* the candidate's, but for candidate_closed; is left out of the statistics */
};

struct route_decision route_decide(const struct route_input *in);

/* "sticky", "random", ... */
const char *route_reason_name(enum route_reason reason);
