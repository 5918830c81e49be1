// SPDX-License-Identifier: MIT
/*
 * The head parser; see http.h. The request line is read by phases (method, target, version), then
 * line by line: name, value. Each phase goes over its bytes with one table of byte classes and
 * stops at the first byte that does not belong; what that byte may be decides what comes next. The
 * headers that frame the body have a function each, run when their line is complete.
 */
#include "worker/http.h"

#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum byte_class {
	TOKEN = 1,  /* may stand in a method or in a header's name */
	TARGET = 2, /* in a request target */
	VALUE = 4,  /* in a header's value */
	HOST = 8,   /* in a host name or IPv4 address */
	DIGIT = 16,
	ADDRESS = 32, /* in an IPv6 address */
};

static const uint8_t class_of[256] = {
	['\t'] = VALUE,
	[' '] = VALUE,
	['!'] = TOKEN | TARGET | VALUE,
	['"'] = TARGET | VALUE,
	['#'] = TOKEN | VALUE,
	['$' ... '\''] = TOKEN | TARGET | VALUE,
	['(' ... ')'] = TARGET | VALUE,
	['*' ... '+'] = TOKEN | TARGET | VALUE,
	[','] = TARGET | VALUE,
	['-'] = TOKEN | TARGET | VALUE | HOST,
	['.'] = TOKEN | TARGET | VALUE | HOST | ADDRESS,
	['/'] = TARGET | VALUE,
	['0' ... '9'] = TOKEN | TARGET | VALUE | HOST | DIGIT | ADDRESS,
	[':'] = TARGET | VALUE | ADDRESS,
	[';' ... '@'] = TARGET | VALUE,
	['A' ... 'F'] = TOKEN | TARGET | VALUE | HOST | ADDRESS,
	['G' ... 'Z'] = TOKEN | TARGET | VALUE | HOST,
	['[' ... ']'] = TARGET | VALUE,
	['^'] = TOKEN | TARGET | VALUE,
	['_'] = TOKEN | TARGET | VALUE | HOST,
	['`'] = TOKEN | TARGET | VALUE,
	['a' ... 'f'] = TOKEN | TARGET | VALUE | HOST | ADDRESS,
	['g' ... 'z'] = TOKEN | TARGET | VALUE | HOST,
	['{'] = TARGET | VALUE,
	['|'] = TOKEN | TARGET | VALUE,
	['}'] = TARGET | VALUE,
	['~'] = TOKEN | TARGET | VALUE | HOST,
	[0x80 ... 0xff] = VALUE,
};

static const struct {
	const char *name;
	uint8_t len;
} methods[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = { "GET", 3 },
	[HTTP_HEAD] = { "HEAD", 4 },
	[HTTP_POST] = { "POST", 4 },
	[HTTP_OPTIONS] = { "OPTIONS", 7 },
};
#define METHOD_MAX 32 /* bytes; a longer one is not known either */

static const struct {
	const char *name;
	uint8_t len;
} known_headers[HTTP_H_OTHER] = {
#define KNOWN_HEADER(id, text) [id] = { text, sizeof(text) - 1 },
	HTTP_KNOWN_HEADERS(KNOWN_HEADER)
#undef KNOWN_HEADER
};

/* Phases after which nothing more is read come last. */
enum phase { METHOD, REQUEST_TARGET, VERSION, LINE, NAME, HEADER_VALUE, DONE, FAILED };

/* Every phase function answers whether it finished its phase; if not, more bytes are needed or the
 * head has failed. */
static bool
fail(struct http_head *h, uint16_t status, const char *text)
{
	h->phase = FAILED;
	h->error_status = status;
	h->error_text = text;
	return false;
}

static bool
enter(struct http_head *h, enum phase next, size_t at)
{
	h->phase = next;
	h->mark = h->scanned = (uint16_t)at;
	return true;
}

static size_t
skip_class(const uint8_t *bytes, size_t at, size_t n, uint8_t class)
{
	while (at < n && (class_of[bytes[at]] & class) != 0)
		at++;
	return at;
}

