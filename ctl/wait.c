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

static int
parse_state(const char *name, struct wait_condition *out, struct err *e)
{
	char known[128] = "";

	for (unsigned s = 0; s < STATE_NAMES; s++) {
		size_t n = strlen(known);

		if (strcmp(name, state_names[s]) == 0) {
			out->state = state_names[s];
			return 0;
		}
		snprintf(known + n, sizeof(known) - n, "%s%s", s > 0 ? ", " : "", state_names[s]);
	}
	return err_set(e, "wait: \"%.32s\" is no state; expected one of %s", name, known);
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
		return parse_state(text + 6, out, e);
	}
	return err_set(e,
	    "wait: \"%.64s\" is no condition; expected stage=N, share=PCT, state=NAME or "
	    "healthy",
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
	case WAIT_STATE: met = state_is(release, c->state) && acknowledged(release); break;
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

	if (c->kind == WAIT_HEALTHY && !cJSON_IsTrue(get(get(status, "grayd"), "healthy")))
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
