// SPDX-License-Identifier: MIT
/*
 * A histogram of microseconds for percentiles: log-linear, a bucket is at most 1/128 of its value
 * wide, values below 128 are exact.
 */
#pragma once

#include <stdint.h>

#define HIST_FINE_BITS 7
#define HIST_TOP_BIT   40 /* longer than 12 days is counted as that */
#define HIST_SIZE      ((HIST_TOP_BIT - HIST_FINE_BITS + 1) << HIST_FINE_BITS)

struct hist {
	uint64_t count, sum, max;
	uint64_t buckets[HIST_SIZE];
};

void hist_add(struct hist *h, uint64_t value);
/* The value below or at which this share (0..1) of the entries lies; 0 when there are none. */
uint64_t hist_quantile(const struct hist *h, double share);
