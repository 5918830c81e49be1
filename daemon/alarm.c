// SPDX-License-Identifier: MIT
/*
 * Alarms; see alarm.h. Counts are kept by arm of a release, alarms by model, both by name, so that
 * a reload that moves them changes nothing.
 */
#include "daemon/alarm.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/master.h"

/* Which outcomes raise one, and what helps; where the key comes from follows. */
static const struct {
	enum outcome outcome;
	const char *advice;
} causes[] = {
	{ OUTCOME_UNAUTHORIZED, "look at the key" },
	{ OUTCOME_NO_BALANCE, "top up the account of the key" },
	{ OUTCOME_NO_QUOTA, "raise the quota of the account of the key" },
};
#define N_CAUSES (sizeof(causes) / sizeof(causes[0]))

/* The counts of one release that were looked at last. */
struct seen {
	char release[NAME_BYTES]; /* empty: not used */
	uint64_t attempts[ARM_COUNT][OUTCOME_COUNT];
};

struct watched {
	char model[NAME_BYTES]; /* its key in "models"; empty: not used */
	struct alarm alarm;
	uint64_t fresh[OUTCOME_COUNT];
};

#define WATCHED_MAX (RELEASES_MAX * ARM_COUNT)

struct alarms {
	struct event tick;
	struct seen seen[RELEASES_MAX];
	struct watched watched[WATCHED_MAX];
};

/* ---- pure ------------------------------------------------------------------------------------ */

enum alarm_change
alarm_step(struct alarm *a, const uint64_t fresh[OUTCOME_COUNT], uint64_t wall_us)
{
	for (size_t i = 0; i < N_CAUSES; i++) {
		enum outcome cause = causes[i].outcome;

		if (fresh[cause] == 0)
			continue;
		if (a->on && a->outcome == cause) {
			a->attempts += fresh[cause];
			return ALARM_SAME;
		}
		*a = (struct alarm){ true, cause, wall_us, fresh[cause] };
		return ALARM_RAISED;
	}
	if (!a->on || fresh[OUTCOME_OK] == 0)
		return ALARM_SAME;
	a->on = false;
	return ALARM_CLEARED;
}

void
alarm_describe(const struct alarm *a, const struct config_model *model, struct err *out)
{
	const char *source = model->provider->api_key_source, *advice = "";

	for (size_t i = 0; i < N_CAUSES; i++)
		if (causes[i].outcome == a->outcome)
			advice = causes[i].advice;
	if (source == NULL)
		source = "none is configured";
	err_set(out, "the model %s of provider \"%s\" %s: %s (%s)", model->id,
	    model->provider->name, outcome_info(a->outcome)->text, advice, source);
}

/* ---- the master's ---------------------------------------------------------------------------- */

static struct seen *
find_seen(struct alarms *all, const char *release)
{
	struct seen *unused = NULL;

	for (unsigned i = 0; i < RELEASES_MAX; i++) {
		if (strcmp(all->seen[i].release, release) == 0)
			return &all->seen[i];
		if (unused == NULL && all->seen[i].release[0] == '\0')
			unused = &all->seen[i];
	}
	if (unused != NULL)
		snprintf(unused->release, sizeof(unused->release), "%s", release);
	return unused;
}

static struct watched *
find_watched(struct alarms *all, const char *model)
{
	struct watched *unused = NULL;

	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		if (strcmp(all->watched[i].model, model) == 0)
			return &all->watched[i];
		if (unused == NULL && all->watched[i].model[0] == '\0')
			unused = &all->watched[i];
	}
	if (unused != NULL)
		snprintf(unused->model, sizeof(unused->model), "%s", model);
	return unused;
}

static bool
is_used(const struct config *config, const char *model)
{
	for (unsigned i = 0; i < config->n_releases; i++)
		for (unsigned arm = 0; arm < ARM_COUNT; arm++)
			if (config->releases[i].arms[arm] != NULL &&
			    strcmp(config->releases[i].arms[arm]->id, model) == 0)
				return true;
	return false;
}

