// SPDX-License-Identifier: MIT
/*
 * Tests of worker/chunked.c: every rule by name, at every split; limits; and head parser and
 * decoder together as a connection uses them, over the table tests/system/data/malformed.json.
 */
#include "worker/chunked.h"

#include <CUnit/CUnit.h>
#include <assert.h>
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/http.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BODY_MAX (8 * 1024 * 1024)

/* What came of a body. */
struct decoded {
	enum chunked_result result;
	const char *error_text;
	size_t used, n;
	uint64_t counted;
	char body[8192];
};

/* Decodes a part in a buffer of exactly its size. */
static void
decode_part(struct chunked *c, struct decoded *d, const char *bytes, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	size_t used, out_n;

	assert(copy != NULL);
	memcpy(copy, bytes, n);
	d->result = chunked_decode(c, copy, n, &used, &out_n);
	assert(used <= n && out_n <= used && d->n + out_n <= sizeof(d->body));
	memcpy(d->body + d->n, copy, out_n);
	d->used += used;
	d->n += out_n;
	d->error_text = c->error_text;
	d->counted = c->decoded;
	free(copy);
}

/* Parts of `step` bytes, the first of `first` bytes. */
static void
decode(struct decoded *d, const char *bytes, size_t n, size_t first, size_t step)
{
	struct chunked c;
	size_t at = 0, part = first;

	memset(d, 0, sizeof(*d));
	chunked_reset(&c);
	do {
		if (part > n - at)
			part = n - at;
		decode_part(&c, d, bytes + at, part);
		at += part;
		part = step;
	} while (at < n && d->result == CHUNKED_MORE);
}

static bool
same(const struct decoded *a, const struct decoded *b)
{
	return a->result == b->result && a->error_text == b->error_text && a->used == b->used &&
	       a->n == b->n && a->counted == b->counted && memcmp(a->body, b->body, a->n) == 0;
}

static bool
same_at_every_split(const char *bytes, size_t n)
{
	struct decoded whole, parts;

	decode(&whole, bytes, n, n, n);
	for (size_t first = 1; first < n; first++) {
		decode(&parts, bytes, n, first, n);
		if (!same(&whole, &parts))
			return false;
	}
	decode(&parts, bytes, n, 1, 1);
	return same(&whole, &parts);
}

#define BYTES(s) s, sizeof(s) - 1
#define END	 "0\r\n\r\n"

static const struct {
	const char *bytes;
	size_t n;
	const char *body;
	size_t behind; /* bytes that belong to the next request */
} good[] = {
	{ BYTES(END), "", 0 },
	{ BYTES(END END), "", 5 },
	{ BYTES("3\r\nabc\r\n" END "GET"), "abc", 3 },
	{ BYTES("00000003\r\nabc\r\n00000000\r\n\r\n"), "abc", 0 },
	{ BYTES("3\r\nabc\r\nA\r\n0123456789\r\na\r\n9876543210\r\n" END),
	    "abc01234567899876543210", 0 },
	{ BYTES("7\r\n\r\n0\r\n\r\n\r\n" END), "\r\n0\r\n\r\n", 0 },
	{ BYTES("3;\r\nabc\r\n0; last = \"\xff\t\"\r\n\r\n"), "abc", 0 },
	{ BYTES("3\r\nabc\r\n0\r\nA:\r\nB~: \t x\xff y \r\n\r\n\r\n"), "abc", 2 },
};

static void
test_good(void)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		struct decoded d;

		decode(&d, good[i].bytes, good[i].n, good[i].n, 1);
		CU_ASSERT_EQUAL(d.result, CHUNKED_DONE);
		CU_ASSERT_EQUAL(d.n, strlen(good[i].body));
		CU_ASSERT_EQUAL(memcmp(d.body, good[i].body, d.n), 0);
		CU_ASSERT_EQUAL(d.counted, d.n);
		CU_ASSERT_EQUAL(d.used, good[i].n - good[i].behind);
		CU_ASSERT_TRUE(same_at_every_split(good[i].bytes, good[i].n));
		for (size_t n = 0; n < d.used; n++) {
			struct decoded part;

			decode(&part, good[i].bytes, n, n, 1);
			CU_ASSERT_EQUAL(part.result, CHUNKED_MORE);
			CU_ASSERT_EQUAL(part.used, n);
		}
	}
}

