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

/* A member's name as it stands in the line, with its length. No line begins with one. */
#define KEY(name) ",\"" name "\":", sizeof(",\"" name "\":") - 1

static void
put_text(struct line *l, const char *key, size_t key_len, const char *text)
{
	put(l, key, key_len);
	put(l, "\"", 1);
	put(l, text, strlen(text));
	put(l, "\"", 1);
}

static void
put_number(struct line *l, const char *key, size_t key_len, uint64_t value)
{
	char text[DECIMAL_BYTES], *end = text + sizeof(text), *begin = decimal(end, value);

	put(l, key, key_len);
	put(l, begin, (size_t)(end - begin));
}

static void
put_fixed(struct line *l, const char *key, size_t key_len, uint64_t whole, uint64_t fraction,
    unsigned places)
{
	char text[DECIMAL_BYTES], *end = text + sizeof(text);
	char *begin = decimal_fixed(end, whole, fraction, places);

	put(l, key, key_len);
	put(l, begin, (size_t)(end - begin));
}

static void
put_ms(struct line *l, const char *key, size_t key_len, uint64_t us)
{
	put_fixed(l, key, key_len, us / US_PER_MS, us % US_PER_MS, 3);
}

static void
put_flag(struct line *l, const char *key, size_t key_len)
{
	put(l, key, key_len);
	put(l, "true", 4);
}

static void
put_routing(struct line *l, const struct request *r)
{
	const struct config_model *model = r->release->config->arms[r->arm];

	put_text(l, KEY("release"), r->release->config->name);
	put_number(l, KEY("revision"), r->revision);
	put_text(l, KEY("assigned"), arm_names[r->decision.arm]);
	put_text(l, KEY("by"), route_reason_name(r->decision.reason));
	put_number(l, KEY("bucket"), r->decision.bucket);
	put_text(l, KEY("arm"), arm_names[r->arm]);
	put_text(l, KEY("model"), model->name);
	put_text(l, KEY("provider"), model->provider->name);
	put_number(l, KEY("attempts"), r->attempts_done);
	put_number(l, KEY("sent"), r->attempts_sent);
	if (r->diverted)
		put_text(l, KEY("diverted"), gate_reason_name(r->diverted_by));
	if (r->fell_back)
		put_text(l, KEY("fallback"), outcome_name(r->fallback_reason));
	if (r->rescued)
		put_flag(l, KEY("rescued"));
	if (r->decision.pinned)
		put_flag(l, KEY("pinned"));
	if (r->untranslated[0] != '\0')
		put_text(l, KEY("untranslated"), r->untranslated);
	if (r->unjudged)
		put_flag(l, KEY("stress"));
	if (r->attempt.upstream_id[0] != '\0' && strpbrk(r->attempt.upstream_id, "\"\\") == NULL)
		put_text(l, KEY("upstream_id"), r->attempt.upstream_id);
}

static void
put_money(struct line *l, const char *key, size_t key_len, const struct request *r, struct money m)
{
	if (r->release->config->arms[r->arm]->price.known)
		put_fixed(l, key, key_len, m.usd, m.picousd, PICOUSD_DECIMALS);
}

static void
put_bill(struct line *l, const struct request *r)
{
	put_number(l, KEY("tokens_input"), r->tokens.input);
	put_number(l, KEY("tokens_cached"), r->tokens.cached);
	if (r->tokens.cache_write > 0)
		put_number(l, KEY("tokens_cache_write"), r->tokens.cache_write);
	put_number(l, KEY("tokens_output"), r->tokens.output);
	put_money(l, KEY("cost_usd"), r, r->cost);
	if (r->estimated.input == 0 && r->estimated.output == 0)
		return;
	put_number(l, KEY("estimated_tokens_input"), r->estimated.input);
	put_number(l, KEY("estimated_tokens_output"), r->estimated.output);
	put_money(l, KEY("estimated_cost_usd"), r, r->estimated_cost);
}

void
logline_write(const struct request *r, uint64_t now_us)
{
	struct line l;
	char time[CLOCK_ISO_BYTES];

	if (!r->worker->config->log.requests)
		return;
	clock_iso(clock_wall_us(), time);
	l.n = 0;
	put(&l, "{\"time\":\"", 9);
	put(&l, time, sizeof(time) - 1);
	put(&l, "\",\"event\":\"request\"", 19);
	put_text(&l, KEY("id"), r->id);
	if (r->client != NULL)
		put_text(&l, KEY("client"), r->client->name);
	put_text(&l, KEY("path"),
	    r->endpoint != NULL && !r->endpoint->prefix ? r->endpoint->path : "other");
	put_number(&l, KEY("status"), r->status);
	put_text(&l, KEY("outcome"), outcome_name(r->outcome));
	if (r->listed)
		put_routing(&l, r);
	else if (r->release != NULL)
		put_text(&l, KEY("release"), r->release->config->name);
	if (r->admitted_us != 0)
		put_number(&l, KEY("admitted_us"), r->admitted_us);
	if (r->queued_us != 0)
		put_ms(&l, KEY("queued_ms"), r->queued_us);
	if (r->chat.stream)
		put_flag(&l, KEY("stream"));
	if (r->billed)
		put_bill(&l, r);
	if (r->attempt.first_token_us != 0)
		put_ms(&l, KEY("first_token_ms"), r->attempt.first_token_us - r->started_us);
	put_ms(&l, KEY("latency_ms"), now_us - r->started_us);
	put_ms(&l, KEY("upstream_ms"), r->upstream_us);
	l.bytes[l.n++] = '}';
	l.bytes[l.n++] = '\n';
	log_line(l.bytes, l.n);
}
