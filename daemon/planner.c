// SPDX-License-Identifier: MIT
/*
 * The tick of the plans, see planner.h. Master process. An order that is on its way to the journal
 * is waited for: while it is, the plan of its release gives no other.
 */
#include "daemon/planner.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/guard.h"
#include "daemon/master.h"
#include "daemon/notes.h"
#include "daemon/validation.h"

#define TICK_US	 (100 * US_PER_MS)
#define RETRY_US (1 * (uint64_t)US_PER_S) /* after a refusal */

/* What is known of one release, found by its name. */
struct planned {
	char name[NAME_BYTES]; /* empty: not used */
	struct plan_clock clock;
	enum plan_phase told; /* the phase that the log has last heard of */
	bool waiting;	      /* for the receipt of an order */
	uint64_t retry_us;    /* no order before */
	struct err refusal;   /* said in the log already */
};

struct planner {
	struct event tick;
	struct planned all[RELEASES_MAX];
};

/* ---- orders ---------------------------------------------------------------------------------- */

static void
refused(struct planned *p, const char *why)
{
	p->retry_us = clock_mono_us() + RETRY_US;
	if (strcmp(p->refusal.msg, why) == 0)
		return;
	snprintf(p->refusal.msg, sizeof(p->refusal.msg), "%s", why);
	log_event(LOG_WARN, "plan_refused", "%s: its plan cannot go on: %s", p->name, why);
}

static void
on_receipt(const struct receipt *r, void *arg)
{
	struct planned *p = arg;

	p->waiting = false;
	if (r->code != CTL_OK)
		refused(p, r->error.msg);
	else
		p->refusal.msg[0] = '\0';
}

/* Nothing advances by itself to a model that its provider does not know (any more). */
static bool
is_unknown(
    const struct master *m, const struct planned *p, const struct plan_order *order, struct err *e)
{
	const struct config_release *c = config_find_release(m->config, p->name, strlen(p->name));
	const struct config_model *candidate = c != NULL ? c->arms[ARM_CANDIDATE] : NULL;
	const struct finding *f;

	if ((order->command != COMMAND_PROMOTE && order->command != COMMAND_FULL) ||
	    candidate == NULL)
		return false;
	f = validation_find(m, candidate, NULL);
	if (f->standing != STANDING_UNKNOWN)
		return false;
	validation_describe(candidate, f, e);
	return true;
}

static void
carry_out(struct master *m, struct planned *p, const struct policy_release *now,
    const struct plan_order *order)
{
	struct buf evidence = { 0 };
	char reason[160];
	struct change change = {
		.command = order->command,
		.release = p->name,
		.hold = order->hold,
		.actor = { .uid = (uint32_t)geteuid(), .name = "plan" },
		.reason = order->reason,
		.evidence = order->evidence,
		.if_revision = now->revision,
	};
	struct err e = { "" };

	if (is_unknown(m, p, order, &e)) {
		refused(p, e.msg);
		return;
	}
	if (order->if_safe) {
		if (guard_confirm(m, now, &evidence, reason, sizeof(reason)) != 0) {
			buf_free(&evidence);
			return; /* not any more: the plan asks again */
		}
		snprintf(change.actor.name, sizeof(change.actor.name), "guard");
		change.reason = reason;
		change.evidence = (const char *)buf_bytes(&evidence);
	}
	p->waiting = true; /* the receipt may come before this returns */
	if (transition_apply(m, &change, on_receipt, p, &e) != CTL_OK) {
		p->waiting = false;
		refused(p, e.msg);
	}
	buf_free(&evidence);
}

/* ---- the tick -------------------------------------------------------------------------------- */

/* Gates are nobody's command, so only the log tells when they were reached. */
static void
tell_phase(struct planned *p, const struct policy_release *now)
{
	enum plan_phase phase = p->clock.phase;

	if (phase == p->told)
		return;
	p->told = phase;
	if (phase == PHASE_GATE)
		log_event(LOG_INFO, "gate", "%s waits at %g %% for promote%s", p->name,
		    now->share_bp / 100.0, now->held_state == STATE_BAKE ? " --full" : "");
}

static void
tick_release(struct master *m, const struct policy_release *now, uint64_t mono_us)
{
	const struct config_release *config =
	    config_find_release(m->config, now->name, strlen(now->name));
	struct planned *p = notes_find(m->planner->all, sizeof(*p), now->name);
	struct plan_facts facts = {
		.now = now, .config = config, .mono_us = mono_us, .wall_us = clock_wall_us()
	};
	struct plan_order order;

	if (p == NULL || config == NULL)
		return;
	if (release_exposed(now->state))
		slots_activity(&m->slots, now->name, &facts.activity);
	facts.safe = guard_safe(m, now);
	facts.opposed = guard_opposes(m, now);
	plan_tick(&p->clock, &facts, &order);
	tell_phase(p, now);
	if (order.given && !p->waiting && mono_us >= p->retry_us)
		carry_out(m, p, now, &order);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;
	uint64_t now_us = clock_mono_us();
	struct policy policy = m->policy; /* orders change it */

	(void)fd;
	(void)what;
	if (m->stopping)
		return;
	notes_forget_the_gone(m, m->planner->all, sizeof(m->planner->all[0]));
	for (uint32_t i = 0; i < policy.n_releases; i++)
		tick_release(m, &policy.releases[i], now_us);
}

int
planner_start(struct master *m, struct err *e)
{
	static const struct timeval tick = { .tv_usec = TICK_US };
	struct planner *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_set(e, "out of memory");
	m->planner = p;
	event_assign(&p->tick, m->base, -1, EV_PERSIST, on_tick, m);
	return event_add(&p->tick, &tick) == 0 ? 0 : err_set(e, "out of memory");
}

void
planner_stop(struct master *m)
{
	struct planner *p = m->planner;

	if (p == NULL)
		return;
	m->planner = NULL;
	event_del(&p->tick);
	for (unsigned i = 0; i < RELEASES_MAX; i++)
		transition_forget(m, &p->all[i]);
	free(p);
}

void
planner_look(const struct master *m, const struct policy_release *now,
    const struct config_release *config, struct plan_view *view)
{
	static const struct plan_clock fresh;
	const struct plan_clock *clock = &fresh;

	for (unsigned i = 0; m->planner != NULL && i < RELEASES_MAX; i++) {
		if (strcmp(m->planner->all[i].name, now->name) == 0)
			clock = &m->planner->all[i].clock;
	}
	/* The next tick sees the new step. */
	if (clock->share_revision != now->share_revision || clock->rollout_id != now->rollout_id)
		clock = &fresh;
	plan_look(clock, now, config, view);
}
