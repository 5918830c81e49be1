// SPDX-License-Identifier: MIT
/*
 * libcurl in the worker. Easy handles are prepared once for a provider and used again; a call only
 * sets its URL (when the API differs from the last), its body and its head.
 *
 * Invariant: a handle is in its multi exactly while its call is alive.
 */
#include "worker/upstream.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "worker/fences.h"
#include "worker/providerhead.h"
#include "worker/upstream_sock.h"

#define CALLS_SPARE_MAX	  256
#define INFORMATIONAL_MAX 8

struct call {
	CURL *easy;
	struct upstream *upstream;
	struct call_order order;
	enum call_phase phase;
	enum api url_api; /* that the handle's URL is set to */
	bool url_set, connected, resent, aborted, bad_head, has_length;
	uint8_t informational;
	struct curl_slist id_line, trace_line, expect_line; /* before the provider's own lines */
	struct curl_slist more_lines[PROVIDER_LINES_MAX];
	char id_text[REQUEST_ID_BYTES + 16], trace_text[80];
	struct call *next_spare;
};

struct upstream {
	struct worker *worker;
	const struct config_provider *provider;
	const struct provider_ops *ops;
	CURLM *multi;
	struct deadline timer;
	bool due; /* libcurl wants to be called at once */
	struct upstream_socks socks;
	struct curl_slist *head; /* the fixed lines of every request */
	CURLU *urls[API_COUNT];	 /* parsed once; NULL: this kind does not serve the API */
	struct call *spare;
	unsigned n_spare;
};

struct upstream *
upstream_of(struct worker *w, unsigned number)
{
	assert(number < w->n_upstreams);
	return &w->upstreams[number];
}

const struct provider_ops *
upstream_ops(const struct upstream *u)
{
	return u->ops;
}

/* ---- libcurl's callbacks --------------------------------------------------------------------- */

/* Called before a request goes out. A second time within a call means that libcurl sends it again
 * by itself, since a kept connection died unanswered: refused, the provider may have seen it. */
static int
on_prereq(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
	struct call *c = arg;

	(void)peer_ip, (void)own_ip, (void)peer_port, (void)own_port;
	if (c->connected) {
		c->resent = true;
		return CURL_PREREQFUNC_ABORT;
	}
	c->connected = true;
	c->phase = CALL_SENDING;
	c->order.events->on_connected(c->order.owner);
	return CURL_PREREQFUNC_OK;
}

/* "HTTP/1.1 200 OK" -> 200; 0: not a status line of HTTP/1.x. */
static unsigned
parse_status(const char *line, size_t n)
{
	unsigned status = 0;

	if (n < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(line[i] - '0');
	}
	return n == 12 || line[12] == ' ' ? status : 0;
}

static bool
take_status(struct call *c, unsigned status)
{
	if (status >= 200) {
		c->phase = CALL_HEAD;
		c->order.events->on_status(c->order.owner, status);
		return true;
	}
	c->bad_head = status < 100 || status == 101 || ++c->informational > INFORMATIONAL_MAX;
	return !c->bad_head;
}

