// SPDX-License-Identifier: MIT
/*
 * What a request leaves behind: counts in the worker's slot, entries in the error ring, one line in
 * the log. Requests belong to the arm they were assigned to; attempts, tokens and cost to the arm
 * that was asked.
 */
#pragma once

#include "worker/request.h"

void tally_started(struct worker *w);
/* The split has decided. */
void tally_assigned(struct request *r);
/* The candidate has failed and stable is asked. */
void tally_fallback(struct request *r);
void tally_rescued(struct request *r);
void tally_attempt_begun(struct attempt *a, bool retry);
/* Adds the attempt's tokens and cost to its arm and to its request. */
void tally_attempt_ended(struct attempt *a);
/* The request is over: outcome, latencies, errors, log line. */
void tally_finished(struct request *r);
