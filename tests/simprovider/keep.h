// SPDX-License-Identifier: MIT
/*
 * The last requests as they came over the wire (--keep N), to see what a client really sends. The
 * keys in them are masked.
 */
#pragma once

#include "tests/simprovider/reader.h"
#include "tests/simprovider/text.h"

#define KEEP_MAX_BYTES (1024 * 1024)

struct kept {
	uint64_t id;
	struct text bytes;
};

struct keep {
	size_t count;
	struct kept *items;
};

int keep_init(struct keep *keep, size_t count); /* 0 or -1 (out of memory) */
void keep_fini(struct keep *keep);
/* Keeps head and decoded body of request `id`, at most KEEP_MAX_BYTES. */
void keep_request(
    struct keep *keep, uint64_t id, const uint8_t *bytes, const struct request *request);
const struct text *keep_find(const struct keep *keep, uint64_t id); /* NULL: not there */
