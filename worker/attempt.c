// SPDX-License-Identifier: MIT
/*
 * Attempts, in the order in which things happen to one: begin, connected, status, headers, bytes,
 * end. The outcome follows from how far it came and what the answer holds, see outcomes.def.
 */
#include "worker/attempt.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "worker/errorbody.h"
#include "worker/relay.h"
#include "worker/request.h"
#include "worker/retryafter.h"
#include "worker/tally.h"
#include "worker/translation.h"

#define KEY_GIVEAWAY 16 /* bytes */
/* For the close of a stream whose end marker has come, or that has none and all it needs. */
#define END_GRACE_US (1 * (uint64_t)US_PER_S)

/* ---- the key --------------------------------------------------------------------------------- */

/* A provider that repeats its key would tell it to the client and to the log. So much of its begin
 * is as bad as all of it, and no accident. */
static bool
holds_own_key(const struct attempt *a, const void *text, size_t n)
{
	const struct secret *key = a->model->provider->api_key;
	size_t least;

	if (key == NULL || n == 0)
		return false;
	least = secret_len(key) < KEY_GIVEAWAY ? secret_len(key) : KEY_GIVEAWAY;
	return memmem(text, n, secret_text(key), least) != NULL;
}

static void
hide_message(struct attempt *a)
{
	strcpy(a->facts.error_message, "(the provider's message held its key and is not shown)");
	a->facts.error_code[0] = '\0';
}

static bool
facts_hold_own_key(const struct attempt *a)
{
	const struct facts *f = &a->facts;

	return holds_own_key(a, f->error_message, strlen(f->error_message)) ||
	       holds_own_key(a, f->error_code, strlen(f->error_code));
}

/* ---- what the provider says ------------------------------------------------------------------ */

static void
on_connected(void *owner)
{
	struct attempt *a = owner;

	a->connected_us = a->last_byte_us = clock_mono_us();
	request_set_timer(a->request);
}

static void
on_status(void *owner, unsigned status)
{
	struct attempt *a = owner;

	a->status = (uint16_t)status;
	a->last_byte_us = clock_mono_us();
}

static bool
is_ok(const struct attempt *a)
{
	return a->status >= 200 && a->status <= 299;
}

static void
take_content_type(struct attempt *a, const char *value, size_t n)
{
	static const char events[] = "text/event-stream";

	a->event_stream =
	    n >= sizeof(events) - 1 && strncasecmp(value, events, sizeof(events) - 1) == 0;
}

static void
take_retry_after(struct attempt *a, const char *value, size_t n)
{
	if (a->retry_after_ms < 0) /* retry-after-ms, more exact, goes before */
		a->retry_after_ms =
		    retryafter_parse(value, n, (int64_t)(clock_wall_us() / US_PER_MS));
}

static void
take_retry_after_ms(struct attempt *a, const char *value, size_t n)
{
	int64_t ms = retryafter_parse_ms(value, n);

	if (ms >= 0)
		a->retry_after_ms = ms;
}

static void
take_request_id(struct attempt *a, const char *value, size_t n)
{
	if (n >= sizeof(a->upstream_id))
		return;
	for (size_t i = 0; i < n; i++)
		if (value[i] <= ' ' || value[i] >= 127)
			return;
	memcpy(a->upstream_id, value, n);
	a->upstream_id[n] = '\0';
}

static void
take_retry_hint(struct attempt *a, const char *value, size_t n)
{
	a->says_retry = n == 4 && strncasecmp(value, "true", n) == 0;
	a->says_no_retry = n == 5 && strncasecmp(value, "false", n) == 0;
}

/* Headers that matter; `pass` are passed on under their own names with an error answer. A name
 * that ends in '-' stands for all that begin so. */
static const struct {
	const char *name;
	void (*take)(struct attempt *a, const char *value, size_t n);
	bool pass;
} known_headers[] = {
	{ "content-type", take_content_type, false },
	{ "retry-after", take_retry_after, true },
	{ "retry-after-ms", take_retry_after_ms, true },
	{ "x-request-id", take_request_id, false },
	{ "request-id", take_request_id, false },
	{ "x-should-retry", take_retry_hint, false },
	{ "x-ratelimit-", NULL, true },
	{ "anthropic-ratelimit-", NULL, true },
};

static bool
name_matches(const char *known, const char *name, size_t n)
{
	size_t len = strlen(known);
	bool prefix = known[len - 1] == '-';

	return (prefix ? n >= len : n == len) && strncasecmp(known, name, len) == 0;
}