/* The same for VALUE, sixteen bytes at a time where the processor can. */
static size_t
skip_value(const uint8_t *bytes, size_t at, size_t n)
{
#ifdef __SSE2__
	const __m128i tab = _mm_set1_epi8('\t'), last_control = _mm_set1_epi8(0x1f);
	const __m128i delete = _mm_set1_epi8(0x7f);

	for (; at + 16 <= n; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at));
		__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v);
		__m128i bad = _mm_or_si128(
		    _mm_andnot_si128(_mm_cmpeq_epi8(v, tab), control), _mm_cmpeq_epi8(v, delete));
		int mask = _mm_movemask_epi8(bad);

		if (mask != 0)
			return at + (size_t)__builtin_ctz((unsigned)mask);
	}
#endif
	return skip_class(bytes, at, n, VALUE);
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool
http_span_equals_nocase(struct http_span span, const uint8_t *bytes, const char *text, size_t len)
{
	if (span.len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (lower(bytes[span.off + i]) != lower((uint8_t)text[i]))
			return false;
	return true;
}

/* ---- request line ---------------------------------------------------------------------------- */

static bool
read_method(struct http_head *h, const uint8_t *bytes, size_t n)
{
	size_t limit = n < METHOD_MAX ? n : METHOD_MAX;
	size_t at = skip_class(bytes, h->scanned, limit, TOKEN);

	h->scanned = (uint16_t)at;
	if (at == METHOD_MAX)
		return fail(h, 501, "unknown method");
	if (at == n)
		return false;
	if (bytes[at] != ' ' || at == 0)
		return fail(h, 400, "bad request line: no method");
	for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++) {
		if (methods[m].len == at && memcmp(methods[m].name, bytes, at) == 0) {
			h->method = (enum http_method)m;
			return enter(h, REQUEST_TARGET, at + 1);
		}
	}
	return fail(h, 501, "unknown method");
}

static struct http_span
span_of(size_t from, size_t to)
{
	return (struct http_span){ (uint16_t)from, (uint16_t)(to - from) };
}

static void
store_target(struct http_head *h, const uint8_t *bytes, size_t end)
{
	const uint8_t *question = memchr(bytes + h->mark, '?', end - h->mark);
	size_t path_end = question != NULL ? (size_t)(question - bytes) : end;

	h->target = span_of(h->mark, end);
	h->path = span_of(h->mark, path_end);
	h->query = span_of(question != NULL ? path_end + 1 : end, end);
}

static bool
read_target(struct http_head *h, const uint8_t *bytes, size_t n)
{
	size_t max = (size_t)h->mark + HTTP_TARGET_MAX + 1;
	size_t at;

	if (h->scanned == h->mark && h->scanned < n && bytes[h->scanned] != '/')
		return fail(h, 400, "request target is not a path");
	at = skip_class(bytes, h->scanned, n < max ? n : max, TARGET);
	h->scanned = (uint16_t)at;
	if (at == max)
		return fail(h, 414, "request target too long");
	if (at == n)
		return false;
	if (bytes[at] != ' ')
		return fail(h, 400, "forbidden byte in request target");
	store_target(h, bytes, at);
	return enter(h, VERSION, at + 1);
}

static bool
read_version(struct http_head *h, const uint8_t *bytes, size_t n)
{
	static const char pattern[] = "HTTP/0.0\r\n"; /* 0: any digit */
	size_t end = (size_t)h->mark + sizeof(pattern) - 1;
	const uint8_t *version = bytes + h->mark;

	for (; h->scanned < n && h->scanned < end; h->scanned++) {
		uint8_t want = (uint8_t)pattern[h->scanned - h->mark], got = bytes[h->scanned];

		if (want == '0' ? (class_of[got] & DIGIT) == 0 : got != want)
			return fail(h, 400, "bad HTTP version or end of request line");
	}
	if (h->scanned < end)
		return false;
	if (version[5] != '1' || version[7] > '1')
		return fail(h, 505, "HTTP version is neither 1.0 nor 1.1");
	h->minor = version[7] - '0';
	return enter(h, LINE, end);
}

/* ---- headers with a meaning ------------------------------------------------------------------ */

/* What a host may be followed by: nothing, or ":" and a port. */
static bool
valid_port(const uint8_t *s, size_t n)
{
	unsigned port = 0;

	if (n == 0)
		return true;
	if (n < 2 || n > 6 || s[0] != ':')
		return false;
	for (size_t i = 1; i < n; i++) {
		if ((class_of[s[i]] & DIGIT) == 0)
			return false;
		port = port * 10 + (s[i] - '0');
	}
	return port <= UINT16_MAX;
}

