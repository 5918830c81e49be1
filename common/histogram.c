// SPDX-License-Identifier: MIT
/*
 * Sums and quantiles of histograms, see histogram.h. Pure. A histogram may change while it is read,
 * so a quantile goes by the buckets it has seen and never by `count`.
 */
#include "common/histogram.h"

#include <assert.h>

uint64_t
histogram_low_us(unsigned bucket)
{
	const unsigned subs = 1u << HIST_SUB_BITS;

	assert(bucket <= HIST_BUCKETS);
	if (bucket < 2 * subs)
		return bucket;
	return (uint64_t)(subs + bucket % subs) << (bucket / subs - 1);
}

void
histogram_add(struct histogram_sum *sum, const struct histogram *h)
{
	sum->count += tally_get(&h->count);
	sum->sum_us += tally_get(&h->sum_us);
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		sum->buckets[i] += tally_get(&h->buckets[i]);
}

void
histogram_fold(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		tally_add(&into->buckets[i], tally_get(&from->buckets[i]));
	tally_add(&into->sum_us, tally_get(&from->sum_us));
	tally_add(&into->count, tally_get(&from->count));
}

uint64_t
histogram_quantile_us(const struct histogram_sum *sum, double q)
{
	uint64_t total = 0, below = 0, rank;
	unsigned i;

	assert(q >= 0 && q <= 1);
	for (i = 0; i < HIST_BUCKETS; i++)
		total += sum->buckets[i];
	if (total == 0)
		return 0;
	/* The rank-th smallest value, counted from 1, is the one that is asked for. */
	rank = (uint64_t)(q * (double)total);
	if ((double)rank < q * (double)total || rank == 0)
		rank++;
	for (i = 0; i < HIST_BUCKETS - 1; i++) {
		below += sum->buckets[i];
		if (below >= rank)
			break;
	}
	return (histogram_low_us(i) + histogram_low_us(i + 1) - 1) / 2;
}
