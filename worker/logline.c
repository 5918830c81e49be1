// SPDX-License-Identifier: MIT
/*
 * Log lines of requests. Every text in them is known to be short and plain (names from the config,
 * ids that were checked) or is escaped, so a line always fits LOG_LINE_MAX. Never a key, never a
 * word of a prompt or an answer.
 */
#include "worker/logline.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/decimal.h"

struct line {
	size_t n;
	char bytes[LOG_LINE_MAX];
};

static void
put(struct line *l, const char *text, size_t n)
{
	if (l->n + n + 2 > sizeof(l->bytes)) /* the brace and the newline always fit */
		return;
	memcpy(l->bytes + l->n, text, n);
	l->n += n;
}

static void
put_name(struct line *l, const char *name)
{
	put(l, l->n > 1 ? ",\"" : "\"", l->n > 1 ? 2 : 1);
	put(l, name, strlen(name));
	put(l, "\":", 2);
}

static void
put_text(struct line *l, const char *name, const char *text)
{
	put_name(l, name);
	put(l, "\"", 1);
	put(l, text, strlen(text));
	put(l, "\"", 1);
}

static void
put_number(struct line *l, const char *name, uint64_t value)
{
	char text[DECIMAL_BYTES], *end = text + sizeof(text), *begin = decimal(end, value);

	put_name(l, name);
	put(l, begin, (size_t)(end - begin));
}

static void
put_ms(struct line *l, const char *name, uint64_t us)
{
	char text[DECIMAL_BYTES], *end = text + sizeof(text), *begin = decimal_milli(end, us);

	put_name(l, name);
	put(l, begin, (size_t)(end - begin));
}

static void
put_flag(struct line *l, const char *name)
{
	put_name(l, name);
	put(l, "true", 4);
}

static void
put_routing(struct line *l, const struct request *r)
{
	const struct config_model *model = r->release->config->arms[r->arm];

	put_text(l, "release", r->release->config->name);
	put_number(l, "revision", r->revision);
	put_text(l, "assigned", arm_names[r->decision.arm]);
	put_text(l, "by", route_reason_name(r->decision.reason));
	put_number(l, "bucket", r->decision.bucket);
	put_text(l, "arm", arm_names[r->arm]);
	put_text(l, "model", model->name);
	put_text(l, "provider", model->provider->name);
	put_number(l, "attempts", r->attempts_done);
	put_number(l, "sent", r->attempts_sent);
	if (r->fell_back)
		put_text(l, "fallback", outcome_name(r->fallback_reason));
	if (r->rescued)
		put_flag(l, "rescued");
	if (r->decision.pinned)
		put_flag(l, "pinned");
	if (r->attempt.upstream_id[0] != '\0' && strpbrk(r->attempt.upstream_id, "\"\\") == NULL)
		put_text(l, "upstream_id", r->attempt.upstream_id);
}

static void
put_usage(struct line *l, const struct request *r)
{
	char text[MONEY_CHARS];

	put_number(l, "tokens_input", r->usage.input);
	put_number(l, "tokens_cached", r->usage.cached);
	put_number(l, "tokens_output", r->usage.output);
	put_name(l, "cost_usd");
	money_format(text, r->cost, 12);
	put(l, text, strlen(text));
}

void
logline_write(const struct request *r, uint64_t now_us)
{
	struct line l = { .n = 1, .bytes = "{" };
	char time[CLOCK_ISO_BYTES];

	if (!r->worker->config->log.requests)
		return;
	clock_iso(clock_wall_us(), time);
	put_text(&l, "time", time);
	put_text(&l, "event", "request");
	put_text(&l, "id", r->id);
	if (r->client != NULL)
		put_text(&l, "client", r->client->name);
	put_text(
	    &l, "path", r->endpoint != NULL && !r->endpoint->prefix ? r->endpoint->path : "other");
	put_number(&l, "status", r->status);
	put_text(&l, "outcome", outcome_name(r->outcome));
	if (r->release != NULL)
		put_routing(&l, r);
	if (r->chat.stream)
		put_flag(&l, "stream");
	if (r->usage.present)
		put_usage(&l, r);
	if (r->attempt.first_token_us != 0)
		put_ms(&l, "first_token_ms", r->attempt.first_token_us - r->started_us);
	put_ms(&l, "latency_ms", now_us - r->started_us);
	put_ms(&l, "upstream_ms", r->upstream_us);
	l.bytes[l.n++] = '}';
	l.bytes[l.n++] = '\n';
	log_line(l.bytes, l.n);
}
