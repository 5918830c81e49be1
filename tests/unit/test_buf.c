// SPDX-License-Identifier: MIT
/* The growing buffer: contents survive growth, moves and consumption in any order. */
#include "common/buf.h"

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void suite_buf(void);

static void
test_adds_and_consumes(void)
{
	struct buf b = { 0 };

	CU_ASSERT_EQUAL(buf_len(&b), 0);
	CU_ASSERT_EQUAL(buf_add(&b, NULL, 0), 0);
	CU_ASSERT_EQUAL(buf_adds(&b, "hello "), 0);
	CU_ASSERT_EQUAL(buf_addf(&b, "%s %d", "world", 7), 0);
	CU_ASSERT_EQUAL(buf_len(&b), 13);
	CU_ASSERT_EQUAL(memcmp(buf_bytes(&b), "hello world 7", 13), 0);
	buf_consume(&b, 6);
	CU_ASSERT_EQUAL(memcmp(buf_bytes(&b), "world 7", 7), 0);
	buf_consume(&b, 7);
	CU_ASSERT_EQUAL(buf_len(&b), 0);
	CU_ASSERT_EQUAL(b.head, 0);
	buf_free(&b);
	CU_ASSERT_PTR_NULL(b.data);
	CU_ASSERT_EQUAL(buf_adds(&b, "again"), 0);
	CU_ASSERT_EQUAL(buf_len(&b), 5);
	buf_free(&b);
}

/* Formatted text that just fits, just does not, and is far too long for the room that is left. */
static void
test_formats_at_every_room(void)
{
	for (size_t filled = 200; filled < 260; filled++) {
		struct buf b = { 0 };
		char fill[260];

		memset(fill, 'x', sizeof(fill));
		CU_ASSERT_EQUAL(buf_add(&b, fill, filled), 0);
		CU_ASSERT_EQUAL(buf_addf(&b, "<%0*d>", 20, 5), 0);
		CU_ASSERT_EQUAL(buf_len(&b), filled + 22);
		CU_ASSERT_EQUAL(memcmp(buf_bytes(&b), fill, filled), 0);
		CU_ASSERT_EQUAL(memcmp(buf_bytes(&b) + filled, "<00000000000000000005>", 22), 0);
		buf_free(&b);
	}
}

static void
test_moves_before_it_grows(void)
{
	struct buf b = { 0 };
	uint8_t bytes[256];
	uint8_t *data;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	CU_ASSERT_EQUAL(buf_add(&b, bytes, sizeof(bytes)), 0);
	CU_ASSERT_EQUAL(buf_reserve(&b, b.cap - b.tail), 0);
	buf_consume(&b, 200);
	data = b.data;
	CU_ASSERT_EQUAL(buf_reserve(&b, b.cap - 56), 0);
	CU_ASSERT_PTR_EQUAL(b.data, data);
	CU_ASSERT_EQUAL(b.head, 0);
	CU_ASSERT_EQUAL(memcmp(buf_bytes(&b), bytes + 200, 56), 0);
	CU_ASSERT_EQUAL(buf_reserve(&b, b.cap - 55), 0);
	CU_ASSERT(b.cap - b.tail >= 201);
	CU_ASSERT_EQUAL(memcmp(buf_bytes(&b), bytes + 200, 56), 0);
	buf_free(&b);
}

static void
test_too_much_is_an_answer(void)
{
	struct buf b = { 0 };

	CU_ASSERT_EQUAL(buf_adds(&b, "kept"), 0);
	CU_ASSERT_EQUAL(buf_reserve(&b, SIZE_MAX), -1);
	CU_ASSERT_EQUAL(buf_reserve(&b, SIZE_MAX / 2), -1);
	CU_ASSERT_EQUAL(buf_len(&b), 4);
	CU_ASSERT_EQUAL(memcmp(buf_bytes(&b), "kept", 4), 0);
	buf_free(&b);
}

/* A long random run beside a model that cannot be wrong: one flat array. */
static void
test_random_run(void)
{
	static uint8_t model[1 << 20];
	size_t begin = 0, end = 0;
	struct buf b = { 0 };
	bool same = true;

	srand(42);
	while (end + 4096 < sizeof(model)) {
		size_t n = (size_t)rand() % 1500;

		if (rand() % 5 < 3) {
			for (size_t i = 0; i < n; i++)
				model[end + i] = (uint8_t)rand();
			same = same && buf_add(&b, model + end, n) == 0;
			end += n;
		} else {
			n = n < end - begin ? n : end - begin;
			buf_consume(&b, n);
			begin += n;
		}
		same = same && buf_len(&b) == end - begin &&
		       (begin == end || memcmp(buf_bytes(&b), model + begin, end - begin) == 0);
	}
	CU_ASSERT_TRUE(same);
	buf_free(&b);
}

void
suite_buf(void)
{
	CU_pSuite s = CU_add_suite("buf", NULL, NULL);

	CU_add_test(s, "adds and consumes", test_adds_and_consumes);
	CU_add_test(s, "formats at every room", test_formats_at_every_room);
	CU_add_test(s, "moves before it grows", test_moves_before_it_grows);
	CU_add_test(s, "too much is an answer", test_too_much_is_an_answer);
	CU_add_test(s, "random run", test_random_run);
}
