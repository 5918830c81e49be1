// SPDX-License-Identifier: MIT
/*
 * The plan of a rollout: what moves a release without anybody's command. Pure: at each tick facts
 * go in, and at most one order comes out, for the one door (planner.c). The clocks live in the
 * master's memory only: after a restart those of the present step begin anew, so it never ends too
 * soon.
 */
#pragma once

#include "common/slot.h"
#include "daemon/release.h"

enum plan_phase {
#define PHASE(id, name) PHASE_##id,
#include "common/phases.def"
#undef PHASE
	PHASE_COUNT
};
const char *plan_phase_name(enum plan_phase p);

/* With fewer finished requests on stable than this, a silent candidate means nothing. */
#define PLAN_DATA_MIN 20
/* A service without a request for so long is idle, and its clocks stand still. */
#define PLAN_IDLE_US (10 * UINT64_C(1000000))

/* What the plan remembers of one release between ticks; all zero in the beginning. */
struct plan_clock {
	uint64_t rollout_id, share_revision; /* the step that the clocks belong to */
	uint64_t ticked_us;		     /* clock_mono_us() of the last tick; 0: none yet */
	uint64_t settle_us, dwell_us, step_us, bake_us; /* how long each has run */
	struct slot_activity seen;
	uint64_t active_us; /* when something last happened; 0: not yet */
	bool idle;
	uint64_t silent_from_us; /* since when the candidate has finished nothing */
	uint64_t silent_stable;	 /* what stable had finished then */
	bool starved;		 /* stable is asked and the candidate answers nothing */
	bool held_for_data;	 /* at the last tick it was on hold for want of data */
	enum plan_phase phase;
};

struct plan_facts {
	const struct policy_release *now;
	const struct config_release *config;
	struct slot_activity activity;
	uint64_t mono_us, wall_us;
	bool safe;    /* the guard says so of this step, and said it just now */
	bool opposed; /* the guard would hold or roll back, by its last verdict */
};

/* What is to be done, and why in words and in integers. */
struct plan_order {
	bool given;
	enum release_command command;
	enum hold_reason hold;
	bool if_safe; /* only if the guard still says so; reason and evidence are then its own */
	char reason[128];
	char evidence[192]; /* a JSON object */
};

void plan_tick(struct plan_clock *clock, const struct plan_facts *f, struct plan_order *order);

/* What the plan will do next, for people. */
struct plan_view {
	enum plan_phase phase;
	bool idle;		  /* the clocks stand still for want of requests */
	bool moves;		  /* it goes on by itself in `remaining_us` of running clock */
	bool waits_for_guard;	  /* and not before the guard calls the step safe */
	uint64_t remaining_us;	  /* until the next stage, or the end of the bake */
	uint32_t next_bp;	  /* the next stage; 0: there is none */
	enum hold_reason warning; /* what would hold a plan that is not manual */
};
void plan_look(const struct plan_clock *clock, const struct policy_release *now,
    const struct config_release *config, struct plan_view *view);
