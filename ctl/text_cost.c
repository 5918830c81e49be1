// SPDX-License-Identifier: MIT
/*
 * `cost` for people. Amounts come as strings of all decimals and are rounded here, a row at a time:
 * to cents, or to millionths of a dollar where one of the row would be less than a dollar.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "common/money.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

#define ARMS	2
#define ROW_MAX 4

/* ---- amounts --------------------------------------------------------------------------------- */

/* A row of a label and amounts; the empty text is an empty cell. */
static void
put_amounts(struct table *t, const char *label, const char *const usd[], unsigned n)
{
	unsigned decimals = WORDS_CENTS;
	char words[WORDS_BYTES];

	for (unsigned i = 0; i < n; i++)
		if (words_usd_decimals(usd[i]) > decimals)
			decimals = words_usd_decimals(usd[i]);
	table_put(t, "%s", label);
	for (unsigned i = 0; i < n; i++)
		table_put(t, "%s", usd[i][0] != '\0' ? words_usd(words, usd[i], decimals) : "");
}

/* An amount of an object; "-", which is no amount, where it is null. */
static const char *
amount_in(const cJSON *object, const char *name)
{
	const cJSON *item = answer_get(object, name);

	return cJSON_IsString(item) ? item->valuestring : "-";
}

/* ---- a release ------------------------------------------------------------------------------- */

struct arms {
	const cJSON *objects[ARMS];
	unsigned n;
};

static struct arms
find_arms(const cJSON *release)
{
	static const char *const names[ARMS] = { "stable", "candidate" };
	struct arms arms = { .n = 0 };

	for (unsigned i = 0; i < ARMS; i++) {
		const cJSON *arm = answer_get(answer_get(release, "arms"), names[i]);

		if (cJSON_IsObject(arm))
			arms.objects[arms.n++] = arm;
	}
	return arms;
}

/* A figure of each arm, and the sum. */
static void
put_counts(struct table *t, const struct arms *arms, const char *label, const char *group,
    const char *name)
{
	char words[WORDS_BYTES];
	double sum = 0;

	table_put(t, "%s", label);
	for (unsigned i = 0; i < arms->n; i++) {
		const cJSON *arm = arms->objects[i];
		double n = answer_number(group != NULL ? answer_get(arm, group) : arm, name);

		table_put(t, "%s", words_count(words, n));
		sum += n;
	}
	if (arms->n == ARMS)
		table_put(t, "%s", words_count(words, sum));
}

static void
put_costs(struct table *t, const struct arms *arms, const char *label, const char *group)
{
	const char *usd[ROW_MAX] = { "", "", "" };
	char sum[MONEY_CHARS];
	struct money all = { 0 }, one;

	for (unsigned i = 0; i < arms->n; i++) {
		const cJSON *arm = arms->objects[i];

		usd[i] = amount_in(group != NULL ? answer_get(arm, group) : arm, "cost_usd");
		if (money_parse(usd[i], &one) == 0)
			all = money_sum(all, one);
	}
	usd[ARMS] = money_format(sum, all, PICOUSD_DECIMALS);
	put_amounts(t, label, usd, arms->n == ARMS ? ARMS + 1 : arms->n);
}

static void
put_units(struct table *t, const struct arms *arms)
{
	const char *usd[ROW_MAX] = { "", "", "" };

	for (unsigned i = 0; i < arms->n; i++)
		usd[i] = amount_in(arms->objects[i], "per_1000_usd");
	put_amounts(t, "per 1,000 requests, USD", usd, arms->n == ARMS ? ARMS + 1 : arms->n);
}

/* What a month would cost with all requests at one arm, and what it will as it is now. */
static void
put_month(struct table *t, const struct arms *arms, const cJSON *month)
{
	const char *usd[ROW_MAX] = { amount_in(month, "stable_usd"),
		amount_in(month, "candidate_usd"), amount_in(month, "present_usd") };

	put_amounts(t, "a month, USD", usd, arms->n == ARMS ? ARMS + 1 : arms->n);
}

static bool
any_estimated(const struct arms *arms)
{
	for (unsigned i = 0; i < arms->n; i++)
		if (answer_number(answer_get(arms->objects[i], "estimated"), "attempts") > 0)
			return true;
	return false;
}

static void
put_models(struct table *t, const struct arms *arms)
{
	table_put(t, "model");
	for (unsigned i = 0; i < arms->n; i++)
		table_put(t, "%s", answer_text(arms->objects[i], "model"));
	if (arms->n == ARMS)
		table_put(t, "%s", "");
}

static void
print_table(const struct screen *screen, const cJSON *release, const struct arms *arms)
{
	static const char *const two[] = { "", ">STABLE", ">CANDIDATE", ">BOTH", NULL };
	static const char *const one[] = { "", ">STABLE", NULL };
	struct table t;

	table_init(&t, arms->n == ARMS ? two : one);
	put_models(&t, arms);
	put_counts(&t, arms, "requests", NULL, "requests");
	put_counts(&t, arms, "served", NULL, "served");
	put_counts(&t, arms, "tokens, input", "tokens", "input");
	put_counts(&t, arms, "tokens, cached", "tokens", "cached");
	put_counts(&t, arms, "tokens, written to cache", "tokens", "cache_write");
	put_counts(&t, arms, "tokens, output", "tokens", "output");
	put_costs(&t, arms, "cost, USD", NULL);
	if (any_estimated(arms)) {
		put_counts(&t, arms, "estimated besides: input", "estimated", "input");
		put_counts(&t, arms, "  output", "estimated", "output");
		put_costs(&t, arms, "  cost, USD", "estimated");
	}
	put_units(&t, arms);
	put_month(&t, arms, answer_get(release, "month"));
	table_print(&t, screen->out, screen->colour, 0);
}

