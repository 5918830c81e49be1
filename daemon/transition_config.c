// SPDX-License-Identifier: MIT
/*
 * What a new config does to the policy: releases that stay keep their entry, by name; new ones
 * begin idle; others vanish; whose models have changed begins anew (carry.h). It only ever lowers
 * what candidates have. Master process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/modelid.h"
#include "daemon/carry.h"
#include "daemon/journal.h"
#include "daemon/master.h"
#include "daemon/transition_plan.h"

static int
refuse_return(const struct master *m, const struct config *next, const struct config_release *r,
    struct err *e)
{
	const struct config_release *before =
	    config_find_release(m->config, r->name, strlen(r->name));
	const struct config_model *winner = before != NULL ? before->arms[ARM_CANDIDATE] : NULL;

	return err_set(e,
	    "%s: releases.%s.stable: the release is done, its candidate has all the traffic, and "
	    "this config would send it back to \"%s\": write \"stable\": \"%s\", or use rollback "
	    "first",
	    next->path, r->name, r->arms[ARM_STABLE]->id, winner != NULL ? winner->id : "...");
}

int
transition_check_config(const struct master *m, const struct config *next, struct err *e)
{
	for (unsigned i = 0; i < next->n_releases; i++) {
		const struct config_release *r = &next->releases[i];
		const struct policy_release *found = policy_find(&m->policy, r->name);
		struct policy_release copy;
		uint64_t models[ARM_COUNT];

		if (found == NULL)
			continue;
		copy = *found;
		modelid_release(r, models);
		if (carry_release(&copy, models) == CARRY_REFUSED)
			return refuse_return(m, next, r, e);
	}
	return 0;
}

static void
begin_idle(struct policy_release *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->state = r->held_state = STATE_IDLE;
}

/* The entry of a release under the new config. True: its revision is a new one. */
static bool
make_entry(struct policy_release *r, const struct policy *before, const struct config_release *c)
{
	const struct policy_release *found = policy_find(before, c->name);
	uint64_t models[ARM_COUNT];

	modelid_release(c, models);
	if (found != NULL) {
		*r = *found;
		if (carry_release(r, models) != CARRY_ANEW)
			return false;
		log_event(LOG_WARN, "rollout_ended",
		    "%s: its models have changed, so its rollout is over: %s %u.%02u %% -> idle",
		    r->name, release_state_name(found->state), found->share_bp / 100u,
		    found->share_bp % 100u);
		return true;
	}
	begin_idle(r, c->name);
	memcpy(r->models, models, sizeof(r->models));
	return true;
}

static void
log_removed(const struct policy *before, const struct policy *after)
{
	for (uint32_t i = 0; i < before->n_releases; i++) {
		const struct policy_release *r = &before->releases[i];

		if (policy_find(after, r->name) == NULL)
			log_event(LOG_WARN, "release_removed",
			    "%s: the config has it no more; it was %s", r->name,
			    release_state_name(r->state));
	}
}

static void
use_config(struct master *m, const struct config *next, const struct actor *actor,
    const char *reason, bool anyway)
{
	const struct change change = {
		.command = COMMAND_RELOAD, .actor = *actor, .reason = reason
	};
	struct plan plan = { .change = &change };
	bool differs;

	plan.next = m->policy;
	plan.next.revision = plan.revision = plan_next_revision(m);
	plan.next.n_releases = next->n_releases;
	memset(plan.next.releases, 0, sizeof(plan.next.releases));
	for (unsigned i = 0; i < next->n_releases; i++) {
		struct policy_release *r = &plan.next.releases[i];

		if (!make_entry(r, &m->policy, &next->releases[i]))
			continue;
		r->revision = r->share_revision = plan.revision;
		r->changed_wall_us = clock_wall_us();
	}
	log_removed(&m->policy, &plan.next);
	differs = plan.next.n_releases != m->policy.n_releases ||
		  memcmp(plan.next.releases, m->policy.releases, sizeof(plan.next.releases)) != 0;
	plan.changed = differs || anyway;
	plan.journaled = !differs; /* nothing in it is new */
	plan_carry_out(m, &plan, NULL);
}

void
transition_use_config(
    struct master *m, const struct config *next, const struct actor *actor, const char *reason)
{
	use_config(m, next, actor, reason, false);
}

/* ---- upgrade ----------------------------------------------------------------------------------
 */

int
transition_take_over(struct master *m, const struct policy *p, struct err *e)
{
	const struct actor actor = { .uid = (uint32_t)getuid(), .name = "upgrade" };
	uint64_t revision = m->policy.revision;

	m->policy = *p;
	if (m->policy.revision < revision)
		m->policy.revision = revision;
	if (transition_check_config(m, m->config, e) != 0)
		return -1;
	use_config(m, m->config, &actor, NULL, true);
	return 0;
}

void
transition_follow(struct master *m, const struct policy *next, transition_done_fn *done, void *arg)
{
	const struct change change = { .command = COMMAND_RELOAD,
		.actor = { .uid = (uint32_t)getuid(), .name = "the new grayd" } };
	struct plan plan = {
		.change = &change, .next = *next, .revision = next->revision, .journaled = true
	};
	struct pending_change *p;

	if (next->revision <= m->policy.revision)
		return;
	plan.changed = true;
	p = calloc(1, sizeof(*p));
	if (p != NULL) {
		p->rollback = true;
		p->received_us = clock_mono_us();
		p->done = done;
		p->arg = arg;
	}
	plan_carry_out(m, &plan, p);
}

void
transition_lower_all(struct master *m)
{
	struct policy next = m->policy;

	next.revision++;
	for (uint32_t i = 0; i < next.n_releases; i++) {
		struct policy_release *r = &next.releases[i];

		if (r->share_bp == 0)
			continue;
		r->share_bp = r->stage_percent = 0;
		r->state = r->held_state = STATE_ROLLED_BACK;
		r->revision = r->share_revision = next.revision;
	}
	transition_follow(m, &next, NULL, NULL);
}
