// SPDX-License-Identifier: MIT
/* Estimates of tokens; see estimate.h. */
#include "worker/estimate.h"

#include <stdbool.h>

#define BYTES_PER_TOKEN 4
#define BLOB_BYTES	256 /* text has a space or a quote long before */
#define BLOB_TOKENS	1000

static bool
is_base64(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/' || c == '=';
}

uint64_t
estimate_input(const uint8_t *body, size_t n)
{
	uint64_t text_bytes = 0, blobs = 0;
	size_t at = 0;

	while (at < n) {
		size_t run = at;

		while (run < n && is_base64(body[run]))
			run++;
		if (run - at >= BLOB_BYTES)
			blobs++;
		else
			text_bytes += run - at;
		at = run;
		if (at < n) {
			text_bytes++;
			at++;
		}
	}
	return (text_bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN + blobs * BLOB_TOKENS;
}

uint64_t
estimate_output(uint64_t content_bytes, uint64_t content_events)
{
	uint64_t by_bytes = (content_bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;

	return by_bytes > content_events ? by_bytes : content_events;
}
