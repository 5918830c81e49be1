// SPDX-License-Identifier: MIT
/* The table of outcomes: what must hold between its columns, and the reading of HTTP statuses. */
#include "common/outcome.h"

#include <CUnit/CUnit.h>
#include <string.h>

void suite_outcome(void);

static void
test_names_are_words(void)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		const char *name = outcome_name(i);

		CU_ASSERT(strlen(name) > 0);
		CU_ASSERT_EQUAL(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		CU_ASSERT(strlen(outcome_info(i)->text) > 0);
		for (unsigned j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(name, outcome_name(j));
	}
}

static void
test_columns_agree(void)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_info *o = outcome_info(i);
		bool good = i == OUTCOME_OK || i == OUTCOME_FALLBACK; /* the client got an answer */

		CU_ASSERT_EQUAL(o->blame == BLAME_GOOD, i == OUTCOME_OK);
		/* 0 stands for the provider's own status; an error is never a 2xx. */
		CU_ASSERT(good ? o->status == 200 : o->status == 0 || o->status >= 400);
		CU_ASSERT_EQUAL(good, o->code[0] == '\0');
		/* What is worth a second try is worth the other model. */
		CU_ASSERT(!o->retry || o->fall_back);
		CU_ASSERT(!good || (!o->retry && !o->fall_back));
		/* The same bytes again would be refused again. */
		CU_ASSERT(o->blame != BLAME_CALLER || !o->retry);
		/* Nobody is there any more to receive another answer. */
		CU_ASSERT(o->blame != BLAME_LEFT || (!o->retry && !o->fall_back));
	}
}

static void
test_statuses(void)
{
	static const struct {
		unsigned status;
		bool no_quota;
		enum outcome outcome;
	} cases[] = {
		{ 400, false, OUTCOME_BAD_REQUEST },
		{ 401, false, OUTCOME_UNAUTHORIZED },
		{ 402, false, OUTCOME_NO_BALANCE },
		{ 403, false, OUTCOME_UNAUTHORIZED },
		{ 403, true, OUTCOME_NO_QUOTA },
		{ 404, false, OUTCOME_NOT_FOUND },
		{ 404, true, OUTCOME_NOT_FOUND },
		{ 413, false, OUTCOME_TOO_LONG },
		{ 422, false, OUTCOME_BAD_REQUEST },
		{ 429, false, OUTCOME_RATE_LIMITED },
		{ 429, true, OUTCOME_NO_QUOTA },
		{ 500, false, OUTCOME_SERVER_ERROR },
		{ 502, false, OUTCOME_SERVER_ERROR },
		{ 503, false, OUTCOME_OVERLOADED },
		{ 529, false, OUTCOME_OVERLOADED },
		{ 599, false, OUTCOME_SERVER_ERROR },
		{ 302, false, OUTCOME_BAD_STATUS },
		{ 418, false, OUTCOME_BAD_STATUS },
		{ 600, false, OUTCOME_BAD_STATUS },
		{ 0, false, OUTCOME_BAD_STATUS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(
		    outcome_of_status(cases[i].status, cases[i].no_quota), cases[i].outcome);
}

/* Whatever number a provider sends, it is an error and falls back. */
static void
test_every_status_falls_back(void)
{
	for (unsigned status = 0; status < 1000; status++) {
		enum outcome o = outcome_of_status(status, status % 2 != 0);

		CU_ASSERT_FATAL(o < OUTCOME_COUNT);
		CU_ASSERT_NOT_EQUAL(outcome_info(o)->blame, BLAME_GOOD);
		CU_ASSERT(outcome_info(o)->fall_back);
	}
}

void
suite_outcome(void)
{
	CU_pSuite s = CU_add_suite("outcome", NULL, NULL);

	CU_add_test(s, "names are words", test_names_are_words);
	CU_add_test(s, "columns agree", test_columns_agree);
	CU_add_test(s, "statuses", test_statuses);
	CU_add_test(s, "every status falls back", test_every_status_falls_back);
}
