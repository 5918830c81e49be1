// SPDX-License-Identifier: MIT
/* The reader of answers; see answer.h. */
#include "tests/load/answer.h"

#include <string.h>
#include <strings.h>

#define CHUNK_LINE_MAX	 4096
#define CHUNK_DIGITS_MAX 8
#define AFTER_CR	 100

const char *const verdict_names[VERDICT_COUNT] = {
#define VERDICT(id, name, text) [VERDICT_##id] = name,
#include "tests/load/verdicts.def"
#undef VERDICT
};

void
answer_begin(struct answer *a, bool want_hash)
{
	struct buf head = a->head;

	memset(a, 0, offsetof(struct answer, hash));
	head.head = head.tail = 0;
	a->head = head;
	a->want_hash = want_hash;
	if (want_hash)
		crypto_generichash_init(&a->hash, NULL, 0, ANSWER_HASH_BYTES);
}

void
answer_free(struct answer *a)
{
	buf_free(&a->head);
}

/* ---- head ------------------------------------------------------------------------------------ */

struct text {
	const char *at;
	size_t len;
};

static bool
text_is(struct text t, const char *s)
{
	return strlen(s) == t.len && strncasecmp(t.at, s, t.len) == 0;
}

/* Keeps a value for the log: cut to its place, and nothing in it that would break a line of CSV. */
static void
keep_field(char out[ANSWER_FIELD], struct text value)
{
	size_t i;

	for (i = 0; i < value.len && i < ANSWER_FIELD - 1; i++)
		out[i] = value.at[i] <= ' ' || strchr(",\"\\\x7f", value.at[i]) ? '_' : value.at[i];
	out[i] = '\0';
}

static const struct kept_header {
	const char *name;
	size_t offset;
} kept_headers[] = {
	{ "x-request-id", offsetof(struct answer, request_id) },
	{ "x-gray-arm", offsetof(struct answer, arm) },
	{ "x-gray-fallback", offsetof(struct answer, fallback) },
	{ "x-gray-fallback-reason", offsetof(struct answer, reason) },
	{ "x-gray-attempts", offsetof(struct answer, attempts) },
	{ "x-gray-model", offsetof(struct answer, model) },
};

static int
read_length(struct answer *a, struct text value)
{
	uint64_t n = 0;
	size_t i;

	if (value.len == 0 || value.len > 15 || a->has_length)
		return -1;
	for (i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return -1;
		n = n * 10 + (uint64_t)(value.at[i] - '0');
	}
	a->has_length = true;
	a->remaining = n;
	return 0;
}

static int
on_header(struct answer *a, struct text name, struct text value)
{
	size_t i;

	if (text_is(name, "content-length"))
		return read_length(a, value);
	if (text_is(name, "transfer-encoding")) {
		a->chunked = text_is(value, "chunked");
		return a->chunked ? 0 : -1;
	}
	if (text_is(name, "connection") && text_is(value, "close"))
		a->keep_alive = false;
	if (text_is(name, "content-type"))
		a->is_stream =
		    value.len >= 17 && strncasecmp(value.at, "text/event-stream", 17) == 0;
	if (name.len < 2 || (name.at[0] | 0x20) != 'x')
		return 0;
	for (i = 0; i < sizeof(kept_headers) / sizeof(kept_headers[0]); i++) {
		if (text_is(name, kept_headers[i].name))
			keep_field((char *)a + kept_headers[i].offset, value);
	}
	return 0;
}

static int
on_status_line(struct answer *a, struct text line)
{
	const char *p = line.at;

	if (line.len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') ||
	    p[8] != ' ')
		return -1;
	if (p[9] < '1' || p[9] > '9' || p[10] < '0' || p[10] > '9' || p[11] < '0' || p[11] > '9')
		return -1;
	a->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
	a->keep_alive = p[7] == '1';
	return 0;
}

