// SPDX-License-Identifier: MIT
/*
 * Reload, see generation.h. All that can fail is done while the old generation still serves:
 * begin() undoes it in reverse; commit() cannot fail.
 */
#include "daemon/generation.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/title.h"
#include "daemon/control.h"
#include "daemon/master.h"
#include "daemon/notify.h"
#include "daemon/peer.h"
#include "daemon/validation.h"

#define READY_US     (20 * US_PER_S) /* from the start of the generation until all of it is ready */
#define FAILURES_MAX 3		     /* ends of one child before that */

struct generation {
	uint64_t number;
	struct config *config;
	struct listeners listeners;
	struct peer_rules rules;
	struct actor actor;
	char *reason;	      /* NULL: none given */
	struct policy before; /* at the commit */
	uint64_t deadline_us;
	generation_done_fn *done; /* NULL: nobody waits */
	void *arg;
};

/* ---- is it a config that a reload can bring? ------------------------------------------------- */

/* What the master has taken hold of for its whole life. */
static const struct {
	const char *key;
	size_t offset;
} fixed[] = {
	{ "control_socket", offsetof(struct config, control_socket) },
	{ "state_dir", offsetof(struct config, state_dir) },
	{ "user", offsetof(struct config, user) },
};

static const char *
text_at(const struct config *c, size_t offset)
{
	return *(char *const *)(const void *)((const char *)c + offset);
}

static int
check_fixed(const struct config *now, const struct config *next, struct err *e)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		const char *had = text_at(now, fixed[i].offset);
		const char *has = text_at(next, fixed[i].offset);

		if (strcmp(had, has) != 0)
			return err_set(e,
			    "%s: %s: a reload cannot change it from \"%s\" to \"%s\": stop "
			    "grayd and start it again",
			    next->path, fixed[i].key, had, has);
	}
	return 0;
}

/* Tallies of a release or a client stay for good, so there is an end to new names. */
static int
declare_names(struct master *m, const struct config *next, struct err *e)
{
	for (unsigned i = 0; i < next->n_releases; i++) {
		if (slots_declare(&m->slots, next->releases[i].name) != 0)
			return err_set(e,
			    "releases.%s: this grayd has counted %d different releases and has "
			    "room for no other: stop it and start it again",
			    next->releases[i].name, RELEASES_MAX);
	}
	for (unsigned i = 0; i < next->n_clients; i++) {
		if (slots_declare_client(&m->slots, next->clients[i].name) != 0)
			return err_set(e,
			    "clients[%u]: this grayd has counted %d different clients and has "
			    "room for no other: stop it and start it again",
			    i, CLIENTS_MAX);
	}
	return 0;
}

/* What workers of earlier generations, or of another master, still look at is not given to others.
 */
static int
prepare_limits(struct master *m, struct config *next, struct err *e)
{
	unsigned current = 0;

	limits_seats_sweep(&m->limits);
	for (unsigned i = 0; i < m->supervisor.n_children; i++) {
		const struct child *c = &m->supervisor.children[i];

		current += c->seat > 0 && c->generation == m->generation;
	}
	return limits_prepare(&m->limits, next, limits_seats_used(&m->limits) == current, e);
}

