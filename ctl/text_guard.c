// SPDX-License-Identifier: MIT
/* `explain` and `replay` for people. */
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "common/printable.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

static void
print_line(const struct screen *screen, const char *name, const char *text)
{
	char clean[TEXT_NEXT_BYTES];

	snprintf(clean, sizeof(clean), "%s", text);
	printable_clean(clean);
	fprintf(screen->out, "  %-9s %s\n", name, clean);
}

/* ---- explain --------------------------------------------------------------------------------- */

static void
put_counts(struct table *t, const cJSON *symptom, const char *arm)
{
	const cJSON *counts = answer_get(symptom, arm);

	table_put(t, "%.0f/%.0f", answer_number(counts, "bad"), answer_number(counts, "requests"));
}

/* "1.4 (0.6 .. 3.1)"; what is not bounded yet is left open. Where stable has none, "over 2.3". */
static void
put_ratio(struct table *t, const cJSON *ratio)
{
	char high[WORDS_BYTES] = "";

	if (!cJSON_IsNumber(answer_get(ratio, "is"))) {
		if (answer_number(ratio, "low") > 0)
			table_put(t, "over %.2g", answer_number(ratio, "low"));
		else
			table_put(t, "-");
		return;
	}
	if (cJSON_IsNumber(answer_get(ratio, "high")))
		snprintf(high, sizeof(high), "%.2g", answer_number(ratio, "high"));
	table_put(
	    t, "%.2g (%.2g .. %s)", answer_number(ratio, "is"), answer_number(ratio, "low"), high);
}

/* "0.4", "12"; from its limit on more says nothing: "over 100". */
static char *
say_evidence(char out[WORDS_BYTES], const cJSON *test)
{
	double evidence = answer_number(test, "evidence"), limit = answer_number(test, "limit");

	if (answer_is_true(test, "reached"))
		snprintf(out, WORDS_BYTES, "over %.0f", limit);
	else if (evidence < 9.95)
		snprintf(out, WORDS_BYTES, "%.2g of %.0f", evidence < 0.01 ? 0 : evidence, limit);
	else
		snprintf(out, WORDS_BYTES, "%.0f of %.0f", floor(evidence), limit);
	return out;
}

/* The one of two that is nearer to its limit. */
static const cJSON *
stronger(const cJSON *of, const char *one, const char *other)
{
	const cJSON *a = answer_get(of, one), *b = answer_get(of, other);
	double of_a = answer_number(a, "evidence") / answer_number(a, "limit");
	double of_b = answer_number(b, "evidence") / answer_number(b, "limit");

	return of_b > of_a ? b : a;
}

static void
put_evidence(struct table *t, const cJSON *symptom, const char *one, const char *other)
{
	char words[WORDS_BYTES];

	table_put(t, "%s", say_evidence(words, stronger(symptom, one, other)));
}

static void
put_standing(struct table *t, const cJSON *of)
{
	const char *standing = answer_text(of, "standing");
	char words[WORDS_BYTES];
	enum colour colour = strcmp(standing, "worse") == 0    ? COLOUR_BAD
			     : strcmp(standing, "waived") == 0 ? COLOUR_WARN
			     : strcmp(standing, "safe") == 0   ? COLOUR_GOOD
			     : strcmp(standing, "open") == 0   ? COLOUR_NONE
							       : COLOUR_FAINT;

	table_put_coloured(t, colour, "%s", answer_words(of, "standing", words));
}

/* What acts is the sum of the parts. */
static void
print_together(const struct screen *screen, const cJSON *together)
{
	char harm[WORDS_BYTES], breaker[WORDS_BYTES];
	const cJSON *action;

	cJSON_ArrayForEach(action, together)
	{
		fprintf(screen->out,
		    "  together, for a %s: %s worse than stable; %s over the budget\n",
		    action->string, say_evidence(harm, answer_get(action, "harm")),
		    say_evidence(breaker, answer_get(action, "breaker")));
	}
}

static void
print_legend(const struct screen *screen)
{
	fputs(
	    "  AGAINST IT: the part of the evidence that the candidate is worse; the guard acts on "
	    "the sum.\n"
	    "  FOR IT: the evidence that it is not; safe at its limit. Evidence of 100 is wrong "
	    "once "
	    "in 100 times.\n"
	    "  worse: plainly, for itself; open: not known yet; not judged: nobody does; too few: "
	    "stable's answers\n"
	    "  have it seldom; alone: with all traffic there is nobody to compare with. More: man "
	    "grayctl, explain\n",
	    screen->out);
}

