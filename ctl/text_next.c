// SPDX-License-Identifier: MIT
/*
 * What comes next for a release, or what would help, as one line: below `status` and in `explain`.
 * Both answers have the members that it is made of.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/words.h"

#define SAY(out, ...) snprintf((out), TEXT_NEXT_BYTES, __VA_ARGS__)

static bool
is(const cJSON *object, const char *name, const char *text)
{
	return strcmp(answer_text(object, name), text) == 0;
}

char *
text_names(const cJSON *list, const char *between, char out[TEXT_NAMES_BYTES])
{
	const cJSON *name;
	size_t n = 0;

	out[0] = '\0';
	cJSON_ArrayForEach(name, list)
	{
		if (cJSON_IsString(name) && n < TEXT_NAMES_BYTES)
			n += (size_t)snprintf(out + n, TEXT_NAMES_BYTES - n, "%s%s",
			    n > 0 ? between : "", name->valuestring);
	}
	return out;
}

/* "since 14:03:05, 2 min 5 s ago, by guard: error: over its budget ..." */
char *
text_cause(const cJSON *r, const char *now, bool why, char out[TEXT_NEXT_BYTES])
{
	const cJSON *cause = answer_get(r, "cause");
	const char *reason = answer_text(cause, "reason"), *then = answer_text(cause, "time");
	char time[WORDS_BYTES], ago[WORDS_BYTES];

	out[0] = '\0';
	if (!why)
		reason = "";
	if (cJSON_IsObject(cause))
		SAY(out, "%s, %s, by %s%s%s%s", words_time(time, then, now),
		    words_ago(ago, then, now), answer_text(cause, "actor"),
		    is(cause, "command", "weight") ? " with weight" : "",
		    reason[0] != '\0' ? ": " : "", reason);
	return out;
}

/* A hold of the guard comes back as long as its evidence stands. */
static void
say_symptom_hold(const cJSON *r, char out[TEXT_NEXT_BYTES])
{
	const cJSON *guard = answer_get(r, "guard");
	char names[TEXT_NAMES_BYTES], words[TEXT_NAMES_BYTES];
	bool stands = is(guard, "verdict", "hold") || is(guard, "verdict", "rollback");

	text_names(answer_get(guard, "worse"), ",", names);
	text_names(answer_get(guard, "worse"), ", ", words);
	if (names[0] == '\0')
		SAY(out, "resume goes on, rollback ends it");
	else if (!stands)
		SAY(out, "by what the guard sees now it is not held again: resume goes on, "
			 "rollback ends "
			 "it");
	else
		SAY(out,
		    "resume alone is held again at once; resume %s --waive %s --reason TEXT goes "
		    "on "
		    "whatever becomes of %s, rollback ends it",
		    answer_text(r, "release"), names, words);
}

static void
say_hold(const cJSON *r, char out[TEXT_NEXT_BYTES])
{
	if (is(r, "hold", "symptom"))
		say_symptom_hold(r, out);
	else if (is(r, "hold", "split"))
		SAY(out, "resume alone is held again while the evidence stands; rollback and then "
			 "restart begin anew");
	else if (is(r, "hold", "no_data"))
		SAY(out, "it goes on when the candidate answers again, or with resume");
	else if (answer_is_true(r, "hold_recovers"))
		SAY(out, "it goes on when that is over, or with resume");
	else
		SAY(out, "resume goes on");
}

/* "about 333 more users of the candidate, for empty, about 6 min". */
bool
text_missing(const cJSON *guard, char out[TEXT_NEXT_BYTES])
{
	const cJSON *missing = answer_get(guard, "missing");
	double requests = answer_number(missing, "requests");
	const char *what = answer_text(missing, "what");
	char count[WORDS_BYTES], time[WORDS_BYTES];
	bool timed = cJSON_IsNumber(answer_get(missing, "seconds"));
	bool users = is(missing, "of", "users");

	if (!cJSON_IsObject(missing))
		return false;
	if (!cJSON_IsNumber(answer_get(missing, "requests")))
		SAY(out, "at the present rates %s will never be shown to be safe", what);
	else if (requests == 0)
		SAY(out, "nothing");
	else
		SAY(out, "about %s of the candidate%s%s%s%s%s",
		    words_things(count, requests, users ? "more user" : "more request"),
		    what[0] != '\0' ? ", for " : "", what,
		    timed   ? ", about "
		    : users ? "; none came in the last half minute"
			    : "",
		    timed ? words_seconds(time, (uint64_t)answer_number(missing, "seconds")) : "",
		    timed ? " at the present rate" : "");
	return true;
}