static const struct {
	const char *bytes;
	size_t n;
	const char *text;
} broken[] = {
	{ BYTES("\r\nabc\r\n"), "chunk size is not a hexadecimal number" },
	{ BYTES("\n"), "chunk size is not a hexadecimal number" },
	{ BYTES(" 3\r\n"), "chunk size is not a hexadecimal number" },
	{ BYTES("+3\r\n"), "chunk size is not a hexadecimal number" },
	{ BYTES("-3\r\n"), "chunk size is not a hexadecimal number" },
	{ BYTES("g\r\n"), "chunk size is not a hexadecimal number" },
	{ BYTES("\0\r\n"), "chunk size is not a hexadecimal number" },
	{ BYTES(";a\r\n"), "chunk size is not a hexadecimal number" },
	{ BYTES("000000003\r\n"), "chunk size too long" },
	{ BYTES("0x3\r\n"), "bad byte behind chunk size" },
	{ BYTES("3 \r\n"), "bad byte behind chunk size" },
	{ BYTES("3\t;a\r\n"), "bad byte behind chunk size" },
	{ BYTES("3\nabc\r\n"), "bad byte behind chunk size" },
	{ BYTES("3\0\r\n"), "bad byte behind chunk size" },
	{ BYTES("3\rabc\r\n"), "CR without LF" },
	{ BYTES("3\r\r\n"), "CR without LF" },
	{ BYTES("3;a\rb\r\n"), "CR without LF" },
	{ BYTES("3;a\nb\r\n"), "control byte in chunk extension" },
	{ BYTES("3;a\0\r\n"), "control byte in chunk extension" },
	{ BYTES("3;a\x7f\r\n"), "control byte in chunk extension" },
	{ BYTES("3\r\nabcd\r\n"), "chunk does not end in CRLF" },
	{ BYTES("3\r\nabc\n"), "chunk does not end in CRLF" },
	{ BYTES("3\r\nabc\r\r\n"), "chunk does not end in CRLF" },
	{ BYTES("3\r\nabc0\r\n\r\n"), "chunk does not end in CRLF" },
	{ BYTES("0\r\n\n"), "bad trailer name" },
	{ BYTES("0\r\nA\r\n\r\n"), "bad trailer name" },
	{ BYTES("0\r\nA : b\r\n\r\n"), "bad trailer name" },
	{ BYTES("0\r\n: b\r\n\r\n"), "bad trailer name" },
	{ BYTES("0\r\nA: b\r\n c\r\n\r\n"), "bad trailer name" },
	{ BYTES("0\r\nA\0: b\r\n\r\n"), "bad trailer name" },
	{ BYTES("0\r\n\0A: b\r\n\r\n"), "bad trailer name" },
	{ BYTES("0\r\nGET / HTTP/1.1\r\n\r\n"), "bad trailer name" },
	{ BYTES("0\r\nA: b\n\r\n"), "control byte in trailer" },
	{ BYTES("0\r\nA: \0\r\n\r\n"), "control byte in trailer" },
	{ BYTES("0\r\nA: b\rB: c\r\n\r\n"), "CR without LF" },
	{ BYTES("0\r\n\rX"), "CR without LF" },
};

static void
test_every_rule(void)
{
	for (size_t i = 0; i < COUNT(broken); i++) {
		struct decoded d;

		decode(&d, broken[i].bytes, broken[i].n, broken[i].n, 1);
		if (d.result != CHUNKED_ERROR || strcmp(d.error_text, broken[i].text) != 0) {
			printf("\n    \"%s\": %s", broken[i].bytes,
			    d.error_text != NULL ? d.error_text : "accepted");
			CU_FAIL("another verdict than expected");
		}
		CU_ASSERT_TRUE(same_at_every_split(broken[i].bytes, broken[i].n));
	}
}

static void
test_stays_failed(void)
{
	struct chunked c;
	uint8_t more[] = "3\r\nabc\r\n";
	uint8_t bad[] = "x";
	size_t used, out_n;

	chunked_reset(&c);
	CU_ASSERT_EQUAL(chunked_decode(&c, bad, 1, &used, &out_n), CHUNKED_ERROR);
	CU_ASSERT_EQUAL(chunked_decode(&c, more, 8, &used, &out_n), CHUNKED_ERROR);
	CU_ASSERT_EQUAL(used, 0);
	CU_ASSERT_EQUAL(out_n, 0);
}

