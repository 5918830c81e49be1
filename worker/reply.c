// SPDX-License-Identifier: MIT
/*
 * Answers to clients; see reply.h. The x-gray headers tell who answered and why, on streams too,
 * since nothing is sent before that is known.
 */
#include "worker/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/json_escape.h"
#include "common/money.h"
#include "worker/errorbody.h"
#include "worker/head.h"
#include "worker/request.h"

/* ---- heads ----------------------------------------------------------------------------------- */

static void
add_common(struct head_out *h, struct conn *c)
{
	head_line(h, "Date", worker_date(c->worker));
	if (conn_ends_here(c))
		head_line(h, "Connection", "close");
	else if (c->http10)
		head_line(h, "Connection", "keep-alive");
}

static uint64_t
overhead_us(const struct request *r)
{
	uint64_t spent_us = clock_mono_us() - r->started_us;
	uint64_t waited_us = r->upstream_us + r->queued_us;

	if (r->attempt.call != NULL)
		waited_us += r->attempt.last_byte_us - r->attempt.started_us;
	return spent_us > waited_us ? spent_us - waited_us : 0;
}

static const char *
pin_header(const struct request *r)
{
	switch (r->decision.reason) {
	case ROUTE_PINNED: return r->rescued ? "refused" : "accepted";
	case ROUTE_PIN_REFUSED: return "refused";
	case ROUTE_PIN_DENIED: return "denied";
	default: return NULL;
	}
}

static void
add_gray(struct head_out *h, const struct request *r)
{
	const struct config_model *model = r->release->config->arms[r->arm];
	const char *pin = pin_header(r);
	uint64_t us;

	head_line(h, "x-gray-release", r->release->config->name);
	head_number(h, "x-gray-stage", r->stage_percent);
	head_line(h, "x-gray-arm", arm_names[r->arm]);
	head_line(h, "x-gray-model", model->name);
	head_line(h, "x-gray-provider", model->provider->name);
	head_number(h, "x-gray-attempts", r->attempts_done + (r->attempt.call != NULL ? 1u : 0u));
	head_line(h, "x-gray-fallback", r->fell_back ? "1" : "0");
	if (r->fell_back)
		head_line(h, "x-gray-fallback-reason", outcome_name(r->fallback_reason));
	if (r->diverted)
		head_line(h, "x-gray-diverted", gate_reason_name(r->diverted_by));
	if (r->rescued)
		head_line(h, "x-gray-rescued", "1");
	if (pin != NULL)
		head_line(h, "x-gray-pin", pin);
	if (r->untranslated[0] != '\0')
		head_line(h, "x-gray-untranslated", r->untranslated);
	us = overhead_us(r);
	head_fixed(h, "x-gray-overhead-ms", us / US_PER_MS, us % US_PER_MS, 3);
	if (r->attempt.upstream_id[0] != '\0')
		head_line(h, "x-upstream-request-id", r->attempt.upstream_id);
}

static void
begin_head(struct head_out *h, struct request *r, unsigned status)
{
	r->status = (uint16_t)status;
	head_begin(h, status);
	add_common(h, r->conn);
	if (r->id[0] != '\0')
		head_line(h, "x-request-id", r->id);
	if (r->endpoint != NULL && r->endpoint->api == API_MESSAGES)
		head_line(h, "request-id", r->id); /* where Anthropic's clients look for it */
	if (r->listed)
		add_gray(h, r);
	else if (r->release != NULL)
		head_line(h, "x-gray-release", r->release->config->name);
}

/* "850ms", "12.034s", "1m0s": how OpenAI writes durations. */
static void
add_duration(struct head_out *h, const char *name, uint64_t ms)
{
	char text[32];
	unsigned s = (unsigned)(ms / 1000 % 60), rest = (unsigned)(ms % 1000);
	size_t n = 0;

	if (ms >= 60000)
		n = (size_t)snprintf(text, sizeof(text), "%um", (unsigned)(ms / 60000));
	if (ms < 1000)
		snprintf(text, sizeof(text), "%ums", rest);
	else if (rest == 0)
		snprintf(text + n, sizeof(text) - n, "%us", s);
	else
		snprintf(text + n, sizeof(text) - n, "%u.%03us", s, rest);
	head_line(h, name, text);
}

/* How the client's rate stands, where it has one. */
static void
add_rate(struct head_out *h, const struct request *r)
{
	uint64_t now_us;

	if (r->rate.limit == 0)
		return;
	now_us = clock_mono_us();
	head_number(h, "x-ratelimit-limit-requests", r->rate.limit);
	head_number(h, "x-ratelimit-remaining-requests", r->rate.left);
	add_duration(h, "x-ratelimit-reset-requests",
	    r->rate.clear_us > now_us ? (r->rate.clear_us - now_us + US_PER_MS - 1) / US_PER_MS
				      : 0);
}

