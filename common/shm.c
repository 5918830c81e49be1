// SPDX-License-Identifier: MIT
/* Names of what shm.h numbers. */
#include "common/shm.h"

const char *const arm_names[ARM_COUNT] = {
	[ARM_STABLE] = "stable",
	[ARM_CANDIDATE] = "candidate",
};
