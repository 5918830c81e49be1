// SPDX-License-Identifier: MIT
/*
 * `cost --compare`: what a month of given requests would cost at each model that has a price, and
 * at the two models of each release. Master process; reads only the config.
 */
#include <stdlib.h>
#include <string.h>

#include "common/price.h"
#include "daemon/cmd.h"
#include "daemon/master.h"

/* What is asked: tokens are those of one request. */
struct wish {
	uint64_t requests;
	struct tokens tokens;
};

/* ---- the question ---------------------------------------------------------------------------- */

/* More than anybody asks for; and at the highest of prices the amounts still fit struct money. */
#define REQUESTS_MAX UINT64_C(100000000000)
#define TOKENS_MAX   UINT64_C(10000000)

static const struct figure {
	const char *name;
	size_t offset;
	uint64_t least, most;
	bool needed;
} figures[] = {
	{ "requests", offsetof(struct wish, requests), 1, REQUESTS_MAX, true },
	{ "input", offsetof(struct wish, tokens.input), 0, TOKENS_MAX, true },
	{ "cached", offsetof(struct wish, tokens.cached), 0, TOKENS_MAX, false },
	{ "cache_write", offsetof(struct wish, tokens.cache_write), 0, TOKENS_MAX, false },
	{ "output", offsetof(struct wish, tokens.output), 0, TOKENS_MAX, true },
};
#define N_FIGURES (sizeof(figures) / sizeof(figures[0]))

static uint64_t *
place_of(struct wish *wish, const struct figure *f)
{
	return (uint64_t *)(void *)((char *)wish + f->offset);
}

static int
take_number(struct wish *wish, const struct figure *f, const char *digits)
{
	uint64_t *place = place_of(wish, f);

	if (digits == NULL || decimal_parse(digits, 0, place) != 0)
		return -1;
	return *place >= f->least && *place <= f->most ? 0 : -1;
}

/* "input=1000" */
static int
take_figure(struct wish *wish, bool seen[N_FIGURES], const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	size_t n = equals != NULL ? (size_t)(equals - text) : strlen(text);

	for (size_t i = 0; i < N_FIGURES; i++) {
		if (strlen(figures[i].name) != n || strncmp(figures[i].name, text, n) != 0)
			continue;
		if (seen[i])
			return err_set(e, "compare: %s is given twice", figures[i].name);
		seen[i] = true;
		if (take_number(wish, &figures[i], equals != NULL ? equals + 1 : NULL) == 0)
			return 0;
		return err_set(e,
		    "compare: \"%.64s\": expected %s=N, a whole number from %llu to %llu", text,
		    figures[i].name, (unsigned long long)figures[i].least,
		    (unsigned long long)figures[i].most);
	}
	return err_set(e,
	    "compare: \"%.64s\": expected requests=N input=N output=N, and maybe cached=N and "
	    "cache_write=N",
	    text);
}

static int
take_wish(struct wish *wish, const struct command_value *given, struct err *e)
{
	bool seen[N_FIGURES] = { false };

	memset(wish, 0, sizeof(*wish));
	for (uint64_t i = 0; i < given->number; i++)
		if (take_figure(wish, seen, given->list[i], e) != 0)
			return -1;
	for (size_t i = 0; i < N_FIGURES; i++)
		if (figures[i].needed && !seen[i])
			return err_set(e, "compare: %s=N is missing", figures[i].name);
	if (wish->tokens.input + wish->tokens.cached + wish->tokens.cache_write +
		wish->tokens.output ==
	    0)
		return err_set(e,
		    "compare: requests without tokens cost nothing anywhere: expected "
		    "input or output above 0");
	return 0;
}

/* ---- the answer ------------------------------------------------------------------------------ */

struct row {
	const struct config_model *model;
	struct money cost;
};

static struct money
cost_at(const struct config_model *model, const struct wish *wish)
{
	return money_times(price_cost(&model->price, &wish->tokens), wish->requests);
}

/* The dearest first; of two that cost the same the one that stands first in the config. */
static int
by_cost(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->cost.usd != y->cost.usd)
		return x->cost.usd > y->cost.usd ? -1 : 1;
	if (x->cost.picousd != y->cost.picousd)
		return x->cost.picousd > y->cost.picousd ? -1 : 1;
	return x->model < y->model ? -1 : x->model > y->model;
}

static void
put_wish(struct cmd *cmd, cJSON *answer, struct wish *wish)
{
	cJSON *object = cmd_put_object(cmd, answer, "compare");

	for (size_t i = 0; i < N_FIGURES; i++)
		cmd_put_count(cmd, object, figures[i].name, *place_of(wish, &figures[i]));
}

