// SPDX-License-Identifier: MIT
/* Conditions of `status --wait`; see wait.h. */
#include "ctl/wait.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/command.h"

#define HOLD	    "hold"
#define ROLLED_BACK "rolled_back"

static const char *const state_names[] = {
#define STATE(id, name, ...) name,
#include "common/states.def"
#undef STATE
};
#define STATE_NAMES (sizeof(state_names) / sizeof(state_names[0]))

static const char *const phase_names[] = {
#define PHASE(id, name) name,
#include "common/phases.def"
#undef PHASE
};
#define PHASE_NAMES (sizeof(phase_names) / sizeof(phase_names[0]))

static int
parse_name(const char *name, const char *const names[], unsigned n_names,
    struct wait_condition *out, struct err *e)
{
	char known[128] = "";

	for (unsigned i = 0; i < n_names; i++) {
		size_t n = strlen(known);

		if (strcmp(name, names[i]) == 0) {
			out->name = names[i];
			return 0;
		}
		snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	return err_set(e, "wait: \"%.32s\" is none of %s", name, known);
}

static int
parse_share(const char *text, struct wait_condition *out, struct err *e)
{
	struct command_value value;

	if (param_parse(PARAM_PERCENT, text, &value, e) == -1)
		return err_prefix(e, "wait");
	out->number = value.number;
	return 0;
}

int
wait_parse(const char *text, struct wait_condition *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (strcmp(text, "healthy") == 0) {
		out->kind = WAIT_HEALTHY;
		return 0;
	}
	if (strncmp(text, "stage=", 6) == 0) {
		out->kind = WAIT_STAGE;
		return parse_share(text + 6, out, e);
	}
	if (strncmp(text, "share=", 6) == 0) {
		out->kind = WAIT_SHARE;
		return parse_share(text + 6, out, e);
	}
	if (strncmp(text, "state=", 6) == 0) {
		out->kind = WAIT_STATE;
		return parse_name(text + 6, state_names, STATE_NAMES, out, e);
	}
	if (strncmp(text, "phase=", 6) == 0) {
		out->kind = WAIT_PHASE;
		return parse_name(text + 6, phase_names, PHASE_NAMES, out, e);
	}
	return err_set(e,
	    "wait: \"%.64s\" is no condition; expected stage=N, share=PCT, state=NAME, "
	    "phase=NAME or healthy",
	    text);
}

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool
percent_is(const cJSON *release, const char *name, uint64_t hundredths)
{
	const cJSON *percent = get(release, name);

	return cJSON_IsNumber(percent) && lround(percent->valuedouble * 100) == (long)hundredths;
}

static bool
state_is(const cJSON *release, const char *state)
{
	const char *name = cJSON_GetStringValue(get(release, "state"));

	return name != NULL && strcmp(name, state) == 0;
}

static bool
phase_is(const cJSON *release, const char *phase)
{
	const char *name = cJSON_GetStringValue(get(get(release, "plan"), "phase"));

	return name != NULL && strcmp(name, phase) == 0;
}

static bool
acknowledged(const cJSON *release)
{
	const cJSON *set = get(release, "set_percent"),
		    *published = get(release, "published_percent");

	return cJSON_IsNumber(set) && cJSON_IsNumber(published) &&
	       set->valuedouble == published->valuedouble;
}

static enum wait_verdict
judge_release(const struct wait_condition *c, const cJSON *release)
{
	bool met = false;

	switch (c->kind) {
	case WAIT_STAGE:
		met = percent_is(release, "stage", c->number) && acknowledged(release);
		break;
	case WAIT_SHARE: met = percent_is(release, "published_percent", c->number); break;
	case WAIT_STATE: met = state_is(release, c->name) && acknowledged(release); break;
	case WAIT_PHASE: met = phase_is(release, c->name); break;
	case WAIT_HEALTHY:
		met = acknowledged(release) && !state_is(release, HOLD) &&
		      !state_is(release, ROLLED_BACK);
		break;
	}
	if (met)
		return WAIT_MET;
	if (state_is(release, ROLLED_BACK))
		return WAIT_ROLLED_BACK;
	return state_is(release, HOLD) ? WAIT_ON_HOLD : WAIT_NOT_YET;
}

enum wait_verdict
wait_judge(const struct wait_condition *c, const cJSON *status)
{
	enum wait_verdict worst = WAIT_MET;
	const cJSON *release;

	if (c->kind == WAIT_HEALTHY && !cJSON_IsTrue(get(get(status, "grayd"), "serving")))
		return WAIT_NOT_YET;
	cJSON_ArrayForEach(release, get(status, "releases"))
	{
		enum wait_verdict verdict = judge_release(c, release);

		/* One that can be waited for no longer decides, whatever the others do. */
		if (verdict > WAIT_MET)
			return verdict;
		if (verdict == WAIT_NOT_YET)
			worst = WAIT_NOT_YET;
	}
	return worst;
}

const char *
wait_culprit(enum wait_verdict verdict, const cJSON *status)
{
	const cJSON *release;

	cJSON_ArrayForEach(release, get(status, "releases"))
	{
		if ((verdict == WAIT_ROLLED_BACK && state_is(release, ROLLED_BACK)) ||
		    (verdict == WAIT_ON_HOLD && state_is(release, HOLD)))
			return release->string;
	}
	return NULL;
}