static void
print_symptoms(const struct screen *screen, const cJSON *answer)
{
	static const char *const headers[] = { "SYMPTOM", "ACTION", ">CANDIDATE", ">STABLE",
		"RATIO", ">AGAINST IT", ">FOR IT", "", NULL };
	const cJSON *symptom;
	struct table t;

	table_init(&t, headers);
	cJSON_ArrayForEach(symptom, answer_get(answer, "symptoms"))
	{
		table_put(&t, "%s", answer_text(symptom, "name"));
		table_put(&t, "%s", answer_text(symptom, "action"));
		put_counts(&t, symptom, "candidate");
		put_counts(&t, symptom, "stable");
		put_ratio(&t, answer_get(symptom, "ratio"));
		put_evidence(&t, symptom, "harm_part", "breaker_part");
		put_evidence(&t, symptom, "better", "below");
		put_standing(&t, symptom);
	}
	table_print(&t, screen->out, screen->colour, 2);
}

static void
print_values(const struct screen *screen, const cJSON *answer)
{
	static const char *const headers[] = { "VALUE", "ACTION", ">CANDIDATE", ">STABLE",
		">MORE THAN STABLE'S", ">SURELY BETWEEN", ">LIMIT", "", NULL };
	const cJSON *value;
	struct table t;

	table_init(&t, headers);
	cJSON_ArrayForEach(value, answer_get(answer, "values"))
	{
		table_put(&t, "%s", answer_text(value, "name"));
		table_put(&t, "%s", answer_text(value, "action"));
		table_put(&t, "%.0f", answer_number(value, "candidate"));
		table_put(&t, "%.0f", answer_number(value, "stable"));
		if (answer_is_true(value, "compared")) {
			table_put(&t, "%+.1f %%", answer_number(value, "percent"));
			table_put(&t, "%+.1f .. %+.1f %%", answer_number(value, "low_percent"),
			    answer_number(value, "high_percent"));
		} else {
			table_put(&t, "-");
			table_put(&t, "-");
		}
		table_put(&t, "%+.0f %%", answer_number(value, "limit_percent"));
		put_standing(&t, value);
	}
	table_print(&t, screen->out, screen->colour, 2);
}

/* Sizes of requests, so that "small" says something. */
static const char *
size_of(const char *class)
{
	return strcmp(class, "small") == 0    ? " (below 4 KiB)"
	       : strcmp(class, "medium") == 0 ? " (4 to 64 KiB)"
	       : strcmp(class, "large") == 0  ? " (from 64 KiB)"
					      : "";
}

/* "candidate: 120 requests, of 40 users, 120 stream, 3 tools ..."; a request without a key is a
 * user. */
static void
print_coverage(const struct screen *screen, const cJSON *coverage, const char *arm)
{
	const cJSON *of = answer_get(coverage, arm), *count;
	double users = answer_number(of, "firsts");
	char text[256], words[WORDS_BYTES], of_users[WORDS_BYTES];
	int n;

	n = snprintf(text, sizeof(text), "%s: %s, of %s", arm,
	    words_things(words, answer_number(of, "requests"), "request"),
	    words_things(of_users, users, "user"));
	cJSON_ArrayForEach(count, of)
	{
		if (n > 0 && (size_t)n < sizeof(text) && count->valuedouble > 0 &&
		    strcmp(count->string, "requests") != 0 && strcmp(count->string, "firsts") != 0)
			n += snprintf(text + n, sizeof(text) - (size_t)n, ", %.0f %s%s",
			    count->valuedouble, count->string, size_of(count->string));
	}
	if (n > 0 && (size_t)n < sizeof(text) && answer_number(of, "requests") == 0)
		snprintf(text + n, sizeof(text) - (size_t)n,
		    " (pinned requests and those of stress are left out)");
	print_line(screen, "seen", text);
}

static void
print_fallbacks(const struct screen *screen, const cJSON *fallbacks)
{
	char text[256] = "stable answered for the candidate: ";
	size_t n = strlen(text);
	const cJSON *count;

	cJSON_ArrayForEach(count, fallbacks)
	{
		if (n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s %.0f",
			    count == fallbacks->child ? "" : ", ", count->string,
			    count->valuedouble);
	}
	if (cJSON_GetArraySize(fallbacks) > 0 && n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, ", since grayd started");
	if (cJSON_GetArraySize(fallbacks) > 0)
		print_line(screen, "failed", text);
}

