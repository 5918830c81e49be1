// SPDX-License-Identifier: MIT
/*
 * One client connection: bytes in, split into requests; bytes out. Knows HTTP's framing and
 * nothing of models. One request at a time; what a client sends ahead waits in a bounded buffer.
 *
 * A connection is freed only at the end of a loop turn (conn_turn_end), so a pointer to it stays
 * good within the turn, whatever happens to the peer.
 */
#pragma once

#include "worker/chunked.h"
#include "worker/http.h"
#include "worker/state.h"

#define CONN_AHEAD_MAX 16384	    /* bytes kept of requests that come before their turn */
#define CONN_OUT_HIGH  (256 * 1024) /* above this much unsent output the upstream is paused */
#define CONN_OUT_LOW   (64 * 1024)  /* and goes on below this */

enum conn_state {
	CONN_IDLE,   /* no byte of a request has come */
	CONN_HEAD,   /* some of a head */
	CONN_BODY,   /* some of a body */
	CONN_BUSY,   /* the request is at work; its answer is not finished */
	CONN_LINGER, /* everything is said; reads on until the client closes too */
	CONN_DEAD,   /* closed; freed when the turn ends */
};

struct conn {
	struct worker *worker;
	int fd;
	struct event event;
	short armed;	  /* what `event` waits for: EV_READ, EV_WRITE, EV_CLOSED, EV_ET */
	uint8_t state;	  /* enum conn_state */
	bool keep_alive;  /* of the present request and of its answer */
	bool http10;	  /* the client speaks 1.0: no chunked answers */
	bool chunked_out; /* the answer under way is framed in chunks */
	bool on_dirty;	  /* is in worker.dirty */
	bool close_when_sent, linger;
	bool no_memory; /* output was lost: closed when the turn ends, never inside a callback */
	bool upstream_paused; /* output stands above CONN_OUT_HIGH */
	struct deadline deadline;
	struct buf in, out;
	uint64_t body_left; /* of Content-Length */
	uint64_t body_started_us;
	uint64_t body_read;   /* bytes of this body so far, as decoded */
	uint64_t stall_bytes; /* sent since the stall clock began */
	struct chunked chunked;
	struct http_head head;
	struct request *request; /* of states BODY and BUSY */
	uint64_t auth_hash;	 /* remembers the key of `client`; see auth.c */
	const struct config_client *client;
	LIST_ENTRY(conn) link;
	TAILQ_ENTRY(conn) dirty_link;
	SLIST_ENTRY(conn) dead_link;
};

/* Takes over an accepted, non-blocking socket. -1: out of memory, the caller closes it. */
int conn_open(struct worker *w, int fd) MUST_CHECK;

/* Sends a whole answer: a head and its body (copied if the socket does not take them at once). */
void conn_send(
    struct conn *c, const void *head, size_t head_len, const void *body, size_t body_len);
/* Adds a piece of a streamed answer, framed as the head promised; it leaves when the turn ends. */
void conn_stream(struct conn *c, const void *bytes, size_t n);
/* The answer comes before the request is read whole: the rest of it is not waited for, and the
 * connection closes after the answer. */
void conn_stop_reading(struct conn *c);
/* The present answer is complete: the next request may come, or the connection closes. */
void conn_finish(struct conn *c);
/* The present answer cannot be completed: what was queued is sent, then the connection is closed
 * without the end that its framing promised. */
void conn_break(struct conn *c);
/* Closes at once; the request, if any, learns of it. */
void conn_close(struct conn *c);

/* Looks at the connections that have output or input waiting, and frees the dead. */
void conn_turn_end(struct worker *w);
/* To be asked when the head of an answer is written: whether the connection ends behind it. While
 * the worker drains it does, and the answer says so; without that word no connection is closed on
 * which a request may be on its way. */
bool conn_ends_here(struct conn *c);
/* worker.hurried was set: connections without a request are closed soon, not after
 * limits.idle_timeout_ms. */
void conn_hurry_all(struct worker *w);
/* The time to drain is over: requests that have not come whole are answered so. */
void conn_drain_over(struct worker *w);
