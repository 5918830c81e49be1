// SPDX-License-Identifier: MIT
/* Times as people read them; the monotonic clock. */
#include "common/clock.h"

#include <CUnit/CUnit.h>
#include <string.h>

void suite_clock(void);

static void
test_iso(void)
{
	static const struct {
		uint64_t wall_us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 999, "1970-01-01T00:00:00.000Z" },
		{ 1000, "1970-01-01T00:00:00.001Z" },
		{ 1795439469123456, "2026-11-23T13:11:09.123Z" },
		{ 951782399999999, "2000-02-28T23:59:59.999Z" },
		{ 951782400000000, "2000-02-29T00:00:00.000Z" },
		{ 4107542399000000, "2100-02-28T23:59:59.000Z" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[CLOCK_ISO_BYTES];

		clock_iso(cases[i].wall_us, out);
		CU_ASSERT_STRING_EQUAL(out, cases[i].text);
	}
}

/* However far the clock is off, the text keeps its 24 characters. */
static void
test_iso_keeps_its_length(void)
{
	static const uint64_t far[] = { UINT64_MAX, UINT64_MAX / 2, 253402300800000000 };

	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		char out[CLOCK_ISO_BYTES];

		clock_iso(far[i], out);
		CU_ASSERT_EQUAL(strlen(out), CLOCK_ISO_BYTES - 1);
		CU_ASSERT_EQUAL(out[10], 'T');
		CU_ASSERT_EQUAL(out[23], 'Z');
	}
}

static void
test_monotonic(void)
{
	uint64_t last = clock_mono_us();

	for (unsigned i = 0; i < 10000; i++) {
		uint64_t now = clock_mono_us();

		CU_ASSERT_FATAL(now >= last);
		last = now;
	}
}

void
suite_clock(void)
{
	CU_pSuite s = CU_add_suite("clock", NULL, NULL);

	CU_add_test(s, "iso", test_iso);
	CU_add_test(s, "iso keeps its length", test_iso_keeps_its_length);
	CU_add_test(s, "monotonic", test_monotonic);
}
