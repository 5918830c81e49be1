// SPDX-License-Identifier: MIT
/*
 * Asking an arm, and what follows from how that ended: the same arm again, the other one, or an
 * answer. The rules are retry.c's; here they are carried out.
 */
#include "worker/step.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/tally.h"

enum step_result
step_attempt(struct request *r)
{
	request_end_backoff(r);
	return attempt_begin(&r->attempt, r, r->arm) < 0 ? STEP_NEXT : STEP_WAIT_NEXT;
}

/* One more failure, on the arm that is asked now; NULL: out of memory. */
static struct failure *
add_failure(struct request *r, enum outcome outcome)
{
	const struct config_model *model = r->release->config->arms[r->arm];
	struct failure *f;

	if (r->failures == NULL)
		r->failures = calloc(ATTEMPTS_KEPT, sizeof(*r->failures));
	if (r->failures == NULL)
		return NULL;
	if (r->n_failures < ATTEMPTS_KEPT)
		r->n_failures++;
	f = &r->failures[r->n_failures - 1]; /* the last one is always there */
	*f = (struct failure){ .arm = r->arm,
		.outcome = outcome,
		.model = model->name,
		.provider = model->provider->name };
	return f;
}

void
step_remember(struct request *r, enum outcome outcome)
{
	(void)add_failure(r, outcome);
}

static void
remember_failure(struct request *r)
{
	const struct attempt *a = &r->attempt;
	struct failure *f = add_failure(r, a->outcome);

	if (f == NULL)
		return;
	f->status = a->status;
	f->attempt = (uint8_t)a->number;
	memcpy(f->code, a->facts.error_code, sizeof(f->code));
	memcpy(f->message, a->facts.error_message, sizeof(f->message));
}

static struct retry_verdict
ask_retry(struct request *r)
{
	const struct config_release *config = r->release->config;
	const struct attempt *a = &r->attempt;
	struct retry_state s = {
		.arm = a->arm,
		.attempts_done = r->attempts_done,
		.arm_attempts_done = r->arm_attempts_done,
		.attempts_max = config->attempts,
		.candidate_attempts_max = config->candidate_attempts,
		.fallback_enabled = config->fallback && !r->stable_only,
		.pinned = r->decision.pinned,
		.fallback_used = r->fell_back || r->rescued,
		.retry_sent = config->retry_sent,
		.sent = a->sent && a->status == 0 && a->outcome == OUTCOME_NO_ANSWER,
		.outcome = a->outcome,
		.retry_after_ms = a->retry_after_ms,
		.now_ms = clock_mono_us() / US_PER_MS,
		.deadline_ms = r->deadline_us / US_PER_MS,
		.backoff_ms = config->backoff_ms,
		.retry_budget_ok = retry_budget_has(
		    &r->release->budget, r->release->active, config->retry_budget_percent),
		.random = worker_random(r->worker),
	};

	return retry_decide(&s);
}

enum step_result
step_fall_back(struct request *r)
{
	r->fell_back = true;
	r->fallback_reason = r->attempt.outcome;
	r->arm = ARM_STABLE;
	r->arm_attempts_done = 0;
	tally_fallback(r);
	attempt_release(&r->attempt);
	return STEP_AGAIN;
}

static enum step_result
try_again(struct request *r, const struct retry_verdict *v)
{
	attempt_release(&r->attempt);
	if (v->uses_budget) {
		retry_budget_take(&r->release->budget);
		r->budget_taken = true;
	}
	if (v->delay_ms == 0)
		return STEP_AGAIN;
	r->backoff_from_us = clock_mono_us();
	r->waits_backoff = true;
	deadline_set(&r->timer, r->backoff_from_us + (uint64_t)v->delay_ms * US_PER_MS);
	return STEP_WAIT_AGAIN;
}

enum step_result
step_judge(struct request *r)
{
	struct attempt *a = &r->attempt;
	struct retry_verdict v;

	r->attempts_done++;
	r->arm_attempts_done++;
	r->upstream_us += a->ended_us - a->started_us;
	r->outcome = a->outcome;
	if (r->budget_taken)
		retry_budget_release(&r->release->budget);
	r->budget_taken = false;
	if (a->outcome == OUTCOME_OK || a->outcome == OUTCOME_CANCELLED)
		return STEP_NEXT;
	if (a->outcome == OUTCOME_RESCUED)
		return attempt_release(a), STEP_AGAIN;
	remember_failure(r);
	if (a->committed || a->outcome == OUTCOME_DRAINED)
		return STEP_NEXT;
	v = ask_retry(r);
	if (v.action == RETRY_FALLBACK)
		return step_fall_back(r);
	if (v.action == RETRY_SAME)
		return try_again(r, &v);
	return STEP_NEXT;
}

enum step_result
step_answer(struct request *r)
{
	const struct attempt *a = &r->attempt;

	if (r->outcome == OUTCOME_CANCELLED)
		return STEP_NEXT;
	if (r->outcome == OUTCOME_OK && a->committed)
		conn_finish(r->conn);
	else if (r->outcome == OUTCOME_OK)
		reply_answer(r);
	else if (a->committed)
		reply_stream_break(r);
	else
		reply_failure(r);
	return STEP_NEXT;
}
