// SPDX-License-Identifier: MIT
/*
 * What is known of one request when it has ended, and the log with a line for each. The log is
 * written in large pieces, so that logging does not slow the load.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "tests/load/answer.h"

/* Times are microseconds of the monotonic clock; 0: it did not come to that. */
struct record {
	const char *id, *key;
	enum verdict verdict;
	struct answer *answer;
	uint64_t due_us;   /* when it was to be sent; latency counts from here */
	uint64_t start_us; /* when its connection was ready and it was sent */
	uint64_t first_us; /* first byte of the answer */
	uint64_t end_us;   /* end of the answer, or of the attempt */
	uint64_t left_us;  /* when the generator left it */
	bool reused;	   /* not the first request of its connection */
};

struct record_log {
	int fd; /* -1: none */
	bool json;
	uint64_t dropped;	/* lines lost: disk or memory full */
	int64_t wall_offset_us; /* from the monotonic to the wall clock */
	struct buf out;
};

int record_log_open(struct record_log *l, const char *path, struct err *e) MUST_CHECK;
void record_log_add(struct record_log *l, const struct record *r);
void record_log_close(struct record_log *l);
