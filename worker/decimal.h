// SPDX-License-Identifier: MIT
/*
 * Numbers as decimal text without printf, for what is written at every request: response heads and
 * log lines. Digits are written backwards from `end`; the result is where they begin.
 */
#pragma once

#include <stdint.h>

#define DECIMAL_BYTES 24 /* enough for every result below */

static inline char *
decimal(char *end, uint64_t value)
{
	do {
		*--end = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return end;
}

/* A number of thousandths, with three decimals: microseconds as milliseconds. */
static inline char *
decimal_milli(char *end, uint64_t thousandths)
{
	for (unsigned i = 0; i < 3; i++, thousandths /= 10)
		*--end = (char)('0' + thousandths % 10);
	*--end = '.';
	return decimal(end, thousandths);
}
