// SPDX-License-Identifier: MIT
/*
 * The rules of a release: which command is legal in which state, and what it leads to. Pure: facts
 * in, a ruling out; nothing here changes anything. A refusal says what would work instead.
 */
#pragma once

#include "common/shm.h"

enum release_command { COMMAND_STAGE, COMMAND_WEIGHT, COMMAND_ROLLBACK, COMMAND_COUNT };
extern const char *const release_command_names[COMMAND_COUNT];

#define SHARE_FULL_BP 10000

/* What the ruling depends on. */
struct release_case {
	enum release_state state;
	enum release_command command;
	uint32_t share_bp; /* asked for, hundredths of a percent; not used by rollback */
	bool has_candidate;
	const uint16_t *stages; /* of the plan, in percent */
	unsigned n_stages;
};

struct release_ruling {
	bool legal;
	enum release_state state; /* afterwards */
	uint16_t share_bp;	  /* afterwards */
	uint16_t stage_percent;	  /* afterwards; with `weight` the share, rounded */
	char text[256]; /* why not, and what would work instead; follows "release NAME "; empty when
			   legal */
};

void release_decide(const struct release_case *c, struct release_ruling *r);
/* "idle", "step", ... and what the state means. */
const char *release_state_name(enum release_state s);
const char *release_state_text(enum release_state s);
