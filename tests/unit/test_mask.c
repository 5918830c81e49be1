// SPDX-License-Identifier: MIT
/* Text from outside: keys are masked, control bytes and broken UTF-8 never come through. */
#include "common/mask.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void suite_mask(void);

static void
test_secrets(void)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "nothing to hide here", "nothing to hide here" },
		{ "sk-abcdefghijkl", "sk-…" },
		{ "Incorrect API key provided: sk-proj-12345678. See",
		    "Incorrect API key provided: sk-… See" },
		{ "key sk-abcd***************wxyz, sir", "key sk-…, sir" },
		{ "hs_0123456789abcdef", "hs_…" },
		{ "(key-0123456789ab)", "(key…)" },
		{ "Authorization: Bearer abcdefgh.ijkl-mnop", "Authorization: Bearer abc…" },
		{ "bearer sk-0123456789abc next", "bearer sk-… next" },
		{ "SK-ABCDEFGHIJKL", "SK-…" },
		{ "url?key=AIzaSyA1234567890&x=1", "url?key=AIz…&x=1" },
		{ "two: sk-aaaaaaaaaaaa sk-bbbbbbbbbbbb", "two: sk-… sk-…" },
		{ "sk-short", "sk-short" },
		{ "sk-12345678", "sk-12345678" },
		{ "sk-123456789", "sk-…" },
		{ "task-management-system", "task-management-system" },
		{ "Bearer token", "Bearer token" },
		{ "Bearer", "Bearer" },
		{ "Bearer ", "Bearer " },
		{ "\"sk-abcdefghijkl\"", "\"sk-…\"" },
		{ "model hs_x is unknown", "model hs_x is unknown" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		size_t n = strlen(cases[i][0]), out;

		memcpy(text, cases[i][0], n);
		out = mask_secrets(text, n);
		text[out] = '\0';
		CU_ASSERT(out <= n);
		CU_ASSERT_STRING_EQUAL(text, cases[i][1]);
		if (strcmp(text, cases[i][1]) != 0)
			printf("\n%s -> %s\n", cases[i][0], text);
	}
}

static void
test_printable(void)
{
	static const struct {
		const char *in;
		size_t n, cap;
		const char *out;
	} cases[] = {
		{ "plain", 5, 64, "plain" },
		{ "  a \r\n\t b  ", 11, 64, "a b" },
		{ "a\0b", 3, 64, "a b" },
		{ "\x1b[31mred\x7f", 9, 64, "[31mred" },
		{ "a\xc2\x9b"
		  "b",
		    4, 64, "a b" },
		{ "a\xff"
		  "b",
		    3, 64,
		    "a\xef\xbf\xbd"
		    "b" },
		{ "\xe4\xbd\xa0\xe5\xa5\xbd", 6, 64, "\xe4\xbd\xa0\xe5\xa5\xbd" },
		{ "\xe4\xbd\xa0\xe5\xa5\xbd", 6, 6, "\xe4\xbd\xa0" },
		{ "\xe4\xbd\xa0\xe5\xa5\xbd", 6, 7, "\xe4\xbd\xa0\xe5\xa5\xbd" },
		{ "abc", 3, 4, "abc" },
		{ "abc", 3, 3, "ab" },
		{ "abc", 3, 1, "" },
		{ "a b", 3, 3, "a" },
		{ "", 0, 1, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[64];

		CU_ASSERT_EQUAL(mask_printable(out, cases[i].cap, cases[i].in, cases[i].n),
		    strlen(cases[i].out));
		CU_ASSERT_STRING_EQUAL(out, cases[i].out);
	}
}

void
suite_mask(void)
{
	CU_pSuite s = CU_add_suite("mask", NULL, NULL);

	CU_add_test(s, "secrets", test_secrets);
	CU_add_test(s, "printable", test_printable);
}
