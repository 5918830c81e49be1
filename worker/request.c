// SPDX-License-Identifier: MIT
/*
 * The way of a request. Each step looks at the request and says what comes next; a step that must
 * wait is called again when what it waits for has happened.
 *
 * Invariant: a request that has been begun is finished exactly once, by step_finish.
 */
#include "worker/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/auth.h"
#include "worker/tally.h"

#define SPARE_REQUESTS_MAX 1024

enum step_result {
	STEP_NEXT,
	STEP_WAIT,  /* until an event advances the request */
	STEP_AGAIN, /* back to the attempt */
	STEP_END,   /* an answer is given: finish */
};

static enum step_result step_endpoint(struct request *r);
static enum step_result step_identify(struct request *r);
static enum step_result step_body(struct request *r);
static enum step_result step_local(struct request *r);
static enum step_result step_chat(struct request *r);
static enum step_result step_route(struct request *r);
static enum step_result step_attempt(struct request *r);
static enum step_result step_judge(struct request *r);
static enum step_result step_answer(struct request *r);
static enum step_result step_finish(struct request *r);

enum { STEP_IX_ATTEMPT = 6, STEP_IX_FINISH = 9 };

static enum step_result (*const steps[])(struct request *) = {
	step_endpoint, /* is there such a path, may it be called so, is the body small enough? */
	step_identify, /* which client, which id, which headers matter later */
	step_body,     /* waits for the body */
	step_local,    /* what grayd answers itself */
	step_chat,     /* the few members of the body that matter */
	step_route,    /* which release, which arm */
	[STEP_IX_ATTEMPT] = step_attempt, /* asks the arm; waits */
	step_judge,  /* the same arm again, the other one, or the end; may wait */
	step_answer, /* says how it ended */
	[STEP_IX_FINISH] = step_finish,
};