static void
put_price(struct cmd *cmd, cJSON *in, const struct config_price *price)
{
	cJSON *object = cmd_put_object(cmd, in, "price");
	const struct {
		const char *name;
		uint64_t picousd;
	} prices[] = {
		{ "input", price->input },
		{ "cached_input", price->cached_input },
		{ "cache_write", price->cache_write },
		{ "output", price->output },
	};
	char digits[MONEY_CHARS];

	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++)
		cmd_put_text(
		    cmd, object, prices[i].name, money_format_price(digits, prices[i].picousd));
}

static void
put_row(struct cmd *cmd, cJSON *array, const struct row *row, const struct row *dearest)
{
	cJSON *object = cmd_put_element(cmd, array);

	cmd_put_text(cmd, object, "model", row->model->id);
	cmd_put_text(cmd, object, "name", row->model->name);
	cmd_put_text(cmd, object, "provider", row->model->provider->name);
	put_price(cmd, object, &row->model->price);
	cmd_put_usd(cmd, object, "cost_usd", &row->cost);
	cmd_put_saving(cmd, object, &dearest->cost, &row->cost);
}

/* Whether a model belongs to the release that was named, or none was named. */
static bool
wanted(const struct config_model *model, const struct config_release *only)
{
	return only == NULL || only->arms[ARM_STABLE] == model ||
	       only->arms[ARM_CANDIDATE] == model;
}

static void
put_models(
    struct cmd *cmd, cJSON *answer, const struct wish *wish, const struct config_release *only)
{
	const struct config *config = cmd->master->config;
	cJSON *rows = cmd_put_array(cmd, answer, "models");
	cJSON *unpriced = cmd_put_array(cmd, answer, "without_price");
	struct row *all = calloc(config->n_models + 1, sizeof(*all));
	unsigned n = 0;

	for (unsigned i = 0; all != NULL && i < config->n_models; i++) {
		const struct config_model *model = &config->models[i];

		if (!wanted(model, only))
			continue;
		if (model->price.known)
			all[n++] = (struct row){ model, cost_at(model, wish) };
		else
			cJSON_AddItemToArray(unpriced, cJSON_CreateString(model->id));
	}
	if (all == NULL)
		cmd->no_memory = true;
	else
		qsort(all, n, sizeof(*all), by_cost);
	for (unsigned i = 0; i < n; i++)
		put_row(cmd, rows, &all[i], &all[0]);
	free(all);
}

static void
put_pair(
    struct cmd *cmd, cJSON *array, const struct wish *wish, const struct config_release *release)
{
	const struct config_model *stable = release->arms[ARM_STABLE];
	const struct config_model *candidate = release->arms[ARM_CANDIDATE];
	struct money from, to;
	cJSON *object;

	if (candidate == NULL || !stable->price.known || !candidate->price.known)
		return;
	from = cost_at(stable, wish);
	to = cost_at(candidate, wish);
	object = cmd_put_element(cmd, array);
	cmd_put_text(cmd, object, "release", release->name);
	cmd_put_text(cmd, object, "stable", stable->id);
	cmd_put_text(cmd, object, "candidate", candidate->id);
	cmd_put_usd(cmd, object, "stable_usd", &from);
	cmd_put_usd(cmd, object, "candidate_usd", &to);
	cmd_put_saving(cmd, object, &from, &to);
}

void
cmd_compare(struct cmd *cmd)
{
	const struct config *config = cmd->master->config;
	const struct command_value *name = &cmd->request.values[PARAM_RELEASE];
	const struct config_release *only = NULL;
	struct wish wish;
	cJSON *answer, *pairs;
	struct err e;

	if (take_wish(&wish, &cmd->request.values[PARAM_COMPARE], &e) != 0) {
		cmd_fail(cmd, CTL_USAGE, "%s", e.msg);
		return;
	}
	if (name->given)
		only = config_find_release(config, name->text, strlen(name->text));
	if (name->given && only == NULL) {
		cmd_no_such_release(cmd, name->text);
		return;
	}
	answer = cmd_begin(cmd);
	put_wish(cmd, answer, &wish);
	put_models(cmd, answer, &wish, only);
	pairs = cmd_put_array(cmd, answer, "releases");
	for (unsigned i = 0; i < config->n_releases; i++)
		if (only == NULL || only == &config->releases[i])
			put_pair(cmd, pairs, &wish, &config->releases[i]);
	cmd_answer(cmd, answer);
}
