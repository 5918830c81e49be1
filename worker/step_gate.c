// SPDX-License-Identifier: MIT
/*
 * Limits on the way of a request: its client's, before anything is decided for it, and that of the
 * model that it is to ask, before each attempt. A candidate at its limit costs nobody an answer:
 * its share goes to stable, and says nothing about it.
 */
#include "worker/step.h"

#include <stdio.h>

#include "common/clock.h"
#include "worker/bill.h"
#include "worker/tally.h"

#define COOLING_PATIENCE_US (1 * (uint64_t)US_PER_S)

/* ---- the client's ---------------------------------------------------------------------------- */

static uint64_t
client_may_wait_until(struct request *r)
{
	uint64_t deadline_us = r->started_us + r->release->config->deadline_ms * US_PER_MS;

	/* Not 0, which means never: a ring that is being moved is waited for in any case. */
	if (r->client->queue_ms == 0)
		return 1;
	if (r->wait_until_us == 0)
		r->wait_until_us = clock_mono_us() + (uint64_t)r->client->queue_ms * US_PER_MS;
	return r->wait_until_us < deadline_us ? r->wait_until_us : deadline_us;
}

static enum step_result
refuse_client(struct request *r)
{
	const struct gate_limit *limit = &r->turn.limit;
	int64_t ms = gate_retry_after_ms(r);
	char text[400];
	struct reply_error e = {
		.status = outcome_info(OUTCOME_LIMITED)->status,
		.code = outcome_info(OUTCOME_LIMITED)->code,
		.message = text,
		.retry_after_ms = ms,
	};
	enum step_result result;

	snprintf(text, sizeof(text),
	    "client %s may send %llu requests in any minute; there will be room in %lld.%03lld s",
	    r->client->name, (unsigned long long)limit->rate, (long long)(ms / 1000),
	    (long long)(ms % 1000));
	r->rate.limit = limit->rate;
	r->rate.clear_us = limit->clear_us;
	tally_add(&bill_client(r)->counters[CLIENT_COUNTER_RATE_LIMITED], 1);
	result = step_refuse_as(r, &e);
	r->outcome = OUTCOME_LIMITED;
	return result;
}

enum step_result
step_admit(struct request *r)
{
	if (r->client == NULL)
		return STEP_NEXT;
	switch (gate_pass(gate_of_client(r->worker, r->client), r, client_may_wait_until(r))) {
	case GATE_PASSED: return STEP_NEXT;
	case GATE_WAITS: return STEP_WAIT;
	case GATE_REFUSED: break;
	}
	return refuse_client(r);
}

/* ---- a model's ------------------------------------------------------------------------------- */

static struct gate *
gate_of(const struct request *r, enum arm arm)
{
	return gate_of_model(r->worker, r->release->config->arms[arm]);
}

bool
step_gate_open(struct request *r)
{
	struct gate *g = gate_of(r, ARM_CANDIDATE);

	if (gate_pass(g, r, 0) == GATE_PASSED) {
		r->turn.passed = g;
		return true;
	}
	r->diverted_by = r->turn.limit.reason;
	return false;
}

/* A candidate that was rolled back since the decision is not asked any more; nor is any once the
 * master is gone, since nobody could roll it back. */
static void
leave_candidate(struct request *r)
{
	worker_look_at_policy(r->worker);
	if (r->arm != ARM_CANDIDATE ||
	    (r->release->policy->state != STATE_ROLLED_BACK && !r->worker->master_gone))
		return;
	r->arm = ARM_STABLE;
	r->arm_attempts_done = 0;
	r->rescued = true;
	tally_rescued(r);
}

/* What was said about waiting is said of the first attempt; behind one that has failed it is the
 * deadline that counts, as for every retry and fallback. Where there are no clients nothing was
 * said: a model's limit is a matter of moments, and so is the end of a cool-down, which a client
 * that obeys it may meet; a longer one is told at once. */
static uint64_t
may_wait_until(const struct request *r)
{
	uint64_t until_us = r->wait_until_us != 0 ? r->wait_until_us : 1;

	if (r->attempts_done == 0 && r->client == NULL && gate_is_cooling(gate_of(r, r->arm)))
		until_us = clock_mono_us() + COOLING_PATIENCE_US;
	else if (r->attempts_done > 0 || r->client == NULL)
		until_us = r->deadline_us;
	if (until_us > r->deadline_us)
		return r->deadline_us;
	return until_us;
}

static bool
may_fall_back(const struct request *r)
{
	return r->arm == ARM_CANDIDATE && r->attempts_done > 0 && !r->decision.pinned &&
	       r->release->config->fallback && !r->stable_only && !r->fell_back && !r->rescued;
}

static enum step_result
refuse_model(struct request *r)
{
	r->outcome = r->turn.limit.reason == GATE_COOLING ? OUTCOME_COOLING : OUTCOME_LIMITED;
	step_remember(r, r->outcome);
	return STEP_ANSWER;
}

enum step_result
step_gate(struct request *r)
{
	bool to_stable;

	leave_candidate(r);
	to_stable = may_fall_back(r);
	switch (gate_pass(gate_of(r, r->arm), r, to_stable ? 0 : may_wait_until(r))) {
	case GATE_PASSED: return STEP_NEXT;
	case GATE_WAITS: return STEP_WAIT;
	case GATE_REFUSED: break;
	}
	return to_stable ? step_fall_back(r) : refuse_model(r);
}