static void
request_advance(struct request *r)
{
	for (;;) {
		unsigned step = r->step;

		switch (steps[step](r)) {
		case STEP_NEXT: r->step++; break;
		case STEP_WAIT: return;
		case STEP_AGAIN: r->step = STEP_IX_ATTEMPT; break;
		case STEP_END:
			if (step == STEP_IX_FINISH)
				return;
			r->step = STEP_IX_FINISH;
			break;
		}
	}
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void
on_timer(void *arg)
{
	struct request *r = arg;

	if (r->waits_backoff) {
		r->waits_backoff = false;
	} else if (r->attempt.call != NULL) {
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

/* ---- the head -------------------------------------------------------------------------------- */

static enum step_result
refuse_as(struct request *r, const struct reply_error *e)
{
	if (r->conn->state == CONN_BODY)
		conn_stop_reading(r->conn);
	r->outcome = OUTCOME_BAD_REQUEST;
	reply_error(r, e);
	return STEP_END;
}

static enum step_result
refuse(struct request *r, unsigned status, const char *code, const char *message)
{
	struct reply_error e = {
		.status = status,
		.code = code,
		.message = message,
		.retry_after_ms = -1,
	};

	return refuse_as(r, &e);
}

static bool
method_fits(const struct endpoint *e, enum http_method m)
{
	return m == e->method || m == HTTP_OPTIONS || (m == HTTP_HEAD && e->method == HTTP_GET);
}

static enum step_result
step_endpoint(struct request *r)
{
	const struct http_head *head = r->head;

	r->endpoint = intake_endpoint(head, r->head_bytes);
	r->http_head_only = head->method == HTTP_HEAD;
	if (r->endpoint == NULL)
		return refuse(r, 404, "unknown_url", "there is no such path here; see /v1/models");
	if (!method_fits(r->endpoint, head->method))
		return refuse(r, 405, "method_not_allowed", "this path does not take this method");
	if (head->content_length > 0 &&
	    (uint64_t)head->content_length > r->worker->config->limits.max_body_bytes)
		return refuse(
		    r, 413, "request_too_large", "the body is longer than limits.max_body_bytes");
	if (http_head_find(head, HTTP_H_CONTENT_ENCODING) != NULL)
		return refuse(
		    r, 415, "unsupported_encoding", "send the body without Content-Encoding");
	return STEP_NEXT;
}

static enum step_result
step_identify(struct request *r)
{
	if (intake_headers(r) < 0)
		return refuse(r, 503, "out_of_memory", "grayd is out of memory");
	if (!auth_check(r->conn, r->head, r->head_bytes, &r->client))
		return refuse(r, 401, "invalid_api_key",
		    "the API key is missing or not known here; send it as Authorization: Bearer "
		    "KEY");
	if (r->head->method == HTTP_OPTIONS) {
		if (r->conn->state == CONN_BODY)
			conn_stop_reading(r->conn);
		reply_json(r, 204, NULL, 0);
		return STEP_END;
	}
	if (r->endpoint->prefix && !intake_name(r->endpoint, r->head, r->head_bytes, r->local_name))
		return refuse(r, 404, "model_not_found", "there is no such model");
	return STEP_NEXT;
}

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

/* ---- the body -------------------------------------------------------------------------------- */

static enum step_result
step_body(struct request *r)
{
	if (r->body_whole)
		return STEP_NEXT;
	if (r->head->expect_continue)
		reply_continue(r->conn);
	r->head = NULL;
	r->head_bytes = NULL;
	return STEP_WAIT;
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
	refuse(r, status, code, text);
	request_advance(r);
}

/* ---- what grayd answers itself --------------------------------------------------------------- */

static int
add_model(struct request *r, struct buf *out, const struct config_release *release)
{
	if (!auth_may_use(r->client, release))
		return 0;
	if (buf_bytes(out)[buf_len(out) - 1] == '}' && buf_adds(out, ",") < 0)
		return -1;
	return buf_addf(out,
	    "{\"id\":\"%s\",\"object\":\"model\",\"created\":0,\"owned_by\":\"grayd\"}",
	    release->name);
}

static enum step_result
list_models(struct request *r)
{
	const struct config *config = r->worker->config;
	struct buf *out = &r->worker->text;
	int failed;

	buf_consume(out, buf_len(out));
	failed = buf_adds(out, "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; i < config->n_releases && failed == 0; i++)
		failed = add_model(r, out, &config->releases[i]);
	if (failed < 0 || buf_adds(out, "]}") < 0)
		return refuse(r, 503, "out_of_memory", "grayd is out of memory");
	reply_json(r, 200, buf_bytes(out), buf_len(out));
	return STEP_END;
}

static enum step_result
refuse_model(struct request *r)
{
	struct reply_error e = {
		.status = 404,
		.code = "model_not_found",
		.param = "model",
		.message =
		    "there is no such model here, or this key may not use it; see /v1/models",
		.retry_after_ms = -1,
	};

	return refuse_as(r, &e);
}

static enum step_result
step_local(struct request *r)
{
	const struct config_release *release;
	struct buf *out = &r->worker->text;

	if (!r->endpoint->local)
		return STEP_NEXT;
	r->outcome = OUTCOME_OK;
	if (!r->endpoint->prefix)
		return list_models(r);
	release = config_find_release(r->worker->config, r->local_name, strlen(r->local_name));
	buf_consume(out, buf_len(out));
	if (release == NULL || !auth_may_use(r->client, release))
		return refuse_model(r);
	if (buf_adds(out, " ") < 0 || add_model(r, out, release) < 0)
		return refuse(r, 503, "out_of_memory", "grayd is out of memory");
	reply_json(r, 200, buf_bytes(out) + 1, buf_len(out) - 1);
	return STEP_END;
}

/* ---- which arm ------------------------------------------------------------------------------- */

static struct live_release *
find_release(struct request *r)
{
	const uint8_t *body = body_bytes(&r->body);
	uint8_t name[NAME_BYTES];
	const char *text = (const char *)body + r->chat.model.off;
	size_t n = r->chat.model.len;
	const struct config_release *found;

	if (r->chat.model_escaped) {
		ptrdiff_t len = jscan_unescape(body, r->chat.model, name, sizeof(name));

		if (len < 0)
			return NULL;
		text = (const char *)name;
		n = (size_t)len;
	}
	found = config_find_release(r->worker->config, text, n);
	if (found == NULL || !auth_may_use(r->client, found))
		return NULL;
	return &r->worker->releases[found->index];
}

static enum step_result
step_chat(struct request *r)
{
	struct chat_error error;
	struct reply_error e = { .status = 400, .code = "invalid_request", .retry_after_ms = -1 };

	if (chat_scan(&r->chat, &r->worker->chat_keys, body_bytes(&r->body), r->body.len, &error) <
	    0) {
		e.message = error.message;
		e.param = error.param[0] != '\0' ? error.param : NULL;
		return refuse_as(r, &e);
	}
	r->usage_asked = r->chat.usage_asked;
	r->release = find_release(r);
	if (r->release == NULL)
		return refuse_model(r);
	if (upstream_ops(r->release->upstreams[ARM_STABLE])->path(r->endpoint->api) == NULL) {
		e.code = "unsupported_api";
		e.message = "the models of this release cannot be asked by this path";
		r->release = NULL;
		return refuse_as(r, &e);
	}
	return STEP_NEXT;
}

static uint64_t
hash_body_key(struct request *r, unsigned k)
{
	const uint8_t *body = body_bytes(&r->body);
	struct jspan span = r->chat.keys[k];
	struct buf *out = &r->worker->text;
	ptrdiff_t n;

	if (!r->chat.keys_escaped[k])
		return hash64(&r->release->key, body + span.off, span.len);
	buf_consume(out, buf_len(out));
	if (buf_reserve(out, span.len) < 0)
		return hash64(&r->release->key, body + span.off, span.len);
	n = jscan_unescape(body, span, buf_bytes(out), span.len);
	return hash64(&r->release->key, buf_bytes(out), n > 0 ? (size_t)n : 0);
}

/* The first sticky source that the request has decides. */
static bool
find_key(struct request *r, uint64_t *hash)
{
	const struct config_release *config = r->release->config;

	for (unsigned i = 0; i < config->n_sticky; i++) {
		unsigned k = r->release->key_index[i];

		if (config->sticky[i].kind == STICKY_HEADER && r->header_key[k].len > 0) {
			*hash = hash64(&r->release->key,
			    buf_bytes(&r->header_keys) + r->header_key[k].off,
			    r->header_key[k].len);
			return true;
		}
		if (config->sticky[i].kind == STICKY_BODY && r->chat.keys[k].len > 0) {
			*hash = hash_body_key(r, k);
			return true;
		}
	}
	return false;
}

/* Vectors of two models do not mix, and a conversation kept by a provider is known to it alone. */
static bool
is_stable_only(const struct request *r)
{
	const struct config_release *config = r->release->config;
	const struct config_model *stable = config->arms[ARM_STABLE];
	const struct config_model *candidate = config->arms[ARM_CANDIDATE];

	if (r->endpoint->api == API_EMBEDDINGS)
		return config->embeddings == EMBEDDINGS_STABLE;
	return r->endpoint->api == API_RESPONSES && r->chat.bound && candidate != NULL &&
	       candidate->provider != stable->provider;
}

static enum step_result
step_route(struct request *r)
{
	struct live_release *release = r->release;
	const struct policy_release *policy;
	struct route_input in = {
		.has_candidate = release->config->arms[ARM_CANDIDATE] != NULL,
		.stable_only = is_stable_only(r),
		.pin = r->pin,
		.may_pin = auth_may_pin(r->client),
		.random = worker_random(r->worker),
	};

	worker_look_at_policy(r->worker);
	policy = release->policy;
	in.share_bp = policy->share_bp;
	in.rolled_back = policy->state == STATE_ROLLED_BACK;
	in.has_key = find_key(r, &in.key_hash);
	r->decision = route_decide(&in);
	r->stable_only = in.stable_only;
	r->arm = r->decision.arm;
	r->stage_percent = policy->stage_percent;
	r->revision = policy->revision;
	r->deadline_us = r->started_us + release->config->deadline_ms * US_PER_MS;
	r->listed = true;
	LIST_INSERT_HEAD(&r->worker->requests, r, link);
	tally_assigned(r);
	return STEP_NEXT;
}

/* ---- attempts -------------------------------------------------------------------------------- */

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

/* A wait between two attempts counts as time of the provider's, not of grayd's. */
static void
end_backoff(struct request *r)
{
	if (r->backoff_from_us != 0)
		r->upstream_us += clock_mono_us() - r->backoff_from_us;
	r->backoff_from_us = 0;
}

static enum step_result
step_attempt(struct request *r)
{
	end_backoff(r);
	leave_candidate(r);
	r->step++; /* whatever happens now is for the judge */
	if (attempt_begin(&r->attempt, r, r->arm) < 0) {
		r->step--;
		return STEP_NEXT;
	}
	return STEP_WAIT;
}

static void
remember_failure(struct request *r)
{
	const struct attempt *a = &r->attempt;
	struct failure *f;

	if (r->failures == NULL)
		r->failures = calloc(ATTEMPTS_KEPT, sizeof(*r->failures));
	if (r->failures == NULL || r->n_failures == ATTEMPTS_KEPT)
		return;
	f = &r->failures[r->n_failures++];
	f->arm = a->arm;
	f->outcome = a->outcome;
	f->status = a->status;
	f->attempt = (uint8_t)a->number;
	f->model = a->model->name;
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

static enum step_result
fall_back(struct request *r)
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
	r->step = STEP_IX_ATTEMPT;
	deadline_set(&r->timer, r->backoff_from_us + (uint64_t)v->delay_ms * US_PER_MS);
	return STEP_WAIT;
}

static enum step_result
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
		return fall_back(r);
	if (v.action == RETRY_SAME)
		return try_again(r, &v);
	return STEP_NEXT;
}

void
request_attempt_ended(struct request *r)
{
	request_advance(r);
}

/* ---- the end --------------------------------------------------------------------------------- */

static enum step_result
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

static enum step_result
step_finish(struct request *r)
{
	if (r->listed)
		LIST_REMOVE(r, link);
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
	if (r->attempt.call != NULL) {
		attempt_abort(&r->attempt, outcome);
	} else {
		end_backoff(r);
		r->outcome = outcome;
		r->step = STEP_IX_FINISH - 1;
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

	if (a->call == NULL)
		return;
	a->held_back = pause;
	a->last_byte_us = clock_mono_us();
	request_set_timer(r);
	upstream_pause(a->call, pause);
}

static bool
must_be_rescued(const struct request *r)
{
	return r->arm == ARM_CANDIDATE && !r->attempt.committed &&
	       r->release->policy->state == STATE_ROLLED_BACK;
}

void
request_rescue_all(struct worker *w)
{
	struct request *r, *next;

	for (r = LIST_FIRST(&w->requests); r != NULL; r = next) {
		next = LIST_NEXT(r, link);
		if (!must_be_rescued(r))
			continue;
		if (r->attempt.call != NULL) {
			attempt_abort(&r->attempt, OUTCOME_RESCUED);
			request_advance(r);
		} else if (r->waits_backoff) {
			r->waits_backoff = false;
			request_advance(r);
		}
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
}
