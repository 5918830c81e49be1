// SPDX-License-Identifier: MIT
/* The head of a request, read for what is needed later; see intake.h. */
#include "worker/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/auth.h"
#include "worker/request.h"

static const struct endpoint endpoints[] = {
	{ "/v1/chat/completions", false, HTTP_POST, API_CHAT, false },
	{ "/v1/completions", false, HTTP_POST, API_COMPLETIONS, false },
	{ "/v1/embeddings", false, HTTP_POST, API_EMBEDDINGS, false },
	{ "/v1/responses", false, HTTP_POST, API_RESPONSES, false },
	{ "/v1/messages", false, HTTP_POST, API_MESSAGES, false },
	{ "/v1/models", false, HTTP_GET, API_CHAT, true },
	{ "/v1/models/", true, HTTP_GET, API_CHAT, true },
};

const struct endpoint *
intake_endpoint(const struct http_head *head, const uint8_t *bytes)
{
	const char *path = (const char *)bytes + head->path.off;
	size_t n = head->path.len;

	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		const struct endpoint *e = &endpoints[i];
		size_t len = strlen(e->path);

		if ((e->prefix ? n > len : n == len) && memcmp(e->path, path, len) == 0)
			return e;
	}
	return NULL;
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
intake_name(const struct endpoint *e, const struct http_head *head, const uint8_t *bytes,
    char out[NAME_BYTES])
{
	const uint8_t *at = bytes + head->path.off + strlen(e->path);
	const uint8_t *end = bytes + head->path.off + head->path.len;
	size_t n = 0;

	while (at < end && n < NAME_BYTES - 1) {
		uint8_t c = *at++;

		if (c == '%') {
			int high = end - at >= 2 ? hex_digit(at[0]) : -1;
			int low = end - at >= 2 ? hex_digit(at[1]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (uint8_t)(high << 4 | low);
			at += 2;
		}
		if (c < ' ' || c == 127)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return at == end;
}

void
intake_id(struct request *r)
{
	const struct http_header *h = http_head_find(r->head, HTTP_H_X_REQUEST_ID);
	const char *text = h != NULL ? (const char *)r->head_bytes + h->value.off : NULL;
	size_t n = h != NULL ? h->value.len : 0;
	bool sane = n > 0 && n < sizeof(r->id);

	for (size_t i = 0; sane && i < n; i++)
		sane = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'z') ||
		       (text[i] >= 'A' && text[i] <= 'Z') || strchr("._-", text[i]) != NULL;
	if (sane) {
		memcpy(r->id, text, n);
		r->id[n] = '\0';
	} else {
		static const char hex[] = "0123456789abcdef";
		uint64_t bits = 0;

		memcpy(r->id, "req_", 4);
		for (unsigned i = 0; i < 24; i++, bits >>= 4) {
			if (i % 16 == 0)
				bits = worker_random(r->worker);
			r->id[4 + i] = hex[bits & 15];
		}
		r->id[28] = '\0';
	}
}

/* W3C Trace Context: 00-<32 hex>-<16 hex>-<2 hex>. */
static void
take_traceparent(struct request *r)
{
	const struct http_header *h = http_head_find(r->head, HTTP_H_TRACEPARENT);
	const uint8_t *text;

	if (h == NULL || h->value.len != 55)
		return;
	text = r->head_bytes + h->value.off;
	for (unsigned i = 0; i < 55; i++) {
		bool dash = i == 2 || i == 35 || i == 52;

		if (dash ? text[i] != '-' : hex_digit(text[i]) < 0)
			return;
	}
	memcpy(r->traceparent, text, 55);
	r->traceparent[55] = '\0';
}

bool
intake_pin(struct request *r)
{
	const struct http_header *h = http_head_find(r->head, HTTP_H_X_GRAY_ARM);

	if (h == NULL)
		return true;
	if (http_span_equals_nocase(h->value, r->head_bytes, "candidate", 9))
		r->pin = ROUTE_PIN_CANDIDATE;
	else if (http_span_equals_nocase(h->value, r->head_bytes, "stable", 6))
		r->pin = ROUTE_PIN_STABLE;
	return r->pin != ROUTE_PIN_NONE;
}

/* A header that is 1, or 0 as if it were not there. False: it is something else. */
static bool
take_switch(const struct request *r, enum http_header_id id, bool *on)
{
	const struct http_header *h = http_head_find(r->head, id);

	*on = h != NULL && http_span_equals_nocase(h->value, r->head_bytes, "1", 1);
	return h == NULL || *on || http_span_equals_nocase(h->value, r->head_bytes, "0", 1);
}

const char *
intake_switches(struct request *r)
{
	if (!take_switch(r, HTTP_H_X_GRAY_COST, &r->cost_asked))
		return "x-gray-cost is either 1 or 0";
	if (!take_switch(r, HTTP_H_X_GRAY_STRESS, &r->unjudged))
		return "x-gray-stress is either 1 or 0";
	r->unjudged = r->unjudged && auth_may_pin(r->client);
	return NULL;
}

/* The values of all headers of this id as one line, "NAME: a,b". Free it; NULL and 0: none is
 * there. -1: out of memory. */
static int
take_line(const struct request *r, enum http_header_id id, const char *name, char **line)
{
	struct buf b = { 0 };
	int failed = 0;

	if (http_head_find(r->head, id) == NULL)
		return 0;
	for (unsigned i = 0; i < r->head->n_headers && failed == 0; i++) {
		const struct http_header *h = &r->head->headers[i];

		if (h->id != id || h->value.len == 0)
			continue;
		failed = buf_adds(&b, buf_len(&b) == 0 ? name : ",");
		if (failed == 0)
			failed = buf_add(&b, r->head_bytes + h->value.off, h->value.len);
	}
	if (failed == 0 && buf_len(&b) > 0)
		*line = strndup((const char *)buf_bytes(&b), buf_len(&b));
	failed |= buf_len(&b) > 0 && *line == NULL ? -1 : 0;
	buf_free(&b);
	return failed;
}

int
intake_headers(struct request *r)
{
	const struct worker *w = r->worker;

	take_traceparent(r);
	if (take_line(r, HTTP_H_ANTHROPIC_VERSION, "anthropic-version: ", &r->anthropic_version) <
		0 ||
	    take_line(r, HTTP_H_ANTHROPIC_BETA, "anthropic-beta: ", &r->anthropic_beta) < 0)
		return -1;
	for (unsigned i = 0; i < w->n_header_names; i++) {
		const char *name = w->header_names[i];
		const struct http_header *h =
		    http_head_find_name(r->head, r->head_bytes, name, strlen(name));

		if (h == NULL || h->value.len == 0)
			continue;
		r->header_key[i] = (struct jspan){ buf_len(&r->header_keys), h->value.len };
		if (buf_add(&r->header_keys, r->head_bytes + h->value.off, h->value.len) < 0)
			return -1;
	}
	return 0;
}