static void
forget_the_gone(struct master *m)
{
	struct alarms *all = m->alarms;

	for (unsigned i = 0; i < RELEASES_MAX; i++)
		if (all->seen[i].release[0] != '\0' &&
		    policy_find(&m->policy, all->seen[i].release) == NULL)
			memset(&all->seen[i], 0, sizeof(all->seen[i]));
	for (unsigned i = 0; i < WATCHED_MAX; i++)
		if (all->watched[i].model[0] != '\0' && !is_used(m->config, all->watched[i].model))
			memset(&all->watched[i], 0, sizeof(all->watched[i]));
}

/* Adds to each model's fresh attempts those that a release has seen since the last look. */
static void
look_at(struct master *m, const struct config_release *release)
{
	uint64_t now[ARM_COUNT][OUTCOME_COUNT];
	struct seen *seen = find_seen(m->alarms, release->name);

	if (seen == NULL)
		return;
	slots_sum_attempts(&m->slots, release->name, now);
	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		const struct config_model *model = release->arms[arm];
		struct watched *w = model != NULL ? find_watched(m->alarms, model->id) : NULL;

		for (unsigned o = 0; w != NULL && o < OUTCOME_COUNT; o++)
			if (now[arm][o] > seen->attempts[arm][o])
				w->fresh[o] += now[arm][o] - seen->attempts[arm][o];
	}
	memcpy(seen->attempts, now, sizeof(now));
}

static const struct config_model *
find_model(const struct config *config, const char *id)
{
	for (unsigned i = 0; i < config->n_models; i++)
		if (strcmp(config->models[i].id, id) == 0)
			return &config->models[i];
	return NULL;
}

static void
tell(const struct master *m, const struct watched *w, enum alarm_change change)
{
	const struct config_model *model = find_model(m->config, w->model);
	struct err what;

	if (model == NULL || change == ALARM_SAME)
		return;
	alarm_describe(&w->alarm, model, &what);
	if (change == ALARM_RAISED)
		log_event(LOG_ERROR, "alarm", "%s", what.msg);
	else
		log_event(LOG_INFO, "alarm_over", "the model %s answers again", model->id);
}

static void
look(struct master *m)
{
	forget_the_gone(m);
	for (unsigned i = 0; i < m->config->n_releases; i++)
		look_at(m, &m->config->releases[i]);
	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		struct watched *w = &m->alarms->watched[i];

		if (w->model[0] == '\0')
			continue;
		tell(m, w, alarm_step(&w->alarm, w->fresh, clock_wall_us()));
		memset(w->fresh, 0, sizeof(w->fresh));
	}
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	look(arg);
}

int
alarms_start(struct master *m, struct err *e)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct alarms *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return err_set(e, "out of memory");
	m->alarms = all;
	look(m);
	event_assign(&all->tick, m->base, -1, EV_PERSIST, on_tick, m);
	return event_add(&all->tick, &second) == 0 ? 0 : err_set(e, "out of memory");
}

void
alarms_stop(struct master *m)
{
	if (m->alarms == NULL)
		return;
	if (event_initialized(&m->alarms->tick))
		event_del(&m->alarms->tick);
	free(m->alarms);
	m->alarms = NULL;
}

void
alarms_begin_anew(struct master *m)
{
	if (m->alarms == NULL)
		return;
	for (unsigned i = 0; i < m->config->n_releases; i++) {
		struct seen *seen = find_seen(m->alarms, m->config->releases[i].name);

		if (seen != NULL)
			slots_sum_attempts(&m->slots, seen->release, seen->attempts);
	}
}

const struct alarm *
alarm_find(const struct master *m, const struct config_model *model)
{
	for (unsigned i = 0; m->alarms != NULL && i < WATCHED_MAX; i++)
		if (strcmp(m->alarms->watched[i].model, model->id) == 0 &&
		    m->alarms->watched[i].alarm.on)
			return &m->alarms->watched[i].alarm;
	return NULL;
}
