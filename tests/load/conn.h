// SPDX-License-Identifier: MIT
/*
 * One client connection: connects when it is given a request, sends it, reads the answer, leaves it
 * early if asked to, and stays open for the next. It never decides what is sent next: run.c does.
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/load/answer.h"
#include "tests/load/request.h"

struct run;

enum conn_state {
	CONN_CLOSED,
	CONN_RESTING, /* after a failure, until rest_until_us */
	CONN_CONNECTING,
	CONN_SENDING,
	CONN_WAITING, /* for the answer or its rest */
	CONN_IDLE,
};

struct conn {
	struct run *run;
	enum conn_state state;
	int fd;
	unsigned slot;	   /* place in the run's list of idle connections */
	unsigned requests; /* begun on this socket */
	bool leaving;	   /* this request is to be left early */
	uint64_t due_us, start_us, first_us, left_us, last_event_us, rest_until_us;
	struct event on_read, on_write, on_leave;
	struct request request;
	struct answer answer;
};

void conn_init(struct conn *c, struct run *run);
void conn_free(struct conn *c);
/* Begins a request; the connection is closed or idle. The end is reported by run_on_end(). */
void conn_start(struct conn *c, uint64_t number, uint64_t due_us, uint64_t now_us);
/* Ends the request under way with this verdict and closes the connection. */
void conn_expire(struct conn *c, enum verdict verdict, uint64_t now_us);
