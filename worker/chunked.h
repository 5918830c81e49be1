// SPDX-License-Identifier: MIT
/*
 * Decoder of a chunked request body: takes the framing out of the bytes where they lie. A pure
 * function, used by the workers; it can stop at any byte and go on when more have come, and what it
 * says does not depend on where the bytes were split. Extensions and trailers are checked and
 * dropped. The limit on the whole body is the caller's: see `decoded` and `left`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	CHUNKED_SIZE_DIGITS_MAX = 8,
	CHUNKED_EXTENSION_MAX = 256, /* bytes in one size line, from the ';' on */
	CHUNKED_TRAILERS_MAX = 4096, /* bytes of all trailer lines with their CRLFs */
};

enum chunked_result { CHUNKED_MORE, CHUNKED_DONE, CHUNKED_ERROR };

struct chunked {
	uint64_t decoded;	/* bytes of body so far, all calls together */
	uint32_t left;		/* bytes still to come of a chunk whose size line is complete */
	uint32_t size;		/* of the chunk, while its size line is being read */
	uint16_t dropped;	/* bytes of this line's extension, or of trailers */
	uint8_t digits;		/* of the size being read */
	uint8_t phase;		/* what the next byte may be */
	const char *error_text; /* after CHUNKED_ERROR: a constant that names the rule */
};

/* Makes the decoder ready for the first byte of a body. */
void chunked_reset(struct chunked *c);

/*
 * Decodes `n` bytes in place: the body's bytes among them move to bytes[0 .. *out_n). *used bytes
 * were taken; that is all `n`, but with CHUNKED_DONE what lies behind belongs to the next request.
 * CHUNKED_MORE: go on with the bytes that follow. CHUNKED_ERROR: the connection must be closed;
 * every later call says the same. A caller that bounds bodies stops when decoded + left exceeds
 * its bound, that is before the chunk has arrived.
 */
enum chunked_result chunked_decode(
    struct chunked *c, uint8_t *bytes, size_t n, size_t *used, size_t *out_n);