/* "start, fill * times, end" in one piece. */
static enum chunked_result
result_of(const char *start, size_t times, const char *fill, const char *end)
{
	char bytes[8192];
	struct decoded d;
	size_t n = strlen(start);

	memcpy(bytes, start, n);
	for (size_t i = 0; i < times; i++, n += strlen(fill))
		memcpy(bytes + n, fill, strlen(fill));
	memcpy(bytes + n, end, strlen(end));
	n += strlen(end);
	decode(&d, bytes, n, n, 1);
	CU_ASSERT_TRUE(d.result != CHUNKED_DONE || d.used == n);
	return d.result;
}

static void
test_limits(void)
{
	CU_ASSERT_EQUAL(result_of("1;", 255, "e", "\r\na\r\n" END), CHUNKED_DONE);
	CU_ASSERT_EQUAL(result_of("1;", 256, "e", ""), CHUNKED_ERROR);
	CU_ASSERT_EQUAL(result_of("", 10, "1;123456789\r\na\r\n", "0;a\r\n\r\n"), CHUNKED_DONE);
	CU_ASSERT_EQUAL(result_of("0\r\nA:", 4092, "t", "\r\n\r\n"), CHUNKED_DONE);
	CU_ASSERT_EQUAL(result_of("0\r\nA:", 4093, "t", "\r\n\r\n"), CHUNKED_ERROR);
	CU_ASSERT_EQUAL(result_of("0\r\n", 1024, "A:\r\n", "\r\n"), CHUNKED_DONE);
	CU_ASSERT_EQUAL(result_of("0\r\n", 1024, "A:\r\n", "A:\r\n\r\n"), CHUNKED_ERROR);
	/* The last chunk's extension does not count among the trailers. */
	CU_ASSERT_EQUAL(result_of("0;eeee\r\nA:", 4092, "t", "\r\n\r\n"), CHUNKED_DONE);
}

/* The caller can tell that a body will be too large before the chunk is there. */
static void
test_size_is_known_early(void)
{
	struct chunked c;
	uint8_t bytes[] = "2\r\nab\r\nfFfFfFfF\r\nc";
	size_t used, out_n;

	chunked_reset(&c);
	CU_ASSERT_EQUAL(chunked_decode(&c, bytes, sizeof(bytes) - 1, &used, &out_n), CHUNKED_MORE);
	CU_ASSERT_EQUAL(c.decoded, 3);
	CU_ASSERT_EQUAL(c.left, UINT32_MAX - 1);
	CU_ASSERT_EQUAL(memcmp(bytes, "abc", out_n), 0);
}

/* ---- whole connections ----------------------------------------------------------------------- */

/* What a connection does with its bytes, without a socket: heads, bodies, the next request. */
struct connection {
	struct http_head head;
	struct chunked chunked;
	uint8_t *bytes;
	size_t n;
	bool in_body, closed;
	uint64_t left; /* of a body with a length */
	unsigned requests;
	unsigned status; /* of the refusal; 0: none */
};

static bool
refuse(struct connection *c, unsigned status)
{
	c->closed = true;
	c->status = status;
	return false;
}

static void
drop(struct connection *c, size_t n)
{
	memmove(c->bytes, c->bytes + n, c->n - n);
	c->n -= n;
}

static bool
request_done(struct connection *c)
{
	c->requests++;
	c->in_body = false;
	c->closed = !c->head.keep_alive;
	http_head_reset(&c->head);
	return !c->closed;
}

/* These answer whether there may be more to do with the bytes that are left. */
static bool
take_head(struct connection *c)
{
	ssize_t n = http_head_parse(&c->head, c->bytes, c->n);

	if (n < 0)
		return refuse(c, c->head.error_status);
	if (n == 0)
		return false;
	drop(c, (size_t)n);
	if (c->head.content_length > BODY_MAX)
		return refuse(c, 413);
	if (!c->head.has_body)
		return request_done(c);
	c->in_body = true;
	c->left = c->head.chunked ? 0 : (uint64_t)c->head.content_length;
	chunked_reset(&c->chunked);
	return true;
}

static bool
take_body(struct connection *c)
{
	size_t used = c->n < c->left ? c->n : (size_t)c->left, out_n;
	enum chunked_result result = CHUNKED_MORE;

	if (c->head.chunked) {
		result = chunked_decode(&c->chunked, c->bytes, c->n, &used, &out_n);
		if (result == CHUNKED_ERROR)
			return refuse(c, 400);
		if (c->chunked.decoded + c->chunked.left > BODY_MAX)
			return refuse(c, 413);
	} else {
		c->left -= used;
		if (c->left == 0)
			result = CHUNKED_DONE;
	}
	drop(c, used);
	return result == CHUNKED_DONE && request_done(c);
}

