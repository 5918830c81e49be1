// SPDX-License-Identifier: MIT
/*
 * Log-linear histograms of microseconds (layout: shm.h). One process records, others add up copies.
 * A quantile is the middle of the bucket that holds it, so below 2^HIST_OCTAVES µs it is wrong by
 * at most 1/32 of the true value, and exact below 16 µs.
 */
#pragma once

#include "common/shm.h"

/* A sum of histograms, private to whoever adds it up. */
struct histogram_sum {
	uint64_t count, sum_us;
	uint64_t buckets[HIST_BUCKETS];
};

static inline unsigned
histogram_bucket(uint64_t us)
{
	unsigned octave;

	if (us < (1u << HIST_SUB_BITS))
		return (unsigned)us;
	if (us >> HIST_OCTAVES)
		return HIST_BUCKETS - 1;
	octave = 63 - (unsigned)__builtin_clzll(us) - HIST_SUB_BITS;
	/* The leading bit of the shifted value is 2^HIST_SUB_BITS, which counts this octave in. */
	return (octave << HIST_SUB_BITS) + (unsigned)(us >> octave);
}

/* By the histogram's one writer. */
static inline void
histogram_record(struct histogram *h, uint64_t us)
{
	tally_add(&h->buckets[histogram_bucket(us)], 1);
	tally_add(&h->sum_us, us);
	tally_add(&h->count, 1);
}

/* The smallest value of a bucket; for HIST_BUCKETS the first value beyond the last bucket. */
uint64_t histogram_low_us(unsigned bucket);
/* Adds what a histogram holds now to a sum. */
void histogram_add(struct histogram_sum *sum, const struct histogram *h);
/* Adds one histogram to another, of which the caller is the one writer. */
void histogram_fold(struct histogram *into, const struct histogram *from);
/* The value below or at which a share of `q` (0..1) of all values lies; 0 when there are none. */
uint64_t histogram_quantile_us(const struct histogram_sum *sum, double q);