static int
on_header_line(struct answer *a, struct text line)
{
	const char *colon = memchr(line.at, ':', line.len);
	struct text name, value;

	if (colon == NULL || colon == line.at)
		return -1;
	name = (struct text){ line.at, (size_t)(colon - line.at) };
	value = (struct text){ colon + 1, line.len - name.len - 1 };
	while (value.len > 0 && (*value.at == ' ' || *value.at == '\t')) {
		value.at++;
		value.len--;
	}
	while (value.len > 0 && (value.at[value.len - 1] == ' ' || value.at[value.len - 1] == '\t'))
		value.len--;
	return on_header(a, name, value);
}

static enum answer_state
state_after_head(struct answer *a)
{
	if (a->chunked)
		return a->has_length ? ANSWER_BAD : ANSWER_CHUNK_SIZE;
	if (a->status == 204 || a->status == 304)
		return ANSWER_DONE;
	if (a->has_length)
		return a->remaining > 0 ? ANSWER_LENGTH : ANSWER_DONE;
	a->keep_alive = false;
	return ANSWER_CLOSE;
}

/* `n` bytes with the blank line at the end. */
static enum answer_state
parse_head(struct answer *a, const char *bytes, size_t n)
{
	const char *end = bytes + n - 2, *eol;
	struct text line;
	bool first = true;

	for (; bytes < end; bytes = eol + 2, first = false) {
		eol = memchr(bytes, '\r', (size_t)(end - bytes));
		if (eol == NULL || eol[1] != '\n')
			return ANSWER_BAD;
		line = (struct text){ bytes, (size_t)(eol - bytes) };
		if ((first ? on_status_line(a, line) : on_header_line(a, line)) < 0)
			return ANSWER_BAD;
	}
	if (a->status >= 200)
		return state_after_head(a);
	a->has_length = a->chunked = false; /* an interim answer; the real one follows */
	return a->status == 101 ? ANSWER_BAD : ANSWER_HEAD;
}

static size_t
head_in_place(struct answer *a, const uint8_t *bytes, size_t n)
{
	const uint8_t *end = memmem(bytes, n, "\r\n\r\n", 4);
	size_t len;

	if (end == NULL)
		return 0;
	len = (size_t)(end - bytes) + 4;
	a->state = parse_head(a, (const char *)bytes, len);
	return len;
}

static size_t
feed_head(struct answer *a, const uint8_t *bytes, size_t n)
{
	size_t before = buf_len(&a->head), taken;

	if (before == 0 && (taken = head_in_place(a, bytes, n)) > 0)
		return taken;
	if (before + n > ANSWER_HEAD_MAX || buf_add(&a->head, bytes, n) < 0) {
		a->state = ANSWER_BAD;
		return n;
	}
	taken = head_in_place(a, buf_bytes(&a->head), buf_len(&a->head));
	if (taken == 0)
		return n;
	a->head.head = a->head.tail = 0;
	return taken - before;
}

/* ---- body ------------------------------------------------------------------------------------ */

static void
on_content(struct answer *a, const uint8_t *bytes, size_t n)
{
	a->body_bytes += n;
	if (a->want_hash)
		crypto_generichash_update(&a->hash, bytes, n);
	if (a->is_stream)
		sse_end_feed(&a->sse, bytes, n);
	else
		json_end_feed(&a->json, bytes, n);
}

static size_t
feed_counted(struct answer *a, const uint8_t *bytes, size_t n, enum answer_state next)
{
	if (n > a->remaining)
		n = (size_t)a->remaining;
	on_content(a, bytes, n);
	a->remaining -= n;
	if (a->remaining == 0)
		a->state = next;
	return n;
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `line_bytes` counts the digits; behind CR only LF may come. */
static enum answer_state
on_size_byte(struct answer *a, uint8_t c)
{
	int digit = hex_digit(c);

	if (a->line_bytes == AFTER_CR)
		return c == '\n' ? ANSWER_CHUNK_DATA : ANSWER_BAD;
	if (c == '\r' && a->line_bytes > 0) {
		a->line_bytes = AFTER_CR;
		return ANSWER_CHUNK_SIZE;
	}
	if (digit < 0 || a->line_bytes++ == CHUNK_DIGITS_MAX)
		return ANSWER_BAD;
	a->remaining = a->remaining * 16 + (uint64_t)digit;
	return ANSWER_CHUNK_SIZE;
}

static size_t
feed_size(struct answer *a, const uint8_t *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n && a->state == ANSWER_CHUNK_SIZE; i++)
		a->state = on_size_byte(a, bytes[i]);
	if (a->state == ANSWER_CHUNK_SIZE)
		return n;
	a->line_bytes = 0;
	if (a->state == ANSWER_CHUNK_DATA && a->remaining == 0)
		a->state = ANSWER_TRAILER;
	return i;
}