static void
pass_line(struct attempt *a, const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 127)
			return;
	if (is_ok(a) || buf_len(&a->passed) + n + 2 > PASSED_MAX_BYTES)
		return;
	if (buf_reserve(&a->passed, n + 2) == 0 && buf_add(&a->passed, line, n) == 0 &&
	    buf_add(&a->passed, "\r\n", 2) == 0)
		return;
	buf_free(&a->passed); /* out of memory: the answer goes without them */
}

static void
on_header(void *owner, const char *line, size_t len)
{
	struct attempt *a = owner;
	const char *colon = memchr(line, ':', len), *value, *end = line + len;

	if (colon == NULL)
		return;
	for (size_t i = 0; i < sizeof(known_headers) / sizeof(known_headers[0]); i++) {
		if (!name_matches(known_headers[i].name, line, (size_t)(colon - line)))
			continue;
		if (holds_own_key(a, line, len))
			return;
		for (value = colon + 1; value < end && (*value == ' ' || *value == '\t');)
			value++;
		if (known_headers[i].take != NULL)
			known_headers[i].take(a, value, (size_t)(end - value));
		if (known_headers[i].pass)
			pass_line(a, line, len);
		return;
	}
}

static void
on_head_end(void *owner)
{
	struct attempt *a = owner;

	a->last_byte_us = clock_mono_us();
	request_set_timer(a->request);
}

static bool
on_bytes(void *owner, const uint8_t *bytes, size_t n)
{
	struct attempt *a = owner;
	bool go_on = true;

	if (a->decided)
		return false;
	a->last_byte_us = clock_mono_us();
	if (a->stream && is_ok(a) && a->event_stream) {
		go_on = relay_bytes(a, bytes, n);
	} else if (buf_len(&a->bytes) + n > a->request->worker->config->limits.max_answer_bytes) {
		a->outcome = OUTCOME_TOO_LARGE;
		a->decided = true;
		go_on = false;
	} else if (buf_add(&a->bytes, bytes, n) < 0) {
		a->outcome = OUTCOME_NO_MEMORY;
		a->decided = true;
		go_on = false;
	}
	request_set_timer(a->request);
	return go_on;
}

/* ---- the outcome ----------------------------------------------------------------------------- */

/* An answer that holds the key is not kept, not even for its status. */
static void
hide_own_key(struct attempt *a)
{
	/* In the bytes it may be written with escapes. */
	if (!holds_own_key(a, buf_bytes(&a->bytes), buf_len(&a->bytes)) && !facts_hold_own_key(a))
		return;
	buf_free(&a->bytes);
	hide_message(a);
}

static enum outcome
judge_error(struct attempt *a)
{
	upstream_ops(a->upstream)->read_error(buf_bytes(&a->bytes), buf_len(&a->bytes), &a->facts);
	hide_own_key(a);
	if (a->facts.bad_key)
		return OUTCOME_UNAUTHORIZED;
	return outcome_of_status(a->status, a->facts.no_quota);
}

static enum outcome
judge_content(const struct facts *f)
{
	if (f->failed)
		return OUTCOME_ERROR_EVENT;
	if (f->content || f->finish == FINISH_FILTER || f->finish == FINISH_LENGTH)
		return OUTCOME_OK;
	return OUTCOME_EMPTY;
}

/* Some providers say 200 and an error; Google's compatible endpoint puts it into a list. */
static enum outcome
judge_unreadable(struct attempt *a)
{
	if (!a->facts.failed && errorbody_is_list(buf_bytes(&a->bytes), buf_len(&a->bytes))) {
		a->facts.failed = true;
		errorbody_read(buf_bytes(&a->bytes), buf_len(&a->bytes), &a->facts);
	}
	return a->facts.failed ? OUTCOME_ERROR_EVENT : OUTCOME_GARBAGE;
}

/* A whole answer where a stream was asked for is none; but it may be an error, and have usage. */
static enum outcome
judge_no_stream(struct attempt *a)
{
	const struct provider_ops *ops = upstream_ops(a->upstream);
	bool read = ops->read_answer(a->api, buf_bytes(&a->bytes), buf_len(&a->bytes), &a->facts);

	return read && !a->facts.failed ? OUTCOME_GARBAGE : judge_unreadable(a);
}

