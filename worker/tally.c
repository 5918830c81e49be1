// SPDX-License-Identifier: MIT
/*
 * Counting; see tally.h. The slot has this worker as its only writer, so every count is a load and
 * a store. `started` comes first and `finished` last: what a kill loses is their difference.
 */
#include "worker/tally.h"

#include <string.h>

#include "common/clock.h"
#include "common/errring.h"
#include "common/histogram.h"
#include "worker/bill.h"
#include "worker/logline.h"
#include "worker/witness.h"

static struct slot_arm *
arm_of(const struct request *r, enum arm arm)
{
	return &r->release->tally->arms[arm];
}

static void
count(const struct request *r, enum arm arm, enum counter counter, uint64_t n)
{
	tally_add(&arm_of(r, arm)->counters[counter], n);
}

static _Atomic uint64_t *
in_flight(const struct request *r)
{
	return &r->worker->slot->in_flight[r->release->config->index][r->decision.arm];
}

void
tally_started(struct worker *w)
{
	tally_add(&w->slot->started, 1);
}

void
tally_assigned(struct request *r)
{
	struct slot_client *client = bill_client(r);

	r->release->active++;
	tally_add(in_flight(r), 1);
	if (client != NULL)
		tally_add(&client->counters[CLIENT_COUNTER_REQUESTS], 1);
	if (r->decision.pinned) {
		count(r, r->decision.arm, COUNTER_PINNED, 1);
		return;
	}
	count(r, r->decision.arm, COUNTER_REQUESTS, 1);
	if (r->diverted)
		count(r, ARM_CANDIDATE, COUNTER_DIVERTED, 1);
	if (r->incomparable)
		return;
	if (r->decision.reason == ROUTE_STICKY || r->decision.reason == ROUTE_RANDOM)
		tally_add(&arm_of(r, r->decision.arm)->window, 1);
}

void
tally_fallback(struct request *r)
{
	count(r, ARM_CANDIDATE, COUNTER_FALLBACKS, 1);
	tally_add(&arm_of(r, ARM_CANDIDATE)->fallbacks[r->fallback_reason], 1);
}

void
tally_rescued(struct request *r)
{
	if (!r->decision.pinned)
		count(r, ARM_CANDIDATE, COUNTER_RESCUED, 1);
}

void
tally_attempt_begun(struct attempt *a, bool retry)
{
	count(a->request, a->arm, COUNTER_ATTEMPTS, 1);
	if (a->arm == ARM_CANDIDATE)
		atomic_store_explicit(&a->request->release->tally->candidate_at_us, a->started_us,
		    memory_order_relaxed);
	if (retry)
		count(a->request, a->arm, COUNTER_RETRIES, 1);
}

void
tally_attempt_ended(struct attempt *a)
{
	struct request *r = a->request;

	tally_add(&arm_of(r, a->arm)->attempts[a->outcome], 1);
	if (a->sent) {
		count(r, a->arm, COUNTER_SENT, 1);
		r->attempts_sent++;
	}
	bill_attempt(a);
}

/* How the request ended, seen from the arm it was assigned to. */
static enum outcome
final_outcome(const struct request *r)
{
	if (r->outcome == OUTCOME_OK && r->fell_back)
		return OUTCOME_FALLBACK;
	if (r->outcome == OUTCOME_OK && r->rescued)
		return OUTCOME_RESCUED;
	return r->outcome;
}

static void
note_latency(const struct request *r, uint64_t now_us)
{
	struct slot_arm *arm = arm_of(r, r->decision.arm);

	histogram_record(&arm->latency_us, now_us - r->started_us);
	if (r->attempt.first_token_us != 0)
		histogram_record(&arm->first_token_us, r->attempt.first_token_us - r->started_us);
}

/* Whether the request got a good answer after this attempt, and whose. */
static enum error_saved
saved_by(const struct request *r, const struct failure *f, bool answered)
{
	if (!answered)
		return SAVED_NOT;
	return r->arm != f->arm ? SAVED_BY_FALLBACK : SAVED_BY_RETRY;
}

static void
note_errors(const struct request *r, bool answered)
{
	for (unsigned i = 0; i < r->n_failures; i++) {
		const struct failure *f = &r->failures[i];
		struct error_note note = {
			.wall_us = clock_wall_us(),
			.status = f->status,
			.arm = f->arm,
			.outcome = f->outcome,
			.attempt = f->attempt,
			.saved = saved_by(r, f, answered),
		};

		if (f->attempt == 0) /* nobody was asked: a limit, no error */
			continue;
		memcpy(note.request_id, r->id, sizeof(note.request_id));
		strncpy(note.model, f->model, sizeof(note.model) - 1);
		strncpy(note.provider, f->provider, sizeof(note.provider) - 1);
		memcpy(note.code, f->code, sizeof(note.code));
		memcpy(note.message, f->message, sizeof(note.message));
		errring_write(&r->release->tally->errors, &note);
	}
}

static void
finish_routed(struct request *r, uint64_t now_us)
{
	enum arm arm = r->decision.arm;
	bool answered = r->outcome == OUTCOME_OK;

	r->release->active--;
	tally_add(in_flight(r), (uint64_t)-1);
	r->outcome = final_outcome(r);
	note_errors(r, answered);
	if (r->decision.pinned)
		return;
	if (r->outcome == OUTCOME_CANCELLED)
		count(r, arm, COUNTER_CANCELLED, 1);
	if (r->outcome == OUTCOME_OK)
		note_latency(r, now_us);
	tally_add(&arm_of(r, arm)->finished[r->outcome], 1);
	witness_finished(r, now_us);
}

void
tally_finished(struct request *r)
{
	uint64_t now_us = clock_mono_us();

	if (r->listed)
		finish_routed(r, now_us);
	else if (r->outcome != OUTCOME_OK)
		tally_add(&r->worker->slot->rejected, 1);
	logline_write(r, now_us);
	tally_add(&r->worker->slot->finished, 1);
}
