// SPDX-License-Identifier: MIT
/*
 * Numbers as decimal text without printf, for what is written at every request: response heads and
 * log lines. Digits are written backwards from `end`; the result is where they begin.
 */
#pragma once

#include <stdint.h>

#define DECIMAL_BYTES 40 /* enough for every result below */

static inline char *
decimal(char *end, uint64_t value)
{
	do {
		*--end = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return end;
}

/* A number with `places` decimals: `fraction` is below 10^places. */
static inline char *
decimal_fixed(char *end, uint64_t whole, uint64_t fraction, unsigned places)
{
	for (unsigned i = 0; i < places; i++, fraction /= 10)
		*--end = (char)('0' + fraction % 10);
	*--end = '.';
	return decimal(end, whole);
}

/* A number of thousandths, with three decimals: microseconds as milliseconds. */
static inline char *
decimal_milli(char *end, uint64_t thousandths)
{
	return decimal_fixed(end, thousandths / 1000, thousandths % 1000, 3);
}
