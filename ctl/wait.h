// SPDX-License-Identifier: MIT
/*
 * Conditions of `status --wait`: read from text, and judged against an answer to `status`. Pure.
 * A condition holds when it holds for every release in the answer.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"

struct cJSON;

enum wait_kind { WAIT_STAGE, WAIT_SHARE, WAIT_STATE, WAIT_PHASE, WAIT_HEALTHY };

struct wait_condition {
	enum wait_kind kind;
	uint64_t number;  /* hundredths of a percent */
	const char *name; /* of states.def or phases.def */
};

enum wait_verdict { WAIT_NOT_YET, WAIT_MET, WAIT_ROLLED_BACK, WAIT_ON_HOLD };

/* "stage=30", "share=12.5", "state=done", "phase=gate" or "healthy". */
int wait_parse(const char *text, struct wait_condition *out, struct err *e) MUST_CHECK;
/* A stage or share is reached when all workers have acknowledged it. Ending rolled back or on hold
 * is told apart from "not yet", for a script would wait in vain. */
enum wait_verdict wait_judge(const struct wait_condition *c, const struct cJSON *status);
/* The release for which the wait ended so, rolled back or on hold: the first in the answer, whose
 * text it is. NULL: none. */
const char *wait_culprit(enum wait_verdict verdict, const struct cJSON *status);