/* Sends the head and the body; HEAD is answered without the body. */
static void
finish_whole(struct head_out *h, struct request *r, const void *body, size_t n)
{
	if (r->status != 204)
		head_number(h, "Content-Length", n);
	head_end(h);
	conn_send(r->conn, h->bytes, h->n, body, r->http_head_only ? 0 : n);
	conn_finish(r->conn);
}

void
reply_continue(struct conn *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	conn_send(c, line, sizeof(line) - 1, "", 0);
}

/* Not asked, since a limit was reached or the provider wanted a pause. */
static bool
is_limited(const struct request *r)
{
	return r->outcome == OUTCOME_LIMITED || r->outcome == OUTCOME_COOLING;
}

/* The caller's client would try again by itself; that helps only where grayd has not done so
 * already and a second try is not known to fail. */
static enum should_retry
retry_hint(const struct request *r)
{
	if (r->attempts_done > 1 || r->outcome == OUTCOME_DEADLINE)
		return RETRY_HINT_NO;
	if (r->outcome == OUTCOME_DRAINED || r->outcome == OUTCOME_NO_MEMORY || is_limited(r))
		return RETRY_HINT_YES;
	return outcome_info(r->outcome)->retry ? RETRY_HINT_YES : RETRY_HINT_NO;
}

static int make_error(struct buf *b, const struct request *r, const struct reply_error *e);

/* ---- whole answers --------------------------------------------------------------------------- */

static void
add_cost(struct head_out *h, const struct request *r)
{
	const struct money *guess = &r->estimated_cost;

	if (!r->release->config->arms[r->arm]->price.known)
		return;
	head_fixed(h, "x-gray-cost-usd", r->cost.usd, r->cost.picousd, PICOUSD_DECIMALS);
	if (guess->usd > 0 || guess->picousd > 0)
		head_fixed(
		    h, "x-gray-estimated-cost-usd", guess->usd, guess->picousd, PICOUSD_DECIMALS);
}

void
reply_answer(struct request *r)
{
	struct head_out h;

	begin_head(&h, r, 200);
	head_line(&h, "Content-Type", "application/json");
	add_cost(&h, r);
	add_rate(&h, r);
	finish_whole(&h, r, buf_bytes(&r->attempt.bytes), buf_len(&r->attempt.bytes));
}

/* The provider's own hint stands, unless grayd has tried again itself: then the client's tries
 * would multiply with ours. */
static const char *
passed_hint(const struct request *r)
{
	const struct attempt *a = &r->attempt;

	if (a->says_no_retry || r->attempts_done > 1)
		return "false";
	if (a->says_retry)
		return "true";
	return retry_hint(r) == RETRY_HINT_NO ? "false" : NULL;
}

/* The provider's error as the client's API would put it; NULL: it is put so already. */
static const struct buf *
retold_error(struct request *r)
{
	const struct attempt *a = &r->attempt;
	const char *own_code = outcome_info(r->outcome)->code;
	struct reply_error e = {
		.status = a->status,
		.code = own_code,
		.message = a->facts.error_message,
	};

	if (a->translation == NULL && errorbody_is_plain(buf_bytes(&a->bytes), buf_len(&a->bytes)))
		return NULL;
	if (a->translation == NULL && a->facts.error_code[0] != '\0')
		e.code = a->facts.error_code;
	if (make_error(&r->worker->text, r, &e) < 0)
		buf_consume(&r->worker->text, buf_len(&r->worker->text));
	return &r->worker->text;
}

void
reply_pass_on(struct request *r)
{
	struct head_out h;
	struct attempt *a = &r->attempt;
	const char *hint = passed_hint(r);
	const struct buf *retold = retold_error(r), *body = retold != NULL ? retold : &a->bytes;

	begin_head(&h, r, a->status);
	head_raw(&h, buf_bytes(&a->passed), buf_len(&a->passed));
	if (hint != NULL)
		head_line(&h, "x-should-retry", hint);
	head_line(&h, "Content-Type", "application/json");
	finish_whole(&h, r, buf_bytes(body), buf_len(body));
}

static const char *
allowed_methods(const struct endpoint *e)
{
	return e->method == HTTP_GET ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
}

