// SPDX-License-Identifier: MIT
/*
 * The rules of a release: which command is legal in which state, and what it leads to. Pure: facts
 * in, a ruling out; nothing here changes anything. Operators, the plan and the guard obey the same
 * table; a refusal says what would work instead.
 */
#pragma once

#include "common/config.h"
#include "common/shm.h"

enum release_command {
	COMMAND_STAGE,
	COMMAND_WEIGHT,
	COMMAND_ROLLBACK,
	COMMAND_START,
	COMMAND_AWAIT, /* start --when-known, and the candidate is not: begin when it is */
	COMMAND_PROMOTE,
	COMMAND_FULL, /* promote --full: to 100 %, and from there to the end of the bake */
	COMMAND_PAUSE,
	COMMAND_RESUME,
	COMMAND_FREEZE,
	COMMAND_UNFREEZE,
	COMMAND_RESTART,
	COMMAND_COUNT,
	COMMAND_RELOAD = COMMAND_COUNT /* nobody's command: another config came */
};
extern const char *const release_command_names[COMMAND_COUNT + 1];

#define SHARE_FULL_BP 10000

/* What the ruling depends on. */
struct release_case {
	const struct policy_release *now;
	const struct config_release *config; /* NULL: the config does not have it any more */
	uint64_t wall_us;		     /* the wall clock, for a freeze that ends */
	enum release_command command;
	uint32_t share_bp;     /* stage, weight: asked for, hundredths of a percent */
	enum hold_reason hold; /* pause: why */
	uint32_t waive;	       /* resume: bits, see release_waivable() */
	uint64_t until_us;     /* freeze: wall clock; 0: until it is ended */
	bool cut;	       /* rollback: streams too */
};

struct release_ruling {
	bool legal;
	bool begins;  /* a new rollout */
	bool changes; /* `next` differs from what is */
	struct policy_release
	    next;	/* legal: afterwards. Its revisions and times are the old ones */
	char text[256]; /* why not, and what would work instead; follows "release NAME "; empty when
			   legal */
};

void release_decide(const struct release_case *c, struct release_ruling *r);
/* Whether the command may be given to all releases at once. */
bool release_takes_all(enum release_command command);
/* The next stage of the plan above this share, in hundredths of a percent; 0: there is none. */
uint32_t release_next_stage_bp(const struct config_release *config, uint32_t share_bp);
/* Whether nothing may start or advance now. */
bool release_frozen(const struct policy_release *r, uint64_t wall_us);
/* Whether the candidate may have traffic in this state. */
bool release_exposed(enum release_state s);
/* "idle", "step", ... and what the state means. */
const char *release_state_name(enum release_state s);
const char *release_state_text(enum release_state s);
/* What `resume --waive` can name: symptoms, then values; NULL: no more of them. Each is the bit of
 * its number. */
const char *release_waivable(unsigned number);
/* "no_data", ... , what it means, and whether such a hold ends by itself. */
const char *release_hold_name(enum hold_reason h);
const char *release_hold_text(enum hold_reason h);
bool release_hold_recovers(enum hold_reason h);
