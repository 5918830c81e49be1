// SPDX-License-Identifier: MIT
/* Rollouts for people: what a change did, what happens next, and where keys go. */
#include <cjson/cJSON.h>
#include <string.h>

#include "common/printable.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

/* ---- a change and its receipt ---------------------------------------------------------------- */

static void
print_standing(const struct screen *screen, const cJSON *standing)
{
	const char *hold = answer_text(standing, "hold_text");
	char state[WORDS_BYTES], percent[WORDS_BYTES];

	fprintf(screen->out, "%s: %s%s%s%s%s, the candidate's share is %s, revision %.0f%s\n",
	    answer_text(standing, "release"), hold[0] != '\0' ? "on " : "",
	    answer_words(standing, "state", state), hold[0] != '\0' ? " (" : "", hold,
	    hold[0] != '\0' ? ")" : "", answer_percent(standing, "set_percent", percent),
	    answer_number(standing, "revision"),
	    answer_is_true(standing, "frozen") ? ", frozen" : "");
}

/* When the last attempt at the candidate began, seen from the publish. */
static void
print_last_attempt(const struct screen *screen, const cJSON *receipt)
{
	const cJSON *last = answer_get(receipt, "last_candidate_attempt_us");
	char words[WORDS_BYTES];
	double us;

	if (!cJSON_IsNumber(last))
		return;
	us = last->valuedouble;
	if (us <= 0)
		fprintf(screen->out, "the candidate was last asked %s before that\n",
		    words_us(words, -us));
	else
		fprintf(screen->out, "the candidate was last asked %s after that\n",
		    words_us(words, us));
}

static void
print_rescued(const struct screen *screen, const cJSON *answer)
{
	const cJSON *receipt = answer_get(answer, "receipt");
	bool cut = answer_is_true(answer, "cut");
	double in_flight = answer_number(receipt, "candidate_in_flight");
	double rescued = answer_number(receipt, "rescued");
	double streaming = answer_number(receipt, "streaming");

	if (answer_get(receipt, "rescued") == NULL) {
		if (in_flight > 0)
			fprintf(screen->out, "requests of the candidate at that moment: %.0f\n",
			    in_flight);
		return;
	}
	if (in_flight + rescued + streaming == 0) {
		fputs("no request was the candidate's at that moment\n", screen->out);
		print_last_attempt(screen, receipt);
		return;
	}
	fprintf(screen->out,
	    "requests of the candidate at that moment: %.0f; sent to stable at once: %.0f; "
	    "streaming already and %s: %.0f",
	    in_flight, rescued, cut ? "cut" : "left to finish", streaming);
	if (in_flight > rescued + streaming)
		fprintf(screen->out, "; with stable already, or just over: %.0f",
		    in_flight - rescued - streaming);
	fputc('\n', screen->out);
	print_last_attempt(screen, receipt);
}

static void
print_receipt(const struct screen *screen, const cJSON *answer)
{
	const cJSON *receipt = answer_get(answer, "receipt");
	const cJSON *journal = answer_get(receipt, "journal_us");
	char publish[WORDS_BYTES], acknowledge[WORDS_BYTES], written[WORDS_BYTES];
	double killed = answer_number(receipt, "killed");

	if (!answer_is_true(answer, "changed")) {
		fputs("it was so already: nothing was published\n", screen->out);
		return;
	}
	fprintf(screen->out, "published after %s, acknowledged %s later (workers: %.0f)",
	    words_us(publish, answer_number(receipt, "publish_us")),
	    words_us(acknowledge, answer_number(receipt, "acknowledge_us")),
	    answer_number(receipt, "acknowledged"));
	if (cJSON_IsNumber(journal))
		fprintf(screen->out, ", on disk after %s", words_us(written, journal->valuedouble));
	else if (cJSON_IsNull(journal))
		fputs(", not on disk yet", screen->out);
	fputc('\n', screen->out);
	print_rescued(screen, answer);
	if (killed > 0)
		fprintf(screen->out, "workers that did not acknowledge and were replaced: %.0f\n",
		    killed);
}