/* Answers true if the connection ended as the table says. */
static bool
connection_ends_so(
    const uint8_t *bytes, size_t n, size_t first, size_t step, unsigned status, unsigned requests)
{
	struct connection c = { .bytes = malloc(n) };
	size_t part = first;
	bool ok;

	assert(c.bytes != NULL);
	http_head_reset(&c.head);
	for (size_t at = 0; at < n && !c.closed; at += part, part = step) {
		if (part > n - at)
			part = n - at;
		memcpy(c.bytes + c.n, bytes + at, part);
		c.n += part;
		while (!c.closed && (c.in_body ? take_body(&c) : c.n > 0 && take_head(&c)))
			;
	}
	ok = c.status == status && c.requests == requests;
	if (status == 0 && !c.closed)
		ok = ok && c.n == 0 && !c.in_body;
	free(c.bytes);
	return ok;
}

static uint8_t *
add(uint8_t *to, size_t *n, const void *bytes, size_t len)
{
	to = realloc(to, *n + len + 1);
	assert(to != NULL);
	memcpy(to + *n, bytes, len);
	*n += len;
	return to;
}

static uint8_t *
add_hex(uint8_t *to, size_t *n, const char *hex)
{
	for (; *hex != '\0'; hex += 2) {
		char digits[] = { hex[0], hex[1], '\0' };
		uint8_t byte = (uint8_t)strtoul(digits, NULL, 16);

		to = add(to, n, &byte, 1);
	}
	return to;
}

/* Joins the pieces of a row. */
static uint8_t *
join(const cJSON *pieces, size_t *n)
{
	uint8_t *bytes = NULL;
	const cJSON *piece, *hex, *text;

	*n = 0;
	cJSON_ArrayForEach(piece, pieces)
	{
		hex = cJSON_GetObjectItemCaseSensitive(piece, "hex");
		text = cJSON_GetObjectItemCaseSensitive(piece, "repeat");
		if (hex != NULL) {
			bytes = add_hex(bytes, n, hex->valuestring);
		} else if (text != NULL) {
			int times = cJSON_GetObjectItemCaseSensitive(piece, "times")->valueint;

			while (times-- > 0)
				bytes = add(bytes, n, text->valuestring, strlen(text->valuestring));
		} else {
			bytes = add(bytes, n, piece->valuestring, strlen(piece->valuestring));
		}
	}
	return bytes;
}

static void
check_row(const cJSON *row)
{
	const char *name = cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring;
	const cJSON *expect = cJSON_GetObjectItemCaseSensitive(row, "expect");
	unsigned status = cJSON_IsNumber(expect) ? (unsigned)expect->valueint : 0;
	unsigned requests = (unsigned)cJSON_GetObjectItemCaseSensitive(row, "requests")->valueint;
	size_t n, step;
	uint8_t *bytes = join(cJSON_GetObjectItemCaseSensitive(row, "bytes"), &n);
	bool ok = connection_ends_so(bytes, n, 1, 1, status, requests);

	/* Long rows are long by repetition: not each cut there is another case. */
	step = n > 2000 ? 61 : 1;
	for (size_t first = 1; ok && first <= n; first += step)
		ok = connection_ends_so(bytes, n, first, n, status, requests);
	if (!ok) {
		printf("\n    %s", name);
		CU_FAIL("another verdict than the table's");
	}
	free(bytes);
}

static cJSON *
load_table(void)
{
	FILE *f = fopen("tests/system/data/malformed.json", "r");
	static char text[1 << 18];
	size_t n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	return cJSON_ParseWithLength(text, n);
}

static void
test_table(void)
{
	cJSON *table = load_table();
	const cJSON *row, *rows = cJSON_GetObjectItemCaseSensitive(table, "cases");

	CU_ASSERT_TRUE(cJSON_GetArraySize(rows) >= 90);
	cJSON_ArrayForEach(row, rows) check_row(row);
	cJSON_Delete(table);
}

void suite_chunked(void);

void
suite_chunked(void)
{
	CU_pSuite suite = CU_add_suite("chunked", NULL, NULL);

	CU_add_test(suite, "good bodies, at every split and cut short", test_good);
	CU_add_test(suite, "every rule, at every split", test_every_rule);
	CU_add_test(suite, "an error stays", test_stays_failed);
	CU_add_test(suite, "limits to the byte", test_limits);
	CU_add_test(suite, "a chunk's size is known before its bytes", test_size_is_known_early);
	CU_add_test(suite, "table of malformed requests, at every split", test_table);
}
