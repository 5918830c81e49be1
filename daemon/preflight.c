// SPDX-License-Identifier: MIT
/* See preflight.h. Master process. m->preflights is the list of what waits for an answer. */
#include "daemon/preflight.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/master.h"
#include "daemon/validation.h"

#define AGAIN_MS 30000 /* until an unknown candidate is asked for again, at most */

struct preflight {
	struct preflight *next;
	struct master *master;
	struct change change;
	bool await;
	transition_done_fn *done;
	void *arg;
};

static const struct config_release *
release_config(const struct master *m, const char *name)
{
	return name == NULL ? NULL : config_find_release(m->config, name, strlen(name));
}

static uint64_t
again_us(const struct config_release *c)
{
	uint64_t ms = c->arms[ARM_CANDIDATE]->provider->validate_ms;

	return (ms < AGAIN_MS ? ms : AGAIN_MS) * US_PER_MS;
}

/* ---- the end of one ----------------------------------------------------------------------------
 */

static void
leave_list(struct preflight *p)
{
	struct preflight **at = &p->master->preflights;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

static void
refuse(const struct preflight *p, enum ctl_code code, const struct err *e)
{
	struct receipt receipt = { .code = code, .error = *e };

	if (p->done != NULL)
		p->done(&receipt, p->arg);
}

/* NULL: nothing speaks against it. */
static const struct finding *
find_objection(const struct master *m, const char *release)
{
	const struct config_release *c = release_config(m, release);
	const struct finding *f;

	if (c == NULL || c->arms[ARM_CANDIDATE] == NULL)
		return NULL; /* the rules say so better */
	f = validation_find(m, c->arms[ARM_CANDIDATE], NULL);
	return f->standing == STANDING_UNKNOWN ? f : NULL;
}

static void
describe_objection(
    const struct master *m, const char *release, const struct finding *f, struct err *e)
{
	struct err what;

	validation_describe(release_config(m, release)->arms[ARM_CANDIDATE], f, &what);
	err_set(e, "release \"%s\" stays on stable (start --when-known waits for the model): %s",
	    release, what.msg);
}

/* The provider has been asked, as far as that is possible. */
static void
on_asked(void *arg)
{
	struct preflight *p = arg;
	struct master *m = p->master;
	const struct finding *objection = find_objection(m, p->change.release);
	enum ctl_code code = CTL_REFUSED;
	struct err e;

	leave_list(p);
	if (objection != NULL)
		describe_objection(m, p->change.release, objection, &e);
	if (objection != NULL && p->await) {
		p->change.command = COMMAND_AWAIT;
		m->preflight_us = clock_mono_us() + again_us(release_config(m, p->change.release));
	}
	if (objection == NULL || p->await)
		code = transition_apply(m, &p->change, p->done, p->arg, &e);
	if (code != CTL_OK)
		refuse(p, code, &e);
	free(p);
}

/* ---- the door ----------------------------------------------------------------------------------
 */

enum ctl_code
preflight_apply(struct master *m, const struct change *c, bool await, transition_done_fn *done,
    void *arg, struct err *e)
{
	struct preflight *p;

	if (m->validation == NULL || !transition_would_begin(m, c))
		return transition_apply(m, c, done, arg, e);
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		err_set(e, "out of memory: nothing was changed");
		return CTL_INTERNAL;
	}
	p->master = m;
	p->change = *c;
	p->await = await;
	p->done = done;
	p->arg = arg;
	p->next = m->preflights;
	m->preflights = p;
	if (validation_ask(m, c->release, on_asked, p, e) == 0)
		return CTL_OK;
	leave_list(p);
	free(p);
	return CTL_INTERNAL;
}

void
preflight_forget(struct master *m, const void *arg)
{
	for (struct preflight *p = m->preflights, *next; p != NULL; p = next) {
		next = p->next;
		if (p->arg != arg)
			continue;
		log_event(LOG_INFO, "not_begun",
		    "%s: whoever asked for %s has gone before its provider was asked",
		    p->change.release, release_command_names[p->change.command]);
		validation_forget(m, p);
		leave_list(p);
		free(p);
	}
}

void
preflight_cancel(struct master *m, const char *release, const char *why)
{
	struct err e;

	err_set(&e, "%s while the provider was asked: nothing was changed", why);
	for (struct preflight *p = m->preflights, *next; p != NULL; p = next) {
		next = p->next;
		if (release != NULL && strcmp(p->change.release, release) != 0)
			continue;
		validation_forget(m, p);
		leave_list(p);
		refuse(p, CTL_REFUSED, &e);
		free(p);
	}
}

void
preflight_end(struct master *m)
{
	while (m->preflights != NULL) {
		struct preflight *p = m->preflights;

		m->preflights = p->next;
		free(p);
	}
}

/* ---- waiting for a candidate -------------------------------------------------------------------
 */

static bool
is_being_asked(const struct master *m, const char *release)
{
	for (const struct preflight *p = m->preflights; p != NULL; p = p->next) {
		if (strcmp(p->change.release, release) == 0)
			return true;
	}
	return false;
}

static void
try_to_begin(struct master *m, const struct policy_release *now, const char *name)
{
	const struct change change = {
		.command = COMMAND_START,
		.release = name,
		.actor = { .uid = (uint32_t)geteuid(), .name = "prober" },
		.reason = "the provider offers the candidate's model now",
		.if_revision = now->revision,
	};
	struct err e;

	if (preflight_apply(m, &change, false, NULL, NULL, &e) != CTL_OK)
		log_event(LOG_WARN, "not_begun", "%s: %s", name, e.msg);
}

void
preflight_tick(struct master *m)
{
	uint64_t now_us = clock_mono_us();

	if (m->validation == NULL || m->stopping || !m->announced || now_us < m->preflight_us)
		return;
	for (uint32_t i = 0; i < m->policy.n_releases; i++) {
		const struct policy_release *now = &m->policy.releases[i];
		const struct config_release *c = release_config(m, now->name);

		if (now->state != STATE_PREFLIGHT || c == NULL || c->arms[ARM_CANDIDATE] == NULL ||
		    is_being_asked(m, now->name) || release_frozen(now, clock_wall_us()))
			continue;
		m->preflight_us = now_us + again_us(c);
		try_to_begin(m, now, c->name);
	}
}