void
text_show_changed(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *releases = answer_get(answer, "releases"), *each;

	(void)args;
	if (releases == NULL)
		print_standing(screen, answer);
	cJSON_ArrayForEach(each, releases)
	{
		print_standing(screen, each);
	}
	print_receipt(screen, answer);
	if (answer_text(answer, "warning")[0] != '\0')
		fprintf(screen->out, "%swarning%s: %s\n", colour_begin(COLOUR_WARN, screen->colour),
		    colour_end(COLOUR_WARN, screen->colour), answer_text(answer, "warning"));
}

/* ---- what happens next, below `status` ------------------------------------------------------- */

static void
print_hold(const struct screen *screen, const cJSON *r)
{
	fprintf(screen->out, "%s: %son hold%s: %s; %s\n", answer_text(r, "release"),
	    colour_begin(COLOUR_WARN, screen->colour), colour_end(COLOUR_WARN, screen->colour),
	    answer_text(r, "hold_text"),
	    answer_is_true(r, "hold_recovers") ? "it goes on when that is over, or with resume"
					       : "resume goes on");
}

/* The end of a rollout is a line in the config. */
static void
print_done(const struct screen *screen, const cJSON *r, const char *config)
{
	const cJSON *arms = answer_get(r, "arms");

	fprintf(screen->out,
	    "%s: to end the rollout, write in %s under \"%s\"\n"
	    "    \"stable\": \"%s\",\n"
	    "leave \"candidate\" out or name the next one, and reload\n",
	    answer_text(r, "release"), config, answer_text(r, "release"),
	    answer_text(answer_get(arms, "candidate"), "model"));
}

static void
print_next(const struct screen *screen, const cJSON *r)
{
	const cJSON *plan = answer_get(r, "plan");
	const char *phase = answer_text(plan, "phase");
	bool bake = strcmp(phase, "bake") == 0;
	bool manual = strcmp(answer_text(plan, "mode"), "manual") == 0 &&
		      strcmp(answer_text(r, "state"), "step") == 0 && !answer_is_true(r, "frozen");
	char left[WORDS_BYTES], next[WORDS_BYTES];

	words_seconds(left, (uint64_t)answer_number(plan, "remaining_s"));
	answer_percent(plan, "next_percent", next);
	if (strcmp(phase, "gate") == 0 && !cJSON_IsNumber(answer_get(plan, "next_percent")))
		fprintf(screen->out, "%s: at the last stage of its plan: promote --full goes on\n",
		    answer_text(r, "release"));
	else if (strcmp(phase, "gate") == 0)
		fprintf(screen->out, "%s: waits at a gate; promote goes to %s\n",
		    answer_text(r, "release"), next);
	else if (manual && cJSON_IsNumber(answer_get(plan, "next_percent")))
		fprintf(screen->out, "%s: promote goes to %s\n", answer_text(r, "release"), next);
	else if (answer_is_true(plan, "moves"))
		fprintf(screen->out, "%s: %s%s in %s%s\n", answer_text(r, "release"),
		    bake ? "done" : "", bake ? "" : next, left,
		    answer_is_true(plan, "idle")
			? " of traffic; nobody asks now, and its clocks stand still"
			: "");
}

/* What it thinks, where that matters: explain tells more. */
static void
print_guard(const struct screen *screen, const cJSON *r)
{
	const cJSON *guard = answer_get(r, "guard");
	const char *verdict = answer_text(guard, "verdict");
	bool bad = strcmp(verdict, "hold") == 0 || strcmp(verdict, "rollback") == 0;
	enum colour colour = bad ? COLOUR_WARN : COLOUR_NONE;
	struct err reason;

	if (verdict[0] == '\0' ||
	    (!bad && !answer_is_true(answer_get(r, "plan"), "waits_for_guard")))
		return;
	err_set(&reason, "%s", answer_text(guard, "reason"));
	printable_clean(reason.msg);
	fprintf(screen->out, "%s: the guard says %s%s%s: %s\n", answer_text(r, "release"),
	    colour_begin(colour, screen->colour), verdict, colour_end(colour, screen->colour),
	    reason.msg);
}

