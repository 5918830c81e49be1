// SPDX-License-Identifier: MIT
/*
 * Outcomes: how an attempt or a request ended, as a value, and what follows from it. The table is
 * outcomes.def; this is the only door to it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum outcome {
#define OUTCOME(id, ...) OUTCOME_##id,
#include "common/outcomes.def"
#undef OUTCOME
	OUTCOME_COUNT
};

enum blame {
	BLAME_GOOD,
	BLAME_ERROR,
	BLAME_TIMEOUT,
	BLAME_EMPTY,
	BLAME_CALLER,
	BLAME_LEFT,
	BLAME_NONE
};

struct outcome_info {
	const char *name;
	uint16_t status; /* for the client; 0: the provider's own */
	const char *code;
	enum blame blame;
	bool retry, fall_back;
	const char *text;
};

/* Never NULL for a value below OUTCOME_COUNT; asserts otherwise. */
const struct outcome_info *outcome_info(enum outcome o);
/* "ok", "refused", ... */
const char *outcome_name(enum outcome o);
/* What a provider's HTTP status means when it is not 2xx. `no_quota`: the body said that no quota
 * is left (insufficient_quota, a spending cap). */
enum outcome outcome_of_status(unsigned status, bool no_quota);
