// SPDX-License-Identifier: MIT
/* `cost --compare` for people: a row for each model that has a price, the dearest first. */
#include <cjson/cJSON.h>

#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/words.h"

static void
print_wish(const struct screen *screen, const cJSON *wish)
{
	static const struct {
		const char *name, *words;
	} types[] = {
		{ "input", "input" },
		{ "cached", "cached input" },
		{ "cache_write", "cache write" },
		{ "output", "output" },
	};
	char words[WORDS_BYTES];
	const char *between = ", each of ";

	fputs(words_things(words, answer_number(wish, "requests"), "request"), screen->out);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		double n = answer_number(wish, types[i].name);

		if (n == 0)
			continue;
		fprintf(screen->out, "%s%s %s", between, words_count(words, n), types[i].words);
		between = ", ";
	}
	fputs(" tokens\n\n", screen->out);
}

static void
put_model(struct table *t, const cJSON *model, unsigned decimals, bool dearest)
{
	const cJSON *price = answer_get(model, "price");
	char words[WORDS_BYTES], saving[2 * WORDS_BYTES];

	table_put(t, "%s", answer_text(model, "model"));
	table_put(t, "%s", answer_text(model, "provider"));
	table_put(t, "%s", words_price(words, answer_text(price, "input")));
	table_put(t, "%s", words_price(words, answer_text(price, "output")));
	table_put(t, "%s", words_usd(words, answer_text(model, "cost_usd"), decimals));
	table_put(t, "%s", dearest ? "" : answer_saving(model, decimals, saving));
}

static void
print_models(const struct screen *screen, const cJSON *models)
{
	static const char *const headers[] = { "MODEL", "PROVIDER", ">INPUT", ">OUTPUT",
		">COST, USD", "AGAINST THE DEAREST", NULL };
	unsigned decimals = WORDS_CENTS;
	const cJSON *each;
	struct table t;

	cJSON_ArrayForEach(each, models)
	{
		if (words_usd_decimals(answer_text(each, "cost_usd")) > decimals)
			decimals = WORDS_SMALL;
	}
	table_init(&t, headers);
	cJSON_ArrayForEach(each, models)
	{
		put_model(&t, each, decimals, each == models->child);
	}
	table_print(&t, screen->out, screen->colour, 0);
}

static void
print_pairs(const struct screen *screen, const cJSON *releases)
{
	char words[2 * WORDS_BYTES];
	const cJSON *each;

	cJSON_ArrayForEach(each, releases)
	{
		if (each == releases->child)
			fputs("\n", screen->out);
		fprintf(screen->out, "%s: %s instead of %s: %s\n", answer_text(each, "release"),
		    answer_text(each, "candidate"), answer_text(each, "stable"),
		    answer_saving(
			each, words_usd_decimals(answer_text(each, "saving_usd")), words));
	}
}

void
text_show_compare(const struct screen *screen, const struct args *args, const cJSON *answer)
{
	const cJSON *without = answer_get(answer, "without_price"), *each;

	(void)args;
	print_wish(screen, answer_get(answer, "compare"));
	print_models(screen, answer_get(answer, "models"));
	print_pairs(screen, answer_get(answer, "releases"));
	cJSON_ArrayForEach(each, without)
	{
		fprintf(screen->out, "%s has no price in the config\n", cJSON_GetStringValue(each));
	}
}
