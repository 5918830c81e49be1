// SPDX-License-Identifier: MIT
/* Tests of worker/route.c: who decides in which case, cohorts that only grow, shares as ordered,
 * and buckets as they have always been. */
#include "worker/route.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/hash.h"

#define LOW  UINT64_C(0) /* as a random number: bucket 0 */
#define HIGH UINT64_MAX	 /* bucket 9999 */

static const struct {
	const char *what;
	struct route_input in;
	enum arm arm;
	enum route_reason reason;
	bool pinned;
} cases[] = {
	{ "key inside the share",
	    { .share_bp = 1000, .has_candidate = true, .has_key = true, .key_hash = 999 },
	    ARM_CANDIDATE, ROUTE_STICKY, false },
	{ "key at the edge",
	    { .share_bp = 1000, .has_candidate = true, .has_key = true, .key_hash = 1000 },
	    ARM_STABLE, ROUTE_STICKY, false },
	{ "key beats random",
	    { .share_bp = 1000,
		.has_candidate = true,
		.has_key = true,
		.key_hash = 70000,
		.random = HIGH },
	    ARM_CANDIDATE, ROUTE_STICKY, false },
	{ "random low", { .share_bp = 1, .has_candidate = true, .random = LOW }, ARM_CANDIDATE,
	    ROUTE_RANDOM, false },
	{ "random high", { .share_bp = 9999, .has_candidate = true, .random = HIGH }, ARM_STABLE,
	    ROUTE_RANDOM, false },
	{ "share 0", { .share_bp = 0, .has_candidate = true, .random = LOW }, ARM_STABLE,
	    ROUTE_RANDOM, false },
	{ "share 100", { .share_bp = 10000, .has_candidate = true, .random = HIGH }, ARM_CANDIDATE,
	    ROUTE_RANDOM, false },
	{ "no candidate", { .share_bp = 10000 }, ARM_STABLE, ROUTE_NO_CANDIDATE, false },
	{ "stable only", { .share_bp = 10000, .has_candidate = true, .stable_only = true },
	    ARM_STABLE, ROUTE_STABLE_ONLY, false },
	{ "rolled back beats a share",
	    { .share_bp = 10000, .has_candidate = true, .rolled_back = true }, ARM_STABLE,
	    ROUTE_RANDOM, false },
	{ "pin at share 0",
	    { .has_candidate = true, .pin = ROUTE_PIN_CANDIDATE, .may_pin = true, .random = HIGH },
	    ARM_CANDIDATE, ROUTE_PINNED, true },
	{ "pin during a rollout",
	    { .share_bp = 10000, .has_candidate = true, .pin = ROUTE_PIN_STABLE, .may_pin = true },
	    ARM_STABLE, ROUTE_PINNED, true },
	{ "pin after a rollback",
	    { .has_candidate = true,
		.rolled_back = true,
		.pin = ROUTE_PIN_CANDIDATE,
		.may_pin = true },
	    ARM_STABLE, ROUTE_PIN_REFUSED, false },
	{ "pin to stable after a rollback",
	    { .has_candidate = true,
		.rolled_back = true,
		.pin = ROUTE_PIN_STABLE,
		.may_pin = true },
	    ARM_STABLE, ROUTE_PINNED, true },
	{ "pin without a candidate", { .pin = ROUTE_PIN_CANDIDATE, .may_pin = true }, ARM_STABLE,
	    ROUTE_PIN_REFUSED, false },
	{ "pin of what is for stable only",
	    { .share_bp = 10000,
		.has_candidate = true,
		.stable_only = true,
		.pin = ROUTE_PIN_CANDIDATE,
		.may_pin = true },
	    ARM_STABLE, ROUTE_PIN_REFUSED, false },
	{ "pin without the right, outside the share",
	    { .share_bp = 5000, .has_candidate = true, .pin = ROUTE_PIN_CANDIDATE, .random = HIGH },
	    ARM_STABLE, ROUTE_PIN_DENIED, false },
	{ "pin without the right, inside the share",
	    { .share_bp = 5000, .has_candidate = true, .pin = ROUTE_PIN_STABLE, .random = LOW },
	    ARM_CANDIDATE, ROUTE_PIN_DENIED, false },
	{ "pin without the right, no candidate", { .share_bp = 5000, .pin = ROUTE_PIN_CANDIDATE },
	    ARM_STABLE, ROUTE_NO_CANDIDATE, false },
};

static void
test_cases(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_decision d = route_decide(&cases[i].in);

		if (d.arm != cases[i].arm || d.reason != cases[i].reason ||
		    d.pinned != cases[i].pinned) {
			printf("\n    %s: arm %d, %s, pinned %d", cases[i].what, d.arm,
			    route_reason_name(d.reason), d.pinned);
			CU_FAIL("another decision than expected");
		}
	}
}

/* Computed apart from this program, in another language. A change here moves users from one model
 * to the other: the numbers may never be adapted to the code. */
