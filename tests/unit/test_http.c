// SPDX-License-Identifier: MIT
/* Tests of worker/http.c: every rule by name, at every split; the fields of a good head; limits
 * that hold before a line is complete. Every parse sees a copy of exactly the bytes it may read. */
#include "worker/http.h"

#include <CUnit/CUnit.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define R	 "GET / HTTP/1.1\r\n"
#define H	 R "Host: a\r\n"

/* The verdict on the first `n` bytes of `bytes`, reading on in `h`. */
static ssize_t
parse_copy(struct http_head *h, const char *bytes, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	ssize_t verdict;

	assert(copy != NULL);
	memcpy(copy, bytes, n);
	verdict = http_head_parse(h, copy, n);
	free(copy);
	return verdict;
}

static bool
same_span(struct http_span a, struct http_span b)
{
	return a.off == b.off && a.len == b.len;
}

static bool
same_head(const struct http_head *a, const struct http_head *b)
{
	for (unsigned i = 0; i < a->n_headers && i < b->n_headers; i++)
		if (!same_span(a->headers[i].name, b->headers[i].name) ||
		    !same_span(a->headers[i].value, b->headers[i].value) ||
		    a->headers[i].id != b->headers[i].id)
			return false;
	return a->method == b->method && a->minor == b->minor && same_span(a->target, b->target) &&
	       same_span(a->path, b->path) && same_span(a->query, b->query) &&
	       a->n_headers == b->n_headers && a->content_length == b->content_length &&
	       a->chunked == b->chunked && a->has_body == b->has_body &&
	       a->keep_alive == b->keep_alive && a->expect_continue == b->expect_continue &&
	       a->error_status == b->error_status && a->error_text == b->error_text;
}

/* Whole, in two parts with the cut at every place, and byte by byte. False: a difference. */
static bool
same_at_every_split(const char *bytes, size_t n)
{
	struct http_head whole, h;
	ssize_t verdict, got;

	http_head_reset(&whole);
	verdict = parse_copy(&whole, bytes, n);
	for (size_t cut = 0; cut < n; cut++) {
		http_head_reset(&h);
		got = parse_copy(&h, bytes, cut);
		if (got == 0)
			got = parse_copy(&h, bytes, n);
		if (got != verdict || !same_head(&h, &whole))
			return false;
	}
	http_head_reset(&h);
	for (size_t fed = 1; (got = parse_copy(&h, bytes, fed)) == 0 && fed < n; fed++)
		if (h.scanned + 1u < fed) /* or it would look at bytes twice */
			return false;
	return got == verdict && same_head(&h, &whole);
}

/* ---- every rule ------------------------------------------------------------------------------ */