static struct config *
load(const struct master *m, struct err *e)
{
	struct config *next = config_load(m->config->path, 0, e);

	keys_scrub_environ();
	if (next != NULL && m->verbose)
		next->log.level = LOG_DEBUG;
	return next;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static void
generation_free(struct generation *g)
{
	peer_rules_free(&g->rules);
	config_free(g->config);
	free(g->reason);
	free(g);
}

/* What `count` and the forks go by is the new config, for this call. */
static int
start_children(struct master *m, struct generation *g, struct err *e)
{
	struct config *config = m->config;
	struct listeners listeners = m->listeners;
	int rc;

	m->config = g->config;
	m->listeners = g->listeners;
	rc = supervisor_add_generation(m, g->number, e);
	m->config = config;
	m->listeners = listeners;
	return rc;
}

static int
prepare(struct master *m, struct generation *g, struct err *e)
{
	if (check_fixed(m->config, g->config, e) != 0 ||
	    transition_check_config(m, g->config, e) != 0 || declare_names(m, g->config, e) != 0 ||
	    prepare_limits(m, g->config, e) != 0 || log_try(g->config->log.file, e) != 0 ||
	    peer_rules_load(&g->rules, g->config, e) != 0)
		return -1;
	return listen_update(&g->listeners, &m->listeners, g->config, e);
}

static enum ctl_code
begin(struct master *m, struct generation *g, struct err *e)
{
	g->config = load(m, e);
	if (g->config == NULL || prepare(m, g, e) != 0)
		return CTL_REFUSED;
	g->number = m->last_generation + 1;
	g->deadline_us = clock_mono_us() + READY_US;
	m->reload = g;
	if (validation_begin(m, g->number, g->config, e) != 0 || start_children(m, g, e) != 0) {
		m->reload = NULL;
		validation_drop(m, g->number);
		listen_close_others(&g->listeners, &m->listeners);
		return CTL_BUSY;
	}
	m->last_generation = g->number;
	notify_send("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Starting generation %llu",
	    (unsigned long long)clock_mono_us(), (unsigned long long)g->number);
	log_event(LOG_INFO, "reloading", "%s was read again, by %s: generation %llu starts",
	    g->config->path, g->actor.name, (unsigned long long)g->number);
	return CTL_OK;
}

static int
refuse_busy(const struct master *m, struct err *e)
{
	if (m->stopping)
		return err_set(e, "grayd is stopping");
	if (m->reload != NULL)
		return err_set(e, "a reload is under way: try again when it is over");
	if (m->upgrade != NULL || !predecessor_is_settled(m))
		return err_set(e, "an upgrade is under way: try again when it is over");
	if (!m->announced)
		return err_set(e, "grayd has not begun to serve yet: try again when it does");
	return 0;
}

enum ctl_code
generation_reload(struct master *m, const struct actor *actor, const char *reason,
    generation_done_fn *done, void *arg, struct err *e)
{
	struct generation *g;
	enum ctl_code code;

	if (refuse_busy(m, e) != 0)
		return CTL_BUSY;
	g = calloc(1, sizeof(*g));
	if (g == NULL) {
		err_set(e, "out of memory: nothing was changed");
		return CTL_INTERNAL;
	}
	g->actor = *actor;
	g->reason = reason != NULL ? strdup(reason) : NULL;
	g->done = done;
	g->arg = arg;
	code = begin(m, g, e);
	if (code != CTL_OK) {
		generation_free(g);
		log_event(LOG_ERROR, "reload_failed", "%s; nothing was changed", e->msg);
	} else {
		generation_check(m);
	}
	return code;
}

void
generation_reload_by_signal(struct master *m)
{
	const struct actor actor = { .uid = (uint32_t)getuid(), .name = "a signal" };
	struct err e;

	if (m->reload != NULL || (!m->announced && !m->stopping))
		m->reload_again = true;
	else
		(void)!generation_reload(m, &actor, NULL, NULL, NULL, &e);
}

void
generation_forget(struct master *m, const void *arg)
{
	if (m->reload != NULL && m->reload->arg == arg)
		m->reload->done = NULL;
}

/* ---- its end, good or bad -------------------------------------------------------------------- */

static uint64_t
drain_deadline(const struct config *c)
{
	return clock_mono_us() + (uint64_t)c->limits.drain_ms * US_PER_MS + MASTER_DRAIN_GRACE_US;
}

static void
announce(struct master *m)
{
	m->announced = true;
	notify_send("READY=1\nSTATUS=Generation %llu serves with %s",
	    (unsigned long long)m->generation, m->config->path);
}

/* A signal came while nothing could be reloaded. */
static void
reload_again(struct master *m)
{
	if (!m->reload_again || m->stopping)
		return;
	m->reload_again = false;
	generation_reload_by_signal(m);
}

static void
finish(struct master *m, struct generation *g, const struct err *failure)
{
	m->reload = NULL;
	if (!m->stopping)
		announce(m);
	if (g->done != NULL)
		g->done(failure, &g->before, g->arg);
	generation_free(g);
	reload_again(m);
}

static void
use_log(struct master *m, const struct config *before, const struct config *now)
{
	struct err e;

	log_set_level((enum log_level)now->log.level);
	if (strcmp(before->log.file, now->log.file) == 0)
		return;
	if (log_open(now->log.file, (enum log_level)now->log.level, &e) != 0)
		log_event(LOG_ERROR, "reopen_failed", "%s; the old log stays in use", e.msg);
	else
		master_pass_log(m);
}

/* The order matters: the policy is there before anybody serves under it, and the new workers accept
 * before the old ones cease to. */
static void
commit(struct master *m, struct generation *g)
{
	struct config *before = m->config;

	g->before = m->policy;
	transition_use_config(m, g->config, &g->actor, g->reason);
	limits_commit(&m->limits, g->config, clock_mono_us());
	m->config = g->config;
	g->config = before;
	m->generation = g->number;
	validation_serve(m, g->number);
	supervisor_serve(m, g->number);
	supervisor_retire_others(m, g->number, drain_deadline(before));
	listen_close_others(&m->listeners, &g->listeners);
	m->listeners = g->listeners;
	control_use_rules(m, &g->rules);
	use_log(m, before, m->config);
	title_set("grayd: master %s", m->config->path);
	log_event(LOG_INFO, "reloaded",
	    "generation %llu serves with %s; the one before finishes what it has",
	    (unsigned long long)g->number, m->config->path);
	finish(m, g, NULL);
}

static void
abandon(struct master *m, struct generation *g, const struct err *e)
{
	log_event(LOG_ERROR, "reload_failed", "%s; the old one goes on", e->msg);
	supervisor_retire(m, g->number, drain_deadline(m->config));
	validation_drop(m, g->number);
	listen_close_others(&g->listeners, &m->listeners);
	finish(m, g, e);
}

void
generation_give_up(struct master *m, const char *why)
{
	struct err e;

	if (m->reload == NULL)
		return;
	err_set(&e, "the new generation of workers did not become ready: %s", why);
	abandon(m, m->reload, &e);
}

/* The first generation of this master. What belongs to no generation, the journal's writer, begins
 * its work only now: a start that is refused leaves no trace. */
static void
check_first(struct master *m)
{
	struct supervisor_progress p = supervisor_progress(m, m->generation);
	struct err e;

	if (!validation_is_settled(m, m->generation))
		return;
	if (validation_judge(m, m->generation, &e) != 0) {
		master_refuse(m, &e);
	} else if (p.ready == p.children && predecessor_is_settled(m)) {
		validation_serve(m, m->generation);
		supervisor_serve(m, m->generation);
		supervisor_start_lasting(m);
		announce(m);
		reload_again(m);
	} else if (p.ready == p.children) {
		predecessor_ready(m);
	}
}

void
generation_check(struct master *m)
{
	struct generation *g;
	struct supervisor_progress p;
	bool settled;
	struct err e;

	if (!m->announced && !m->stopping)
		check_first(m);
	g = m->reload;
	if (g == NULL)
		return;
	p = supervisor_progress(m, g->number);
	settled = validation_is_settled(m, g->number);
	if (settled && validation_judge(m, g->number, &e) != 0)
		abandon(m, g, &e);
	else if (settled && p.children > 0 && p.ready == p.children)
		commit(m, g);
	else if (p.failures >= FAILURES_MAX)
		generation_give_up(
		    m, "they ended again and again at their start; the log tells why");
	else if (clock_mono_us() >= g->deadline_us)
		generation_give_up(m, "it took too long");
}

bool
generation_under_way(const struct master *m)
{
	return m->reload != NULL;
}

void
generation_adopt(struct master *m, uint64_t number)
{
	if (m->reload == NULL || m->reload->number != number)
		return;
	m->config = m->reload->config;
	m->listeners = m->reload->listeners;
	log_set_level((enum log_level)m->config->log.level);
}
