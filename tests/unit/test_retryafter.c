// SPDX-License-Identifier: MIT
/* Tests of worker/retryafter.c: every form of a wish to wait, and what only looks like one. */
#include "worker/retryafter.h"

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WALL_MS INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define DAY_MS	RETRYAFTER_MAX_MS

struct text_case {
	const char *text;
	int64_t wall_ms, expected_ms;
};

static const struct text_case headers[] = {
	{ "0", WALL_MS, 0 },
	{ "1", WALL_MS, 1000 },
	{ "120", WALL_MS, 120000 },
	{ " \t7 ", WALL_MS, 7000 },
	{ "007", WALL_MS, 7000 },
	{ "1.5", WALL_MS, 1500 },
	{ ".25", WALL_MS, 250 },
	{ "2.", WALL_MS, 2000 },
	{ "0.0004", WALL_MS, 1 },
	{ "1.0010000001", WALL_MS, 1002 },
	{ "1.00000000000000000000", WALL_MS, 1000 },
	{ "86400", WALL_MS, DAY_MS },
	{ "86401", WALL_MS, DAY_MS },
	{ "99999999999999999999999999999999", WALL_MS, DAY_MS },
	{ "18446744073709551617", WALL_MS, DAY_MS },
	{ "", WALL_MS, -1 },
	{ " ", WALL_MS, -1 },
	{ ".", WALL_MS, -1 },
	{ "-1", WALL_MS, -1 },
	{ "+1", WALL_MS, -1 },
	{ "1s", WALL_MS, -1 },
	{ "1 2", WALL_MS, -1 },
	{ "1,5", WALL_MS, -1 },
	{ "1.2.3", WALL_MS, -1 },
	{ "1e3", WALL_MS, -1 },
	{ "0x10", WALL_MS, -1 },
	{ "inf", WALL_MS, -1 },
	{ "nan", WALL_MS, -1 },
	{ "soon", WALL_MS, -1 },

	{ "Sun, 06 Nov 1994 08:49:37 GMT", WALL_MS, 0 },
	{ "Sun, 06 Nov 1994 08:49:47 GMT", WALL_MS, 10000 },
	{ "Sun, 06 Nov 1994 08:49:47 GMT", WALL_MS + 250, 9750 },
	{ "Sun, 06 Nov 1994 08:49:36 GMT", WALL_MS, 0 },
	{ "Mon, 07 Nov 1994 08:49:37 GMT", WALL_MS, DAY_MS },
	{ "Fri, 31 Dec 9999 23:59:60 GMT", WALL_MS, DAY_MS },
	{ "Sunday, 06-Nov-94 08:49:47 GMT", WALL_MS, 10000 },
	{ "Sun Nov  6 08:49:47 1994", WALL_MS, 10000 },
	{ "Sun Nov 06 08:49:47 1994", WALL_MS, 10000 },
	{ "Thu, 29 Feb 2024 00:00:01 GMT", INT64_C(1709164800000), 1000 },
	{ "Thu, 01 Jan 1970 00:00:05 GMT", 0, 5000 },
	/* A year of two digits: the nearest one. */
	{ "Saturday, 01-Jan-00 00:00:01 GMT", INT64_C(946684799000), 2000 },
	{ "Tuesday, 05-Jan-26 00:00:01 GMT", INT64_C(1767571200000), 1000 },
	{ "Saturday, 01-Jan-00 00:00:01 GMT", INT64_C(946684800000), 1000 },
	{ "Friday, 31-Dec-99 00:00:00 GMT", INT64_C(1767571200000), 0 },
	{ "Friday, 31-Dec-75 00:00:00 GMT", INT64_C(1767571200000), DAY_MS },

	{ "Thu, 29 Feb 2023 00:00:00 GMT", WALL_MS, -1 },
	{ "Sun, 00 Nov 1994 08:49:37 GMT", WALL_MS, -1 },
	{ "Sun, 31 Nov 1994 08:49:37 GMT", WALL_MS, -1 },
	{ "Sun, 06 Nov 1994 24:00:00 GMT", WALL_MS, -1 },
	{ "Sun, 06 Nov 1994 08:60:00 GMT", WALL_MS, -1 },
	{ "Sun, 06 Nov 1994 08:49:61 GMT", WALL_MS, -1 },
	{ "Sun, 06 Nov 1994 08:49:37 CET", WALL_MS, -1 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT+1", WALL_MS, -1 },
	{ "Sun, 06 Nov 1994 08:49:37", WALL_MS, -1 },
	{ "Sun, 6 Nov 1994 08:49:37 GMT", WALL_MS, -1 },
	{ "Xyz, 06 Nov 1994 08:49:37 GMT", WALL_MS, -1 },
	{ "Sun, 06 Foo 1994 08:49:37 GMT", WALL_MS, -1 },
	{ "Sun,06 Nov 1994 08:49:37 GMT", WALL_MS, -1 },
	{ "Sun, -6 Nov 1994 08:49:37 GMT", WALL_MS, -1 },
	{ "Sun Nov  6 08:49:37 94", WALL_MS, -1 },
	{ "1994-11-06T08:49:37Z", WALL_MS, -1 },
};

/* A copy without the terminating NUL, so that a read behind the end is found. */
static int64_t
parse(const struct text_case *c, bool in_ms)
{
	char copy[64];
	size_t n = strlen(c->text);

	memset(copy, '9', sizeof(copy));
	memcpy(copy, c->text, n);
	return in_ms ? retryafter_parse_ms(copy, n) : retryafter_parse(copy, n, c->wall_ms);
}

static void
check(const struct text_case *c, bool in_ms)
{
	int64_t got = parse(c, in_ms);

	if (got != c->expected_ms) {
		printf("\n    \"%s\": %lld", c->text, (long long)got);
		CU_FAIL("another time than expected");
	}
}

static void
test_header(void)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		check(&headers[i], false);
}

static void
test_header_ms(void)
{
	static const struct text_case cases[] = {
		{ "0", 0, 0 },
		{ "250", 0, 250 },
		{ "249.2", 0, 250 },
		{ "0.00001", 0, 1 },
		{ "86400001", 0, DAY_MS },
		{ "99999999999999999999", 0, DAY_MS },
		{ "", 0, -1 },
		{ "-5", 0, -1 },
		{ "5ms", 0, -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 0, -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i], true);
}

void suite_retryafter(void);

void
suite_retryafter(void)
{
	CU_pSuite suite = CU_add_suite("retryafter", NULL, NULL);

	CU_add_test(suite, "Retry-After", test_header);
	CU_add_test(suite, "retry-after-ms", test_header_ms);
}