/* A second Content-Length, even the same one again, would make the end of the answer a guess. */
static bool
is_second_length(struct call *c, const char *line, size_t n)
{
	static const char name[] = "content-length:";
	bool second = c->has_length;

	if (n < sizeof(name) - 1 || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return false;
	c->has_length = true;
	return second;
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	size_t len = n * size, kept = len;

	while (kept > 0 && (line[kept - 1] == '\n' || line[kept - 1] == '\r'))
		kept--;
	if (kept > 5 && memcmp(line, "HTTP/", 5) == 0)
		return take_status(c, parse_status(line, kept)) ? len : CURL_WRITEFUNC_ERROR;
	if (c->phase != CALL_HEAD)
		return len;
	if (kept == 0) {
		c->phase = CALL_BODY;
		c->order.events->on_head_end(c->order.owner);
	} else if (is_second_length(c, line, kept)) {
		c->bad_head = true;
		return CURL_WRITEFUNC_ERROR;
	} else {
		c->order.events->on_header(c->order.owner, line, kept);
	}
	return len;
}

static size_t
on_write(char *bytes, size_t size, size_t n, void *arg)
{
	struct call *c = arg;

	if (c->order.events->on_bytes(c->order.owner, (const uint8_t *)bytes, size * n))
		return size * n;
	c->aborted = true;
	return CURL_WRITEFUNC_ERROR;
}

static int
on_timer_change(CURLM *multi, long timeout_ms, void *arg)
{
	struct upstream *u = arg;

	(void)multi;
	u->due = timeout_ms == 0;
	deadline_set(
	    &u->timer, timeout_ms > 0 ? clock_mono_us() + (uint64_t)timeout_ms * US_PER_MS : 0);
	return 0;
}

static void
on_timer(void *arg)
{
	struct upstream *u = arg;

	u->due = true;
}

/* ---- preparing ------------------------------------------------------------------------------- */

static bool
set_callbacks(struct call *c)
{
	CURL *easy = c->easy;

	return curl_easy_setopt(easy, CURLOPT_PRIVATE, c) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_prereq) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PREREQDATA, c) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, c) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, c) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, upstream_sock_open) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &c->upstream->socks) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, upstream_sock_close) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &c->upstream->socks) == CURLE_OK;
}

static void
call_free(struct call *c)
{
	if (c->easy != NULL)
		curl_easy_cleanup(c->easy);
	free(c);
}

static struct call *
call_new(struct upstream *u)
{
	struct call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->upstream = u;
	c->easy = curl_easy_init();
	if (c->easy == NULL || !fences_set(c->easy, u->provider) ||
	    curl_easy_setopt(c->easy, CURLOPT_POST, 1L) != CURLE_OK || !set_callbacks(c)) {
		call_free(c);
		return NULL;
	}
	return c;
}

static CURLU *
parse_url(const char *base, const char *path)
{
	CURLU *url = curl_url();
	char *text = NULL;

	if (url == NULL || asprintf(&text, "%s%s", base, path) < 0 ||
	    curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK) {
		curl_url_cleanup(url);
		url = NULL;
	}
	free(text);
	return url;
}

static int
prepare_urls(struct upstream *u, struct err *e)
{
	for (unsigned api = 0; api < API_COUNT; api++) {
		const char *path = u->ops->path(api);

		if (path == NULL)
			continue;
		u->urls[api] = parse_url(u->provider->base_url, path);
		if (u->urls[api] == NULL)
			return err_set(e, "providers.%s.base_url: not a URL that can be asked: %s",
			    u->provider->name, u->provider->base_url);
	}
	return 0;
}

static int
open_one(struct worker *w, struct upstream *u, const struct config_provider *p, struct err *e)
{
	u->worker = w;
	u->provider = p;
	u->ops = provider_ops(p->kind);
	u->multi = curl_multi_init();
	deadline_init(&u->timer, w->base, on_timer, u);
	if (u->multi == NULL || providerhead_make(&u->head, u->ops, p) < 0)
		return err_set(e, "providers.%s: out of memory", p->name);
	if (prepare_urls(u, e) < 0)
		return -1;
	upstream_socks_init(&u->socks, w, u->multi);
	curl_multi_setopt(u->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	curl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS, (long)w->config->limits.max_connections);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
	return 0;
}

int
upstream_open_all(struct worker *w, struct err *e)
{
	const struct config *config = w->config;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, "libcurl cannot be initialised");
	w->upstreams = calloc(config->n_providers, sizeof(*w->upstreams));
	if (w->upstreams == NULL)
		return err_set(e, "out of memory");
	w->n_upstreams = config->n_providers;
	for (unsigned i = 0; i < w->n_upstreams; i++)
		if (open_one(w, &w->upstreams[i], &config->providers[i], e) < 0)
			return -1;
	return 0;
}

