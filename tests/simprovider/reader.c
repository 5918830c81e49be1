// SPDX-License-Identifier: MIT
/*
 * The request reader of simprovider. It takes LF for CRLF and ignores what it does not know; it
 * refuses only what leaves the end of the request in doubt. Every offset stays inside the bytes it
 * was given.
 */
#include "tests/simprovider/reader.h"

#include <strings.h>

void
reader_reset(struct reader *reader)
{
	memset(reader, 0, sizeof(*reader));
}

/* One line without its end; `next` is where the next line begins. False: no line end yet. */
static bool
take_line(const uint8_t *bytes, size_t n, size_t at, struct span *line, size_t *next)
{
	const uint8_t *end = at < n ? memchr(bytes + at, '\n', n - at) : NULL;

	if (end == NULL)
		return false;
	line->at = at;
	line->len = (size_t)(end - bytes) - at;
	*next = at + line->len + 1;
	if (line->len > 0 && end[-1] == '\r')
		line->len--;
	return true;
}

/* Takes what stands before the first `until` (a space or a colon) off the front of `rest`. */
static struct span
take_word(const uint8_t *bytes, struct span *rest, char until)
{
	const uint8_t *found = memchr(bytes + rest->at, until, rest->len);
	size_t len = found != NULL ? (size_t)(found - bytes) - rest->at : rest->len;
	struct span word = { rest->at, len };
	size_t used = found != NULL ? len + 1 : len;

	rest->at += used;
	rest->len -= used;
	return word;
}

