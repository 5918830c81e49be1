// SPDX-License-Identifier: MIT
/* The table of counters: whole, and its names fit for JSON keys and metric names. */
#include "common/counters.h"

#include <CUnit/CUnit.h>
#include <string.h>

void suite_counters(void);

static void
test_table(void)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const struct counter_info *info = counter_info(i);

		CU_ASSERT_PTR_NOT_NULL_FATAL(info->name);
		CU_ASSERT(strlen(info->name) > 0);
		CU_ASSERT_EQUAL(
		    strspn(info->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(info->name));
		CU_ASSERT(strlen(info->help) > 0);
		for (unsigned j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(info->name, counter_info(j)->name);
	}
}

/* Scripts read these names: they are part of the contract. */
static void
test_names(void)
{
	CU_ASSERT_STRING_EQUAL(counter_info(COUNTER_REQUESTS)->name, "requests");
	CU_ASSERT_STRING_EQUAL(counter_info(COUNTER_FALLBACKS)->name, "fallbacks");
	CU_ASSERT_STRING_EQUAL(counter_info(COUNTER_SENT)->name, "sent");
	CU_ASSERT_STRING_EQUAL(counter_info(COUNTER_TOKENS_INPUT)->name, "tokens_input");
}

void
suite_counters(void)
{
	CU_pSuite s = CU_add_suite("counters", NULL, NULL);

	CU_add_test(s, "table", test_table);
	CU_add_test(s, "names", test_names);
}