void
upstream_close_all(struct worker *w)
{
	for (unsigned i = 0; i < w->n_upstreams; i++) {
		struct upstream *u = &w->upstreams[i];
		struct call *c;

		while ((c = u->spare) != NULL) {
			u->spare = c->next_spare;
			call_free(c);
		}
		curl_multi_cleanup(u->multi);
		upstream_socks_fini(&u->socks);
		deadline_fini(&u->timer);
		providerhead_free(u->head);
		for (unsigned api = 0; api < API_COUNT; api++)
			curl_url_cleanup(u->urls[api]);
	}
	free(w->upstreams);
	w->upstreams = NULL;
	w->n_upstreams = 0;
	curl_global_cleanup();
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct call *
call_take(struct upstream *u)
{
	struct call *c = u->spare;

	if (c == NULL)
		return call_new(u);
	u->spare = c->next_spare;
	u->n_spare--;
	return c;
}

static void
call_give_back(struct call *c)
{
	struct upstream *u = c->upstream;

	if (u->n_spare >= CALLS_SPARE_MAX) {
		call_free(c);
		return;
	}
	c->next_spare = u->spare;
	u->spare = c;
	u->n_spare++;
}

/* libcurl would ask before it sends a body above this size. Saying no is a header that it compares
 * with each of its own, so small requests go without. */
#define EXPECT_BYTES (512 * 1024)
static char no_expect[] = "Expect:";

/* The request's own lines, chained before the fixed ones without an allocation. */
static struct curl_slist *
head_lines(struct call *c)
{
	const struct call_order *o = &c->order;
	struct curl_slist *head = c->upstream->head;

	for (unsigned i = 0; i < o->n_lines; i++) {
		c->more_lines[i] = (struct curl_slist){ (char *)(uintptr_t)o->lines[i], head };
		head = &c->more_lines[i];
	}
	if (o->traceparent != NULL) {
		snprintf(c->trace_text, sizeof(c->trace_text), "traceparent: %s", o->traceparent);
		c->trace_line = (struct curl_slist){ c->trace_text, head };
		head = &c->trace_line;
	}
	if (o->body_len > EXPECT_BYTES) {
		c->expect_line = (struct curl_slist){ no_expect, head };
		head = &c->expect_line;
	}
	memcpy(c->id_text, "X-Request-Id: ", 14);
	memcpy(c->id_text + 14, o->request_id, strlen(o->request_id) + 1);
	c->id_line = (struct curl_slist){ c->id_text, head };
	return &c->id_line;
}

static bool
set_body(struct call *c)
{
	const struct call_order *o = &c->order;
	CURL *easy = c->easy;

	return curl_easy_setopt(easy, CURLOPT_POSTFIELDS, o->body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTPHEADER, head_lines(c)) == CURLE_OK;
}

/* A URL of its own for each call: libcurl parses it each time. */
static bool
set_path(struct call *c)
{
	char *url = NULL;
	bool ok;

	if (asprintf(&url, "%s%s", c->upstream->provider->base_url, c->order.path) < 0)
		return false;
	ok = curl_easy_setopt(c->easy, CURLOPT_CURLU, NULL) == CURLE_OK &&
	     curl_easy_setopt(c->easy, CURLOPT_URL, url) == CURLE_OK;
	free(url);
	c->url_set = false;
	return ok;
}

static bool
set_order(struct call *c)
{
	const struct call_order *o = &c->order;
	CURL *easy = c->easy;

	if (o->path != NULL)
		return set_path(c) && set_body(c);
	if (!c->url_set || c->url_api != o->api) {
		if (curl_easy_setopt(easy, CURLOPT_CURLU, c->upstream->urls[o->api]) != CURLE_OK)
			return false;
		c->url_set = true;
		c->url_api = o->api;
	}
	return set_body(c);
}

struct call *
upstream_begin(struct upstream *u, const struct call_order *order)
{
	struct call *c = call_take(u);

	if (c == NULL)
		return NULL;
	assert(u->urls[order->api] != NULL || order->path != NULL);
	assert(strlen(order->request_id) < REQUEST_ID_BYTES);
	c->order = *order;
	c->phase = CALL_CONNECTING;
	c->connected = c->resent = c->aborted = c->bad_head = c->has_length = false;
	c->informational = 0;
	if (!set_order(c) || curl_multi_add_handle(u->multi, c->easy) != CURLM_OK) {
		call_free(c);
		return NULL;
	}
	return c;
}

static bool
was_sent(const struct call *c)
{
	long bytes = 0;

	return c->connected &&
	       curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &bytes) == CURLE_OK && bytes > 0;
}