static struct span
trimmed(const uint8_t *bytes, struct span s)
{
	while (s.len > 0 && (bytes[s.at] == ' ' || bytes[s.at] == '\t'))
		s.at++, s.len--;
	while (s.len > 0 && (bytes[s.at + s.len - 1] == ' ' || bytes[s.at + s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool
same_word(const uint8_t *bytes, struct span s, const char *word)
{
	return s.len == strlen(word) && strncasecmp((const char *)bytes + s.at, word, s.len) == 0;
}

static bool
read_content_length(const uint8_t *bytes, struct span value, struct request *r)
{
	uint64_t length = 0;

	if (value.len == 0 || value.len > 15 || r->has_length || r->chunked)
		return false;
	r->has_length = true;
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = bytes[value.at + i];

		if (c < '0' || c > '9')
			return false;
		length = length * 10 + (uint64_t)(c - '0');
	}
	r->content_length = length;
	return true;
}

static bool
read_encoding(const uint8_t *bytes, struct span value, struct request *r)
{
	r->chunked = same_word(bytes, value, "chunked");
	return r->chunked && !r->has_length;
}

static bool
read_connection(const uint8_t *bytes, struct span value, struct request *r)
{
	r->close = r->close || same_word(bytes, value, "close");
	r->keep_alive = r->keep_alive || same_word(bytes, value, "keep-alive");
	return true;
}

static bool
read_expect(const uint8_t *bytes, struct span value, struct request *r)
{
	r->expects = same_word(bytes, value, "100-continue");
	return true;
}

static bool
read_bearer(const uint8_t *bytes, struct span value, struct request *r)
{
	if (value.len > 7 && strncasecmp((const char *)bytes + value.at, "bearer ", 7) == 0)
		r->keys[KEY_BEARER] = trimmed(bytes, (struct span){ value.at + 7, value.len - 7 });
	return true;
}

static bool
read_x_api_key(const uint8_t *bytes, struct span value, struct request *r)
{
	(void)bytes;
	r->keys[KEY_X_API_KEY] = value;
	return true;
}

static bool
read_goog_key(const uint8_t *bytes, struct span value, struct request *r)
{
	(void)bytes;
	r->keys[KEY_GOOG] = value;
	return true;
}

static bool
read_request_id(const uint8_t *bytes, struct span value, struct request *r)
{
	(void)bytes;
	r->request_id = value;
	return true;
}

static bool
read_version(const uint8_t *bytes, struct span value, struct request *r)
{
	(void)bytes;
	r->version = value;
	return true;
}

static const struct {
	const char *name;
	bool (*read)(const uint8_t *bytes, struct span value, struct request *r);
} headers[] = {
	{ "content-length", read_content_length },
	{ "transfer-encoding", read_encoding },
	{ "connection", read_connection },
	{ "expect", read_expect },
	{ "authorization", read_bearer },
	{ "x-api-key", read_x_api_key },
	{ "x-goog-api-key", read_goog_key },
	{ "x-request-id", read_request_id },
	{ "anthropic-version", read_version },
};

static bool
read_header(const uint8_t *bytes, struct span line, struct request *r)
{
	struct span name = take_word(bytes, &line, ':');

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (same_word(bytes, name, headers[i].name))
			return headers[i].read(bytes, trimmed(bytes, line), r);
	return true;
}

static bool
read_request_line(const uint8_t *bytes, struct span line, struct request *r)
{
	r->method = take_word(bytes, &line, ' ');
	r->target = take_word(bytes, &line, ' ');
	r->http10 = same_word(bytes, line, "HTTP/1.0");
	return r->method.len > 0 && r->target.len > 0 && bytes[r->target.at] == '/' &&
	       line.len == 8 && strncasecmp((const char *)bytes + line.at, "HTTP/1.", 7) == 0;
}

/* The length of the head with its empty line, 0 while it is not all there. */
static size_t
head_length(struct reader *reader, const uint8_t *bytes, size_t n)
{
	size_t at = reader->scanned, next;
	struct span line;

	while (take_line(bytes, n, at, &line, &next)) {
		if (line.len == 0 && at > 0)
			return next;
		reader->scanned = at = next;
	}
	return 0;
}

static enum reading_state
read_head(struct reader *reader, const uint8_t *bytes, size_t n)
{
	struct request *r = &reader->request;
	size_t at = 0;
	struct span line;

	r->head_bytes = head_length(reader, bytes, n);
	if (r->head_bytes == 0)
		return n > READER_MAX_HEAD_BYTES ? READER_BAD : READER_MORE;
	take_line(bytes, n, 0, &line, &at);
	if (!read_request_line(bytes, line, r))
		return READER_BAD;
	while (at < r->head_bytes) {
		take_line(bytes, n, at, &line, &at);
		if (!read_header(bytes, line, r))
			return READER_BAD;
	}
	reader->have_head = true;
	reader->chunk_at = r->head_bytes;
	return READER_DONE;
}

/* The number in front of a chunk; false: not a number. */
static bool
chunk_size(const uint8_t *bytes, struct span line, size_t *size)
{
	size_t value = 0, i = 0;

	for (; i < line.len && i < 9; i++) {
		uint8_t c = bytes[line.at + i];
		int digit = c >= '0' && c <= '9'		 ? c - '0'
			    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
								 : -1;

		if (digit < 0)
			break;
		value = value * 16 + (size_t)digit;
	}
	*size = value;
	return i > 0 && i < 9;
}

/* Moves the data of the chunks together behind the head. All chunks are known to be whole. */
static void
join_chunks(struct request *r, uint8_t *bytes, size_t n)
{
	size_t at = r->head_bytes, to = r->head_bytes, size, next;
	struct span line;

	while (
	    take_line(bytes, n, at, &line, &next) && chunk_size(bytes, line, &size) && size > 0) {
		memmove(bytes + to, bytes + next, size);
		to += size;
		take_line(bytes, n, next + size, &line, &at);
	}
	r->body = (struct span){ r->head_bytes, to - r->head_bytes };
}

/* Goes over the chunks that are whole; done behind the empty line that ends the trailers. */
static enum reading_state
walk_chunks(struct reader *reader, uint8_t *bytes, size_t n)
{
	struct span line;
	size_t size, next;

	while (take_line(bytes, n, reader->chunk_at, &line, &next)) {
		if (!chunk_size(bytes, line, &size))
			return READER_BAD;
		if (size == 0)
			break;
		if (n - next < size || !take_line(bytes, n, next + size, &line, &next))
			return READER_MORE;
		if (line.len != 0)
			return READER_BAD;
		reader->chunk_at = next;
	}
	if (!take_line(bytes, n, reader->chunk_at, &line, &next))
		return READER_MORE;
	do {
		if (!take_line(bytes, n, next, &line, &next))
			return READER_MORE;
	} while (line.len != 0);
	reader->request.wire_bytes = next;
	join_chunks(&reader->request, bytes, n);
	return READER_DONE;
}

enum reading_state
reader_feed(struct reader *reader, uint8_t *bytes, size_t n)
{
	struct request *r = &reader->request;

	if (!reader->have_head) {
		enum reading_state state = read_head(reader, bytes, n);

		if (state != READER_DONE)
			return state;
	}
	if (r->chunked)
		return walk_chunks(reader, bytes, n);
	if (n - r->head_bytes < r->content_length)
		return READER_MORE;
	r->body = (struct span){ r->head_bytes, (size_t)r->content_length };
	r->wire_bytes = r->head_bytes + (size_t)r->content_length;
	return READER_DONE;
}
