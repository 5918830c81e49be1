// SPDX-License-Identifier: MIT
/*
 * Why a release stands where it stands: who put it into its present state, when, by which command,
 * and why; for `status` and `explain`. Noted at the one door, and read from the journal by a master
 * that starts. Master process. A note tells of one state (and hold) of one rollout, and is nobody's
 * in any other.
 */
#pragma once

#include "common/audit.h"
#include "daemon/transition.h"

struct master;
struct causes;

#define CAUSE_REASON_BYTES 600 /* a longer reason is cut: the journal has it whole */

struct cause {
	char release[NAME_BYTES];
	uint64_t rollout_id;
	uint8_t state, hold; /* that it led to */
	uint64_t wall_us;
	uint32_t uid;
	char actor[AUDIT_ACTOR_BYTES], command[AUDIT_COMMAND_BYTES];
	char reason[CAUSE_REASON_BYTES]; /* empty: none was given */
};

/* Whether a change is the cause of the state that it left: it led there, or said so again. */
bool cause_is_new(uint8_t from_state, uint8_t to_state, bool other_hold, const char *command);
/* Notes what `change` has made of a release, if that is another state or hold. Without memory:
 * nothing. */
void cause_note(struct master *m, const struct policy_release *before,
    const struct policy_release *after, const struct change *change);
/* Notes one that is known from elsewhere; the strings of `c` are copied. */
void cause_put(struct master *m, const struct cause *c);
/* Of the state that it has now; NULL: nobody knows. Until the next note. */
const struct cause *cause_find(const struct master *m, const struct policy_release *now);
void cause_end(struct master *m);