#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *bytes;
	size_t n;
	uint16_t status;
	const char *text;
} broken[] = {
	{ BYTES("\r\n" H "\r\n"), 400, "bad request line: no method" },
	{ BYTES(" / HTTP/1.1\r\n"), 400, "bad request line: no method" },
	{ BYTES("GE\0T / HTTP/1.1\r\n"), 400, "bad request line: no method" },
	{ BYTES("GET\r\n"), 400, "bad request line: no method" },
	{ BYTES("get / HTTP/1.1\r\n"), 501, "unknown method" },
	{ BYTES("GETS / HTTP/1.1\r\n"), 501, "unknown method" },
	{ BYTES("CONNECT a:1 HTTP/1.1\r\n"), 501, "unknown method" },
	{ BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 501, "unknown method" },
	{ BYTES("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 501, "unknown method" },
	{ BYTES("GET  / HTTP/1.1\r\n"), 400, "request target is not a path" },
	{ BYTES("GET http://a/ HTTP/1.1\r\n"), 400, "request target is not a path" },
	{ BYTES("OPTIONS * HTTP/1.1\r\n"), 400, "request target is not a path" },
	{ BYTES("GET /\r\n"), 400, "forbidden byte in request target" },
	{ BYTES("GET /\tHTTP/1.1\r\n"), 400, "forbidden byte in request target" },
	{ BYTES("GET /a#b HTTP/1.1\r\n"), 400, "forbidden byte in request target" },
	{ BYTES("GET /\0 HTTP/1.1\r\n"), 400, "forbidden byte in request target" },
	{ BYTES("GET /\x7f HTTP/1.1\r\n"), 400, "forbidden byte in request target" },
	{ BYTES("GET /\x80 HTTP/1.1\r\n"), 400, "forbidden byte in request target" },
	{ BYTES("GET /  HTTP/1.1\r\n"), 400, "bad HTTP version or end of request line" },
	{ BYTES("GET / http/1.1\r\n"), 400, "bad HTTP version or end of request line" },
	{ BYTES("GET / HTTP/1.1 \r\n"), 400, "bad HTTP version or end of request line" },
	{ BYTES("GET / HTTP/1.10\r\n"), 400, "bad HTTP version or end of request line" },
	{ BYTES("GET / HTTP/1\r\n"), 400, "bad HTTP version or end of request line" },
	{ BYTES("GET / HTTP/1.1\n"), 400, "bad HTTP version or end of request line" },
	{ BYTES("GET / HTTP/1.1\rX"), 400, "bad HTTP version or end of request line" },
	{ BYTES("GET / HTTP/1.2\r\n"), 505, "HTTP version is neither 1.0 nor 1.1" },
	{ BYTES("GET / HTTP/2.0\r\n"), 505, "HTTP version is neither 1.0 nor 1.1" },
	{ BYTES("GET / HTTP/0.9\r\n"), 505, "HTTP version is neither 1.0 nor 1.1" },

	{ BYTES(R " A: b\r\n"), 400, "header line begins with a blank" },
	{ BYTES(H "A: b\r\n c\r\n"), 400, "header line begins with a blank" },
	{ BYTES(H "A: b\r\n\tc\r\n"), 400, "header line begins with a blank" },
	{ BYTES(H "A : b\r\n"), 400, "blank in or behind a header name" },
	{ BYTES(H "A\t: b\r\n"), 400, "blank in or behind a header name" },
	{ BYTES(H "A B: c\r\n"), 400, "blank in or behind a header name" },
	{ BYTES(H ": b\r\n"), 400, "bad header name" },
	{ BYTES(H "A\r\n"), 400, "bad header name" },
	{ BYTES(H "A\0: b\r\n"), 400, "bad header name" },
	{ BYTES(H "\xc3\xa4: b\r\n"), 400, "bad header name" },
	{ BYTES(H "A(b): c\r\n"), 400, "bad header name" },
	{ BYTES(R "\n"), 400, "bad header name" },
	{ BYTES(H "A: b\n"), 400, "LF without CR" },
	{ BYTES(H "A: b\rB: c\r\n"), 400, "CR without LF" },
	{ BYTES(H "A: b\r\r\n"), 400, "CR without LF" },
	{ BYTES(H "\rX"), 400, "CR without LF" },
	{ BYTES(H "A: \0\r\n"), 400, "control byte in header value" },
	{ BYTES(H "A: b\x0b\r\n"), 400, "control byte in header value" },
	{ BYTES(H "A: b\x7f\r\n"), 400, "control byte in header value" },
	/* The same where values are looked at sixteen bytes at a time. */
	{ BYTES(H "A: 0123456789abcdef0123\x1f"
		  "0123456789abcdef\r\n"),
	    400, "control byte in header value" },
	{ BYTES(H "A: 0123456789abcdef0123\x7f"
		  "0123456789abcdef\r\n"),
	    400, "control byte in header value" },
	{ BYTES(H "A: 0123456789abcdef0123\n0123456789abcdef\r\n"), 400, "LF without CR" },

	{ BYTES(R "\r\n"), 400, "no Host header" },
	{ BYTES(R "A: b\r\n\r\n"), 400, "no Host header" },
	{ BYTES(H "Host: a\r\n"), 400, "more than one Host header" },
	{ BYTES("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n"), 400, "more than one Host header" },
	{ BYTES(R "Host:\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: a b\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: u@a\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: a/\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: a,b\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: a:\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: a:8x\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: a:65536\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: a:000080\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: :80\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: [::1\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: []\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: [g::1]\r\n"), 400, "bad Host header" },
	{ BYTES(R "Host: [::1]80\r\n"), 400, "bad Host header" },

	{ BYTES(H "Content-Length: 5\r\nContent-Length: 5\r\n"), 400,
	    "more than one Content-Length header" },
	{ BYTES(H "Content-Length: 0\r\nContent-Length: 5\r\n"), 400,
	    "more than one Content-Length header" },
	{ BYTES(H "Content-Length:\r\n"), 400, "bad Content-Length" },
	{ BYTES(H "Content-Length: +5\r\n"), 400, "bad Content-Length" },
	{ BYTES(H "Content-Length: -5\r\n"), 400, "bad Content-Length" },
	{ BYTES(H "Content-Length: 0x5\r\n"), 400, "bad Content-Length" },
	{ BYTES(H "Content-Length: 5 5\r\n"), 400, "bad Content-Length" },
	{ BYTES(H "Content-Length: 5, 5\r\n"), 400, "bad Content-Length" },
	{ BYTES(H "Content-Length: 9223372036854775808\r\n"), 400, "Content-Length too large" },
	{ BYTES(H "Content-Length: 18446744073709551621\r\n"), 400, "Content-Length too large" },
	{ BYTES(H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400,
	    "more than one Transfer-Encoding header" },
	{ BYTES(H "Transfer-Encoding: Chunked\r\n"), 400,
	    "Transfer-Encoding is not exactly \"chunked\"" },
	{ BYTES(H "Transfer-Encoding: gzip, chunked\r\n"), 400,
	    "Transfer-Encoding is not exactly \"chunked\"" },
	{ BYTES(H "Transfer-Encoding: identity\r\n"), 400,
	    "Transfer-Encoding is not exactly \"chunked\"" },
	{ BYTES(H "Transfer-Encoding:\r\n"), 400, "Transfer-Encoding is not exactly \"chunked\"" },
	{ BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
	    "Transfer-Encoding in HTTP/1.0" },
	{ BYTES(H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
	    "both Transfer-Encoding and Content-Length" },
	{ BYTES(H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"), 400,
	    "both Transfer-Encoding and Content-Length" },
	{ BYTES(H "Expect: 100-continue, x\r\n"), 417, "unknown Expect header" },
	{ BYTES(H "Expect:\r\n"), 417, "unknown Expect header" },
};

static void
test_every_rule(void)
{
	for (size_t i = 0; i < COUNT(broken); i++) {
		struct http_head h;

		http_head_reset(&h);
		if (parse_copy(&h, broken[i].bytes, broken[i].n) != -1 ||
		    h.error_status != broken[i].status ||
		    strcmp(h.error_text, broken[i].text) != 0 ||
		    !same_at_every_split(broken[i].bytes, broken[i].n)) {
			printf("\n    \"%s\": %u %s", broken[i].bytes, h.error_status,
			    h.error_text != NULL ? h.error_text : "accepted");
			CU_FAIL("another verdict than expected");
		}
		/* A head that failed once stays so. */
		CU_ASSERT_EQUAL(parse_copy(&h, broken[i].bytes, broken[i].n), -1);
		CU_ASSERT_EQUAL(h.error_status, broken[i].status);
	}
}

/* Every prefix of a good head is unfinished, none is an error; what follows it does not matter. */
static void
test_prefixes(void)
{
	static const char head[] =
	    "POST /v1/x?y HTTP/1.1\r\nHost: a:80\r\nX-Empty:\r\nA: \t b c \t\r\n"
	    "Content-Length: 7\r\n\r\n";
	static const char more[] = "GET / HTTP/9.9\n\0\xff";
	char both[sizeof(head) + sizeof(more)];
	struct http_head h;
	size_t n = sizeof(head) - 1;

	for (size_t k = 0; k < n; k++) {
		http_head_reset(&h);
		CU_ASSERT_EQUAL(parse_copy(&h, head, k), 0);
	}
	memcpy(both, head, n);
	memcpy(both + n, more, sizeof(more));
	for (size_t k = n; k < n + sizeof(more); k++) {
		http_head_reset(&h);
		CU_ASSERT_EQUAL(parse_copy(&h, both, k), (ssize_t)n);
	}
	CU_ASSERT_TRUE(same_at_every_split(head, n));
}

/* ---- what a good head says ------------------------------------------------------------------- */

static bool
span_is(struct http_span span, const char *bytes, const char *text)
{
	return span.len == strlen(text) && memcmp(bytes + span.off, text, span.len) == 0;
}

static void
test_fields(void)
{
	static const char head[] =
	    "POST /v1/chat/completions?a=1?b HTTP/1.1\r\nhOsT: [::1]:8080\r\n"
	    "X-User-Id: \t u 42 \t\r\nX-Empty: \r\nx-api-key:k\r\nX-User-Id: second\r\n"
	    "Content-Length: 0012\r\n\r\n";
	static const struct {
		const char *name, *value;
		uint8_t id;
	} headers[] = {
		{ "hOsT", "[::1]:8080", HTTP_H_HOST },
		{ "X-User-Id", "u 42", HTTP_H_OTHER },
		{ "X-Empty", "", HTTP_H_OTHER },
		{ "x-api-key", "k", HTTP_H_X_API_KEY },
		{ "X-User-Id", "second", HTTP_H_OTHER },
		{ "Content-Length", "0012", HTTP_H_CONTENT_LENGTH },
	};
	const uint8_t *bytes = (const uint8_t *)head;
	struct http_head h;

	http_head_reset(&h);
	CU_ASSERT_EQUAL(parse_copy(&h, head, sizeof(head) - 1), (ssize_t)sizeof(head) - 1);
	CU_ASSERT_EQUAL(h.method, HTTP_POST);
	CU_ASSERT_TRUE(span_is(h.target, head, "/v1/chat/completions?a=1?b"));
	CU_ASSERT_TRUE(span_is(h.path, head, "/v1/chat/completions"));
	CU_ASSERT_TRUE(span_is(h.query, head, "a=1?b"));
	CU_ASSERT_EQUAL(h.content_length, 12);
	CU_ASSERT_EQUAL_FATAL(h.n_headers, COUNT(headers));
	for (size_t i = 0; i < COUNT(headers); i++) {
		CU_ASSERT_TRUE(span_is(h.headers[i].name, head, headers[i].name));
		CU_ASSERT_TRUE(span_is(h.headers[i].value, head, headers[i].value));
		CU_ASSERT_EQUAL(h.headers[i].id, headers[i].id);
	}
	CU_ASSERT_PTR_EQUAL(http_head_find(&h, HTTP_H_X_API_KEY), &h.headers[3]);
	CU_ASSERT_PTR_NULL(http_head_find(&h, HTTP_H_AUTHORIZATION));
	CU_ASSERT_PTR_EQUAL(http_head_find_name(&h, bytes, "x-user-id", 9), &h.headers[1]);
	CU_ASSERT_PTR_EQUAL(http_head_find_name(&h, bytes, "Host", 4), &h.headers[0]);
	CU_ASSERT_PTR_NULL(http_head_find_name(&h, bytes, "x-user", 6));
	CU_ASSERT_TRUE(http_span_equals_nocase(h.headers[1].value, bytes, "U 42", 4));
	CU_ASSERT_FALSE(http_span_equals_nocase(h.headers[1].value, bytes, "U\00042", 4));
}

static const struct {
	const char *head;
	enum http_method method;
	uint8_t minor;
	int64_t content_length;
	bool chunked, has_body, keep_alive, expect_continue;
} meanings[] = {
	{ H "\r\n", HTTP_GET, 1, -1, false, false, true, false },
	{ "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_HEAD, 1, -1, false, false, true, false },
	{ "OPTIONS / HTTP/1.0\r\n\r\n", HTTP_OPTIONS, 0, -1, false, false, false, false },
	{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_GET, 0, -1, false, false, true,
	    false },
	{ "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", HTTP_GET, 0, -1, false, false,
	    false, false },
	{ H "Connection: close\r\n\r\n", HTTP_GET, 1, -1, false, false, false, false },
	{ H "Connection: x,\t CLOSE , y\r\n\r\n", HTTP_GET, 1, -1, false, false, false, false },
	{ H "Connection: ,closed,not-close, clos e\r\n\r\n", HTTP_GET, 1, -1, false, false, true,
	    false },
	{ H "Connection: keep-alive\r\nConnection: close\r\n\r\n", HTTP_GET, 1, -1, false, false,
	    false, false },
	{ H "Connection:\r\n\r\n", HTTP_GET, 1, -1, false, false, true, false },
	{ H "Content-Length: 0\r\n\r\n", HTTP_GET, 1, 0, false, false, true, false },
	{ H "Content-Length: 5\r\n\r\n", HTTP_GET, 1, 5, false, true, true, false },
	{ H "Content-Length: 9223372036854775807\r\n\r\n", HTTP_GET, 1, INT64_MAX, false, true,
	    true, false },
	{ H "transfer-encoding:\tchunked\t\r\n\r\n", HTTP_GET, 1, -1, true, true, true, false },
	{ H "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n", HTTP_GET, 1, 5, false, true, true,
	    true },
	{ H "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, 1, -1, true,
	    true, true, true },
	{ H "Expect: 100-continue\r\n\r\n", HTTP_GET, 1, -1, false, false, true, false },
	{ "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", HTTP_POST, 0, 5,
	    false, true, false, false },
	{ R "Host: a.b-c_d~1:65535\r\n\r\n", HTTP_GET, 1, -1, false, false, true, false },
	{ R "Host: [2001:db8::192.0.2.1]\r\n\r\n", HTTP_GET, 1, -1, false, false, true, false },
	{ H "A: 0123456789\tabcdef0123\xff\xfe"
	    "456789 abcdef\"\r\n\r\n",
	    HTTP_GET, 1, -1, false, false, true, false },
};

static void
test_meanings(void)
{
	for (size_t i = 0; i < COUNT(meanings); i++) {
		size_t n = strlen(meanings[i].head);
		struct http_head h;

		http_head_reset(&h);
		CU_ASSERT_EQUAL(parse_copy(&h, meanings[i].head, n), (ssize_t)n);
		CU_ASSERT_EQUAL(h.method, meanings[i].method);
		CU_ASSERT_EQUAL(h.minor, meanings[i].minor);
		CU_ASSERT_EQUAL(h.content_length, meanings[i].content_length);
		CU_ASSERT_EQUAL(h.chunked, meanings[i].chunked);
		CU_ASSERT_EQUAL(h.has_body, meanings[i].has_body);
		CU_ASSERT_EQUAL(h.keep_alive, meanings[i].keep_alive);
		CU_ASSERT_EQUAL(h.expect_continue, meanings[i].expect_continue);
		CU_ASSERT_TRUE(same_at_every_split(meanings[i].head, n));
	}
}

static void
test_known_headers(void)
{
	static const struct {
		uint8_t id;
		const char *name;
	} known[] = {
#define KNOWN_HEADER(id, name) { id, name },
		HTTP_KNOWN_HEADERS(KNOWN_HEADER)
#undef KNOWN_HEADER
	};

	for (size_t i = 0; i < COUNT(known); i++) {
		char head[128];
		struct http_head h;
		int n = snprintf(
		    head, sizeof(head), "GET / HTTP/1.0\r\n%s: 100-continue\r\n", known[i].name);

		/* A bad value is refused, but what header it was is known by then. */
		for (int at = 16; head[at] != ':'; at++)
			if (at % 2 == 0 && head[at] >= 'a' && head[at] <= 'z')
				head[at] -= 'a' - 'A';
		http_head_reset(&h);
		(void)parse_copy(&h, head, (size_t)n);
		CU_ASSERT_EQUAL(h.n_headers, 1);
		CU_ASSERT_EQUAL(h.headers[0].id, known[i].id);
	}
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* Feeds `start` and then `fill` for ever, byte by byte; answers after how many bytes the head was
 * refused, and checks the status. */
static size_t
refused_after(const char *start, const char *fill, uint16_t status)
{
	static char bytes[2 * HTTP_HEAD_MAX];
	size_t n = strlen(start), fed = 1;
	struct http_head h;

	memcpy(bytes, start, n);
	for (size_t i = n; i < sizeof(bytes); i++)
		bytes[i] = fill[(i - n) % strlen(fill)];
	http_head_reset(&h);
	while (fed < sizeof(bytes) && http_head_parse(&h, (const uint8_t *)bytes, fed) == 0) {
		CU_ASSERT_TRUE(h.scanned + 1u >= fed);
		fed++;
	}
	CU_ASSERT_EQUAL(h.error_status, status);
	return fed;
}

static void
test_endless(void)
{
	CU_ASSERT_EQUAL(refused_after("", "A", 501), 32);
	CU_ASSERT_EQUAL(refused_after("GET /", "a", 414), 4 + HTTP_TARGET_MAX + 1);
	CU_ASSERT_EQUAL(refused_after("GET /?", "b", 414), 4 + HTTP_TARGET_MAX + 1);
	CU_ASSERT_EQUAL(refused_after(H, "n", 431), HTTP_HEAD_MAX);
	CU_ASSERT_EQUAL(refused_after(H "A:", "v", 431), HTTP_HEAD_MAX);
	CU_ASSERT_EQUAL(refused_after(H "A:", " ", 431), HTTP_HEAD_MAX);
	CU_ASSERT_EQUAL(refused_after(H, "A:\r\n", 431), strlen(H) + 63 * 4 + 1);
}

/* The length of the head "start, fill * times, end", or minus the status it is refused with. */
static ssize_t
verdict_on(const char *start, size_t times, const char *fill, const char *end)
{
	static char bytes[2 * HTTP_HEAD_MAX];
	size_t n = strlen(start), len = strlen(fill);
	struct http_head h;
	ssize_t verdict;

	memcpy(bytes, start, n);
	for (size_t i = 0; i < times; i++, n += len)
		memcpy(bytes + n, fill, len);
	memcpy(bytes + n, end, strlen(end));
	http_head_reset(&h);
	verdict = parse_copy(&h, bytes, n + strlen(end));
	return verdict < 0 ? -h.error_status : verdict;
}

static void
test_limits(void)
{
	static const char end[] = " HTTP/1.0\r\n\r\n", line[] = "GET / HTTP/1.0\r\n";
	size_t room = HTTP_HEAD_MAX - strlen(line) - strlen("A:\r\n\r\n");

	CU_ASSERT_EQUAL(
	    verdict_on("GET /", HTTP_TARGET_MAX - 1, "a", end), 4 + HTTP_TARGET_MAX + 13);
	CU_ASSERT_EQUAL(verdict_on("GET /", HTTP_TARGET_MAX, "a", end), -414);
	CU_ASSERT_EQUAL(verdict_on(line, HTTP_HEADERS_MAX, "A:\r\n", "\r\n"), 16 + 64 * 4 + 2);
	CU_ASSERT_EQUAL(verdict_on(line, HTTP_HEADERS_MAX + 1, "A:\r\n", "\r\n"), -431);
	CU_ASSERT_EQUAL(verdict_on("GET / HTTP/1.0\r\nA:", room, "v", "\r\n\r\n"), HTTP_HEAD_MAX);
	CU_ASSERT_EQUAL(verdict_on("GET / HTTP/1.0\r\nA:", room + 1, "v", "\r\n\r\n"), -431);
}

void suite_http(void);

void
suite_http(void)
{
	CU_pSuite suite = CU_add_suite("http", NULL, NULL);

	CU_add_test(suite, "every rule, at every split", test_every_rule);
	CU_add_test(suite, "every prefix of a good head", test_prefixes);
	CU_add_test(suite, "fields of a head", test_fields);
	CU_add_test(suite, "what the headers mean", test_meanings);
	CU_add_test(suite, "known headers in any case", test_known_headers);
	CU_add_test(suite, "endless heads are refused before they end", test_endless);
	CU_add_test(suite, "limits to the byte", test_limits);
}
