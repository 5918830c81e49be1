// SPDX-License-Identifier: MIT
/*
 * Two questions about bytes that claim to be text, asked for every byte of every request and so
 * inlined: how far does a run go that a JSON string may hold as it is, and is this a well-formed
 * UTF-8 sequence. No process, no state. Nothing at or behind `end` is ever read.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ASCII that stands for itself in a JSON string: neither control byte, quote nor backslash. */
static inline int
text_is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The first byte of p .. end that is not plain, or `end`. */
static inline const uint8_t *
text_plain_end(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(0x20);

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* Signed: less than a space are control bytes and all of 0x80 and above. */
		__m128i bad = _mm_or_si128(_mm_cmplt_epi8(v, space),
		    _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
		unsigned mask = (unsigned)_mm_movemask_epi8(bad);

		if (mask != 0)
			return p + __builtin_ctz(mask);
	}
#else
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;

	for (; end - p >= 8; p += 8) {
		uint64_t v, quote, backslash;

		memcpy(&v, p, sizeof(v));
		quote = v ^ (ones * '"');
		backslash = v ^ (ones * '\\');
		/* A byte's high bit is set where it is below a space, a quote, a backslash or not
		 * ASCII; a borrow can only add such a bit above a true one. */
		if (((((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote) |
			 ((backslash - ones) & ~backslash) | v) &
			highs) != 0)
			break;
	}
#endif
	while (p < end && text_is_plain(*p))
		p++;
	return p;
}

/* The length of the well-formed multi-byte sequence (2 .. 4 bytes) at p, 0 if there is none: no
 * overlong forms, no surrogates, nothing above U+10FFFF. */
static inline size_t
text_utf8_length(const uint8_t *p, const uint8_t *end)
{
	size_t room = (size_t)(end - p);
	uint8_t low = 0x80, high = 0xbf;

	if (room < 2 || p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (p[0] < 0xe0)
		return (p[1] & 0xc0) == 0x80 ? 2 : 0;
	switch (p[0]) {
	case 0xe0: low = 0xa0; break;
	case 0xed: high = 0x9f; break;
	case 0xf0: low = 0x90; break;
	case 0xf4: high = 0x8f; break;
	}
	if (p[1] < low || p[1] > high || room < 3 || (p[2] & 0xc0) != 0x80)
		return 0;
	if (p[0] < 0xf0)
		return 3;
	return room >= 4 && (p[3] & 0xc0) == 0x80 ? 4 : 0;
}