static bool
valid_host(const uint8_t *s, size_t n)
{
	size_t end;

	if (n > 0 && s[0] == '[') {
		end = skip_class(s, 1, n, ADDRESS);
		return end > 1 && end < n && s[end] == ']' && valid_port(s + end + 1, n - end - 1);
	}
	end = skip_class(s, 0, n, HOST);
	return end > 0 && valid_port(s + end, n - end);
}

static bool
on_host(struct http_head *h, const uint8_t *value, size_t n)
{
	if (h->host_seen)
		return fail(h, 400, "more than one Host header");
	h->host_seen = true;
	return valid_host(value, n) || fail(h, 400, "bad Host header");
}

static bool
on_content_length(struct http_head *h, const uint8_t *value, size_t n)
{
	int64_t length = 0;

	if (h->content_length >= 0)
		return fail(h, 400, "more than one Content-Length header");
	if (n == 0)
		return fail(h, 400, "bad Content-Length");
	for (size_t i = 0; i < n; i++) {
		if ((class_of[value[i]] & DIGIT) == 0)
			return fail(h, 400, "bad Content-Length");
		if (__builtin_mul_overflow(length, 10, &length) ||
		    __builtin_add_overflow(length, value[i] - '0', &length))
			return fail(h, 400, "Content-Length too large");
	}
	h->content_length = length;
	return true;
}

static bool
on_transfer_encoding(struct http_head *h, const uint8_t *value, size_t n)
{
	if (h->te_seen)
		return fail(h, 400, "more than one Transfer-Encoding header");
	h->te_seen = true;
	h->chunked = n == 7 && memcmp(value, "chunked", 7) == 0;
	return h->chunked || fail(h, 400, "Transfer-Encoding is not exactly \"chunked\"");
}

static bool
word_is(const uint8_t *s, size_t n, const char *word)
{
	return http_span_equals_nocase((struct http_span){ 0, (uint16_t)n }, s, word, strlen(word));
}

/* Narrows [*from, *to) until no blank is at either end. */
static void
trim(const uint8_t *bytes, size_t *from, size_t *to)
{
	while (*from < *to && (bytes[*from] == ' ' || bytes[*from] == '\t'))
		++*from;
	while (*from < *to && (bytes[*to - 1] == ' ' || bytes[*to - 1] == '\t'))
		--*to;
}

static bool
on_connection(struct http_head *h, const uint8_t *value, size_t n)
{
	for (size_t at = 0; at < n;) {
		const uint8_t *comma = memchr(value + at, ',', n - at);
		size_t end = comma != NULL ? (size_t)(comma - value) : n;
		size_t from = at, to = end;

		trim(value, &from, &to);
		h->close_asked |= word_is(value + from, to - from, "close");
		h->keep_alive_asked |= word_is(value + from, to - from, "keep-alive");
		at = end + 1;
	}
	return true;
}

static bool
on_expect(struct http_head *h, const uint8_t *value, size_t n)
{
	h->expect_continue = true;
	return word_is(value, n, "100-continue") || fail(h, 417, "unknown Expect header");
}

static bool (*const on_header[HTTP_H_OTHER + 1])(struct http_head *, const uint8_t *, size_t) = {
	[HTTP_H_HOST] = on_host,
	[HTTP_H_CONTENT_LENGTH] = on_content_length,
	[HTTP_H_TRANSFER_ENCODING] = on_transfer_encoding,
	[HTTP_H_CONNECTION] = on_connection,
	[HTTP_H_EXPECT] = on_expect,
};

/* ---- header lines ---------------------------------------------------------------------------- */

/* What only the whole head can tell. */
static bool
finish(struct http_head *h, size_t end)
{
	if (h->minor == 1 && !h->host_seen)
		return fail(h, 400, "no Host header");
	if (h->chunked && h->minor == 0)
		return fail(h, 400, "Transfer-Encoding in HTTP/1.0");
	if (h->chunked && h->content_length >= 0)
		return fail(h, 400, "both Transfer-Encoding and Content-Length");
	h->has_body = h->chunked || h->content_length > 0;
	h->keep_alive = !h->close_asked && (h->minor == 1 || h->keep_alive_asked);
	h->expect_continue = h->expect_continue && h->minor == 1 && h->has_body;
	return enter(h, DONE, end);
}

