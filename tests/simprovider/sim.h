// SPDX-License-Identifier: MIT
/*
 * What the parts of simprovider share: one process, one loop, one of each of these. Whoever holds a
 * pointer to `struct sim` runs on the loop.
 */
#pragma once

#include <event2/event.h>

#include "tests/simprovider/keep.h"
#include "tests/simprovider/kind.h"
#include "tests/simprovider/ledger.h"
#include "tests/simprovider/options.h"
#include "tests/simprovider/script.h"
#include "tests/simprovider/wheel.h"

#define SIM_SCRATCH_BYTES 65536

struct conn;
struct listener;

struct sim {
	const struct options *options;
	struct event_base *base;
	struct wheel wheel;
	struct script *script;
	struct ledger ledger;
	struct keep keep;
	struct listener *listeners;
	struct conn *conns;	/* open */
	struct conn *graveyard; /* closed in this turn of the loop, freed at its end */
	uint8_t *scratch;	/* where bytes are received */
	struct text page;	/* where answers are made */
	uint64_t seed, accepted;
};
