// SPDX-License-Identifier: MIT
/*
 * The command line of the load generator as one struct, filled from one table. Everything that
 * could run for ever has a bound here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

#define HEADERS_ADDED_MAX 16
#define WATCH_MAX	  64

enum leave_when {
	LEAVE_NEVER,
	LEAVE_HEAD_SENT,
	LEAVE_SENT,
	LEAVE_FIRST_BYTE,
	LEAVE_CHUNKS,
	LEAVE_MS
};
enum leave_how { LEAVE_FIN, LEAVE_RST, LEAVE_HALF, LEAVE_SILENT };

struct options {
	const char *url, *path, *model, *key_prefix, *id_prefix, *log_path, *body_file;
	const char *headers[HEADERS_ADDED_MAX];
	unsigned n_headers;
	bool stream, json, poisson, close_each, strict, help, self_test;
	uint64_t connections, requests, streams, body_bytes, key_count, seed;
	uint64_t duration_us, warmup_us, timeout_us, drain_us, ramp_us;
	double rate; /* requests a second; 0: closed loop */
	enum leave_when leave_when;
	enum leave_how leave_how;
	uint64_t leave_count; /* chunks, or milliseconds */
	uint64_t leave_every; /* leave each n-th request */
	pid_t watch[WATCH_MAX];
	unsigned n_watch;
};

/* Fills `o` with the defaults and what the arguments say. */
int options_parse(struct options *o, int argc, char **argv, struct err *e) MUST_CHECK;
void options_help(void);
