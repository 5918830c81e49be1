// SPDX-License-Identifier: MIT
/* What the three files of a connection share: conn.c (life, events, deadlines), conn_in.c (bytes
 * from the client), conn_out.c (bytes to it). Nobody else includes this. */
#pragma once

#include "common/clock.h"
#include "worker/conn.h"

#define BODY_CHECK_US (5 * (uint64_t)US_PER_S) /* between two looks at a body's rate */

/* conn.c */
void conn_rearm(struct conn *c);      /* waits for what the state of the connection asks for */
void conn_set_idle(struct conn *c);   /* ready for the first byte of a request */
void conn_mark_dirty(struct conn *c); /* conn_turn_end() shall look at it */

/* The next look at the body that is coming: at its rate, or at the end of its time. */
void conn_set_body_deadline(struct conn *c, uint64_t now_us);

/* conn_in.c */
void conn_read(struct conn *c);		   /* the socket is readable */
void conn_pump(struct conn *c);		   /* looks at what came while a request was at work */
bool conn_must_wait(const struct conn *c); /* no further request may begin now */
/* Answers bytes that never became a request, and closes. */
void conn_refuse(struct conn *c, unsigned status, const char *code, const char *text);

/* conn_out.c */
void conn_flush(struct conn *c); /* sends what is queued as far as the socket takes it */
void conn_set_stall_clock(struct conn *c);