static size_t
feed_chunk_end(struct answer *a, const uint8_t *bytes)
{
	if (*bytes != (a->line_bytes == 0 ? '\r' : '\n')) {
		a->state = ANSWER_BAD;
	} else if (a->line_bytes++ == 1) {
		a->line_bytes = 0;
		a->state = ANSWER_CHUNK_SIZE;
	}
	return 1;
}

/* Trailer lines are read over; an empty one ends the answer. `line_bytes` leaves out CR. */
static size_t
feed_trailer(struct answer *a, const uint8_t *bytes)
{
	if (*bytes == '\n') {
		a->state = a->line_bytes == 0 ? ANSWER_DONE : ANSWER_TRAILER;
		a->line_bytes = 0;
	} else if (*bytes != '\r' && ++a->line_bytes > CHUNK_LINE_MAX) {
		a->state = ANSWER_BAD;
	}
	return 1;
}

static size_t
feed_some(struct answer *a, const uint8_t *bytes, size_t n)
{
	switch (a->state) {
	case ANSWER_HEAD: return feed_head(a, bytes, n);
	case ANSWER_LENGTH: return feed_counted(a, bytes, n, ANSWER_DONE);
	case ANSWER_CHUNK_SIZE: return feed_size(a, bytes, n);
	case ANSWER_CHUNK_DATA: return feed_counted(a, bytes, n, ANSWER_CHUNK_END);
	case ANSWER_CHUNK_END: return feed_chunk_end(a, bytes);
	case ANSWER_TRAILER: return feed_trailer(a, bytes);
	case ANSWER_CLOSE: on_content(a, bytes, n); return n;
	case ANSWER_DONE:
	case ANSWER_BAD: break;
	}
	return 0;
}

size_t
answer_feed(struct answer *a, const uint8_t *bytes, size_t n)
{
	size_t taken = 0;

	while (taken < n && a->state != ANSWER_DONE && a->state != ANSWER_BAD)
		taken += feed_some(a, bytes + taken, n - taken);
	return taken;
}

void
answer_eof(struct answer *a)
{
	if (a->state != ANSWER_CLOSE)
		return;
	a->state = ANSWER_DONE;
	a->ended_by_close = true;
}

/* ---- judgement ------------------------------------------------------------------------------- */

enum verdict
answer_verdict(const struct answer *a)
{
	bool ended = a->is_stream ? a->sse.ended : json_ended(&a->json);

	if (a->state == ANSWER_BAD)
		return VERDICT_BAD_HTTP;
	if (a->state == ANSWER_HEAD)
		return buf_len(&a->head) > 0 ? VERDICT_INCOMPLETE : VERDICT_NO_ANSWER;
	if (a->is_stream && a->sse.error)
		return VERDICT_STREAM_ERROR;
	if (a->state != ANSWER_DONE)
		return VERDICT_INCOMPLETE;
	if (a->status >= 300)
		return VERDICT_ERROR;
	if (ended)
		return VERDICT_OK;
	return a->ended_by_close ? VERDICT_INCOMPLETE : VERDICT_TRUNCATED;
}

void
answer_hash(struct answer *a, uint8_t out[ANSWER_HASH_BYTES])
{
	crypto_generichash_final(&a->hash, out, ANSWER_HASH_BYTES);
}
