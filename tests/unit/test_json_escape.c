// SPDX-License-Identifier: MIT
/* Escaping for JSON: the result is valid whatever goes in, and means what went in. */
#include "common/json_escape.h"

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/jscan.h"

void suite_json_escape(void);

#define TEXT(s) s, sizeof(s) - 1

static void
test_table(void)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} cases[] = {
		{ TEXT(""), "" },
		{ TEXT("plain text, nothing to do / here"), "plain text, nothing to do / here" },
		{ TEXT("\"\\\b\t\n\f\r"), "\\\"\\\\\\b\\t\\n\\f\\r" },
		{ TEXT("\0\x01\x1f\x7f"), "\\u0000\\u0001\\u001f\x7f" },
		{ TEXT("\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80"),
		    "\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80" },
		{ TEXT("a\xff"
		       "b"),
		    "a\xef\xbf\xbd"
		    "b" },
		{ TEXT("\xc3"), "\xef\xbf\xbd" },
		{ TEXT("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ TEXT("0123456789abcdef\"0123456789abcdef"),
		    "0123456789abcdef\\\"0123456789abcdef" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		CU_ASSERT_EQUAL(buf_adds(&out, "before "), 0);
		CU_ASSERT_EQUAL(json_escape(&out, cases[i].in, cases[i].n), 0);
		CU_ASSERT_EQUAL_FATAL(buf_len(&out), 7 + strlen(cases[i].out));
		CU_ASSERT_EQUAL(memcmp(buf_bytes(&out) + 7, cases[i].out, strlen(cases[i].out)), 0);
		buf_free(&out);
	}
}

/* Random bytes: always a valid string; random text: unescapes to itself. */
static void
test_random(void)
{
	static const char *const pieces[] = { "a", "\"", "\\", "\n", "\x01", "\xc3\xa9",
		"\xf0\x9f\x98\x80", "sixteen bytes ok" };
	bool valid = true, same = true;

	srand(7);
	for (unsigned round = 0; round < 2000; round++) {
		struct buf in = { 0 }, out = { 0 };
		uint8_t back[1024];
		bool text = round % 2 == 0;
		ptrdiff_t n;

		for (int i = rand() % 40; i >= 0; i--) {
			uint8_t byte = (uint8_t)rand();

			CU_ASSERT_EQUAL_FATAL(
			    text ? buf_adds(&in, pieces[rand() % 8]) : buf_add(&in, &byte, 1), 0);
		}
		CU_ASSERT_EQUAL_FATAL(buf_adds(&out, "\""), 0);
		CU_ASSERT_EQUAL_FATAL(json_escape(&out, buf_bytes(&in), buf_len(&in)), 0);
		CU_ASSERT_EQUAL_FATAL(buf_adds(&out, "\""), 0);
		valid = valid && jscan_valid(buf_bytes(&out), buf_len(&out));
		n = jscan_unescape(
		    buf_bytes(&out), (struct jspan){ 1, buf_len(&out) - 2 }, back, sizeof(back));
		same = same && (!text || (n == (ptrdiff_t)buf_len(&in) &&
					     memcmp(back, buf_bytes(&in), (size_t)n) == 0));
		buf_free(&in);
		buf_free(&out);
	}
	CU_ASSERT_TRUE(valid);
	CU_ASSERT_TRUE(same);
}

void
suite_json_escape(void)
{
	CU_pSuite s = CU_add_suite("json_escape", NULL, NULL);

	CU_add_test(s, "table", test_table);
	CU_add_test(s, "random", test_random);
}
