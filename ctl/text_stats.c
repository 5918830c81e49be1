// SPDX-License-Identifier: MIT
/* `stats` and `errors` for people. */
#include <cjson/cJSON.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

/* ---- stats: a column for each arm ------------------------------------------------------------ */

#define ARMS 2

struct arms {
	const cJSON *objects[ARMS];
	const char *headers[ARMS];
	unsigned n;
};

static struct arms
find_arms(const cJSON *release)
{
	static const struct {
		const char *name, *header;
	} known[ARMS] = { { "stable", ">STABLE" }, { "candidate", ">CANDIDATE" } };
	struct arms arms = { .n = 0 };

	for (unsigned i = 0; i < ARMS; i++) {
		const cJSON *arm = answer_get(answer_get(release, "arms"), known[i].name);

		if (!cJSON_IsObject(arm))
			continue;
		arms.headers[arms.n] = known[i].header;
		arms.objects[arms.n++] = arm;
	}
	return arms;
}

static void
put_texts(struct table *t, const struct arms *arms, const char *label, const char *name)
{
	table_put(t, "%s", label);
	for (unsigned i = 0; i < arms->n; i++)
		table_put(t, "%s", answer_text(arms->objects[i], name));
}

/* One figure of each arm, from the arm or from an object in it. */
static void
put_counts(struct table *t, const struct arms *arms, const char *label, const char *group,
    const char *name)
{
	table_put(t, "%s", label);
	for (unsigned i = 0; i < arms->n; i++) {
		const cJSON *arm = arms->objects[i];

		table_put(
		    t, "%.0f", answer_number(group != NULL ? answer_get(arm, group) : arm, name));
	}
}

/* A row for each member that one of the arms has. */
static void
put_map(struct table *t, const struct arms *arms, const char *group)
{
	const cJSON *each;

	for (unsigned i = 0; i < arms->n; i++)
		cJSON_ArrayForEach(each, answer_get(arms->objects[i], group))
		{
			char label[64];

			if (i > 0 &&
			    answer_get(answer_get(arms->objects[0], group), each->string) != NULL)
				continue;
			snprintf(label, sizeof(label), "  %s", each->string);
			put_counts(t, arms, label, group, each->string);
		}
}

