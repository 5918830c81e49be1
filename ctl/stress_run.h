// SPDX-License-Identifier: MIT
/*
 * The requests of a stress test: so many at a time until all are sent, the time is over, or
 * somebody interrupts. Over libcurl; nothing of it leaves this file.
 */
#pragma once

#include "common/secret.h"
#include "ctl/stress_prompts.h"
#include "ctl/stress_tally.h"

struct stress_plan {
	const char *url;	  /* of the endpoint */
	const char *unix_path;	  /* NULL: over TCP */
	const struct secret *key; /* NULL: none */
	bool stream, judged;
	uint64_t n, concurrency;
	uint64_t deadline_us; /* clock_mono_us(); UINT64_MAX: none */
	const struct stress_prompts *prompts;
	/* Told now and then how far it is; NULL: nobody wants to know. */
	void (*progress)(void *arg, const struct stress_tally *t);
	void *arg;
};

enum stress_end {
	STRESS_DONE,
	STRESS_INTERRUPTED, /* by SIGINT or SIGTERM */
	STRESS_TIMED_OUT,
	STRESS_UNREACHABLE, /* not one request got an answer; `e` says why */
	STRESS_DENIED	    /* the gateway wants a client key, or another one */
};

enum stress_end stress_run(
    const struct stress_plan *plan, struct stress_tally *t, struct err *e) MUST_CHECK;
