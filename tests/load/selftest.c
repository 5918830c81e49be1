// SPDX-License-Identifier: MIT
/* Answers with their verdicts; see selftest.h. */
#include "tests/load/selftest.h"

#include <stdio.h>
#include <string.h>

#include "tests/load/answer.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
#define STREAM_HEAD \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

static const struct sample {
	const char *name;
	const char *bytes; /* the connection ends behind them */
	enum verdict verdict;
	uint64_t body_bytes;
	uint32_t events;
	size_t left_over; /* bytes that do not belong to the answer */
} samples[] = {
	{ "length", OK_HEAD "content-length: 8\r\n\r\n{\"a\":[]}", VERDICT_OK, 8, 0, 0 },
	{ "length, more behind", OK_HEAD "content-length: 2\r\n\r\n{}HTTP", VERDICT_OK, 2, 0, 4 },
	{ "length, cut", OK_HEAD "content-length: 9\r\n\r\n{\"a\":[]}", VERDICT_INCOMPLETE, 8, 0,
	    0 },
	{ "JSON that does not end", OK_HEAD "content-length: 7\r\n\r\n{\"a\":[]", VERDICT_TRUNCATED,
	    7, 0, 0 },
	{ "JSON cut in a string", OK_HEAD "content-length: 6\r\n\r\n{\"}]\\\"", VERDICT_TRUNCATED,
	    6, 0, 0 },
	{ "bracket in a string", OK_HEAD "content-length: 9\r\n\r\n{\"a\":\"}\"}", VERDICT_OK, 9, 0,
	    0 },
	{ "text behind JSON", OK_HEAD "content-length: 4\r\n\r\n{} x", VERDICT_TRUNCATED, 4, 0, 0 },
	{ "empty body", OK_HEAD "content-length: 0\r\n\r\n", VERDICT_TRUNCATED, 0, 0, 0 },
	{ "until close", OK_HEAD "\r\n[1,2]", VERDICT_OK, 5, 0, 0 },
	{ "until close, cut", OK_HEAD "\r\n[1,2", VERDICT_INCOMPLETE, 4, 0, 0 },
	{ "chunked",
	    OK_HEAD
	    "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n00A\r\n\"ab\":\"cd\"}\r\n0\r\n\r\n",
	    VERDICT_OK, 11, 0, 0 },
	{ "chunked, trailer",
	    OK_HEAD "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: y\r\n\r\n!", VERDICT_OK,
	    2, 0, 1 },
	{ "chunked, no last chunk", OK_HEAD "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
	    VERDICT_INCOMPLETE, 2, 0, 0 },
	{ "chunk too long", OK_HEAD "transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n",
	    VERDICT_BAD_HTTP, 1, 0, 2 },
	{ "chunk size missing", OK_HEAD "transfer-encoding: chunked\r\n\r\n\r\n", VERDICT_BAD_HTTP,
	    0, 0, 1 },
	{ "chunk size too long", OK_HEAD "transfer-encoding: chunked\r\n\r\n000000001\r\n",
	    VERDICT_BAD_HTTP, 0, 0, 2 },
	{ "two lengths", OK_HEAD "content-length: 2\r\ncontent-length: 2\r\n\r\n", VERDICT_BAD_HTTP,
	    0, 0, 0 },
	{ "both framings", OK_HEAD "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
	    VERDICT_BAD_HTTP, 0, 0, 0 },
	{ "interim answer",
	    "HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" OK_HEAD "content-length: 2\r\n\r\n{}",
	    VERDICT_OK, 2, 0, 0 },
	{ "switching protocols", "HTTP/1.1 101 Upgrade\r\n\r\n", VERDICT_BAD_HTTP, 0, 0, 0 },
	{ "error status", "HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\n{}", VERDICT_ERROR, 2, 0,
	    0 },
	{ "error status, cut", "HTTP/1.1 503 Busy\r\ncontent-length: 3\r\n\r\n{}",
	    VERDICT_INCOMPLETE, 2, 0, 0 },
	{ "no answer", "", VERDICT_NO_ANSWER, 0, 0, 0 },
	{ "half a head", "HTTP/1.1 20", VERDICT_INCOMPLETE, 0, 0, 0 },
	{ "not HTTP", "SSH-2.0-x\r\n\r\n", VERDICT_BAD_HTTP, 0, 0, 0 },
	{ "stream",
	    STREAM_HEAD "e\r\ndata: {\"a\":1}\n\r\n2\r\n\nd\r\nd\r\nata: [DONE]\n\n\r\n0\r\n\r\n",
	    VERDICT_OK, 29, 1, 0 },
	{ "stream without an end", STREAM_HEAD "f\r\ndata: {\"a\":1}\n\n\r\n0\r\n\r\n",
	    VERDICT_TRUNCATED, 15, 1, 0 },
	{ "stream cut", STREAM_HEAD "f\r\ndata: {\"a\":1}\n\n\r\n", VERDICT_INCOMPLETE, 15, 1, 0 },
	{ "stream with an error", STREAM_HEAD "13\r\ndata: {\"error\":{}}\n\r\n0\r\n\r\n",
	    VERDICT_STREAM_ERROR, 19, 0, 0 },
	{ "typed events", STREAM_HEAD "1d\r\nevent: message_stop\ndata: {}\n\r\n0\r\n\r\n",
	    VERDICT_OK, 29, 1, 0 },
	{ "an end marker in text", STREAM_HEAD "15\r\ndata: \"data: [DONE]\"\n\r\n0\r\n\r\n",
	    VERDICT_TRUNCATED, 21, 1, 0 },
};

/* Feeds pieces of `step` bytes after a first one of `first`; returns the bytes not taken. */
static size_t
feed(struct answer *a, const char *bytes, size_t first, size_t step)
{
	size_t n = strlen(bytes), at = 0, piece = first, taken;

	while (at < n) {
		piece = piece < n - at ? piece : n - at;
		taken = answer_feed(a, (const uint8_t *)bytes + at, piece);
		at += taken;
		if (taken < piece || a->state == ANSWER_DONE || a->state == ANSWER_BAD)
			break;
		piece = step;
	}
	answer_eof(a);
	return n - at;
}

static int
check(const struct sample *s, size_t first, size_t step)
{
	struct answer a = { 0 };
	size_t left_over;
	int bad;

	answer_begin(&a, false);
	left_over = feed(&a, s->bytes, first, step);
	bad = answer_verdict(&a) != s->verdict || a.body_bytes != s->body_bytes ||
	      a.sse.events != s->events || left_over != s->left_over;
	if (bad)
		printf("%s, cut at %zu: %s, %llu bytes, %u events, %zu left over\n", s->name, first,
		    verdict_names[answer_verdict(&a)], (unsigned long long)a.body_bytes,
		    a.sse.events, left_over);
	answer_free(&a);
	return bad;
}

int
selftest_run(void)
{
	size_t i, cut, len;
	int failed = 0, checks = 0;

	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		len = strlen(samples[i].bytes);
		for (cut = 1; cut <= len; cut++, checks++)
			failed += check(&samples[i], cut, len);
		failed += check(&samples[i], 1, 1);
		checks++;
	}
	printf("%d checks, %d failed\n", checks, failed);
	return failed;
}
