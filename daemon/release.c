// SPDX-License-Identifier: MIT
/*
 * The rules of a release, see release.h. Pure. The table has a cell for each state and command;
 * rollback is legal in all of them.
 */
#include "daemon/release.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

/* Fills r->next, or r->text with what speaks against it. */
typedef void act_fn(const struct release_case *c, struct release_ruling *r);

struct rule {
	act_fn *act;
	const char *refusal; /* follows the words "release NAME "; NULL: ask `act` */
};

const char *const release_command_names[COMMAND_COUNT + 1] = {
	[COMMAND_RELOAD] = "reload",
	[COMMAND_STAGE] = "stage",
	[COMMAND_WEIGHT] = "weight",
	[COMMAND_ROLLBACK] = "rollback",
	[COMMAND_START] = "start",
	[COMMAND_AWAIT] = "start --when-known",
	[COMMAND_PROMOTE] = "promote",
	[COMMAND_FULL] = "promote --full",
	[COMMAND_PAUSE] = "pause",
	[COMMAND_RESUME] = "resume",
	[COMMAND_FREEZE] = "freeze",
	[COMMAND_UNFREEZE] = "unfreeze",
	[COMMAND_RESTART] = "restart",
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

static const struct {
	const char *name;
	bool recovers;
	const char *text;
} holds[HOLD_COUNT] = {
#define HOLD(id, ...) [HOLD_##id] = { __VA_ARGS__ },
#include "common/holds.def"
#undef HOLD
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

bool
release_exposed(enum release_state s)
{
	assert((unsigned)s < STATE_COUNT);
	return states[s].exposed;
}

static const char *const waivables[] = {
#define SYMPTOM(id, name, ...) name,
#define VALUE(id, name, ...)
#include "common/symptoms.def"
#undef SYMPTOM
#undef VALUE
#define SYMPTOM(id, name, ...)
#define VALUE(id, name, ...) name,
#include "common/symptoms.def"
#undef SYMPTOM
#undef VALUE
};
#define N_WAIVABLES (sizeof(waivables) / sizeof(waivables[0]))
_Static_assert(N_WAIVABLES <= 32, "one bit each");

const char *
release_waivable(unsigned number)
{
	return number < N_WAIVABLES ? waivables[number] : NULL;
}

const char *
release_hold_name(enum hold_reason h)
{
	assert((unsigned)h < HOLD_COUNT);
	return holds[h].name;
}

const char *
release_hold_text(enum hold_reason h)
{
	assert((unsigned)h < HOLD_COUNT);
	return holds[h].text;
}

bool
release_hold_recovers(enum hold_reason h)
{
	assert((unsigned)h < HOLD_COUNT);
	return holds[h].recovers;
}

bool
release_frozen(const struct policy_release *r, uint64_t wall_us)
{
	return r->frozen && (r->freeze_until_us == 0 || wall_us < r->freeze_until_us);
}

bool
release_takes_all(enum release_command command)
{
	return command == COMMAND_ROLLBACK || command == COMMAND_FREEZE ||
	       command == COMMAND_UNFREEZE;
}

uint32_t
release_next_stage_bp(const struct config_release *config, uint32_t share_bp)
{
	for (unsigned i = 0; i < config->n_stages; i++) {
		if (config->stages[i] * 100u > share_bp)
			return config->stages[i] * 100u;
	}
	return 0;
}

/* ---- what speaks against it ------------------------------------------------------------------ */

#define REFUSE(r, ...) snprintf((r)->text, sizeof((r)->text), __VA_ARGS__)

/* False: refused. */
static bool
has_candidate(const struct release_case *c, struct release_ruling *r)
{
	if (c->config != NULL && c->config->arms[ARM_CANDIDATE] != NULL)
		return true;
	REFUSE(r, "has no candidate in the config");
	return false;
}

/* False: refused, since it is frozen. */
static bool
may_advance(const struct release_case *c, struct release_ruling *r)
{
	char until[CLOCK_ISO_BYTES] = "";

	if (!release_frozen(c->now, c->wall_us))
		return true;
	if (c->now->freeze_until_us != 0)
		clock_iso(c->now->freeze_until_us, until);
	REFUSE(r,
	    "is frozen%s%s: nothing starts or advances; use unfreeze first, or what lowers the "
	    "share: a lower stage, rollback",
	    until[0] != '\0' ? " until " : "", until);
	return false;
}

static bool
is_stage(const struct release_case *c)
{
	for (unsigned i = 0; i < c->config->n_stages; i++) {
		if (c->config->stages[i] * 100u == c->share_bp)
			return true;
	}
	return false;
}

static void
refuse_stage(const struct release_case *c, struct release_ruling *r)
{
	size_t n;

	if (c->share_bp == 0) {
		REFUSE(r,
		    "has no stage 0: to stop the rollout use rollback, to pause its traffic use "
		    "weight 0");
		return;
	}
	n = (size_t)REFUSE(r, "has no such stage: its plan has");
	for (unsigned i = 0; i < c->config->n_stages && n < sizeof(r->text); i++)
		n +=
		    (size_t)snprintf(r->text + n, sizeof(r->text) - n, " %u", c->config->stages[i]);
	if (n < sizeof(r->text))
		snprintf(r->text + n, sizeof(r->text) - n, "; weight takes any percentage");
}

/* ---- what it leads to ------------------------------------------------------------------------ */

static void
set_state(struct policy_release *next, enum release_state state)
{
	next->state = next->held_state = (uint8_t)state;
	next->hold = HOLD_NONE;
}

/* Of an `auto` plan some stay on stable while it bakes: somebody to compare with. */
static uint32_t
holdback_bp(const struct config_release *config)
{
	return config->plan.mode == PLAN_AUTO ? config->plan.holdback_percent * 100 : 0;
}

static void
go_to(const struct release_case *c, struct release_ruling *r, uint32_t share_bp)
{
	struct policy_release *next = &r->next;
	bool stands = c->now->state == STATE_IDLE || c->now->state == STATE_PREFLIGHT ||
		      c->now->state == STATE_ROLLED_BACK;

	if (!has_candidate(c, r) || ((stands || share_bp > c->now->share_bp) && !may_advance(c, r)))
		return;
	next->share_bp = (uint16_t)share_bp;
	if (share_bp == SHARE_FULL_BP)
		next->share_bp -= (uint16_t)holdback_bp(c->config);
	next->stage_percent = (uint16_t)((share_bp + 50) / 100);
	set_state(next, share_bp == SHARE_FULL_BP ? STATE_BAKE : STATE_STEP);
	if (!stands)
		return;
	r->begins = true;
	next->waived = 0;
	next->cut = 0;
}

static void
act_stage(const struct release_case *c, struct release_ruling *r)
{
	if (!has_candidate(c, r))
		return;
	if (c->share_bp > SHARE_FULL_BP)
		REFUSE(r, "cannot have a share above 100 %%");
	else if (!is_stage(c))
		refuse_stage(c, r);
	else
		go_to(c, r, c->share_bp);
}

static void
act_weight(const struct release_case *c, struct release_ruling *r)
{
	struct policy_release *next = &r->next;

	if (c->share_bp > SHARE_FULL_BP) {
		REFUSE(r, "cannot have a share above 100 %%");
		return;
	}
	if (c->share_bp == 0 && has_candidate(c, r) &&
	    (c->now->state == STATE_IDLE || c->now->state == STATE_PREFLIGHT))
		return; /* nothing has begun */
	go_to(c, r, c->share_bp);
	/* A share that is no stage is somebody's own: the plan goes on when told to. */
	if (r->text[0] != '\0' || c->config->plan.mode == PLAN_MANUAL)
		return;
	next->state = STATE_HOLD;
	next->hold = HOLD_OPERATOR;
}

static void
act_start(const struct release_case *c, struct release_ruling *r)
{
	if (has_candidate(c, r))
		go_to(c, r, c->config->stages[0] * 100u);
}

static void
act_await(const struct release_case *c, struct release_ruling *r)
{
	if (has_candidate(c, r) && may_advance(c, r))
		set_state(&r->next, STATE_PREFLIGHT);
}

/* A script that repeats its first line does no harm. */
static void
act_start_again(const struct release_case *c, struct release_ruling *r)
{
	if (has_candidate(c, r) && c->now->share_bp != c->config->stages[0] * 100u)
		REFUSE(r,
		    "has begun already, its candidate has %g %%: promote goes to the next stage",
		    c->now->share_bp / 100.0);
}

static void
act_promote(const struct release_case *c, struct release_ruling *r)
{
	uint32_t next_bp;

	if (!has_candidate(c, r))
		return;
	next_bp = release_next_stage_bp(c->config, c->now->share_bp);
	if (next_bp == 0)
		REFUSE(r, "is at the last stage of its plan: promote --full goes to 100 %%");
	else
		go_to(c, r, next_bp);
}

static void
act_full(const struct release_case *c, struct release_ruling *r)
{
	go_to(c, r, SHARE_FULL_BP);
}

static void
act_finish(const struct release_case *c, struct release_ruling *r)
{
	if (!may_advance(c, r))
		return;
	set_state(&r->next, STATE_DONE);
	r->next.share_bp = SHARE_FULL_BP;
}

static void
refuse_on_hold(const struct release_case *c, struct release_ruling *r)
{
	REFUSE(r, "is on hold (%s): resume ends the hold, stage moves it by hand",
	    release_hold_text(c->now->hold));
}

static void
act_pause(const struct release_case *c, struct release_ruling *r)
{
	r->next.state = STATE_HOLD;
	r->next.hold = (uint8_t)c->hold;
}

static void
act_resume(const struct release_case *c, struct release_ruling *r)
{
	set_state(&r->next, c->now->held_state);
	r->next.waived |= c->waive;
}

static void
act_waive(const struct release_case *c, struct release_ruling *r)
{
	if (c->waive == 0)
		REFUSE(r, "is not on hold: nothing is to be resumed");
	r->next.waived |= c->waive;
}

static void
act_freeze(const struct release_case *c, struct release_ruling *r)
{
	if (c->until_us != 0 && c->until_us <= c->wall_us)
		REFUSE(r, "cannot be frozen until a time that is over");
	r->next.frozen = 1;
	r->next.freeze_until_us = c->until_us;
}

static void
act_unfreeze(const struct release_case *c, struct release_ruling *r)
{
	(void)c;
	r->next.frozen = 0;
	r->next.freeze_until_us = 0;
}

static void
act_rollback(const struct release_case *c, struct release_ruling *r)
{
	struct policy_release *next = &r->next;

	/* Nothing can have been sent there, and no restart could ever end the state. --cut is for
	 * workers under an older config, in which there was a candidate. */
	if (c->now->state == STATE_IDLE && c->now->share_bp == 0 && !c->cut && c->config != NULL &&
	    c->config->arms[ARM_CANDIDATE] == NULL)
		return;
	next->share_bp = next->stage_percent = 0;
	next->cut = c->cut || (c->now->state == STATE_ROLLED_BACK && c->now->cut);
	set_state(next, STATE_ROLLED_BACK);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const char asking[] =
    "waits for its provider to offer the candidate's model: start tries to "
    "begin now, rollback gives up";
static const char not_begun[] = "has not begun: start begins it";
static const char not_begun_pause[] = "has not begun: freeze keeps it from starting";
static const char baking[] = "is at 100 % already and is done when its bake is over: promote "
			     "--full ends the bake now";
static const char running[] = "has not been rolled back: rollback first, then restart";
static const char taken_over[] = "is done, the candidate has taken over: only rollback leaves this "
				 "state, or a config that makes "
				 "the candidate the new stable model";
static const char stays_back[] = "was rolled back and stays on stable: restart first, it begins a "
				 "new rollout at the first stage";

/* clang-format off */
#define DOES(act)     { act, NULL }
#define REFUSED(text) { NULL, text }

static const struct rule rules[STATE_COUNT][COMMAND_COUNT] = {
	[STATE_IDLE] = {
		[COMMAND_STAGE]    = DOES(act_stage),
		[COMMAND_WEIGHT]   = DOES(act_weight),
		[COMMAND_ROLLBACK] = DOES(act_rollback),
		[COMMAND_START]    = DOES(act_start),
		[COMMAND_AWAIT]    = DOES(act_await),
		[COMMAND_PROMOTE]  = REFUSED(not_begun),
		[COMMAND_FULL]     = REFUSED(not_begun),
		[COMMAND_PAUSE]    = REFUSED(not_begun_pause),
		[COMMAND_RESUME]   = REFUSED(not_begun),
		[COMMAND_FREEZE]   = DOES(act_freeze),
		[COMMAND_UNFREEZE] = DOES(act_unfreeze),
		[COMMAND_RESTART]  = REFUSED(not_begun),
	},
	[STATE_PREFLIGHT] = {
		[COMMAND_STAGE]    = DOES(act_stage),
		[COMMAND_WEIGHT]   = DOES(act_weight),
		[COMMAND_ROLLBACK] = DOES(act_rollback),
		[COMMAND_START]    = DOES(act_start),
		[COMMAND_AWAIT]    = DOES(act_await),
		[COMMAND_PROMOTE]  = REFUSED(asking),
		[COMMAND_FULL]     = REFUSED(asking),
		[COMMAND_PAUSE]    = REFUSED(asking),
		[COMMAND_RESUME]   = REFUSED(asking),
		[COMMAND_FREEZE]   = DOES(act_freeze),
		[COMMAND_UNFREEZE] = DOES(act_unfreeze),
		[COMMAND_RESTART]  = REFUSED(asking),
	},
	[STATE_STEP] = {
		[COMMAND_STAGE]    = DOES(act_stage),
		[COMMAND_WEIGHT]   = DOES(act_weight),
		[COMMAND_ROLLBACK] = DOES(act_rollback),
		[COMMAND_START]    = DOES(act_start_again),
		[COMMAND_AWAIT]    = DOES(act_start_again),
		[COMMAND_PROMOTE]  = DOES(act_promote),
		[COMMAND_FULL]     = DOES(act_full),
		[COMMAND_PAUSE]    = DOES(act_pause),
		[COMMAND_RESUME]   = DOES(act_waive),
		[COMMAND_FREEZE]   = DOES(act_freeze),
		[COMMAND_UNFREEZE] = DOES(act_unfreeze),
		[COMMAND_RESTART]  = REFUSED(running),
	},
	[STATE_HOLD] = {
		[COMMAND_STAGE]    = DOES(act_stage),
		[COMMAND_WEIGHT]   = DOES(act_weight),
		[COMMAND_ROLLBACK] = DOES(act_rollback),
		[COMMAND_START]    = DOES(refuse_on_hold),
		[COMMAND_AWAIT]    = DOES(refuse_on_hold),
		[COMMAND_PROMOTE]  = DOES(refuse_on_hold),
		[COMMAND_FULL]     = DOES(refuse_on_hold),
		[COMMAND_PAUSE]    = DOES(act_pause),
		[COMMAND_RESUME]   = DOES(act_resume),
		[COMMAND_FREEZE]   = DOES(act_freeze),
		[COMMAND_UNFREEZE] = DOES(act_unfreeze),
		[COMMAND_RESTART]  = REFUSED(running),
	},
	[STATE_BAKE] = {
		[COMMAND_STAGE]    = DOES(act_stage),
		[COMMAND_WEIGHT]   = DOES(act_weight),
		[COMMAND_ROLLBACK] = DOES(act_rollback),
		[COMMAND_START]    = DOES(act_start_again),
		[COMMAND_AWAIT]    = DOES(act_start_again),
		[COMMAND_PROMOTE]  = REFUSED(baking),
		[COMMAND_FULL]     = DOES(act_finish),
		[COMMAND_PAUSE]    = DOES(act_pause),
		[COMMAND_RESUME]   = DOES(act_waive),
		[COMMAND_FREEZE]   = DOES(act_freeze),
		[COMMAND_UNFREEZE] = DOES(act_unfreeze),
		[COMMAND_RESTART]  = REFUSED(running),
	},
	[STATE_DONE] = {
		[COMMAND_STAGE]    = REFUSED(taken_over),
		[COMMAND_WEIGHT]   = REFUSED(taken_over),
		[COMMAND_ROLLBACK] = DOES(act_rollback),
		[COMMAND_START]    = REFUSED(taken_over),
		[COMMAND_AWAIT]    = REFUSED(taken_over),
		[COMMAND_PROMOTE]  = REFUSED(taken_over),
		[COMMAND_FULL]     = REFUSED(taken_over),
		[COMMAND_PAUSE]    = REFUSED(taken_over),
		[COMMAND_RESUME]   = REFUSED(taken_over),
		[COMMAND_FREEZE]   = DOES(act_freeze),
		[COMMAND_UNFREEZE] = DOES(act_unfreeze),
		[COMMAND_RESTART]  = REFUSED(taken_over),
	},
	[STATE_ROLLED_BACK] = {
		[COMMAND_STAGE]    = REFUSED(stays_back),
		[COMMAND_WEIGHT]   = REFUSED(stays_back),
		[COMMAND_ROLLBACK] = DOES(act_rollback),
		[COMMAND_START]    = REFUSED(stays_back),
		[COMMAND_AWAIT]    = REFUSED(stays_back),
		[COMMAND_PROMOTE]  = REFUSED(stays_back),
		[COMMAND_FULL]     = REFUSED(stays_back),
		[COMMAND_PAUSE]    = REFUSED(stays_back),
		[COMMAND_RESUME]   = REFUSED(stays_back),
		[COMMAND_FREEZE]   = DOES(act_freeze),
		[COMMAND_UNFREEZE] = DOES(act_unfreeze),
		[COMMAND_RESTART]  = DOES(act_start),
	},
};
/* clang-format on */

static bool
differ(const struct policy_release *a, const struct policy_release *b)
{
	return a->state != b->state || a->held_state != b->held_state || a->hold != b->hold ||
	       a->share_bp != b->share_bp || a->stage_percent != b->stage_percent ||
	       a->frozen != b->frozen || a->freeze_until_us != b->freeze_until_us ||
	       a->waived != b->waived || a->cut != b->cut;
}

void
release_decide(const struct release_case *c, struct release_ruling *r)
{
	const struct rule *rule;

	assert(c->now->state < STATE_COUNT && (unsigned)c->command < COMMAND_COUNT);
	memset(r, 0, sizeof(*r));
	r->next = *c->now;
	rule = &rules[c->now->state][c->command];
	if (rule->refusal != NULL)
		REFUSE(r, "%s", rule->refusal);
	else
		rule->act(c, r);
	r->legal = r->text[0] == '\0';
	r->changes = r->legal && differ(c->now, &r->next);
}
