// SPDX-License-Identifier: MIT
/*
 * The way of a request: the list of its steps, and whatever moves it along or ends it from outside.
 *
 * Invariant: a request that has been begun is finished exactly once, by step_finish().
 */
#include "worker/request.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/step.h"
#include "worker/tally.h"

#define SPARE_REQUESTS_MAX 1024

static enum step_result step_finish(struct request *r);

enum { STEP_IX_GATE = 7, STEP_IX_ANSWER = 10, STEP_IX_FINISH };

static enum step_result (*const steps[])(struct request *) = {
	step_endpoint, /* is there such a path, may it be called so, is the body small enough? */
	step_identify, /* which client, which id, which headers matter later */
	step_body,     /* waits for the body */
	step_local,    /* what grayd answers itself */
	step_chat,     /* the few members of the body that matter */
	step_admit,    /* has the client any requests left? may wait */
	step_route,    /* which release, which arm */
	[STEP_IX_GATE] = step_gate, /* may the arm's model be asked now? may wait */
	step_attempt,		    /* asks the arm; waits */
	step_judge,		    /* the same arm again, the other one, or the end; may wait */
	[STEP_IX_ANSWER] = step_answer, /* says how it ended */
	[STEP_IX_FINISH] = step_finish,
};

static void
request_advance(struct request *r)
{
	for (;;) {
		unsigned step = r->step;
		enum step_result result = steps[step](r);

		if (step == STEP_IX_FINISH || result == STEP_WAIT)
			return;
		if (result == STEP_AGAIN || result == STEP_WAIT_AGAIN)
			r->step = STEP_IX_GATE;
		else if (result == STEP_ANSWER)
			r->step = STEP_IX_ANSWER;
		else if (result == STEP_END)
			r->step = STEP_IX_FINISH;
		else
			r->step++;
		if (result == STEP_WAIT_NEXT || result == STEP_WAIT_AGAIN)
			return;
	}
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void
on_timer(void *arg)
{
	struct request *r = arg;

	if (!r->waits_backoff && r->turn.gate == NULL && r->attempt.call == NULL)
		return;
	if (r->turn.gate != NULL) {
		gate_give_up(r);
	} else if (r->waits_backoff) {
		r->waits_backoff = false;
	} else {
		uint64_t now_us = clock_mono_us();
		bool late = !r->attempt.committed && now_us >= r->deadline_us;

		attempt_abort(
		    &r->attempt, late ? OUTCOME_DEADLINE : attempt_expired(&r->attempt, now_us));
	}
	request_advance(r);
}

static struct request *
request_new(struct worker *w)
{
	struct request *r = w->spare_requests;

	if (r != NULL) {
		w->spare_requests = r->next_spare;
		w->n_spare_requests--;
		memset(r, 0, offsetof(struct request, timer));
		return r;
	}
	r = calloc(1, sizeof(*r));
	if (r != NULL)
		deadline_init(&r->timer, w->base, on_timer, r);
	return r;
}

static void
request_free(struct request *r)
{
	struct worker *w = r->worker;

	body_free(&r->body);
	buf_free(&r->header_keys);
	free(r->anthropic_version);
	free(r->anthropic_beta);
	attempt_release(&r->attempt);
	free(r->failures);
	deadline_set(&r->timer, 0);
	if (w->n_spare_requests >= SPARE_REQUESTS_MAX) {
		deadline_fini(&r->timer);
		free(r);
		return;
	}
	r->next_spare = w->spare_requests;
	w->spare_requests = r;
	w->n_spare_requests++;
}

void
request_free_spares(struct worker *w)
{
	struct request *r;

	while ((r = w->spare_requests) != NULL) {
		w->spare_requests = r->next_spare;
		deadline_fini(&r->timer);
		free(r);
	}
	w->n_spare_requests = 0;
}

/* ---- from the connection ----------------------------------------------------------------------
 */

void
request_begin(struct conn *c, const struct http_head *head, const uint8_t *bytes, uint64_t now_us)
{
	struct worker *w = c->worker;
	struct request *r = request_new(w);

	if (r == NULL) {
		conn_stop_reading(c);
		reply_refuse(c, 503, "out_of_memory", "grayd is out of memory");
		return;
	}
	c->request = r;
	r->worker = w;
	r->conn = c;
	r->head = head;
	r->head_bytes = bytes;
	r->started_us = now_us;
	r->body_whole = !head->has_body;
	r->outcome = OUTCOME_BAD_REQUEST;
	tally_started(w);
	request_advance(r);
}

int
request_body(struct request *r, const uint8_t *bytes, size_t n)
{
	if (body_reserve(&r->body, n) == 0 && body_append(&r->body, bytes, n) == 0)
		return 0;
	request_refuse(r, 503, "out_of_memory", "grayd is out of memory");
	return -1;
}

void
request_body_whole(struct request *r)
{
	r->body_whole = true;
	request_advance(r);
}

void
request_refuse(struct request *r, unsigned status, const char *code, const char *text)
{
	r->step = STEP_IX_FINISH;
	step_refuse(r, status, code, text);
	request_advance(r);
}

void
request_end_backoff(struct request *r)
{
	if (r->backoff_from_us != 0)
		r->upstream_us += clock_mono_us() - r->backoff_from_us;
	r->backoff_from_us = 0;
}

void
request_go_on(struct request *r)
{
	request_advance(r);
}

/* ---- from the attempt, and the end ------------------------------------------------------------
 */

void
request_attempt_ended(struct request *r)
{
	request_advance(r);
}

static enum step_result
step_finish(struct request *r)
{
	if (r->listed)
		LIST_REMOVE(r, link);
	gate_leave(r);
	gate_give_back(r);
	if (r->budget_taken)
		retry_budget_release(&r->release->budget);
	if (r->conn->request == r)
		r->conn->request = NULL;
	tally_finished(r);
	request_free(r);
	return STEP_END;
}

void
request_set_timer(struct request *r)
{
	uint64_t at_us = attempt_deadline_us(&r->attempt);

	if (!r->attempt.committed && r->deadline_us < at_us)
		at_us = r->deadline_us;
	deadline_set(&r->timer, at_us);
}

/* Ends a request from outside, wherever it is. */
static void
end_now(struct request *r, enum outcome outcome)
{
	r->waits_backoff = false;
	gate_leave(r);
	if (r->attempt.call != NULL) {
		attempt_abort(&r->attempt, outcome);
	} else {
		request_end_backoff(r);
		r->outcome = outcome;
		r->step = STEP_IX_ANSWER;
	}
	request_advance(r);
}

void
request_client_left(struct request *r)
{
	end_now(r, OUTCOME_CANCELLED);
}

void
request_pause(struct request *r, bool pause)
{
	struct attempt *a = &r->attempt;

	if (a->call == NULL || a->given_back)
		return;
	a->held_back = pause;
	a->last_byte_us = clock_mono_us();
	if (a->facts.may_end)
		a->ended_us = a->last_byte_us;
	upstream_pause(a->call, pause);
	/* Behind the resumption, which may have delivered bytes that decided the attempt. */
	request_set_timer(r);
	/* What libcurl had kept while it was paused has come just now, and was no good. */
	if (!pause && a->decided)
		end_now(r, a->outcome);
}

/* Whether a rollback has taken the candidate away that this request has. */
static bool
lost_candidate(const struct request *r)
{
	return r->arm == ARM_CANDIDATE && r->release->policy->state == STATE_ROLLED_BACK;
}

static void
rescue(struct request *r)
{
	if (r->attempt.call != NULL)
		attempt_abort(&r->attempt, OUTCOME_RESCUED);
	else if (!r->waits_backoff && r->turn.gate == NULL)
		return;
	gate_leave(r);
	r->waits_backoff = false;
	request_advance(r);
}

static void
leave_streaming(struct request *r)
{
	if (r->release->policy->cut && r->attempt.call != NULL) {
		attempt_abort(&r->attempt, OUTCOME_CUT);
		request_advance(r);
	}
}

static void
tell_rollback(struct live_release *live)
{
	struct slot_release *tally = live->tally;

	if (live->policy->state != STATE_ROLLED_BACK ||
	    tally_get(&tally->rolled_back_revision) == live->policy->revision)
		return;
	atomic_store_explicit(&tally->rescued, live->rescued, memory_order_relaxed);
	atomic_store_explicit(&tally->streaming, live->streaming, memory_order_relaxed);
	atomic_store_explicit(
	    &tally->rolled_back_revision, live->policy->revision, memory_order_release);
}

void
request_tell_rollbacks(struct worker *w)
{
	struct request *r;

	for (unsigned i = 0; i < w->config->n_releases; i++)
		w->releases[i].rescued = w->releases[i].streaming = 0;
	LIST_FOREACH(r, &w->requests, link)
	{
		if (!lost_candidate(r))
			continue;
		if (r->attempt.committed)
			r->release->streaming++;
		else
			r->release->rescued++;
	}
	for (unsigned i = 0; i < w->config->n_releases; i++)
		tell_rollback(&w->releases[i]);
}

void
request_rescue_all(struct worker *w)
{
	struct request *r, *next;

	for (r = LIST_FIRST(&w->requests); r != NULL; r = next) {
		next = LIST_NEXT(r, link);
		if (!lost_candidate(r))
			continue;
		if (r->attempt.committed)
			leave_streaming(r);
		else
			rescue(r);
	}
}

void
request_abort_all(struct worker *w)
{
	struct request *r, *next;

	for (r = LIST_FIRST(&w->requests); r != NULL; r = next) {
		next = LIST_NEXT(r, link);
		end_now(r, OUTCOME_DRAINED);
	}
	/* Those that have no release yet. */
	for (unsigned i = 0; i < w->config->n_clients; i++)
		while ((r = TAILQ_FIRST(&w->client_gates[i].waiting)) != NULL)
			end_now(r, OUTCOME_DRAINED);
}