/* An auto plan: not by its clock, but by the guard's word. */
static void
say_by_guard(const cJSON *r, const char *what, const char *left, char out[TEXT_NEXT_BYTES])
{
	const cJSON *guard = answer_get(r, "guard"), *plan = answer_get(r, "plan");
	bool waits = answer_number(plan, "remaining_s") >= 1;
	char missing[TEXT_NEXT_BYTES];

	if (is(guard, "verdict", "safe") && waits)
		SAY(out, "%s in %s, if the guard still says safe then", what, left);
	else if (is(guard, "verdict", "safe"))
		SAY(out, "%s now, if the guard still says safe", what);
	else if (is(guard, "verdict", "hold") || is(guard, "verdict", "rollback"))
		SAY(out, "%s not while the guard says %s", what, answer_text(guard, "verdict"));
	else if (!text_missing(guard, missing) || strcmp(missing, "nothing") == 0)
		SAY(out, "%s when the guard says safe", what);
	else
		SAY(out, "%s when the guard says safe: %.300s%s%s", what, missing,
		    waits ? "; not before " : "", waits ? left : "");
}

static void
say_moves(const cJSON *r, char out[TEXT_NEXT_BYTES])
{
	const cJSON *plan = answer_get(r, "plan");
	const char *verdict = answer_text(answer_get(r, "guard"), "verdict");
	bool idle = answer_is_true(plan, "idle");
	bool acts = is(answer_get(r, "guard"), "mode", "rollback");
	char what[WORDS_BYTES] = "done", left[WORDS_BYTES + 16];

	if (!is(plan, "phase", "bake"))
		answer_percent(plan, "next_percent", what);
	words_seconds(left, (uint64_t)answer_number(plan, "remaining_s"));
	if (idle)
		strcat(left, " of traffic");
	if (answer_is_true(r, "frozen"))
		SAY(out, "%s not before the freeze ends", what);
	else if (answer_is_true(plan, "waits_for_guard"))
		say_by_guard(r, what, left, out);
	else if (acts && (strcmp(verdict, "hold") == 0 || strcmp(verdict, "rollback") == 0))
		SAY(out, "%s not while the guard says %s", what, verdict);
	else
		SAY(out, "%s in %s", what, left);
	if (idle && strlen(out) + 60 < TEXT_NEXT_BYTES)
		strcat(out, "; nobody asks now, and its clocks stand still");
}

static void
say_step(const cJSON *r, char out[TEXT_NEXT_BYTES])
{
	const cJSON *plan = answer_get(r, "plan");
	bool has_next = cJSON_IsNumber(answer_get(plan, "next_percent"));
	char next[WORDS_BYTES];

	answer_percent(plan, "next_percent", next);
	if (is(plan, "phase", "gate") && is(r, "state", "bake"))
		SAY(out, "waits at a gate; promote --full ends its bake");
	else if (is(plan, "phase", "gate") && !has_next)
		SAY(out, "at the last stage of its plan: promote --full goes on");
	else if (is(plan, "phase", "gate"))
		SAY(out, "waits at a gate; promote goes to %s", next);
	else if (is(plan, "mode", "manual") && is(r, "state", "step") &&
		 !answer_is_true(r, "frozen") && has_next)
		SAY(out, "promote goes to %s", next);
	else if (answer_is_true(plan, "moves"))
		say_moves(r, out);
}

char *
text_next(const cJSON *r, char out[TEXT_NEXT_BYTES])
{
	out[0] = '\0';
	if (is(r, "state", "hold"))
		say_hold(r, out);
	else if (is(r, "state", "rolled_back"))
		SAY(out, "restart begins a new rollout");
	else if (!is(r, "state", "done"))
		say_step(r, out);
	return out;
}
