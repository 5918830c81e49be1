// SPDX-License-Identifier: MIT
/* The body buffer: replacing and appending beside a plain model; small changes stay small. */
#include "worker/body.h"

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void suite_body(void);

static bool
holds(const struct body *b, const char *text)
{
	return b->len == strlen(text) && memcmp(body_bytes(b), text, b->len) == 0;
}

static void
test_replace(void)
{
	struct body b = { 0 };

	CU_ASSERT_EQUAL(body_replace(&b, 0, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(body_append(&b, "hello world", 11), 0);
	CU_ASSERT_EQUAL(body_replace(&b, 0, 5, "HI", 2), 0);
	CU_ASSERT_TRUE(holds(&b, "HI world"));
	CU_ASSERT_EQUAL(body_replace(&b, 3, 5, "everybody", 9), 0);
	CU_ASSERT_TRUE(holds(&b, "HI everybody"));
	CU_ASSERT_EQUAL(body_replace(&b, 2, 0, ",", 1), 0);
	CU_ASSERT_TRUE(holds(&b, "HI, everybody"));
	CU_ASSERT_EQUAL(body_replace(&b, 13, 0, "!", 1), 0);
	CU_ASSERT_EQUAL(body_replace(&b, 0, 4, NULL, 0), 0);
	CU_ASSERT_TRUE(holds(&b, "everybody!"));
	CU_ASSERT_EQUAL(body_replace(&b, 0, 10, NULL, 0), 0);
	CU_ASSERT_EQUAL(b.len, 0);
	body_free(&b);
	CU_ASSERT_EQUAL(body_append(&b, "again", 5), 0);
	CU_ASSERT_TRUE(holds(&b, "again"));
	body_free(&b);
}

/* A change near one end leaves the far bytes where they are in memory. */
static void
test_moves_the_shorter_side(void)
{
	struct body b = { 0 };
	char text[1000];
	const uint8_t *far;

	memset(text, 'x', sizeof(text));
	CU_ASSERT_EQUAL(body_append(&b, text, sizeof(text)), 0);
	far = body_bytes(&b) + 999;
	*body_bytes(&b) = 'a';
	CU_ASSERT_EQUAL(body_replace(&b, 10, 2, "0123456789", 10), 0);
	CU_ASSERT_PTR_EQUAL(body_bytes(&b) + 1007, far);
	CU_ASSERT_EQUAL(*body_bytes(&b), 'a');
	CU_ASSERT_EQUAL(body_replace(&b, 10, 10, "z", 1), 0);
	CU_ASSERT_PTR_EQUAL(body_bytes(&b) + 998, far);
	far = body_bytes(&b);
	CU_ASSERT_EQUAL(body_replace(&b, 990, 2, "0123456789", 10), 0);
	CU_ASSERT_PTR_EQUAL(body_bytes(&b), far);
	CU_ASSERT_EQUAL(body_replace(&b, 990, 10, NULL, 0), 0);
	CU_ASSERT_PTR_EQUAL(body_bytes(&b), far);
	body_free(&b);
}

static void
test_reserve(void)
{
	struct body b = { 0 };

	CU_ASSERT_EQUAL(body_reserve(&b, SIZE_MAX), -1);
	CU_ASSERT_EQUAL(body_reserve(&b, SIZE_MAX / 4), -1);
	CU_ASSERT_EQUAL(body_reserve(&b, 1000), 0);
	CU_ASSERT(b.off >= BODY_ROOM && b.cap - b.off >= 1000 + BODY_ROOM);
	CU_ASSERT_EQUAL(body_reserve(&b, SIZE_MAX / 4 - b.off + 1), -1);
	body_free(&b);
}

static void
test_random_changes(void)
{
	static uint8_t model[1 << 16];
	size_t len = 0;
	struct body b = { 0 };
	uint8_t fresh[600];
	bool same = true;

	srand(3);
	for (unsigned round = 0; round < 3000; round++) {
		size_t at = len > 0 ? (size_t)rand() % (len + 1) : 0;
		size_t old = (size_t)rand() % 700, n = (size_t)rand() % sizeof(fresh);

		old = old < len - at ? old : len - at;
		for (size_t i = 0; i < n; i++)
			fresh[i] = (uint8_t)rand();
		if (len > sizeof(model) - sizeof(fresh))
			n = 0;
		if (round % 7 == 0) {
			at = len;
			old = 0;
			CU_ASSERT_EQUAL_FATAL(body_append(&b, fresh, n), 0);
		} else {
			CU_ASSERT_EQUAL_FATAL(body_replace(&b, at, old, fresh, n), 0);
		}
		memmove(model + at + n, model + at + old, len - at - old);
		memcpy(model + at, fresh, n);
		len = len + n - old;
		same =
		    same && b.len == len && (len == 0 || memcmp(body_bytes(&b), model, len) == 0);
	}
	CU_ASSERT_TRUE(same);
	body_free(&b);
}

void
suite_body(void)
{
	CU_pSuite s = CU_add_suite("body", NULL, NULL);

	CU_add_test(s, "replace", test_replace);
	CU_add_test(s, "moves the shorter side", test_moves_the_shorter_side);
	CU_add_test(s, "reserve", test_reserve);
	CU_add_test(s, "random changes", test_random_changes);
}