bool
upstream_cancel(struct call *c)
{
	bool sent = was_sent(c);

	curl_multi_remove_handle(c->upstream->multi, c->easy);
	call_give_back(c);
	return sent;
}

void
upstream_pause(struct call *c, bool pause)
{
	curl_easy_pause(c->easy, pause ? CURLPAUSE_RECV : CURLPAUSE_CONT);
}

/* ---- the end of a call ----------------------------------------------------------------------- */

static const struct {
	CURLcode code;
	enum outcome outcome;
} connect_failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, OUTCOME_UNRESOLVED },
	{ CURLE_COULDNT_RESOLVE_PROXY, OUTCOME_UNRESOLVED },
	{ CURLE_COULDNT_CONNECT, OUTCOME_REFUSED },
	{ CURLE_SSL_CONNECT_ERROR, OUTCOME_TLS },
	{ CURLE_PEER_FAILED_VERIFICATION, OUTCOME_TLS },
	{ CURLE_SSL_CACERT_BADFILE, OUTCOME_TLS },
	{ CURLE_SSL_ISSUER_ERROR, OUTCOME_TLS },
	{ CURLE_SSL_CERTPROBLEM, OUTCOME_TLS },
	{ CURLE_SSL_CIPHER, OUTCOME_TLS },
	{ CURLE_OUT_OF_MEMORY, OUTCOME_NO_MEMORY },
};

/* libcurl's code alone misleads (an overlong header reads as "out of memory"), so the phase speaks
 * first. */
static enum outcome
failure_of(const struct call *c, CURLcode code)
{
	if (c->bad_head)
		return OUTCOME_BAD_HEAD;
	switch (c->phase) {
	case CALL_BODY: return OUTCOME_INCOMPLETE;
	case CALL_HEAD: return OUTCOME_BAD_HEAD;
	case CALL_SENDING:
		if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY ||
		    code == CURLE_BAD_CONTENT_ENCODING)
			return OUTCOME_BAD_HEAD;
		return OUTCOME_NO_ANSWER;
	case CALL_CONNECTING: break;
	}
	for (size_t i = 0; i < sizeof(connect_failures) / sizeof(connect_failures[0]); i++)
		if (connect_failures[i].code == code)
			return connect_failures[i].outcome;
	return OUTCOME_UNREACHABLE;
}

static void
end_call(struct call *c, CURLcode code)
{
	struct call_order order = c->order;
	struct call_result result = {
		.phase = c->phase,
		.complete = code == CURLE_OK && c->phase == CALL_BODY,
		.sent = was_sent(c),
		.aborted = c->aborted,
	};

	result.failure = result.complete ? OUTCOME_OK : failure_of(c, code);
	curl_multi_remove_handle(c->upstream->multi, c->easy);
	call_give_back(c);
	order.events->on_ended(order.owner, &result);
}

static bool
reap(struct upstream *u)
{
	bool any = false;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(u->multi, &left)) != NULL) {
		CURLcode code = msg->data.result;
		struct call *c = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &c);
		end_call(c, code);
		worker_look_at_policy(u->worker);
		any = true;
	}
	return any;
}

bool
upstream_turn_end(struct worker *w)
{
	bool any = false;

	for (unsigned i = 0; i < w->n_upstreams; i++) {
		struct upstream *u = &w->upstreams[i];
		int running;

		if (u->due) {
			u->due = false;
			curl_multi_socket_action(u->multi, CURL_SOCKET_TIMEOUT, 0, &running);
			any = true;
		}
		any |= reap(u);
	}
	return any;
}

bool
upstream_is_due(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_upstreams; i++)
		if (w->upstreams[i].due)
			return true;
	return false;
}
