// SPDX-License-Identifier: MIT
/*
 * Totals of a run, and how they are shown to people (text) and to scripts (JSON). Counts are of the
 * whole run; latencies and the watched processes are of the measured part, behind the warm-up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/load/hist.h"
#include "tests/load/record.h"
#include "tests/load/watch.h"

#define TALLY_MAX 32

/* Counts by a word; what does not fit is counted under "other". */
struct tally {
	struct {
		char word[ANSWER_FIELD];
		uint64_t count;
	} entries[TALLY_MAX];
	unsigned n;
};

/* Running totals, copied where the measured part begins and ends. */
struct totals {
	uint64_t at_us, requests, events, bytes;
	struct watch watch;
};

struct summary {
	uint64_t verdicts[VERDICT_COUNT];
	uint64_t statuses[600];
	struct tally arms, reasons;
	uint64_t fallbacks, connections, unsolicited;
	struct totals now, first, last; /* the run; begin and end of its measured part */
	bool measuring;
	struct hist latency, first_byte, gap;
};

void summary_add(struct summary *s, const struct record *r);
/* Events that came on a stream, `gap_us` after the ones before them (0: the first). */
void summary_events(struct summary *s, uint32_t n, uint64_t gap_us);
bool summary_all_ok(const struct summary *s);
void summary_print(const struct summary *s);
/* The same as one JSON object and a newline; -1: out of memory. */
int summary_print_json(const struct summary *s) MUST_CHECK;
