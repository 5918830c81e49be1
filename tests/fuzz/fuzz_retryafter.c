// SPDX-License-Identifier: MIT
/*
 * Fuzzes worker/retryafter.c. Whatever a provider writes, the wait is none or within its bounds;
 * blanks around the value change nothing; an hour later a date is an hour nearer and a number of
 * seconds the same.
 */
#include "worker/retryafter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WALL_MS INT64_C(1764000000000)
#define HOUR_MS INT64_C(3600000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_bounds(int64_t ms)
{
	assert(ms >= -1 && ms <= RETRYAFTER_MAX_MS);
}

static void
check_later(int64_t now_ms, int64_t later_ms)
{
	check_bounds(later_ms);
	assert((now_ms < 0) == (later_ms < 0));
	assert(later_ms == now_ms || (later_ms < now_ms && now_ms - later_ms <= HOUR_MS));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size > 0 ? size : 1), *padded = malloc(size + 2);
	int64_t now_ms;

	assert(exact != NULL && padded != NULL);
	memcpy(exact, data, size);
	padded[0] = ' ';
	memcpy(padded + 1, data, size);
	padded[size + 1] = '\t';

	now_ms = retryafter_parse(exact, size, WALL_MS);
	check_bounds(now_ms);
	check_later(now_ms, retryafter_parse(exact, size, WALL_MS + HOUR_MS));
	assert(retryafter_parse(padded, size + 2, WALL_MS) == now_ms);
	check_bounds(retryafter_parse_ms(exact, size));
	assert(retryafter_parse_ms(padded, size + 2) == retryafter_parse_ms(exact, size));
	free(exact);
	free(padded);
	return 0;
}
