// SPDX-License-Identifier: MIT
/* The cost field of a stream: an event that was JSON is JSON behind it, and longer by the field. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/costfield.h"
#include "worker/jscan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char field[COSTFIELD_BYTES];
	size_t at, len;
	bool empty;
	uint8_t *after;

	if (!costfield_place(bytes, n, &at, &empty))
		return 0;
	assert(at < n && bytes[at] == '}');
	len = costfield_write(field, money_make(1, 2), money_make(3, 4), empty);
	assert(len < sizeof(field));
	after = malloc(n + len);
	if (after == NULL)
		return 0;
	memcpy(after, bytes, at);
	memcpy(after + at, field, len);
	memcpy(after + at + len, bytes + at, n - at);
	assert(jscan_valid(after, n + len) == jscan_valid(bytes, n));
	free(after);
	return 0;
}
