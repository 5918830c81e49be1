// SPDX-License-Identifier: MIT
/*
 * Reading of HTTP/1.1 requests, lenient and independent of grayd's own parser, so that the two can
 * disagree in a test. Pure and resumable: give it all bytes that are there from the first byte of
 * the request on, each time more have come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simprovider/text.h"

/* Bytes of a request, by their place in it. */
struct span {
	size_t at, len;
};

/* The headers that carry a provider's key. */
enum key_header { KEY_BEARER, KEY_X_API_KEY, KEY_GOOG, KEY_HEADERS };

struct request {
	struct span method, target;
	struct span keys[KEY_HEADERS]; /* len 0: not there */
	struct span request_id;
	struct span version; /* anthropic-version */
	struct span body;    /* decoded, when done */
	size_t head_bytes;   /* with the empty line */
	size_t wire_bytes;   /* of the whole request, when done */
	uint64_t content_length;
	bool has_length, chunked, http10, keep_alive, close, expects;
};

struct reader {
	struct request request;
	size_t scanned;	 /* no end of the head before here */
	size_t chunk_at; /* where the next chunk's size begins */
	bool have_head;
};

enum reading_state { READER_MORE, READER_DONE, READER_BAD };

#define READER_MAX_HEAD_BYTES (256u * 1024)

void reader_reset(struct reader *reader);
/* On READER_DONE the body's chunks have been joined in place, inside the request's own bytes. */
enum reading_state reader_feed(struct reader *reader, uint8_t *bytes, size_t n);

static inline struct str
span_str(const uint8_t *bytes, struct span span)
{
	return (struct str){ (const char *)bytes + span.at, span.len };
}