static enum outcome
judge_stream(struct attempt *a)
{
	if (!a->event_stream)
		return judge_no_stream(a);
	return a->facts.ended ? judge_content(&a->facts) : OUTCOME_INCOMPLETE;
}

static enum outcome
judge_whole(struct attempt *a)
{
	const struct provider_ops *ops = upstream_ops(a->upstream);
	enum outcome outcome;

	if (buf_len(&a->bytes) == 0)
		return OUTCOME_EMPTY;
	if (!ops->read_answer(a->api, buf_bytes(&a->bytes), buf_len(&a->bytes), &a->facts))
		return judge_unreadable(a);
	outcome = judge_content(&a->facts);
	if (outcome == OUTCOME_OK && a->translation != NULL)
		outcome = translation_of_answer(a);
	return outcome;
}

static enum outcome
judge(struct attempt *a, const struct call_result *result)
{
	bool stream_ended;

	if (a->stream && is_ok(a) && a->event_stream)
		relay_end(a, result->complete);
	stream_ended = a->stream && a->event_stream && a->facts.ended;
	if (a->decided)
		return a->outcome;
	if (a->status != 0 && !is_ok(a) && result->phase == CALL_BODY)
		return judge_error(a);
	if (!result->complete && !stream_ended)
		return result->failure;
	return a->stream ? judge_stream(a) : judge_whole(a);
}

static void
settle(struct attempt *a, enum outcome outcome)
{
	a->outcome = outcome;
	a->call = NULL;
	a->ended_us = clock_mono_us();
	if (a->retry_after_ms < 0)
		a->retry_after_ms = a->facts.retry_after_ms;
	if (facts_hold_own_key(a))
		hide_message(a);
	gate_attempt_ended(a);
	tally_attempt_ended(a);
}

