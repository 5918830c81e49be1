// SPDX-License-Identifier: MIT
/*
 * What came of the requests of a stress test, added up, and told as one JSON object. Pure.
 */
#pragma once

#include "ctl/stress_reply.h"

struct cJSON;

#define STRESS_ERRORS_KEPT 20

/* Times, kept all: quantiles are exact. */
struct stress_times {
	uint64_t *us;
	size_t n, room;
};

struct stress_arm {
	uint64_t answered;
	uint64_t input, cached, output; /* tokens */
	struct stress_times latency, first_token;
};

struct stress_error {
	unsigned status;
	uint64_t count;
	char code[STRESS_WORD_BYTES], message[STRESS_MESSAGE_BYTES];
};

struct stress_tally {
	uint64_t sent, answered, failed, attempts, fallbacks, diverted;
	uint64_t assigned[ARM_COUNT];	   /* by the split, as far as the answers tell */
	struct stress_arm arms[ARM_COUNT]; /* who answered */
	struct money cost, estimated;
	uint64_t unpriced; /* answers that told no cost */
	unsigned n_reasons, n_errors;
	struct {
		char reason[STRESS_WORD_BYTES];
		uint64_t count;
	} reasons[STRESS_ERRORS_KEPT];
	struct stress_error errors[STRESS_ERRORS_KEPT];
	uint64_t errors_left_out; /* of further kinds */
};

void stress_tally_free(struct stress_tally *t);
/* A request has ended. `ok`: stress_reply_end() said so. */
void stress_tally_add(struct stress_tally *t, const struct stress_reply *r, bool ok,
    uint64_t started_us, uint64_t ended_us);
/* Adds "requests" and the like to an answer. Sorts the times. */
void stress_tally_print(struct stress_tally *t, struct cJSON *into);
/* The q-quantile, 0 < q <= 1, of times that are sorted; 0: there are none. */
uint64_t stress_quantile_us(const struct stress_times *t, double q);
