// SPDX-License-Identifier: MIT
/* The summary of `stress` for people. */
#include <cjson/cJSON.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

#define ARMS 2
static const char *const arms[ARMS] = { "stable", "candidate" };

static const cJSON *
arm_of(const cJSON *answer, unsigned i)
{
	return answer_get(answer_get(answer, "arms"), arms[i]);
}

static void
put_counts(
    struct table *t, const cJSON *answer, const char *label, const char *group, const char *name)
{
	char words[WORDS_BYTES];

	table_put(t, "%s", label);
	for (unsigned i = 0; i < ARMS; i++) {
		const cJSON *arm = arm_of(answer, i);

		table_put(t, "%s",
		    words_count(
			words, answer_number(group != NULL ? answer_get(arm, group) : arm, name)));
	}
}

static void
put_times(struct table *t, const cJSON *answer, const char *label, const char *group)
{
	static const char *const quantiles[] = { "p50", "p95", "p99" };

	table_put(t, "%s", label);
	for (unsigned i = 0; i < ARMS; i++) {
		const cJSON *times = answer_get(arm_of(answer, i), group);
		char text[3 * WORDS_BYTES] = "";

		for (unsigned q = 0; q < 3; q++) {
			const cJSON *value = answer_get(times, quantiles[q]);
			char words[WORDS_BYTES] = "-";
			size_t n = strlen(text);

			if (cJSON_IsNumber(value))
				words_ms(words, value->valuedouble);
			snprintf(text + n, sizeof(text) - n, "%s%s", q > 0 ? " / " : "", words);
		}
		table_put(t, "%s", text);
	}
}

static void
print_arms(const struct screen *screen, const cJSON *answer)
{
	static const char *const headers[] = { "", ">STABLE", ">CANDIDATE", NULL };
	struct table t;

	table_init(&t, headers);
	put_counts(&t, answer, "assigned", NULL, "assigned");
	put_counts(&t, answer, "answered", NULL, "answered");
	put_counts(&t, answer, "tokens, input", "tokens", "input");
	put_counts(&t, answer, "tokens, cached", "tokens", "cached");
	put_counts(&t, answer, "tokens, output", "tokens", "output");
	put_times(&t, answer, "answer, ms: p50 / p95 / p99", "latency_ms");
	if (answer_is_true(answer, "stream"))
		put_times(&t, answer, "first token, ms", "first_token_ms");
	table_print(&t, screen->out, screen->colour, 0);
}

static void
print_split(const struct screen *screen, const cJSON *answer)
{
	const cJSON *split = answer_get(answer, "split");
	char measured[WORDS_BYTES], set[WORDS_BYTES];

	fprintf(screen->out, "candidate: %s of the requests, set %s",
	    answer_percent(split, "measured_percent", measured),
	    answer_percent(split, "published_percent", set));
	if (answer_get(split, "expected_low") != NULL)
		fprintf(screen->out, " (by chance between %.5g and %.5g %%)",
		    answer_number(split, "expected_low"), answer_number(split, "expected_high"));
	fputs("\n", screen->out);
	if (answer_number(answer, "diverted") > 0)
		fprintf(screen->out,
		    "diverted: %.0f to stable, since the candidate was at its limit or cooled "
		    "down\n",
		    answer_number(answer, "diverted"));
}

static void
print_fallbacks(const struct screen *screen, const cJSON *answer)
{
	const cJSON *reasons = answer_get(answer, "fallback_reasons"), *each;

	fprintf(screen->out, "fallbacks: %.0f", answer_number(answer, "fallbacks"));
	cJSON_ArrayForEach(each, reasons)
	{
		fprintf(screen->out, "%s%s %.0f", each == reasons->child ? " (" : ", ",
		    each->string, each->valuedouble);
	}
	fprintf(screen->out, "%s; attempts: %.0f\n", cJSON_GetArraySize(reasons) > 0 ? ")" : "",
	    answer_number(answer, "attempts"));
}

static void
print_cost(const struct screen *screen, const cJSON *answer)
{
	const char *cost = answer_text(answer, "cost_usd");
	const char *guess = answer_text(answer, "estimated_cost_usd");
	char words[WORDS_BYTES];

	fprintf(screen->out, "cost: %s USD", words_usd(words, cost, words_usd_decimals(cost)));
	if (strspn(guess, "0.") != strlen(guess))
		fprintf(screen->out, ", and %s USD by estimate",
		    words_usd(words, guess, words_usd_decimals(guess)));
	if (answer_number(answer, "without_cost") > 0)
		fprintf(screen->out, "; %s without a price or usage",
		    words_things(words, answer_number(answer, "without_cost"), "answer"));
	fputs("\n", screen->out);
}

static void
print_errors(const struct screen *screen, const cJSON *answer)
{
	static const char *const headers[] = { ">COUNT", ">STATUS", "CODE", "MESSAGE", NULL };
	const cJSON *errors = answer_get(answer, "errors"), *each;
	double left_out = answer_number(answer, "errors_left_out");
	struct table t;

	if (cJSON_GetArraySize(errors) == 0) {
		fputs("errors: none\n", screen->out);
		return;
	}
	fputs("\n", screen->out);
	table_init(&t, headers);
	cJSON_ArrayForEach(each, errors)
	{
		table_put(&t, "%.0f", answer_number(each, "count"));
		if (answer_number(each, "status") > 0)
			table_put(&t, "%.0f", answer_number(each, "status"));
		else
			table_put(&t, "-");
		table_put(&t, "%s", answer_text(each, "code"));
		table_put(&t, "%s", answer_text(each, "message"));
	}
	table_print(&t, screen->out, screen->colour, 0);
	if (left_out > 0)
		fprintf(screen->out, "and %.0f of other kinds\n", left_out);
}

void
text_show_stress(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	double seconds = answer_number(answer, "seconds"), sent = answer_number(answer, "sent");
	const char *end = answer_text(answer, "end");
	char words[WORDS_BYTES], of[WORDS_BYTES];

	(void)args;
	fprintf(screen->out, "%s%s%s: %s of %s in %.1f s, %.1f a second",
	    colour_begin(COLOUR_BOLD, screen->colour), answer_text(answer, "release"),
	    colour_end(COLOUR_BOLD, screen->colour), words_count(words, sent),
	    words_things(of, answer_number(answer, "requests"), "request"), seconds,
	    seconds > 0 ? sent / seconds : 0);
	fprintf(
	    screen->out, "; answered %s", words_count(words, answer_number(answer, "answered")));
	fprintf(screen->out, ", failed %s%s%s\n\n",
	    words_count(words, answer_number(answer, "failed")),
	    strcmp(end, "done") != 0 ? "; " : "",
	    strcmp(end, "interrupted") == 0 ? "interrupted"
	    : strcmp(end, "timed_out") == 0 ? "the time was over"
					    : "");
	print_arms(screen, answer);
	fputs("\n", screen->out);
	print_split(screen, answer);
	print_fallbacks(screen, answer);
	print_cost(screen, answer);
	print_errors(screen, answer);
}
