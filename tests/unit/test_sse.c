// SPDX-License-Identifier: MIT
/* Events of a stream: fields and raw bytes, the same at every split of the bytes. */
#include "worker/sse.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"

void suite_sse(void);

struct sample {
	const char *stream;
	/* Each event as "type|joined data|raw length", "-" for what is absent; then what is left.
	 */
	const char *expected;
};

static const struct sample samples[] = {
	{ "", "" },
	{ "data: a\n\n", "-|a|9;" },
	{ "data: a\r\n\r\n", "-|a|11;" },
	{ "data: a\r\rx", "-|a|9;left 1" },
	{ "data: a\r\r", "left 9" },
	{ "data: a\r\n\r", "left 10" },
	{ "data: a\n\r\n", "-|a|10;" },
	{ "data: a\r\n\n", "-|a|10;" },
	{ "data: a\n\ndata: b\n\n", "-|a|9;-|b|9;" },
	{ "data: a\r\n\r\ndata: b\r\n\r\n", "-|a|11;-|b|11;" },
	{ "data:a\n\n", "-|a|8;" },
	{ "data:  a \n\n", "-| a |11;" },
	{ "data:\n\n", "-||7;" },
	{ "data: \n\n", "-||8;" },
	{ "data\n\n", "-||6;" },
	{ "data: a\ndata: b\n\n", "-|a\nb|17;" },
	{ "data: a\r\ndata\r\ndata:b\r\n\r\n", "-|a\n\nb|25;" },
	{ "data:\ndata:\n\n", "-|\n|13;" },
	{ "data: a\nid: 7\ndata: b\n\n", "-|a\nb|23;" },
	{ "event: ping\n\n", "ping|-|13;" },
	{ "event: ping\ndata: {}\n\n", "ping|{}|22;" },
	{ "event: a\nevent: b\ndata: x\n\n", "b|x|27;" },
	{ "event\ndata: x\n\n", "|x|15;" },
	{ ": keep-alive\n\n", "-|-|14;" },
	{ ": one\n: two\n\ndata: a\n\n", "-|-|13;-|a|9;" },
	{ ": note\ndata: a\n\n", "-|a|16;" },
	{ "id: 1\nretry: 5\ndata: a\n\n", "-|a|24;" },
	{ "dataset: a\nData: b\n data: c\n\n", "-|-|29;" },
	{ "data: {\"a\":\"b: c\"}\n\n", "-|{\"a\":\"b: c\"}|20;" },
	{ "data: a: b\n\n", "-|a: b|12;" },
	{ "\n\n\ndata: a\n\n", "-|-|1;-|-|1;-|-|1;-|a|9;" },
	{ "\xef\xbb\xbf"
	  "data: a\n\n",
	    "-|a|12;" },
	{ "\xef\xbb\xbf"
	  "data: a\ndata: b\n\n",
	    "-|a\nb|20;" },
	{ "data: a\n\n\xef\xbb\xbf"
	  "data: b\n\n",
	    "-|a|9;-|-|12;" },
	{ "data: \xef\xbb\xbf\n\n", "-|\xef\xbb\xbf|11;" },
	{ "data: a\n\ndata: b\n", "-|a|9;left 8" },
	{ "data: a\n\ndata: b", "-|a|9;left 7" },
};

static void
describe(struct buf *out, const struct sse_event *ev)
{
	uint8_t *joined = malloc(ev->raw_len);
	size_t n = ev->data != NULL ? sse_join(ev, joined) : 0;

	CU_ASSERT_FATAL(n <= ev->raw_len);
	CU_ASSERT_EQUAL_FATAL(
	    ev->type == NULL ? buf_adds(out, "-") : buf_add(out, ev->type, ev->type_len), 0);
	CU_ASSERT_EQUAL_FATAL(buf_adds(out, "|"), 0);
	CU_ASSERT_EQUAL_FATAL(ev->data == NULL ? buf_adds(out, "-") : buf_add(out, joined, n), 0);
	CU_ASSERT_EQUAL_FATAL(buf_addf(out, "|%zu;", ev->raw_len), 0);
	if (ev->data != NULL && !ev->more_data) {
		CU_ASSERT_EQUAL(n, ev->data_len);
		CU_ASSERT_EQUAL(memcmp(joined, ev->data, n), 0);
	}
	free(joined);
}