/* What the last two rows are made of. */
static void
print_month(const struct screen *screen, const cJSON *month, const struct arms *arms)
{
	double window_s = answer_number(month, "window_s");
	double served = answer_number(month, "window_requests");
	char over[WORDS_BYTES], saving[2 * WORDS_BYTES];

	if (window_s <= 0)
		return;
	fprintf(screen->out, "a month: %.0f days at %.3g requests a second, as in %s%s",
	    answer_number(month, "days"), served / window_s,
	    window_s < 1 ? "the first moment" : "the last ",
	    window_s < 1 ? "" : words_seconds(over, (uint64_t)window_s));
	if (arms->n == ARMS)
		fputs("; BOTH: as it is shared now", screen->out);
	fputs("\n", screen->out);
	if (cJSON_IsString(answer_get(month, "saving_usd")))
		fprintf(screen->out, "all on the candidate, a month costs %s\n",
		    answer_saving(
			month, words_usd_decimals(answer_text(month, "saving_usd")), saving));
}

static void
print_basis(const struct screen *screen, const struct arms *arms)
{
	static const char *const names[ARMS] = { "stable", "candidate" };

	for (unsigned i = 0; i < arms->n; i++)
		if (strcmp(answer_text(arms->objects[i], "per_1000_basis"), "prices") == 0)
			fprintf(screen->out,
			    "%s has served too few requests to say: these are the tokens of the "
			    "other model at its prices\n",
			    names[i]);
}

static void
print_release(const struct screen *screen, const cJSON *release, const char *heading)
{
	struct arms arms = find_arms(release);
	char set[WORDS_BYTES];

	fprintf(screen->out, "%s%s%s: ", colour_begin(COLOUR_BOLD, screen->colour),
	    answer_text(release, "release"), colour_end(COLOUR_BOLD, screen->colour));
	if (arms.n == ARMS)
		fprintf(
		    screen->out, "candidate at %s, ", answer_percent(release, "set_percent", set));
	fprintf(screen->out, "%s\n", heading);
	print_table(screen, release, &arms);
	print_month(screen, answer_get(release, "month"), &arms);
	print_basis(screen, &arms);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void
put_client(struct table *t, const cJSON *client, unsigned decimals)
{
	static const char *const types[] = { "input", "cached", "cache_write", "output" };
	const cJSON *tokens = answer_get(client, "tokens");
	char words[WORDS_BYTES];

	table_put(t, "%s", answer_text(client, "client"));
	table_put(t, "%s", words_count(words, answer_number(client, "requests")));
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		table_put(t, "%s", words_count(words, answer_number(tokens, types[i])));
	table_put(t, "%s", words_usd(words, answer_text(client, "cost_usd"), decimals));
	table_put(t, "%s",
	    words_usd(words, answer_text(answer_get(client, "estimated"), "cost_usd"), decimals));
}

static void
print_clients(const struct screen *screen, const cJSON *clients)
{
	static const char *const headers[] = { "CLIENT", ">REQUESTS", ">INPUT", ">CACHED",
		">CACHE WRITES", ">OUTPUT", ">COST, USD", ">ESTIMATED", NULL };
	unsigned decimals = WORDS_CENTS;
	const cJSON *each;
	struct table t;

	if (cJSON_GetArraySize(clients) == 0)
		return;
	cJSON_ArrayForEach(each, clients)
	{
		const char *guess = answer_text(answer_get(each, "estimated"), "cost_usd");

		if (words_usd_decimals(answer_text(each, "cost_usd")) > decimals ||
		    words_usd_decimals(guess) > decimals)
			decimals = WORDS_SMALL;
	}
	fputs("\n", screen->out);
	table_init(&t, headers);
	cJSON_ArrayForEach(each, clients)
	{
		put_client(&t, each, decimals);
	}
	table_print(&t, screen->out, screen->colour, 0);
}

void
text_show_cost(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const char *now = answer_text(answer, "now"), *since = answer_text(answer, "since");
	char time[WORDS_BYTES], ago[WORDS_BYTES], heading[3 * WORDS_BYTES];
	const cJSON *release, *releases = answer_get(answer, "releases");

	if (args->values[PARAM_COMPARE].given) {
		text_show_compare(screen, args, answer);
		return;
	}
	snprintf(heading, sizeof(heading), "since %s, %s", words_time(time, since, now),
	    words_ago(ago, since, now));
	cJSON_ArrayForEach(release, releases)
	{
		if (release != releases->child)
			fputs("\n", screen->out);
		print_release(screen, release, heading);
	}
	print_clients(screen, answer_get(answer, "clients"));
}
