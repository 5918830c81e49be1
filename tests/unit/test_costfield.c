// SPDX-License-Identifier: MIT
/* The cost field in streams: where it goes, and what it says. */
#include "worker/costfield.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void suite_costfield(void);

/* Where the field goes is marked by '|'; none: nowhere. */
static const struct {
	const char *text;
	bool empty;
} cases[] = {
	{ "{\"choices\":[],\"usage\":{\"prompt_tokens\":1|}}", false },
	{ "{\"usage\":{|},\"choices\":[]}", true },
	{ "{\"usage\":{ |}}", true },
	{ "{ \"usage\" : {\"a\":{\"b\":[1,{}]}\n|} }", false },
	{ "{\"us\\u0061ge\":{\"a\":1|}}", false },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"x\"},\"usage\":{\"o\":5|}}",
	    false },
	{ "{\"type\":\"response.completed\",\"response\":{\"output\":[],\"usage\":{\"o\":5|}}}",
	    false },
	{ "{\"response\":{\"usage\":{\"o\":5}},\"usage\":{\"o\":6|}}", false },
	{ "{\"usage\":null}", false },
	{ "{\"usage\":[1]}", false },
	{ "{\"choices\":[{\"usage\":{\"a\":1}}]}", false },
	{ "{\"text\":\"\\\"usage\\\":{}\"}", false },
	{ "{\"response\":\"usage\"}", false },
	{ "[{\"usage\":{\"a\":1}}]", false },
	{ "{\"usage\":{\"a\":1", false },
	{ "", false },
	{ "null", false },
};

static void
test_places(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		const char *mark = strchr(cases[i].text, '|');
		size_t at = 0, n = strlen(cases[i].text);
		bool empty = false, found;

		strcpy(text, cases[i].text);
		if (mark != NULL) {
			memmove(text + (mark - cases[i].text), mark + 1, strlen(mark));
			n--;
		}
		found = costfield_place((const uint8_t *)text, n, &at, &empty);
		CU_ASSERT_EQUAL(found, mark != NULL);
		if (found && mark != NULL) {
			CU_ASSERT_EQUAL(at, (size_t)(mark - cases[i].text));
			CU_ASSERT_EQUAL(empty, cases[i].empty);
		}
	}
}

static void
test_words(void)
{
	char out[COSTFIELD_BYTES + 1];
	struct money nothing = { 0 }, most = { UINT64_MAX, PICOUSD_PER_USD - 1 };
	size_t n = costfield_write(out, money_make(0, 6000000000), nothing, false);

	out[n] = '\0';
	CU_ASSERT_STRING_EQUAL(out, ",\"cost_usd\":0.006000000000");
	out[costfield_write(out, nothing, money_make(3, 1), true)] = '\0';
	CU_ASSERT_STRING_EQUAL(
	    out, "\"cost_usd\":0.000000000000,\"estimated_cost_usd\":3.000000000001");
	CU_ASSERT(costfield_write(out, most, most, false) < COSTFIELD_BYTES);
}

void
suite_costfield(void)
{
	CU_pSuite s = CU_add_suite("costfield", NULL, NULL);

	CU_add_test(s, "where it goes", test_places);
	CU_add_test(s, "what it says", test_words);
}