static void
print_warnings(const struct screen *screen, const cJSON *r, const char *now)
{
	const char *warning = answer_text(answer_get(r, "plan"), "warning_text");
	const char *until = answer_text(r, "frozen_until"), *name = answer_text(r, "release");
	char words[WORDS_BYTES];

	if (warning[0] != '\0')
		fprintf(screen->out, "%s: %swarning%s: %s\n", name,
		    colour_begin(COLOUR_WARN, screen->colour),
		    colour_end(COLOUR_WARN, screen->colour), warning);
	if (answer_is_true(r, "frozen") && until[0] != '\0')
		fprintf(screen->out, "%s: frozen until %s; unfreeze ends it\n", name,
		    words_time(words, until, now));
	else if (answer_is_true(r, "frozen"))
		fprintf(screen->out, "%s: frozen; unfreeze ends it\n", name);
}

/* What grayd cannot mend by itself, each model once. */
static void
print_alarms(const struct screen *screen, const cJSON *r, const char *now)
{
	const cJSON *arm;

	cJSON_ArrayForEach(arm, answer_get(r, "arms"))
	{
		const cJSON *alarm = answer_get(arm, "alarm");
		char words[WORDS_BYTES];

		if (!cJSON_IsObject(alarm))
			continue;
		fprintf(screen->out, "%s: %salarm%s: %s; %.0f time%s since %s\n",
		    answer_text(r, "release"), colour_begin(COLOUR_BAD, screen->colour),
		    colour_end(COLOUR_BAD, screen->colour), answer_text(alarm, "text"),
		    answer_number(alarm, "attempts"),
		    answer_number(alarm, "attempts") == 1 ? "" : "s",
		    words_time(words, answer_text(alarm, "since"), now));
	}
}

void
text_print_rollouts(const struct screen *screen, const cJSON *status)
{
	const cJSON *r;

	cJSON_ArrayForEach(r, answer_get(status, "releases"))
	{
		if (strcmp(answer_text(r, "state"), "hold") == 0)
			print_hold(screen, r);
		else if (strcmp(answer_text(r, "state"), "done") == 0)
			print_done(screen, r, answer_text(answer_get(status, "grayd"), "config"));
		else if (strcmp(answer_text(r, "state"), "rolled_back") == 0)
			fprintf(screen->out, "%s: restart begins a new rollout\n",
			    answer_text(r, "release"));
		else
			print_next(screen, r);
		print_guard(screen, r);
		print_warnings(screen, r, answer_text(status, "now"));
		print_alarms(screen, r, answer_text(status, "now"));
	}
}

/* ---- route ----------------------------------------------------------------------------------- */

void
text_show_route(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	static const char *const headers[] = { "KEY", ">BUCKET", "ARM", "MODEL", NULL };
	double percent = answer_number(answer, "published_percent");
	char words[WORDS_BYTES];
	struct table t;
	const cJSON *key;

	(void)args;
	fprintf(screen->out, "%s: the candidate has %s of the keys", answer_text(answer, "release"),
	    answer_percent(answer, "published_percent", words));
	if (percent > 0)
		fprintf(screen->out, ": buckets 0 to %.0f", percent * 100 - 1);
	fputc('\n', screen->out);
	table_init(&t, headers);
	cJSON_ArrayForEach(key, answer_get(answer, "keys"))
	{
		table_put(&t, "%s", answer_text(key, "key"));
		table_put(&t, "%.0f", answer_number(key, "bucket"));
		table_put(&t, "%s", answer_text(key, "arm"));
		table_put(&t, "%s", answer_text(key, "model"));
	}
	table_print(&t, screen->out, screen->colour, 0);
}
