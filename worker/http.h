// SPDX-License-Identifier: MIT
/*
 * Strict parser of an HTTP/1.x request head: a pure function over bytes, used by the workers for
 * every client connection. It can stop at any byte and go on when more have come, never looking
 * at a byte twice, and its verdict does not depend on where the bytes were split. What it does not
 * understand exactly it refuses, so that no two parties can disagree on where a request ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	HTTP_HEAD_MAX = 16 * 1024,  /* bytes, with the blank line */
	HTTP_TARGET_MAX = 4 * 1024, /* bytes */
	HTTP_HEADERS_MAX = 64,
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OPTIONS, HTTP_METHOD_COUNT };

/* Headers that the program itself reads; all others are HTTP_H_OTHER. Names in lower case. */
#define HTTP_KNOWN_HEADERS(X)                            \
	X(HTTP_H_HOST, "host")                           \
	X(HTTP_H_CONTENT_LENGTH, "content-length")       \
	X(HTTP_H_CONTENT_TYPE, "content-type")           \
	X(HTTP_H_CONTENT_ENCODING, "content-encoding")   \
	X(HTTP_H_TRANSFER_ENCODING, "transfer-encoding") \
	X(HTTP_H_CONNECTION, "connection")               \
	X(HTTP_H_EXPECT, "expect")                       \
	X(HTTP_H_AUTHORIZATION, "authorization")         \
	X(HTTP_H_X_API_KEY, "x-api-key")                 \
	X(HTTP_H_X_REQUEST_ID, "x-request-id")           \
	X(HTTP_H_X_GRAY_ARM, "x-gray-arm")               \
	X(HTTP_H_X_GRAY_COST, "x-gray-cost")             \
	X(HTTP_H_X_GRAY_STRESS, "x-gray-stress")         \
	X(HTTP_H_TRACEPARENT, "traceparent")             \
	X(HTTP_H_ANTHROPIC_VERSION, "anthropic-version") \
	X(HTTP_H_ANTHROPIC_BETA, "anthropic-beta")       \
	X(HTTP_H_USER_AGENT, "user-agent")               \
	X(HTTP_H_ACCEPT, "accept")

#define HTTP_HEADER_ID(id, name) id,
enum http_header_id { HTTP_KNOWN_HEADERS(HTTP_HEADER_ID) HTTP_H_OTHER };
#undef HTTP_HEADER_ID

/* A run of bytes of the head, as an offset from the head's first byte. */
struct http_span {
	uint16_t off, len;
};

struct http_header {
	struct http_span name;
	struct http_span value; /* without the blanks around it; may be empty */
	uint8_t id;		/* enum http_header_id */
};

struct http_head {
	enum http_method method;
	uint8_t minor;		 /* of HTTP/1.x: 0 or 1 */
	struct http_span target; /* path, and "?query" if there is one */
	struct http_span path;	 /* up to the first '?' */
	struct http_span query;	 /* behind it; empty if there is none */
	int64_t content_length;	 /* -1: none given */
	bool chunked;		 /* Transfer-Encoding: chunked */
	bool has_body;		 /* chunked, or a length above 0 */
	bool keep_alive;	 /* the client allows another request on the connection */
	bool expect_continue;	 /* it waits for "100 Continue" before it sends the body */
	uint16_t error_status;	 /* after -1: 400, 414, 417, 431, 501 or 505 */
	const char *error_text;	 /* after -1: a constant that names the rule */
	/* The parser's own: what is being read, where to go on, where that name or value began, and
	 * what headers have come so far. */
	uint8_t phase;
	uint16_t scanned, mark;
	bool host_seen, te_seen, close_asked, keep_alive_asked;
	uint8_t n_headers;
	struct http_header headers[HTTP_HEADERS_MAX]; /* in the order in which they came */
};

/* Makes the head ready for the first byte of a request. */
void http_head_reset(struct http_head *h);

/*
 * Reads on in a head that begins at `bytes`, of which `n` bytes are there. Call it again with the
 * same bytes and more behind them (they may have moved) until it answers:
 *   > 0  the length of the head with its blank line; all fields are valid
 *     0  more bytes are needed
 *    -1  malformed: error_status and error_text say why; the connection must be closed
 */
ssize_t http_head_parse(struct http_head *h, const uint8_t *bytes, size_t n);

/* The first header with this id, or NULL. */
const struct http_header *http_head_find(const struct http_head *h, enum http_header_id id);

/* The first header of this name (case does not matter), or NULL. `bytes`: where the head lies. */
const struct http_header *http_head_find_name(
    const struct http_head *h, const uint8_t *bytes, const char *name, size_t len);

/* Whether the span holds `text`, ASCII case aside. */
bool http_span_equals_nocase(
    struct http_span span, const uint8_t *bytes, const char *text, size_t len);
