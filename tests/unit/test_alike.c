// SPDX-License-Identifier: MIT
/* Names that look alike: who is kept, in which order. */
#include "common/alike.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void suite_alike(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *a, *b;
	unsigned distance;
} distances[] = {
	{ "", "", 0 },
	{ "", "abc", 3 },
	{ "abc", "", 3 },
	{ "abc", "abc", 0 },
	{ "kitten", "sitting", 3 },
	{ "gpt-4.1", "gpt-4-1", 1 },
	{ "ab", "ba", 2 },
};

static void
test_distance(void)
{
	for (size_t i = 0; i < COUNT(distances); i++)
		CU_ASSERT_EQUAL(
		    alike_distance(distances[i].a, distances[i].b), distances[i].distance);
}

static const struct {
	const char *wanted;
	const char *offered[8];
	const char *kept; /* with a space between */
} cases[] = {
	{ "gpt-4.1", { "gpt-4-1", "claude-3", "whisper-1" }, "gpt-4-1" },
	{ "GPT-4.1", { "gpt-4.1", "gpt-4o" }, "gpt-4.1 gpt-4o" },
	{ "gpt-4.1-new", { "dall-e", "gpt-4.1-mini", "gpt-4.1" }, "gpt-4.1-mini gpt-4.1" },
	/* much longer, but with the same beginning */
	{ "claude-sonnet-4.5", { "claude-sonnet-4-5-20250929", "claude-opus-4-1-20250805" },
	    "claude-sonnet-4-5-20250929" },
	/* no more than three, the nearest, whatever their order */
	{ "model-a", { "model-xyzz", "model-xy", "model-b", "model-xyz", "model-" },
	    "model-b model- model-xy" },
	{ "model-a", { "model-b", "model-c", "model-d", "model-e" }, "model-b model-c model-d" },
	{ "deepseek-v3.2", { "llama", "x", "" }, "" },
	{ "o1", { "o3", "o1-mini", "4o" }, "o3 4o" },
	{ "", { "ab", "abcd" }, "ab" },
};

static void
test_kept(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct alike a = { .wanted = cases[i].wanted };
		char kept[256] = "";

		for (unsigned k = 0; k < 8 && cases[i].offered[k] != NULL; k++)
			alike_try(&a, cases[i].offered[k]);
		for (unsigned k = 0; k < a.n; k++) {
			strcat(kept, k > 0 ? " " : "");
			strcat(kept, a.names[k]);
		}
		CU_ASSERT_STRING_EQUAL(kept, cases[i].kept);
		if (strcmp(kept, cases[i].kept) != 0)
			printf("\n%s: %s\n", cases[i].wanted, kept);
	}
}

static void
test_long_names(void)
{
	char longest[NAME_BYTES], longer[NAME_BYTES + 1];
	struct alike a = { .wanted = longest };

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	alike_try(&a, longer);
	CU_ASSERT_EQUAL(a.n, 0);
	alike_try(&a, longest);
	CU_ASSERT_EQUAL(a.n, 1);
	CU_ASSERT_STRING_EQUAL(a.names[0], longest);
}

void
suite_alike(void)
{
	CU_pSuite s = CU_add_suite("alike", NULL, NULL);

	CU_add_test(s, "distance", test_distance);
	CU_add_test(s, "kept", test_kept);
	CU_add_test(s, "long names", test_long_names);
}