/* Feeds pieces that end at `a`, at `b` and at the end; each piece in memory of its own. */
static void
run(const char *stream, size_t a, size_t b, struct buf *out)
{
	size_t n = strlen(stream), ends[] = { a, b, n }, begin = 0;
	struct sse s = { 0 };

	for (unsigned i = 0; i < 3; i++) {
		size_t len = ends[i] - begin;
		uint8_t *bytes = malloc(len + (len == 0));
		struct sse_event ev;
		size_t used = 0;

		memcpy(bytes, stream + begin, len);
		while (sse_next(&s, bytes + used, len - used, &ev)) {
			describe(out, &ev);
			used += ev.raw_len;
		}
		begin += used;
		free(bytes);
	}
	if (begin < n)
		CU_ASSERT_EQUAL_FATAL(buf_addf(out, "left %zu", n - begin), 0);
}

/* The number of splits at which a sample does not give what is expected. */
static unsigned
count_wrong(const struct sample *sample)
{
	size_t n = strlen(sample->stream), expected = strlen(sample->expected);
	unsigned wrong = 0;

	for (size_t b = 0; b <= n; b++)
		for (size_t a = 0; a <= b; a++) {
			struct buf out = { 0 };

			run(sample->stream, a, b, &out);
			if (buf_len(&out) != expected ||
			    (expected > 0 &&
				memcmp(buf_bytes(&out), sample->expected, expected) != 0))
				wrong++;
			buf_free(&out);
		}
	return wrong;
}

static void
test_samples_at_every_split(void)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		unsigned wrong = count_wrong(&samples[i]);

		if (wrong > 0)
			printf("\nwrong at %u splits: %s\n", wrong, samples[i].expected);
		CU_ASSERT_EQUAL(wrong, 0);
	}
}

static void
test_last(void)
{
	static const char stream[] = "data: a\n\ndata: [DONE]\n";
	const uint8_t *bytes = (const uint8_t *)stream;
	struct sse s = { 0 };
	struct sse_event ev;

	CU_ASSERT_TRUE(sse_next(&s, bytes, sizeof(stream) - 1, &ev));
	CU_ASSERT_FALSE(sse_next(&s, bytes + 9, sizeof(stream) - 10, &ev));
	sse_last(&s, bytes + 9, sizeof(stream) - 10, &ev);
	CU_ASSERT_EQUAL(ev.raw_len, 13);
	CU_ASSERT_EQUAL(ev.data_len, 6);
	CU_ASSERT_EQUAL(memcmp(ev.data, "[DONE]", 6), 0);
}

/* A long event that comes byte by byte costs one look at each byte, not one at each pair. */
static void
test_nothing_twice(void)
{
	size_t n = 1 << 20;
	uint8_t *bytes = malloc(n);
	struct sse s = { 0 };
	struct sse_event ev;

	memset(bytes, 'x', n);
	memcpy(bytes, "data: ", 6);
	bytes[n - 2] = bytes[n - 1] = '\n';
	for (size_t i = 0; i < n; i++) {
		CU_ASSERT_FALSE_FATAL(sse_next(&s, bytes, i, &ev));
		CU_ASSERT_EQUAL_FATAL(s.scanned, i);
	}
	CU_ASSERT_TRUE(sse_next(&s, bytes, n, &ev));
	CU_ASSERT_EQUAL(ev.data_len, n - 8);
	free(bytes);
}

/* An event of a megabyte, all of it lines that end in CR: no line may be looked for in all of it.
 */
static void
test_many_lines_without_lf(void)
{
	enum { N = 1 << 20 };
	uint8_t *bytes = malloc(N + 2);
	struct sse s = { 0 };
	struct sse_event ev;
	clock_t begun;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	for (size_t i = 0; i < N; i++)
		bytes[i] = i % 2 == 0 ? 'a' : '\r';
	memcpy(bytes + N, "\n\n", 2);
	begun = clock();
	CU_ASSERT_TRUE(sse_next(&s, bytes, N + 2, &ev));
	CU_ASSERT_EQUAL(ev.raw_len, N + 2);
	CU_ASSERT(clock() - begun < CLOCKS_PER_SEC);
	free(bytes);
}

void
suite_sse(void)
{
	CU_pSuite s = CU_add_suite("sse", NULL, NULL);

	CU_add_test(s, "samples at every split", test_samples_at_every_split);
	CU_add_test(s, "last", test_last);
	CU_add_test(s, "nothing twice", test_nothing_twice);
	CU_add_test(s, "many lines without LF", test_many_lines_without_lf);
}
