// SPDX-License-Identifier: MIT
/* Buckets cover all values without gap or overlap; quantiles against exact ones. */
#include "common/histogram.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void suite_histogram(void);

#define VALUES 20000

static uint64_t seed;

static uint64_t
next_random(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 11;
}

static void
test_buckets(void)
{
	CU_ASSERT_EQUAL(histogram_low_us(0), 0);
	CU_ASSERT_EQUAL(histogram_low_us(HIST_BUCKETS), 1ull << HIST_OCTAVES);
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		uint64_t low = histogram_low_us(i), next = histogram_low_us(i + 1);

		CU_ASSERT_FATAL(low < next);
		CU_ASSERT_EQUAL(histogram_bucket(low), i);
		CU_ASSERT_EQUAL(histogram_bucket(next - 1), i);
		/* At most 1/16 wide, and exact where that would be less than 1. */
		CU_ASSERT(low < 16 ? next - low == 1 : (next - low) * 16 <= low);
	}
	CU_ASSERT_EQUAL(histogram_bucket(1ull << HIST_OCTAVES), HIST_BUCKETS - 1);
	CU_ASSERT_EQUAL(histogram_bucket(UINT64_MAX), HIST_BUCKETS - 1);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t
uniform(void)
{
	return next_random() % 1000000;
}

static uint64_t
small(void)
{
	return next_random() % 16;
}

static uint64_t
constant(void)
{
	return 31415926;
}

/* Over all octaves. */
static uint64_t
wide(void)
{
	return (uint64_t)exp2((double)(next_random() % 36000) / 1000);
}

static uint64_t
two_peaks(void)
{
	return next_random() % 10 == 0 ? 9000000 + next_random() % 1000 : 800 + next_random() % 50;
}

static void
check_quantiles(const struct histogram *h, const uint64_t *sorted, size_t n)
{
	static const double qs[] = { 0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1 };
	struct histogram_sum sum = { 0 };

	histogram_add(&sum, h);
	CU_ASSERT_EQUAL(sum.count, n);
	for (size_t i = 0; i < sizeof(qs) / sizeof(qs[0]); i++) {
		size_t rank = (size_t)ceil(qs[i] * (double)n);
		uint64_t exact = sorted[rank > 0 ? rank - 1 : 0];
		uint64_t got = histogram_quantile_us(&sum, qs[i]);
		uint64_t wrong = got > exact ? got - exact : exact - got;

		CU_ASSERT(wrong * 32 <= exact);
	}
}

static void
test_quantiles(void)
{
	static uint64_t (*const kinds[])(void) = { uniform, small, constant, wide, two_peaks };
	uint64_t *values = calloc(VALUES, sizeof(*values));

	CU_ASSERT_PTR_NOT_NULL_FATAL(values);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		static const size_t counts[] = { 1, 2, 3, 7, 100, 999, VALUES };

		for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
			struct histogram h;

			memset(&h, 0, sizeof(h));
			for (size_t i = 0; i < counts[c]; i++) {
				values[i] = kinds[k]();
				histogram_record(&h, values[i]);
			}
			qsort(values, counts[c], sizeof(*values), compare);
			check_quantiles(&h, values, counts[c]);
		}
	}
	free(values);
}

static void
test_empty(void)
{
	struct histogram_sum sum = { .count = 7, .sum_us = 1 };

	/* A count without buckets is what a torn or hostile slot shows. */
	CU_ASSERT_EQUAL(histogram_quantile_us(&sum, 0.5), 0);
}

/* Two folded histograms say what one that saw all values says. */
static void
test_fold(void)
{
	static struct histogram both, one, other;
	struct histogram_sum a = { 0 }, b = { 0 };

	for (unsigned i = 0; i < VALUES; i++) {
		uint64_t us = wide();

		histogram_record(&both, us);
		histogram_record(i % 3 == 0 ? &one : &other, us);
	}
	histogram_fold(&one, &other);
	histogram_add(&a, &both);
	histogram_add(&b, &one);
	CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof(a)), 0);
}

void
suite_histogram(void)
{
	CU_pSuite s = CU_add_suite("histogram", NULL, NULL);

	CU_add_test(s, "buckets", test_buckets);
	CU_add_test(s, "quantiles", test_quantiles);
	CU_add_test(s, "empty", test_empty);
	CU_add_test(s, "fold", test_fold);
}
