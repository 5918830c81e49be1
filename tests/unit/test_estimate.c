// SPDX-License-Identifier: MIT
/* Estimates of tokens: the rules of estimate.h, case by case. */
#include "worker/estimate.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

void suite_estimate(void);

static void
test_text(void)
{
	static const struct {
		const char *body;
		uint64_t tokens;
	} cases[] = {
		{ "", 0 },
		{ "a", 1 },
		{ "abcd", 1 },
		{ "abcde", 2 },
		{ "{\"model\":\"gpt-4.1\",\"messages\":[]}", 9 },
		{ "\xe6\x97\xa5\xe6\x9c\xac", 2 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(
		    estimate_input((const uint8_t *)cases[i].body, strlen(cases[i].body)),
		    cases[i].tokens);
	CU_ASSERT_EQUAL(estimate_input(NULL, 0), 0);
}

/* A picture of a megabyte is a thousand tokens, wherever it stands. */
static void
test_blobs(void)
{
	static const struct {
		size_t before, blob, between, blob2, after;
		uint64_t tokens;
	} cases[] = {
		{ 0, 255, 0, 0, 0, 64 },
		{ 0, 256, 0, 0, 0, 1000 },
		{ 4, 1048576, 0, 0, 4, 1002 },
		{ 8, 300, 4, 300, 0, 2003 },
		{ 8, 200, 4, 300, 0, 1053 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = cases[i].before + cases[i].blob + cases[i].between + cases[i].blob2 +
			   cases[i].after;
		uint8_t *body = malloc(n), *at = body;

		CU_ASSERT_PTR_NOT_NULL_FATAL(body);
		memset(at, '"', cases[i].before);
		at += cases[i].before;
		memset(at, 'A', cases[i].blob);
		at += cases[i].blob;
		memset(at, ' ', cases[i].between);
		at += cases[i].between;
		memset(at, '/', cases[i].blob2);
		at += cases[i].blob2;
		memset(at, '}', cases[i].after);
		CU_ASSERT_EQUAL(estimate_input(body, n), cases[i].tokens);
		free(body);
	}
}

static void
test_output(void)
{
	CU_ASSERT_EQUAL(estimate_output(0, 0), 0);
	CU_ASSERT_EQUAL(estimate_output(1, 1), 1);
	CU_ASSERT_EQUAL(estimate_output(5, 1), 2);
	CU_ASSERT_EQUAL(estimate_output(400, 1), 100); /* one large event */
	CU_ASSERT_EQUAL(estimate_output(9, 9), 9);     /* short tokens */
}

void
suite_estimate(void)
{
	CU_pSuite s = CU_add_suite("estimate", NULL, NULL);

	CU_add_test(s, "input: text", test_text);
	CU_add_test(s, "input: pictures", test_blobs);
	CU_add_test(s, "output", test_output);
}