static void
put_times(struct table *t, const struct arms *arms, const char *label, const char *group)
{
	static const char *const quantiles[] = { "p50", "p95", "p99" };

	table_put(t, "%s", label);
	for (unsigned i = 0; i < arms->n; i++) {
		const cJSON *times = answer_get(arms->objects[i], group);
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
put_cost(struct table *t, const struct arms *arms, const char *label, const char *group)
{
	table_put(t, "%s", label);
	for (unsigned i = 0; i < arms->n; i++) {
		const cJSON *arm = arms->objects[i];
		const cJSON *cost =
		    answer_get(group != NULL ? answer_get(arm, group) : arm, "cost_usd");

		if (cJSON_IsNumber(cost))
			table_put(t, "%.6f", cost->valuedouble);
		else
			table_put(t, "-");
	}
}

/* Whether one of the arms has something in a group. */
static bool
any_in(const struct arms *arms, const char *group, const char *name)
{
	for (unsigned i = 0; i < arms->n; i++)
		if (answer_number(answer_get(arms->objects[i], group), name) > 0)
			return true;
	return false;
}

static void
put_bill(struct table *t, const struct arms *arms)
{
	put_counts(t, arms, "tokens, input", "tokens", "input");
	put_counts(t, arms, "tokens, cached", "tokens", "cached");
	if (any_in(arms, "tokens", "cache_write"))
		put_counts(t, arms, "tokens, written to cache", "tokens", "cache_write");
	put_counts(t, arms, "tokens, output", "tokens", "output");
	put_cost(t, arms, "cost, USD", NULL);
	if (!any_in(arms, "estimated", "attempts"))
		return;
	put_counts(t, arms, "estimated, attempts", "estimated", "attempts");
	put_counts(t, arms, "  tokens, input", "estimated", "input");
	put_counts(t, arms, "  tokens, output", "estimated", "output");
	put_cost(t, arms, "  cost, USD", "estimated");
}

static void
print_release_stats(const struct screen *screen, const cJSON *release)
{
	struct arms arms = find_arms(release);
	const char *headers[ARMS + 2] = { "" };
	struct table t;

	for (unsigned i = 0; i < arms.n; i++)
		headers[1 + i] = arms.headers[i];
	table_init(&t, headers);
	put_texts(&t, &arms, "model", "model");
	put_texts(&t, &arms, "provider", "provider");
	put_counts(&t, &arms, "requests", NULL, "requests");
	put_map(&t, &arms, "outcomes");
	put_counts(&t, &arms, "in flight", NULL, "in_flight");
	put_counts(&t, &arms, "fallbacks", NULL, "fallbacks");
	put_map(&t, &arms, "fallback_reasons");
	put_counts(&t, &arms, "rescued", NULL, "rescued");
	put_counts(&t, &arms, "diverted", NULL, "diverted");
	put_counts(&t, &arms, "cancelled", NULL, "cancelled");
	put_counts(&t, &arms, "pinned tests", NULL, "pinned");
	put_counts(&t, &arms, "attempts", NULL, "attempts");
	put_map(&t, &arms, "attempt_outcomes");
	put_counts(&t, &arms, "sent", NULL, "sent");
	put_counts(&t, &arms, "retries", NULL, "retries");
	put_counts(&t, &arms, "cool-downs", NULL, "cool_downs");
	put_bill(&t, &arms);
	put_times(&t, &arms, "answer, ms: p50 / p95 / p99", "latency_ms");
	put_times(&t, &arms, "first token, ms", "first_token_ms");
	table_print(&t, screen->out, screen->colour, 0);
}

static void
print_heading(const struct screen *screen, const cJSON *release)
{
	char set[WORDS_BYTES], published[WORDS_BYTES], measured[WORDS_BYTES], state[WORDS_BYTES];

	fprintf(screen->out, "%s%s%s: %s, set %s, published %s, measured %s, revision %.0f\n",
	    colour_begin(COLOUR_BOLD, screen->colour), answer_text(release, "release"),
	    colour_end(COLOUR_BOLD, screen->colour), answer_words(release, "state", state),
	    answer_percent(release, "set_percent", set),
	    answer_percent(release, "published_percent", published),
	    answer_percent(release, "measured_percent", measured),
	    answer_number(release, "revision"));
}

void
text_show_stats(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *grayd = answer_get(answer, "grayd"), *release;
	const char *now = answer_text(answer, "now"), *since = answer_text(answer, "since");
	char time[WORDS_BYTES], ago[WORDS_BYTES], words[WORDS_BYTES];

	(void)args;
	fprintf(screen->out, "since %s, %s: %s, %.0f of them rejected, %.0f lost\n",
	    words_time(time, since, now), words_ago(ago, since, now),
	    words_things(words, answer_number(grayd, "started"), "request"),
	    answer_number(grayd, "rejected"), answer_number(grayd, "lost"));
	text_print_limits(screen, answer);
	cJSON_ArrayForEach(release, answer_get(answer, "releases"))
	{
		fputs("\n", screen->out);
		print_heading(screen, release);
		print_release_stats(screen, release);
	}
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* "refused 12, empty 5" between two texts; nothing at all where nothing was counted. */
static void
print_map(const struct screen *screen, const cJSON *map, const char *before, const char *after)
{
	const char *between = before;
	const cJSON *each;

	cJSON_ArrayForEach(each, map)
	{
		fprintf(screen->out, "%s%s %.0f", between, each->string, each->valuedouble);
		between = ", ";
	}
	fputs(cJSON_GetArraySize(map) > 0 ? after : "", screen->out);
}

static void
put_error(struct table *t, const cJSON *error, const char *now)
{
	bool saved = answer_is_true(error, "saved");
	const char *message = answer_text(error, "message"), *code = answer_text(error, "code");
	const char *saver = answer_text(error, "saved_by");
	double status = answer_number(error, "status");
	char time[WORDS_BYTES];

	table_put(t, "%s", words_time(time, answer_text(error, "time"), now));
	table_put(t, "%s", answer_text(error, "arm"));
	table_put(t, "%s", answer_text(error, "model"));
	table_put(t, "%s", answer_text(error, "provider"));
	table_put(t, "%.0f", answer_number(error, "attempt"));
	table_put(t, "%s", answer_text(error, "outcome"));
	if (status > 0)
		table_put(t, "%.0f", status);
	else
		table_put(t, "-");
	table_put(t, "%s", code[0] != '\0' ? code : "-");
	table_put_coloured(t, saved ? COLOUR_GOOD : COLOUR_BAD, "%s",
	    !saved	       ? "no"
	    : saver[0] != '\0' ? saver
			       : "yes");
	table_put(t, "%s", answer_text(error, "request_id"));
	table_put(t, "%s", message[0] != '\0' ? message : answer_text(error, "text"));
}

static void
print_errors(const struct screen *screen, const cJSON *release, const char *now)
{
	static const char *const headers[] = { "TIME", "ARM", "MODEL", "PROVIDER", ">TRY",
		"OUTCOME", ">STATUS", "CODE", "SAVED BY", "REQUEST", "MESSAGE", NULL };
	const cJSON *errors = answer_get(release, "errors"), *each;
	char words[WORDS_BYTES];
	struct table t;

	fprintf(screen->out, "%s%s%s: %s", colour_begin(COLOUR_BOLD, screen->colour),
	    answer_text(release, "release"), colour_end(COLOUR_BOLD, screen->colour),
	    words_things(words, answer_number(release, "fallbacks"), "fallback"));
	print_map(screen, answer_get(release, "fallback_reasons"), " (", ")");
	print_map(screen, answer_get(release, "failed_attempts"), "; failed attempts: ", "");
	fputs("\n", screen->out);
	if (cJSON_GetArraySize(errors) == 0)
		return;
	table_init(&t, headers);
	cJSON_ArrayForEach(each, errors)
	{
		put_error(&t, each, now);
	}
	table_print(&t, screen->out, screen->colour, 0);
}

void
text_show_errors(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *release;
	bool first = true;

	(void)args;
	cJSON_ArrayForEach(release, answer_get(answer, "releases"))
	{
		fputs(first ? "" : "\n", screen->out);
		first = false;
		print_errors(screen, release, answer_text(answer, "now"));
	}
}
