// SPDX-License-Identifier: MIT
/* Percentiles; see hist.h. */
#include "tests/load/hist.h"

static unsigned
bucket_of(uint64_t value)
{
	unsigned top;

	if (value < 1 << HIST_FINE_BITS)
		return (unsigned)value;
	if (value >> HIST_TOP_BIT != 0)
		return HIST_SIZE - 1;
	top = 63 - (unsigned)__builtin_clzll(value) - HIST_FINE_BITS;
	return ((top + 1) << HIST_FINE_BITS) +
	       (unsigned)((value >> top) & ((1 << HIST_FINE_BITS) - 1));
}

/* The middle of a bucket. */
static uint64_t
value_of(unsigned bucket)
{
	unsigned top = bucket >> HIST_FINE_BITS;
	uint64_t fine = bucket & ((1 << HIST_FINE_BITS) - 1);

	if (top == 0)
		return fine;
	return ((((uint64_t)1 << HIST_FINE_BITS) + fine) << (top - 1)) +
	       ((uint64_t)1 << (top - 1)) / 2;
}

void
hist_add(struct hist *h, uint64_t value)
{
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
	h->buckets[bucket_of(value)]++;
}

uint64_t
hist_quantile(const struct hist *h, double share)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)h->count * share);
	unsigned i;

	if (h->count == 0)
		return 0;
	if (wanted >= h->count)
		return h->max;
	for (i = 0; seen <= wanted; i++)
		seen += h->buckets[i];
	return value_of(i - 1) < h->max ? value_of(i - 1) : h->max;
}
