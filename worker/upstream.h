// SPDX-License-Identifier: MIT
/*
 * HTTP calls to one provider: libcurl's multi interface on the worker's loop, fenced in so that it
 * does nothing by itself (no second POST, no redirects, no proxy from the environment). One pool of
 * connections for each provider, so that no connection is shared between keys.
 *
 * Nothing of libcurl leaves this file. Handles are added and removed only outside its callbacks:
 * what has ended is reported by upstream_turn_end(), once a loop turn.
 */
#pragma once

#include "worker/provider.h"
#include "worker/state.h"

struct call; /* one HTTP exchange with a provider */

/* How far a call came; phases are in order. */
enum call_phase { CALL_CONNECTING, CALL_SENDING, CALL_HEAD, CALL_BODY };

struct call_result {
	enum call_phase phase; /* the last one reached */
	bool complete;	       /* the answer came whole, as its framing promised */
	bool sent;	       /* bytes of the request went out */
	bool aborted;	       /* by on_bytes */
	enum outcome failure;  /* if not complete: what the connection died of */
};

/* What a call's owner hears of it. All but `ended` come from inside libcurl: no call may be begun
 * or cancelled there. */
struct call_events {
	void (*on_connected)(void *owner);			      /* the request goes out now */
	void (*on_status)(void *owner, unsigned status);	      /* a final status line */
	void (*on_header)(void *owner, const char *line, size_t len); /* without its CRLF */
	void (*on_head_end)(void *owner);
	/* False: abort; the owner knows why. */
	bool (*on_bytes)(void *owner, const uint8_t *bytes, size_t n);
	/* The exchange is over and the call is gone. */
	void (*on_ended)(void *owner, const struct call_result *result);
};

struct call_order {
	const struct call_events *events;
	void *owner;
	enum api api;
	const char *path; /* where it depends on the model; NULL: that of the API. Copied. */
	const void *body; /* must stay where it is until the call is gone */
	size_t body_len;
	const char *request_id;
	const char *traceparent;	       /* NULL: none */
	const char *lines[PROVIDER_LINES_MAX]; /* more of the head; they must stay like the body */
	unsigned n_lines;
};

/* Prepares the pools of all providers: URLs, heads with keys, TLS. */
int upstream_open_all(struct worker *w, struct err *e) MUST_CHECK;
void upstream_close_all(struct worker *w);

/* The pool of config.providers[number]. */
struct upstream *upstream_of(struct worker *w, unsigned number);
const struct provider_ops *upstream_ops(const struct upstream *u);

/* Begins an exchange; NULL: out of memory. */
struct call *upstream_begin(struct upstream *u, const struct call_order *order) MUST_CHECK;
/* Ends it without a word: the connection is closed, on_ended is not called. Returns whether bytes
 * of the request had gone out. */
bool upstream_cancel(struct call *c);
/* Stops and resumes reading the answer. */
void upstream_pause(struct call *c, bool pause);

/* Runs what libcurl wants done now and reports what has ended; true if anything was reported. */
bool upstream_turn_end(struct worker *w);
/* Whether libcurl wants to be run at once. */
bool upstream_is_due(const struct worker *w);
