// SPDX-License-Identifier: MIT
/* Moments as people write them. */
#include "common/moment.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>

void suite_moment(void);

#define NOW_US UINT64_C(1000000000000000)

static void
test_good(void)
{
	static const struct {
		const char *text;
		uint64_t us;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-24T08:00:00Z", UINT64_C(1795507200000000) },
		{ "2026-11-24t08:00:00z", UINT64_C(1795507200000000) },
		{ "2026-11-24 08:00:00Z", UINT64_C(1795507200000000) },
		{ "2026-11-24T09:30:00+01:30", UINT64_C(1795507200000000) },
		{ "2026-11-24T00:00:00-08:00", UINT64_C(1795507200000000) },
		{ "2026-11-24T08:00:00.25Z", UINT64_C(1795507200250000) },
		{ "2026-11-24T08:00:00.0000019Z", UINT64_C(1795507200000001) },
		{ "2024-02-29T23:59:59Z", UINT64_C(1709251199000000) },
		{ "2000-03-01T00:00:00Z", UINT64_C(951868800000000) },
		{ "+90s", NOW_US + UINT64_C(90000000) },
		{ "+90m", NOW_US + UINT64_C(5400000000) },
		{ "+1h30m", NOW_US + UINT64_C(5400000000) },
		{ "+1d2h3m4s", NOW_US + UINT64_C(93784000000) },
		{ "+36500d", NOW_US + UINT64_C(3153600000000000) },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t us = 7;

		CU_ASSERT_EQUAL(moment_parse(cases[i].text, NOW_US, &us), 0);
		CU_ASSERT_EQUAL(us, cases[i].us);
	}
}

static void
test_bad(void)
{
	static const char *const cases[] = { "", "+", "+5", "+m", "+5x", "+5m2h", "+5m5m", "+0s",
		"+36501d", "+99999999999999999999s", "+-5m", "5m", "now", "2026-11-24",
		"2026-11-24T08:00Z", "2026-11-24T08:00:00", "2026-11-24T08:00:00+0100",
		"2026-11-24T08:00:00Zx", "2026-11-24T08:00:00.Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2026-11-31T00:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24T08:60:00Z",
		"2026-11-24T08:00:61Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
		"2200-01-01T00:00:00Z", "20261124T080000Z" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t us;

		if (moment_parse(cases[i], NOW_US, &us) != -1)
			printf("taken: %s\n", cases[i]);
		CU_ASSERT_EQUAL(moment_parse(cases[i], NOW_US, &us), -1);
	}
}

void
suite_moment(void)
{
	CU_pSuite s = CU_add_suite("moment", NULL, NULL);

	CU_add_test(s, "good", test_good);
	CU_add_test(s, "bad", test_bad);
}
