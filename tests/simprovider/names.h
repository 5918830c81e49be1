// SPDX-License-Identifier: MIT
/* Names (of models, of paths) as small numbers, so that a record of the ledger stays small. */
#pragma once

#include <stdint.h>

#include "tests/simprovider/text.h"

#define NAMES_LIMIT 4096

struct names {
	struct str *items; /* item 0 is "", item 1 is "(other)" */
	uint16_t *table;   /* of hashes; 0: free */
	uint16_t count;
};

int names_init(struct names *names); /* 0 or -1 (out of memory) */
void names_fini(struct names *names);
/* The number of a name; that of "(other)" once there are too many. */
uint16_t names_number(struct names *names, struct str name);