void
reply_json(struct request *r, unsigned status, const void *json, size_t n)
{
	struct head_out h;

	begin_head(&h, r, status);
	if (status == 204)
		head_line(&h, "Allow", allowed_methods(r->endpoint));
	else
		head_line(&h, "Content-Type", "application/json");
	finish_whole(&h, r, json, n);
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* What the two APIs call an error of a status. */
static const struct error_type {
	uint16_t status;
	const char *openai, *anthropic;
} error_types[] = {
	{ 401, "authentication_error", "authentication_error" },
	{ 403, "permission_error", "permission_error" },
	{ 404, "invalid_request_error", "not_found_error" },
	{ 408, "timeout_error", "timeout_error" },
	{ 413, "invalid_request_error", "request_too_large" },
	{ 429, "rate_limit_error", "rate_limit_error" },
	{ 503, "server_error", "overloaded_error" },
	{ 504, "timeout_error", "timeout_error" },
	{ 529, "server_error", "overloaded_error" },
};

static const char *
error_type(unsigned status, bool anthropic)
{
	for (size_t i = 0; i < sizeof(error_types) / sizeof(error_types[0]); i++)
		if (error_types[i].status == status)
			return anthropic ? error_types[i].anthropic : error_types[i].openai;
	if (status >= 500)
		return anthropic ? "api_error" : "server_error";
	return "invalid_request_error";
}

static int
add_text(struct buf *b, const char *name, const char *text)
{
	if (buf_addf(b, ",\"%s\":", name) < 0)
		return -1;
	if (text == NULL || text[0] == '\0')
		return buf_adds(b, "null");
	if (buf_adds(b, "\"") < 0 || json_escape(b, text, strlen(text)) < 0)
		return -1;
	return buf_adds(b, "\"");
}

static int
add_attempts(struct buf *b, const struct request *r)
{
	if (buf_adds(b, ",\"attempts\":[") < 0)
		return -1;
	for (unsigned i = 0; i < r->n_failures; i++) {
		const struct failure *f = &r->failures[i];
		const char *text =
		    f->message[0] != '\0' ? f->message : outcome_info(f->outcome)->text;

		if (buf_addf(b, "%s{\"arm\":\"%s\"", i > 0 ? "," : "", arm_names[f->arm]) < 0 ||
		    add_text(b, "model", f->model) < 0 ||
		    add_text(b, "outcome", outcome_name(f->outcome)) < 0 ||
		    buf_addf(b, ",\"status\":%u", f->status) < 0 ||
		    add_text(b, "message", text) < 0 || buf_adds(b, "}") < 0)
			return -1;
	}
	return buf_adds(b, "]");
}

/* The error object in the shape of the API that was called. */
static int
make_error(struct buf *b, const struct request *r, const struct reply_error *e)
{
	bool anthropic = r != NULL && r->endpoint != NULL && r->endpoint->api == API_MESSAGES;
	const char *type = error_type(e->status, anthropic);

	buf_consume(b, buf_len(b));
	if (anthropic && buf_adds(b, "{\"type\":\"error\",") < 0)
		return -1;
	if (buf_addf(b, "%s\"error\":{\"type\":\"%s\"", anthropic ? "" : "{", type) < 0 ||
	    add_text(b, "message", e->message) < 0 || add_text(b, "code", e->code) < 0 ||
	    add_text(b, "param", e->param) < 0)
		return -1;
	if (e->list_attempts && add_attempts(b, r) < 0)
		return -1;
	if (buf_adds(b, "}") < 0 || (anthropic && add_text(b, "request_id", r->id) < 0))
		return -1;
	return buf_adds(b, "}");
}

void
reply_refuse(struct conn *c, unsigned status, const char *code, const char *text)
{
	struct buf *b = &c->worker->text;
	struct reply_error e = { .status = status, .code = code, .message = text };
	struct head_out h;

	if (make_error(b, NULL, &e) < 0)
		buf_consume(b, buf_len(b));
	head_begin(&h, status);
	add_common(&h, c);
	head_line(&h, "Content-Type", "application/json");
	head_number(&h, "Content-Length", buf_len(b));
	head_end(&h);
	conn_send(c, h.bytes, h.n, buf_bytes(b), buf_len(b));
	conn_finish(c);
}

static void
add_hints(struct head_out *h, const struct reply_error *e)
{
	if (e->retry_after_ms >= 0) {
		head_number(h, "retry-after-ms", (uint64_t)e->retry_after_ms);
		head_number(h, "retry-after", ((uint64_t)e->retry_after_ms + 999) / 1000);
	}
	if (e->should_retry != RETRY_HINT_NONE)
		head_line(
		    h, "x-should-retry", e->should_retry == RETRY_HINT_YES ? "true" : "false");
}

void
reply_error(struct request *r, const struct reply_error *e)
{
	struct buf *b = &r->worker->text;
	struct head_out h;

	if (make_error(b, r, e) < 0)
		buf_consume(b, buf_len(b));
	begin_head(&h, r, e->status);
	if (e->status == 405)
		head_line(&h, "Allow", allowed_methods(r->endpoint));
	if (e->status == 401)
		head_line(&h, "WWW-Authenticate", "Bearer");
	add_hints(&h, e);
	add_rate(&h, r);
	head_line(&h, "Content-Type", "application/json");
	finish_whole(&h, r, buf_bytes(b), buf_len(b));
}

/* ---- failures of attempts -------------------------------------------------------------------- */

static int
describe(const struct failure *f, struct buf *out)
{
	const char *text = outcome_info(f->outcome)->text;

	if (buf_addf(out, "the %s model %s %s", arm_names[f->arm], f->model, text) < 0 ||
	    (f->status != 0 && buf_addf(out, " (status %u)", f->status) < 0))
		return -1;
	return f->message[0] != '\0' ? buf_addf(out, ": %s", f->message) : 0;
}

/* One sentence with the causes: of both arms if both were asked. */
static int
describe_all(const struct request *r, struct buf *out)
{
	const struct failure *last[ARM_COUNT] = { NULL };

	for (unsigned i = 0; i < r->n_failures; i++)
		last[r->failures[i].arm] = &r->failures[i];
	if (last[ARM_CANDIDATE] != NULL && describe(last[ARM_CANDIDATE], out) < 0)
		return -1;
	if (last[ARM_CANDIDATE] != NULL && last[ARM_STABLE] != NULL && buf_adds(out, "; ") < 0)
		return -1;
	if (last[ARM_STABLE] != NULL && describe(last[ARM_STABLE], out) < 0)
		return -1;
	return buf_add(out, "", 1); /* the NUL */
}

static unsigned
failure_status(const struct request *r)
{
	unsigned own = outcome_info(r->outcome)->status;

	if (own == 0)
		own = r->attempt.status >= 400 ? r->attempt.status : 502;
	return own == 499 ? 502 : own;
}

/* Whether the provider's own words are the best answer: the caller can act on them. */
static bool
is_passed_on(const struct request *r)
{
	const struct outcome_info *info = outcome_info(r->outcome);

	if (info->status != 0 || r->attempt.status < 400 || buf_len(&r->attempt.bytes) == 0)
		return false;
	if (!jscan_valid(buf_bytes(&r->attempt.bytes), buf_len(&r->attempt.bytes)))
		return false;
	return info->blame == BLAME_CALLER || !r->fell_back;
}

void
reply_failure(struct request *r)
{
	struct buf sentence = { 0 };
	struct reply_error e = {
		.status = failure_status(r),
		.code = r->fell_back ? "both_models_failed" : outcome_info(r->outcome)->code,
		.should_retry = retry_hint(r),
		.retry_after_ms = r->attempt.retry_after_ms,
		.list_attempts = true,
	};

	if (is_limited(r))
		e.retry_after_ms = gate_retry_after_ms(r);
	else if (r->attempts_done == 0)
		e.retry_after_ms = -1;
	if (is_passed_on(r)) {
		reply_pass_on(r);
		return;
	}
	if (describe_all(r, &sentence) == 0 && buf_len(&sentence) > 1)
		e.message = (const char *)buf_bytes(&sentence);
	else
		e.message = outcome_info(r->outcome)->text;
	reply_error(r, &e);
	buf_free(&sentence);
}

/* ---- streams --------------------------------------------------------------------------------- */

void
reply_stream_begin(struct request *r)
{
	struct head_out h;

	if (r->conn->http10)
		r->conn->keep_alive = false; /* the close is the end of the answer */
	else
		r->conn->chunked_out = true;
	begin_head(&h, r, 200);
	head_line(&h, "Content-Type", "text/event-stream; charset=utf-8");
	head_line(&h, "Cache-Control", "no-cache");
	add_rate(&h, r);
	if (!r->conn->http10)
		head_line(&h, "Transfer-Encoding", "chunked");
	head_end(&h);
	conn_send(r->conn, h.bytes, h.n, "", 0);
}

static bool
wants_named_events(const struct request *r)
{
	return r->endpoint->api == API_MESSAGES || r->endpoint->api == API_RESPONSES;
}

void
reply_stream_break(struct request *r)
{
	struct buf *b = &r->worker->text, event = { 0 }, sentence = { 0 };
	struct reply_error e = {
		.status = failure_status(r),
		.code = outcome_info(r->outcome)->code,
		.message = outcome_info(r->outcome)->text,
		.list_attempts = true,
	};

	if (describe_all(r, &sentence) == 0 && buf_len(&sentence) > 1)
		e.message = (const char *)buf_bytes(&sentence);
	if (make_error(b, r, &e) == 0 &&
	    buf_adds(&event, wants_named_events(r) ? "event: error\ndata: " : "data: ") == 0 &&
	    buf_add(&event, buf_bytes(b), buf_len(b)) == 0 && buf_adds(&event, "\n\n") == 0)
		conn_stream(r->conn, buf_bytes(&event), buf_len(&event));
	buf_free(&event);
	buf_free(&sentence);
	conn_break(r->conn);
}
