// SPDX-License-Identifier: MIT
/* Names of what shm.h numbers. */
#include "common/shm.h"

const char *const arm_names[ARM_COUNT] = {
	[ARM_STABLE] = "stable",
	[ARM_CANDIDATE] = "candidate",
};

const char *const error_saved_names[SAVED_COUNT] = {
	[SAVED_NOT] = "no",
	[SAVED_BY_RETRY] = "retry",
	[SAVED_BY_FALLBACK] = "fallback",
};