static const struct {
	const char *release, *candidate, *salt, *key;
	uint16_t bucket;
} buckets[] = {
	{ "gpt-4.1", "gpt-4.1-new", "", "u1", 8442 },
	{ "gpt-4.1", "gpt-4.1-new", "", "user-42", 9068 },
	{ "gpt-4.1", "gpt-4.1-new", "", "", 6673 },
	{ "gpt-4.1", "gpt-4.1-new", "", "9c2f4e1a-7b55-4b0e-8f2e-2f6d7c1b0a99", 5229 },
	{ "gpt-4.1", "gpt-4.1-new", "autumn", "u1", 2777 },
	{ "gpt-4.1", "gpt-4.1-new", "autumn", "user-42", 2051 },
	{ "gpt-4.1", "gpt-4.1-new", "autumn", "", 92 },
	{ "gpt-4.1", "gpt-4.1-new", "autumn", "9c2f4e1a-7b55-4b0e-8f2e-2f6d7c1b0a99", 4983 },
	{ "gpt-4.1", "gpt-5-mini", "", "u1", 7194 },
	{ "gpt-4.1", "gpt-5-mini", "", "user-42", 1458 },
	{ "gpt-4.1", "gpt-5-mini", "", "", 5310 },
	{ "gpt-4.1", "gpt-5-mini", "", "9c2f4e1a-7b55-4b0e-8f2e-2f6d7c1b0a99", 8764 },
	{ "claude", "claude-next", "", "u1", 6434 },
	{ "claude", "claude-next", "", "user-42", 4847 },
	{ "claude", "claude-next", "", "", 2891 },
	{ "claude", "claude-next", "", "9c2f4e1a-7b55-4b0e-8f2e-2f6d7c1b0a99", 4461 },
	{ "chat", "deepseek-chat",
	    "s\xc3"
	    "\xa4"
	    "ltz",
	    "u1", 4916 },
	{ "chat", "deepseek-chat",
	    "s\xc3"
	    "\xa4"
	    "ltz",
	    "user-42", 3739 },
	{ "chat", "deepseek-chat",
	    "s\xc3"
	    "\xa4"
	    "ltz",
	    "", 1125 },
	{ "chat", "deepseek-chat",
	    "s\xc3"
	    "\xa4"
	    "ltz",
	    "9c2f4e1a-7b55-4b0e-8f2e-2f6d7c1b0a99", 1056 },
};

static uint64_t
hash_of(const char *release, const char *candidate, const char *salt, const char *text)
{
	struct hash_key key;

	hash_key_route(&key, release, candidate, salt);
	return hash64(&key, text, strlen(text));
}

static void
test_buckets_for_ever(void)
{
	for (size_t i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
		struct route_input in = { .has_candidate = true, .has_key = true };

		in.key_hash = hash_of(
		    buckets[i].release, buckets[i].candidate, buckets[i].salt, buckets[i].key);
		CU_ASSERT_EQUAL(route_decide(&in).bucket, buckets[i].bucket);
	}
}

/* While the share rises by every hundredth of a percent, a key moves once, to the candidate. */
static void
test_cohort_only_grows(void)
{
	char text[32];

	for (int user = 0; user < 300; user++) {
		struct route_input in = { .has_candidate = true, .has_key = true };
		int moves = 0;
		enum arm before = ARM_STABLE, now;

		snprintf(text, sizeof(text), "user-%d", user);
		in.key_hash = hash_of("chat", "new", "", text);
		for (unsigned share = 0; share <= 10000; share++) {
			in.share_bp = (uint16_t)share;
			now = route_decide(&in).arm;
			moves += now != before;
			before = now;
		}
		CU_ASSERT_EQUAL(moves, 1);
		CU_ASSERT_EQUAL(before, ARM_CANDIDATE);
	}
}

static bool
within_5_sigma(unsigned hits, unsigned n, double p)
{
	return fabs(hits - n * p) <= 5 * sqrt(n * p * (1 - p));
}

/* splitmix64: random enough, and the same in every run. */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void
test_shares(void)
{
	static const uint16_t shares[] = { 1, 50, 1000, 3000, 5000, 9900 };
	const unsigned n = 100000;
	uint64_t state = 7;
	char text[32];

	for (size_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++) {
		unsigned sticky = 0, random = 0;

		for (unsigned i = 0; i < n; i++) {
			struct route_input in = { .share_bp = shares[s], .has_candidate = true };

			in.random = next_random(&state);
			random += route_decide(&in).arm == ARM_CANDIDATE;
			snprintf(text, sizeof(text), "user-%u", i);
			in.has_key = true;
			in.key_hash = hash_of("chat", "new", "", text);
			sticky += route_decide(&in).arm == ARM_CANDIDATE;
		}
		CU_ASSERT_TRUE(within_5_sigma(random, n, shares[s] / 10000.0));
		CU_ASSERT_TRUE(within_5_sigma(sticky, n, shares[s] / 10000.0));
	}
}

/* The first and the last random number of some buckets. */
static void
test_random_is_even(void)
{
	for (unsigned bucket = 1; bucket < HASH_BUCKETS; bucket += 37) {
		unsigned __int128 first = (((unsigned __int128)bucket << 64) + 9999) / 10000;
		struct route_input in = { .has_candidate = true, .random = (uint64_t)first };

		CU_ASSERT_EQUAL(route_decide(&in).bucket, bucket);
		in.random--;
		CU_ASSERT_EQUAL(route_decide(&in).bucket, bucket - 1);
	}
}

static void
test_names(void)
{
	for (unsigned i = 0; i < ROUTE_REASON_COUNT; i++) {
		const char *name = route_reason_name((enum route_reason)i);

		CU_ASSERT_PTR_NOT_NULL_FATAL(name);
		for (unsigned k = 0; k < i; k++)
			CU_ASSERT_STRING_NOT_EQUAL(name, route_reason_name((enum route_reason)k));
	}
}

void suite_route(void);

void
suite_route(void)
{
	CU_pSuite suite = CU_add_suite("route", NULL, NULL);

	CU_add_test(suite, "who decides in which case", test_cases);
	CU_add_test(suite, "buckets stay what they are", test_buckets_for_ever);
	CU_add_test(suite, "a cohort only grows", test_cohort_only_grows);
	CU_add_test(suite, "shares as ordered, within 5 sigma", test_shares);
	CU_add_test(suite, "random numbers spread evenly", test_random_is_even);
	CU_add_test(suite, "every reason has a name of its own", test_names);
}