/* What the guard thinks; after the end of a rollout that is only what it would. */
static void
print_guard(const struct screen *screen, const cJSON *answer)
{
	const cJSON *guard = answer_get(answer, "guard");
	bool back = strcmp(answer_text(answer, "state"), "rolled_back") == 0;
	char text[TEXT_NEXT_BYTES], names[TEXT_NAMES_BYTES];

	if (!cJSON_IsString(answer_get(guard, "verdict"))) {
		print_line(screen, "guard",
		    strcmp(answer_text(guard, "mode"), "off") == 0 ? "off" : "no rollout to watch");
		return;
	}
	snprintf(text, sizeof(text), "says %s (its mode is %s): %s", answer_text(guard, "verdict"),
	    answer_text(guard, "mode"), answer_text(guard, "reason"));
	if (!back)
		print_line(screen, "guard", text);
	if (text_names(answer_get(guard, "warns"), ", ", names)[0] != '\0')
		print_line(screen, "warns of", names);
	if (back)
		print_line(screen, "figures",
		    "of the whole rollout, also of what was under way when it ended; replay has "
		    "those that decided");
	else if (strcmp(answer_text(answer, "state"), "hold") != 0 && text_missing(guard, text))
		print_line(screen, "missing", text);
}

static void
print_state(const struct screen *screen, const cJSON *answer)
{
	const char *now = answer_text(answer, "now"), *until = answer_text(answer, "frozen_until");
	char text[TEXT_NEXT_BYTES], percent[WORDS_BYTES], state[WORDS_BYTES];

	fprintf(screen->out, "%s%s%s\n", colour_begin(COLOUR_BOLD, screen->colour),
	    answer_text(answer, "release"), colour_end(COLOUR_BOLD, screen->colour));
	snprintf(text, sizeof(text), "%s, %s", answer_words(answer, "state", state),
	    answer_percent(answer, "set_percent", percent));
	print_line(screen, "state", text);
	if (text_cause(answer, now, false, text)[0] != '\0')
		print_line(screen, "since", text);
	print_line(screen, "why", answer_text(answer, "why"));
	if (answer_is_true(answer, "frozen")) {
		snprintf(text, sizeof(text), "%s%s; unfreeze ends it",
		    until[0] != '\0' ? "until " : "",
		    until[0] != '\0' ? words_time(percent, until, now) : "until somebody ends it");
		print_line(screen, "frozen", text);
	}
	if (text_next(answer, text)[0] != '\0')
		print_line(screen, "next", text);
}

void
text_show_explain(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	(void)args;
	print_state(screen, answer);
	print_guard(screen, answer);
	print_fallbacks(screen, answer_get(answer, "fallbacks"));
	if (!cJSON_IsString(answer_get(answer_get(answer, "guard"), "verdict")))
		return;
	print_coverage(screen, answer_get(answer, "coverage"), "candidate");
	print_coverage(screen, answer_get(answer, "coverage"), "stable");
	fputc('\n', screen->out);
	print_symptoms(screen, answer);
	print_together(screen, answer_get(answer, "together"));
	fputc('\n', screen->out);
	print_values(screen, answer);
	fputc('\n', screen->out);
	print_legend(screen);
}

/* ---- replay ---------------------------------------------------------------------------------- */

void
text_show_replay(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	static const char *const headers[] = { "WHEN", ">RECORD", "COMMAND", "COMPUTED", "WHY",
		NULL };
	const cJSON *replay = answer_get(answer, "replay"), *one;
	const cJSON *decisions = answer_get(replay, "decisions");
	int n = cJSON_GetArraySize(decisions);
	double differing = answer_number(replay, "differing");
	char time[WORDS_BYTES];
	struct table t;

	(void)args;
	if (n == 0) {
		fputs("the guard has decided nothing yet; what the plan or somebody did is in "
		      "history, "
		      "and not the guard's\n",
		    screen->out);
		return;
	}
	table_init(&t, headers);
	cJSON_ArrayForEach(one, decisions)
	{
		table_put(&t, "%s",
		    words_time(time, answer_text(one, "time"), answer_text(answer, "now")));
		table_put(&t, "%.0f", answer_number(one, "sequence"));
		table_put(&t, "%s", answer_text(one, "command"));
		table_put_coloured(&t, answer_is_true(one, "same") ? COLOUR_GOOD : COLOUR_BAD, "%s",
		    answer_is_true(one, "same") ? "the same" : "DIFFERS");
		table_put(&t, "%s",
		    answer_text(one, answer_get(one, "computed") != NULL ? "computed" : "note"));
	}
	table_print(&t, screen->out, screen->colour, 0);
	if (differing == 0)
		fprintf(screen->out, "%s of the guard, %s\n", words_things(time, n, "decision"),
		    n == 1 ? "the same" : "all the same");
	else
		fprintf(screen->out, "%s of the guard, differing: %.0f\n",
		    words_things(time, n, "decision"), differing);
}