static void
on_ended(void *owner, const struct call_result *result)
{
	struct attempt *a = owner;

	a->sent = result->sent;
	a->given_back = true;
	settle(a, judge(a, result));
	request_attempt_ended(a->request);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static const struct call_events events = {
	.on_connected = on_connected,
	.on_status = on_status,
	.on_header = on_header,
	.on_head_end = on_head_end,
	.on_bytes = on_bytes,
	.on_ended = on_ended,
};

static void
reset(struct attempt *a, struct request *r, enum arm arm)
{
	memset(a, 0, sizeof(*a));
	a->request = r;
	a->arm = arm;
	a->upstream = r->release->upstreams[arm];
	a->model = r->release->config->arms[arm];
	a->api = xlate_api(r->endpoint->api, a->model->provider->kind);
	a->number = r->attempts_done + 1u;
	a->stream = r->chat.stream;
	a->retry_after_ms = a->facts.retry_after_ms = -1;
	a->facts.quality.wants_json = r->chat.wants_json;
	a->started_us = clock_mono_us();
	a->outcome = OUTCOME_INTERNAL;
}

/* The body in the provider's API. OUTCOME_OK, or how the attempt ends. */
static enum outcome
make_body(struct attempt *a, struct call_order *order)
{
	struct request *r = a->request;
	const struct provider_ops *ops = upstream_ops(a->upstream);
	enum outcome outcome;

	if (a->api == r->endpoint->api) {
		if (ops->encode(a->api, a->model->name, &r->chat, &r->body) < 0)
			return OUTCOME_NO_MEMORY;
		order->body = body_bytes(&r->body);
		order->body_len = r->body.len;
		return OUTCOME_OK;
	}
	outcome = translation_begin(a);
	if (outcome == OUTCOME_OK) {
		order->body = buf_bytes(&a->translation->body);
		order->body_len = buf_len(&a->translation->body);
		order->path = (const char *)buf_bytes(&a->translation->path);
	}
	return outcome;
}

/* OUTCOME_OK, or how the attempt ends. */
static enum outcome
start_call(struct attempt *a)
{
	struct request *r = a->request;
	const struct provider_ops *ops = upstream_ops(a->upstream);
	struct call_order order = {
		.events = &events,
		.owner = a,
		.api = a->api,
		.request_id = r->id,
		.traceparent = r->traceparent[0] != '\0' ? r->traceparent : NULL,
	};
	/* A translated body is of the version that grayd knows. */
	struct client_lines lines = {
		.anthropic_version = a->api == r->endpoint->api ? r->anthropic_version : NULL,
		.anthropic_beta = r->anthropic_beta,
	};
	enum outcome outcome = make_body(a, &order);

	if (outcome != OUTCOME_OK)
		return outcome;
	if (ops->lines != NULL)
		order.n_lines = ops->lines(&lines, order.lines);
	a->call = upstream_begin(a->upstream, &order);
	return a->call != NULL ? OUTCOME_OK : OUTCOME_NO_MEMORY;
}

int
attempt_begin(struct attempt *a, struct request *r, enum arm arm)
{
	enum outcome outcome;

	reset(a, r, arm);
	gate_attempt_begun(a);
	tally_attempt_begun(a, r->arm_attempts_done > 0);
	outcome = start_call(a);
	if (outcome == OUTCOME_OK) {
		request_set_timer(r);
		return 0;
	}
	settle(a, outcome);
	return -1;
}

void
attempt_abort(struct attempt *a, enum outcome outcome)
{
	assert(a->call != NULL);
	a->sent = upstream_cancel(a->call);
	settle(a, outcome);
}

void
attempt_release(struct attempt *a)
{
	translation_free(a->translation);
	a->translation = NULL;
	buf_free(&a->bytes);
	buf_free(&a->passed);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

/* The moments by which the present phase must have got on, with the outcome if it has not. */
struct limit {
	uint64_t at_us;
	enum outcome outcome;
};

#define LIMITS_MAX 4

static uint64_t
after_ms(uint64_t from_us, uint64_t ms)
{
	return from_us + ms * US_PER_MS;
}

/* Of an API without an end marker: nothing but the close is expected any more. */
static bool
is_at_its_end(const struct attempt *a)
{
	const struct facts *f = &a->facts;

	return f->may_end && f->content && f->end_is_bare && !f->end_is_unsure && !a->held_back;
}

/* Whether it is whole all the same when nothing more comes. */
static bool
ends_well(const struct attempt *a, enum outcome limit)
{
	bool waits = limit == OUTCOME_IDLE_TIMEOUT || limit == OUTCOME_STREAM_TIMEOUT;

	return limit == OUTCOME_OK ||
	       (waits && a->facts.may_end && a->facts.content && !a->facts.end_is_unsure);
}

static unsigned
limits_of(const struct attempt *a, struct limit out[LIMITS_MAX])
{
	const struct config_release *config = a->request->release->config;
	const struct config_timeouts *t = &config->timeouts;
	unsigned n = 0;

	if (a->connected_us == 0)
		out[n++] = (struct limit){ after_ms(a->started_us, t->connect_ms),
			OUTCOME_CONNECT_TIMEOUT };
	if (a->facts.ended || is_at_its_end(a))
		out[n++] = (struct limit){ a->ended_us + END_GRACE_US, OUTCOME_OK };
	if (a->facts.ended)
		return n;
	if (a->committed)
		out[n++] = (struct limit){ after_ms(a->committed_us, config->stream_max_ms),
			OUTCOME_STREAM_TIMEOUT };
	else if (a->stream)
		out[n++] =
		    (struct limit){ after_ms(a->started_us, retry_timeout_ms(t->first_token_ms,
								t->n_first_token, a->number)),
			    OUTCOME_FIRST_TOKEN_TIMEOUT };
	else
		out[n++] = (struct limit){ after_ms(a->started_us, retry_timeout_ms(t->answer_ms,
								       t->n_answer, a->number)),
			OUTCOME_ANSWER_TIMEOUT };
	if (a->status != 0 && !a->held_back)
		out[n++] =
		    (struct limit){ after_ms(a->last_byte_us, t->idle_ms), OUTCOME_IDLE_TIMEOUT };
	return n;
}

uint64_t
attempt_deadline_us(const struct attempt *a)
{
	struct limit limits[LIMITS_MAX];
	unsigned n = limits_of(a, limits);
	uint64_t first = a->decided ? a->last_byte_us : UINT64_MAX;

	for (unsigned i = 0; i < n; i++)
		if (limits[i].at_us < first)
			first = limits[i].at_us;
	return first;
}

enum outcome
attempt_expired(struct attempt *a, uint64_t now_us)
{
	struct limit limits[LIMITS_MAX];
	unsigned n = limits_of(a, limits);

	if (a->decided)
		return a->outcome;
	for (unsigned i = 0; i < n; i++) {
		if (limits[i].at_us > now_us)
			continue;
		if (!ends_well(a, limits[i].outcome))
			return limits[i].outcome;
		relay_end(a, false);
		return a->decided ? a->outcome : judge_content(&a->facts);
	}
	return OUTCOME_DEADLINE;
}