/* The first bytes of a line tell what it is. */
static bool
read_line(struct http_head *h, const uint8_t *bytes, size_t n)
{
	size_t at = h->scanned;

	if (at == n)
		return false;
	if (bytes[at] == '\r') {
		if (at + 1 == n)
			return false;
		if (bytes[at + 1] != '\n')
			return fail(h, 400, "CR without LF");
		return finish(h, at + 2);
	}
	if (bytes[at] == ' ' || bytes[at] == '\t')
		return fail(h, 400, "header line begins with a blank");
	if (h->n_headers == HTTP_HEADERS_MAX)
		return fail(h, 431, "too many headers");
	return enter(h, NAME, at);
}

static uint8_t
known_header(const uint8_t *name, size_t n)
{
	for (uint8_t id = 0; id < HTTP_H_OTHER; id++)
		if (known_headers[id].len == n &&
		    lower(name[0]) == (uint8_t)known_headers[id].name[0] &&
		    word_is(name, n, known_headers[id].name))
			return id;
	return HTTP_H_OTHER;
}

static bool
read_name(struct http_head *h, const uint8_t *bytes, size_t n)
{
	size_t at = skip_class(bytes, h->scanned, n, TOKEN);
	struct http_header *header = &h->headers[h->n_headers];

	h->scanned = (uint16_t)at;
	if (at == n)
		return false;
	if (bytes[at] == ' ' || bytes[at] == '\t')
		return fail(h, 400, "blank in or behind a header name");
	if (bytes[at] != ':' || at == h->mark)
		return fail(h, 400, "bad header name");
	header->name = span_of(h->mark, at);
	header->id = known_header(bytes + h->mark, at - h->mark);
	return enter(h, HEADER_VALUE, at + 1);
}

static bool
read_value(struct http_head *h, const uint8_t *bytes, size_t n)
{
	size_t at = skip_value(bytes, h->scanned, n), from = h->mark, to = at;
	struct http_header *header = &h->headers[h->n_headers];

	h->scanned = (uint16_t)at;
	if (at == n)
		return false;
	if (bytes[at] != '\r')
		return fail(
		    h, 400, bytes[at] == '\n' ? "LF without CR" : "control byte in header value");
	if (at + 1 == n)
		return false;
	if (bytes[at + 1] != '\n')
		return fail(h, 400, "CR without LF");
	trim(bytes, &from, &to);
	header->value = span_of(from, to);
	h->n_headers++;
	if (on_header[header->id] != NULL && !on_header[header->id](h, bytes + from, to - from))
		return false;
	return enter(h, LINE, at + 2);
}

/* ---- the door -------------------------------------------------------------------------------- */

void
http_head_reset(struct http_head *h)
{
	memset(h, 0, offsetof(struct http_head, headers));
	h->content_length = -1;
}

ssize_t
http_head_parse(struct http_head *h, const uint8_t *bytes, size_t n)
{
	static bool (*const read_phase[])(struct http_head *, const uint8_t *, size_t) = {
		[METHOD] = read_method,
		[REQUEST_TARGET] = read_target,
		[VERSION] = read_version,
		[LINE] = read_line,
		[NAME] = read_name,
		[HEADER_VALUE] = read_value,
	};
	size_t limit = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;

	assert(n >= h->scanned);
	while (h->phase < DONE && read_phase[h->phase](h, bytes, limit))
		;
	if (h->phase < DONE && limit == HTTP_HEAD_MAX)
		fail(h, 431, "request head too long");
	if (h->phase == FAILED)
		return -1;
	return h->phase == DONE ? h->scanned : 0;
}

const struct http_header *
http_head_find(const struct http_head *h, enum http_header_id id)
{
	for (unsigned i = 0; i < h->n_headers; i++)
		if (h->headers[i].id == id)
			return &h->headers[i];
	return NULL;
}

const struct http_header *
http_head_find_name(const struct http_head *h, const uint8_t *bytes, const char *name, size_t len)
{
	for (unsigned i = 0; i < h->n_headers; i++)
		if (http_span_equals_nocase(h->headers[i].name, bytes, name, len))
			return &h->headers[i];
	return NULL;
}
