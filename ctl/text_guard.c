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
	struct err e;

	err_set(&e, "%s", text);
	printable_clean(e.msg);
	fprintf(screen->out, "  %-9s %s\n", name, e.msg);
}

/* ---- explain --------------------------------------------------------------------------------- */

static void
print_missing(const struct screen *screen, const cJSON *guard)
{
	const cJSON *missing = answer_get(guard, "missing");
	double requests = answer_number(missing, "requests");
	double seconds = answer_number(missing, "seconds");
	const char *what = answer_text(missing, "what");
	char count[WORDS_BYTES], time[WORDS_BYTES], text[256];

	if (missing == NULL)
		return;
	if (!cJSON_IsNumber(answer_get(missing, "requests")))
		snprintf(text, sizeof(text),
		    "at the present rates %s will never be shown to be safe", what);
	else if (requests == 0)
		snprintf(text, sizeof(text), "nothing");
	else if (cJSON_IsNumber(answer_get(missing, "seconds")))
		snprintf(text, sizeof(text),
		    "about %s more requests of the candidate%s%s, about %s at the present rate",
		    words_count(count, requests), what[0] != '\0' ? ", for " : "", what,
		    words_seconds(time, (uint64_t)seconds));
	else
		snprintf(text, sizeof(text), "about %s more requests of the candidate%s%s",
		    words_count(count, requests), what[0] != '\0' ? ", for " : "", what);
	print_line(screen, "missing", text);
}

static void
put_counts(struct table *t, const cJSON *symptom, const char *arm)
{
	const cJSON *counts = answer_get(symptom, arm);

	table_put(t, "%.0f/%.0f", answer_number(counts, "bad"), answer_number(counts, "requests"));
}

/* "1.4 (0.6 .. 3.1)"; what is not bounded yet is left open. */
static void
put_ratio(struct table *t, const cJSON *ratio)
{
	char high[WORDS_BYTES] = "";

	if (!cJSON_IsNumber(answer_get(ratio, "is"))) {
		table_put(t, "-");
		return;
	}
	if (cJSON_IsNumber(answer_get(ratio, "high")))
		snprintf(high, sizeof(high), "%.2g", answer_number(ratio, "high"));
	table_put(
	    t, "%.2g (%.2g .. %s)", answer_number(ratio, "is"), answer_number(ratio, "low"), high);
}

/* The stronger of two, of its limit: "3.2 of 100". */
static void
put_evidence(struct table *t, const cJSON *symptom, const char *one, const char *other)
{
	const cJSON *a = answer_get(symptom, one), *b = answer_get(symptom, other);
	double of_a = answer_number(a, "evidence") / answer_number(a, "limit");
	double of_b = answer_number(b, "evidence") / answer_number(b, "limit");
	const cJSON *strong = of_b > of_a ? b : a;

	if (answer_number(strong, "evidence") > 1e6)
		table_put(t, "over 1e6 of %.0f", answer_number(strong, "limit"));
	else
		table_put(t, "%.2g of %.0f", answer_number(strong, "evidence"),
		    answer_number(strong, "limit"));
}

static void
put_standing(struct table *t, const cJSON *of)
{
	if (answer_is_true(of, "waived"))
		table_put_coloured(t, COLOUR_WARN, "waived");
	else if (!answer_is_true(of, "needed"))
		table_put_coloured(t, COLOUR_FAINT, "not asked");
	else if (answer_is_true(of, "safe"))
		table_put_coloured(t, COLOUR_GOOD, "safe");
	else
		table_put(t, "open");
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
		put_evidence(&t, symptom, "harm", "breaker");
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

/* "candidate: 120 requests, 40 of them stream, 3 tools ..." */
static void
print_coverage(const struct screen *screen, const cJSON *coverage, const char *arm)
{
	const cJSON *of = answer_get(coverage, arm), *count;
	char text[256], words[WORDS_BYTES];
	int n;

	n = snprintf(text, sizeof(text), "%s: %s, first ones: %.0f", arm,
	    words_things(words, answer_number(of, "requests"), "request"),
	    answer_number(of, "firsts"));
	cJSON_ArrayForEach(count, of)
	{
		if (n > 0 && (size_t)n < sizeof(text) && count->valuedouble > 0 &&
		    strcmp(count->string, "requests") != 0 && strcmp(count->string, "firsts") != 0)
			n += snprintf(text + n, sizeof(text) - (size_t)n, ", %.0f %s",
			    count->valuedouble, count->string);
	}
	print_line(screen, "seen", text);
}

void
text_show_explain(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *guard = answer_get(answer, "guard");
	char text[256], percent[WORDS_BYTES];

	(void)args;
	snprintf(text, sizeof(text), "%s, %s", answer_text(answer, "state"),
	    answer_percent(answer, "set_percent", percent));
	fprintf(screen->out, "%s%s%s\n", colour_begin(COLOUR_BOLD, screen->colour),
	    answer_text(answer, "release"), colour_end(COLOUR_BOLD, screen->colour));
	print_line(screen, "state", text);
	print_line(screen, "why", answer_text(answer, "why"));
	if (!cJSON_IsString(answer_get(guard, "verdict"))) {
		print_line(screen, "guard",
		    strcmp(answer_text(guard, "mode"), "off") == 0 ? "off" : "no rollout to watch");
		return;
	}
	snprintf(text, sizeof(text), "%s (%s): %s", answer_text(guard, "verdict"),
	    answer_text(guard, "mode"), answer_text(guard, "reason"));
	print_line(screen, "guard", text);
	print_missing(screen, guard);
	print_coverage(screen, answer_get(answer, "coverage"), "candidate");
	print_coverage(screen, answer_get(answer, "coverage"), "stable");
	fputc('\n', screen->out);
	print_symptoms(screen, answer);
	fputc('\n', screen->out);
	print_values(screen, answer);
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
	char time[WORDS_BYTES];
	struct table t;

	(void)args;
	if (n == 0) {
		fputs("the guard has decided nothing yet\n", screen->out);
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
	fprintf(screen->out, "%s, differing: %.0f\n", words_things(time, n, "decision"),
	    answer_number(replay, "differing"));
}
