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

/* A line about a release: "demo: TEXT", in colour where `what` is. What others wrote comes out
 * printable. */
static void
print_line(const struct screen *screen, const cJSON *r, enum colour colour, const char *what,
    const char *text)
{
	char clean[2 * TEXT_NEXT_BYTES];

	if (what[0] == '\0' && text[0] == '\0')
		return;
	snprintf(clean, sizeof(clean), "%s", text);
	printable_clean(clean);
	fprintf(screen->out, "%s: %s%s%s%s\n", answer_text(r, "release"),
	    colour_begin(colour, screen->colour), what, colour_end(colour, screen->colour), clean);
}

/* On hold, or rolled back: since when, by whom, why. */
static void
print_standstill(const struct screen *screen, const cJSON *r, const char *what, const char *now)
{
	const char *silence = answer_text(r, "silence");
	char cause[TEXT_NEXT_BYTES], text[2 * TEXT_NEXT_BYTES];
	bool told = text_cause(r, now, true, cause)[0] != '\0';

	if (told)
		snprintf(text, sizeof(text), " since %s%s%s", cause, silence[0] != '\0' ? "; " : "",
		    silence);
	else
		snprintf(text, sizeof(text), "%s%s%s%s",
		    answer_text(r, "hold_text")[0] != '\0' ? ": " : "", answer_text(r, "hold_text"),
		    silence[0] != '\0' ? ": " : "", silence);
	if (told || text[0] != '\0') /* else the table has said it */
		print_line(screen, r, COLOUR_WARN, what, text);
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

/* What it thinks, where that matters: explain tells more. */
static void
print_guard(const struct screen *screen, const cJSON *r)
{
	const cJSON *guard = answer_get(r, "guard");
	const char *verdict = answer_text(guard, "verdict"), *mode = answer_text(guard, "mode");
	bool back = strcmp(verdict, "rollback") == 0, bad = back || strcmp(verdict, "hold") == 0;
	/* What decided has been said; figures go on after it. */
	bool told = strcmp(answer_text(r, "state"), "rolled_back") == 0 ||
		    (strcmp(answer_text(r, "hold"), "symptom") == 0 &&
			cJSON_IsObject(answer_get(r, "cause")));
	char names[TEXT_NAMES_BYTES], text[TEXT_NEXT_BYTES];

	if (verdict[0] != '\0' && !told &&
	    (bad || answer_is_true(answer_get(r, "plan"), "waits_for_guard"))) {
		bool watches = bad && strcmp(mode, "watch") == 0;

		snprintf(text, sizeof(text), ": %s", answer_text(guard, "reason"));
		print_line(screen, r, bad ? COLOUR_WARN : COLOUR_NONE,
		    watches && back ? "the guard would roll back, but its mode is watch"
		    : watches	    ? "the guard would hold, but its mode is watch"
		    : back	    ? "the guard says rollback"
		    : bad	    ? "the guard says hold"
		    : strcmp(verdict, "safe") == 0 ? "the guard says safe"
						   : "the guard says wait",
		    text);
	}
	if (text_names(answer_get(guard, "warns"), ", ", names)[0] == '\0')
		return;
	snprintf(
	    text, sizeof(text), ": worse than it should be, by the guard's evidence: %s", names);
	print_line(screen, r, COLOUR_WARN, "warning", text);
}

/* Nobody should wonder later why nothing was said. */
static void
print_waived(const struct screen *screen, const cJSON *r)
{
	char names[TEXT_NAMES_BYTES], text[TEXT_NEXT_BYTES];

	if (text_names(answer_get(r, "waived"), ", ", names)[0] == '\0')
		return;
	snprintf(text, sizeof(text),
	    "waived in this rollout: %s; history tells since when, by whom and why", names);
	print_line(screen, r, COLOUR_NONE, "", text);
}

static void
print_warnings(const struct screen *screen, const cJSON *r, const char *now)
{
	const cJSON *plan = answer_get(r, "plan");
	const char *warning = answer_text(plan, "warning_text");
	const char *silence = answer_text(plan, "silence");
	const char *until = answer_text(r, "frozen_until"), *name = answer_text(r, "release");
	char words[WORDS_BYTES];

	if (warning[0] != '\0')
		fprintf(screen->out, "%s: %swarning%s: %s%s%s\n", name,
		    colour_begin(COLOUR_WARN, screen->colour),
		    colour_end(COLOUR_WARN, screen->colour), warning,
		    silence[0] != '\0' ? ": " : "", silence);
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
	const char *now = answer_text(status, "now");
	char next[TEXT_NEXT_BYTES];
	const cJSON *r;

	cJSON_ArrayForEach(r, answer_get(status, "releases"))
	{
		if (strcmp(answer_text(r, "state"), "hold") == 0)
			print_standstill(screen, r, "on hold", now);
		else if (strcmp(answer_text(r, "state"), "rolled_back") == 0)
			print_standstill(screen, r, "rolled back", now);
		else if (strcmp(answer_text(r, "state"), "done") == 0)
			print_done(screen, r, answer_text(answer_get(status, "grayd"), "config"));
		print_line(screen, r, COLOUR_NONE, "", text_next(r, next));
		print_guard(screen, r);
		print_waived(screen, r);
		print_warnings(screen, r, now);
		print_alarms(screen, r, now);
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
