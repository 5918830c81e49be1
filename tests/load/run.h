// SPDX-License-Identifier: MIT
/*
 * A run: when requests are due, which connection takes each, and when it is over. In a closed loop
 * every free connection takes the next request at once; in an open loop the clock alone says when
 * one is due, and an arrival waits if no connection is free. Every run ends: by count, by time, or
 * after the time left for draining.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/load/conn.h"
#include "tests/load/options.h"
#include "tests/load/summary.h"

struct run {
	const struct options *options;
	const struct target *target;
	const struct request_template *template;
	struct record_log *log;
	struct summary *summary;
	struct event_base *base;
	struct event *tick, *arrival, *interrupt, *terminate;
	struct conn *conns;
	struct conn **idle, **closed; /* free connections, the last one freed on top */
	unsigned n_conns, n_idle, n_closed, n_released, n_busy, n_resting, ticks;
	uint64_t begin_us, measure_us, end_us, stopped_us, next_due_us;
	uint64_t taken; /* requests given to connections */
	uint64_t dice;
	bool stopping, measured;
};

/* Runs to the end. The options, target and so on have been set; the rest is zero. */
int run_all(struct run *r, struct err *e) MUST_CHECK;

/* From connections: a request ended; the connection can take another (or rests); an idle one is
 * about to be closed. */
void run_on_end(struct run *r, const struct record *record);
void run_on_free(struct run *r, struct conn *c, uint64_t now_us);
void run_on_idle_close(struct run *r, struct conn *c);
