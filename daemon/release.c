// SPDX-License-Identifier: MIT
/*
 * The rules of a release, see release.h. Pure. The table has a cell for each state and command;
 * rollback is legal in all of them.
 */
#include "daemon/release.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct rule {
	enum release_state to;
	const char *refusal; /* follows the words "release NAME "; NULL: legal */
};

/* clang-format off */
#define STEPS         { STATE_STEP, NULL }
#define ROLLS_BACK    { STATE_ROLLED_BACK, NULL }
#define REFUSED(text) { STATE_COUNT, text }
/* clang-format on */

static const char asking[] = "waits for its providers to name their models: try again when that is "
			     "over, or use rollback";
static const char taken_over[] = "is done, the candidate has taken over: only rollback leaves this "
				 "state, or a config that makes "
				 "the candidate the new stable model";
static const char stays_back[] =
    "was rolled back and stays on stable: this version of grayd begins a new rollout only after "
    "grayd itself was restarted";

static const struct rule rules[STATE_COUNT][COMMAND_COUNT] = {
	/* clang-format off */
	/*                     stage                weight               rollback */
	[STATE_IDLE]        = { STEPS,               STEPS,               ROLLS_BACK },
	[STATE_PREFLIGHT]   = { REFUSED(asking),     REFUSED(asking),     ROLLS_BACK },
	[STATE_STEP]        = { STEPS,               STEPS,               ROLLS_BACK },
	[STATE_HOLD]        = { STEPS,               STEPS,               ROLLS_BACK },
	[STATE_BAKE]        = { STEPS,               STEPS,               ROLLS_BACK },
	[STATE_DONE]        = { REFUSED(taken_over), REFUSED(taken_over), ROLLS_BACK },
	[STATE_ROLLED_BACK] = { REFUSED(stays_back), REFUSED(stays_back), ROLLS_BACK },
	/* clang-format on */
};

const char *const release_command_names[COMMAND_COUNT] = {
	[COMMAND_STAGE] = "stage",
	[COMMAND_WEIGHT] = "weight",
	[COMMAND_ROLLBACK] = "rollback",
};

static const struct {
	const char *name;
	bool exposed;
	const char *text;
} states[STATE_COUNT] = {
#define STATE(id, ...) [STATE_##id] = { __VA_ARGS__ },
#include "common/states.def"
#undef STATE
};

const char *
release_state_name(enum release_state s)
{
	assert((unsigned)s < STATE_COUNT);
	return states[s].name;
}

const char *
release_state_text(enum release_state s)
{
	assert((unsigned)s < STATE_COUNT);
	return states[s].text;
}

static bool
is_stage(const struct release_case *c)
{
	for (unsigned i = 0; i < c->n_stages; i++) {
		if (c->stages[i] * 100u == c->share_bp)
			return true;
	}
	return false;
}

static void
refuse_stage(const struct release_case *c, struct release_ruling *r)
{
	size_t n;

	if (c->share_bp == 0) {
		snprintf(r->text, sizeof(r->text),
		    "has no stage 0: to stop the rollout use rollback, to pause its traffic use "
		    "weight 0");
		return;
	}
	n = (size_t)snprintf(r->text, sizeof(r->text), "has no such stage: its plan has");
	for (unsigned i = 0; i < c->n_stages && n < sizeof(r->text); i++)
		n += (size_t)snprintf(r->text + n, sizeof(r->text) - n, " %u", c->stages[i]);
	if (n < sizeof(r->text))
		snprintf(r->text + n, sizeof(r->text) - n, "; weight takes any percentage");
}

/* What speaks against a share, beside the state; r->text is then filled. */
static void
check_share(const struct release_case *c, struct release_ruling *r)
{
	if (!c->has_candidate)
		snprintf(r->text, sizeof(r->text), "has no candidate in the config");
	else if (c->share_bp > SHARE_FULL_BP)
		snprintf(r->text, sizeof(r->text), "cannot have a share above 100 %%");
	else if (c->command == COMMAND_STAGE && !is_stage(c))
		refuse_stage(c, r);
}

void
release_decide(const struct release_case *c, struct release_ruling *r)
{
	const struct rule *rule;

	assert((unsigned)c->state < STATE_COUNT && (unsigned)c->command < COMMAND_COUNT);
	memset(r, 0, sizeof(*r));
	rule = &rules[c->state][c->command];
	if (rule->refusal != NULL)
		snprintf(r->text, sizeof(r->text), "%s", rule->refusal);
	else if (c->command != COMMAND_ROLLBACK)
		check_share(c, r);
	if (r->text[0] != '\0')
		return;
	r->legal = true;
	r->state = rule->to;
	if (c->command == COMMAND_ROLLBACK)
		return;
	r->share_bp = (uint16_t)c->share_bp;
	r->stage_percent = (uint16_t)((c->share_bp + 50) / 100);
	if (c->state == STATE_IDLE && c->share_bp == 0)
		r->state = STATE_IDLE; /* nothing has begun */
}
