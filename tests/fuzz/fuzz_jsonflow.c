// SPDX-License-Identifier: MIT
/*
 * JSON in pieces, beside the scanner that sees it whole: what the scanner takes is whole, at any
 * split of the bytes; what is whole and ASCII the scanner takes. The first byte chooses the pieces.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/jscan.h"
#include "worker/jsonflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool
is_ascii(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] >= 0x80)
			return false;
	}
	return true;
}

static unsigned
depth_of(const uint8_t *bytes, size_t n)
{
	unsigned opened = 0;

	for (size_t i = 0; i < n; i++)
		opened += bytes[i] == '[' || bytes[i] == '{';
	return opened;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct jsonflow at_once = { 0 }, pieces = { 0 };
	size_t piece = n > 0 ? 1 + bytes[0] % 16 : 1;
	bool valid;

	if (n == 0)
		return 0;
	bytes++;
	n--;
	valid = jscan_valid(bytes, n);
	jsonflow_feed(&at_once, bytes, n);
	for (size_t i = 0; i < n; i += piece)
		jsonflow_feed(&pieces, bytes + i, n - i < piece ? n - i : piece);
	assert(memcmp(&at_once, &pieces, sizeof(pieces)) == 0);
	assert(!valid || jsonflow_whole(&at_once));
	if (is_ascii(bytes, n) && depth_of(bytes, n) <= JSCAN_DEPTH)
		assert(jsonflow_whole(&at_once) == valid);
	return 0;
}
