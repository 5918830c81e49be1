// SPDX-License-Identifier: MIT
/*
 * Money: `cost`. Master process; reads only. What was spent is since grayd started; a month is 30
 * days at the present rate (rates.h). Exact up to here: what is printed is a string of all
 * decimals.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/price.h"
#include "daemon/cmd.h"
#include "daemon/master.h"
#include "daemon/rates.h"

#define MONTH_US (30 * 86400 * (uint64_t)US_PER_S)
/* With fewer answers than this, and than the other arm has, that one's tokens say more. */
#define MEASURED_LEAST 100
#define BATCH	       1000

/* What one request costs at a model: an amount for `n` of them. */
struct unit_cost {
	bool known;
	const char *basis; /* "measured", or "prices": by the other arm's tokens */
	struct money cost;
	uint64_t n;
};

/* One release, and all that is said about its money. */
struct account {
	const struct config_release *release;
	struct release_totals totals;
	struct rate_point now;
	struct rate rate;
	struct unit_cost units[ARM_COUNT];
};

/* ---- figures --------------------------------------------------------------------------------- */

static bool
priced(const struct account *a, enum arm arm)
{
	const struct config_model *model = a->release->arms[arm];

	return model != NULL && model->price.known;
}

/* What was estimated counts here too: the provider bills it. */
static struct tokens
tokens_of(const struct account *a, enum arm arm)
{
	const uint64_t *c = a->totals.arms[arm].counters;

	return (struct tokens){
		.input = c[COUNTER_TOKENS_INPUT] + c[COUNTER_ESTIMATED_INPUT],
		.cached = c[COUNTER_TOKENS_CACHED],
		.cache_write = c[COUNTER_TOKENS_CACHE_WRITE],
		.output = c[COUNTER_TOKENS_OUTPUT] + c[COUNTER_ESTIMATED_OUTPUT],
	};
}

static struct unit_cost
find_unit(const struct account *a, enum arm arm)
{
	enum arm other = arm == ARM_STABLE ? ARM_CANDIDATE : ARM_STABLE;
	struct unit_cost unit = { .known = priced(a, arm) };
	struct tokens tokens;

	if (!unit.known)
		return unit;
	if (a->now.served[arm] >= MEASURED_LEAST || a->now.served[other] <= a->now.served[arm]) {
		unit.basis = "measured";
		unit.n = a->now.served[arm];
		unit.cost = a->now.cost[arm];
	} else {
		unit.basis = "prices";
		unit.n = a->now.served[other];
		tokens = tokens_of(a, other);
		unit.cost = price_cost(&a->release->arms[arm]->price, &tokens);
	}
	unit.known = unit.n > 0;
	return unit;
}

static void
fill_account(struct account *a, const struct master *m, const struct config_release *release)
{
	a->release = release;
	slots_sum_release(&m->slots, release->name, 0, &a->totals);
	a->now = rate_point(&a->totals, clock_mono_us());
	rates_look(m, release->name, &a->now, &a->rate);
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		a->units[arm] = find_unit(a, (enum arm)arm);
}

/* A month of all requests at one arm's model; false: nobody knows. */
static bool
month_of(const struct account *a, enum arm arm, struct money *out)
{
	const struct unit_cost *unit = &a->units[arm];
	uint64_t served = a->rate.served[ARM_STABLE] + a->rate.served[ARM_CANDIDATE];

	if (!unit->known || a->rate.window_us == 0)
		return false;
	*out = money_scale(money_scale(unit->cost, served, unit->n), MONTH_US, a->rate.window_us);
	return true;
}

/* A month as it is now, with the candidate's present share. */
static bool
present_month(const struct account *a, struct money *out)
{
	bool known = a->rate.window_us > 0;

	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		known = known && (a->release->arms[arm] == NULL || priced(a, (enum arm)arm));
	if (known)
		*out = money_scale(money_sum(a->rate.cost[ARM_STABLE], a->rate.cost[ARM_CANDIDATE]),
		    MONTH_US, a->rate.window_us);
	return known;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void
put_tokens(struct cmd *cmd, cJSON *in, const struct tokens *t)
{
	cJSON *tokens = cmd_put_object(cmd, in, "tokens");

	cmd_put_count(cmd, tokens, "input", t->input);
	cmd_put_count(cmd, tokens, "cached", t->cached);
	cmd_put_count(cmd, tokens, "cache_write", t->cache_write);
	cmd_put_count(cmd, tokens, "output", t->output);
}

static void
put_arm(struct cmd *cmd, cJSON *arms, const struct account *a, enum arm arm)
{
	const struct config_model *model = a->release->arms[arm];
	const uint64_t *c = a->totals.arms[arm].counters;
	const struct unit_cost *unit = &a->units[arm];
	struct money cost = money_from_units(c[COUNTER_COST_UNITS], c[COUNTER_COST_PICOUSD]);
	struct money guess =
	    money_from_units(c[COUNTER_ESTIMATED_UNITS], c[COUNTER_ESTIMATED_PICOUSD]);
	struct money batch = unit->known ? money_scale(unit->cost, BATCH, unit->n) : cost;
	struct tokens tokens = { c[COUNTER_TOKENS_INPUT], c[COUNTER_TOKENS_CACHED],
		c[COUNTER_TOKENS_CACHE_WRITE], c[COUNTER_TOKENS_OUTPUT] };
	cJSON *object, *estimated;

	if (model == NULL) {
		cmd_put_null(cmd, arms, arm_names[arm]);
		return;
	}
	object = cmd_put_object(cmd, arms, arm_names[arm]);
	cmd_put_text(cmd, object, "model", model->id);
	cmd_put_text(cmd, object, "provider", model->provider->name);
	cmd_put_count(cmd, object, "requests", c[COUNTER_REQUESTS]);
	cmd_put_count(cmd, object, "served", a->now.served[arm]);
	put_tokens(cmd, object, &tokens);
	cmd_put_usd(cmd, object, "cost_usd", model->price.known ? &cost : NULL);
	estimated = cmd_put_object(cmd, object, "estimated");
	cmd_put_count(cmd, estimated, "attempts", c[COUNTER_ESTIMATED]);
	cmd_put_count(cmd, estimated, "input", c[COUNTER_ESTIMATED_INPUT]);
	cmd_put_count(cmd, estimated, "output", c[COUNTER_ESTIMATED_OUTPUT]);
	cmd_put_usd(cmd, estimated, "cost_usd", model->price.known ? &guess : NULL);
	cmd_put_usd(cmd, object, "per_1000_usd", unit->known ? &batch : NULL);
	if (unit->known)
		cmd_put_text(cmd, object, "per_1000_basis", unit->basis);
	else
		cmd_put_null(cmd, object, "per_1000_basis");
}

static void
put_month(struct cmd *cmd, cJSON *in, const struct account *a)
{
	cJSON *month = cmd_put_object(cmd, in, "month");
	struct money present, stable, candidate;
	bool stable_known = month_of(a, ARM_STABLE, &stable);
	bool candidate_known = month_of(a, ARM_CANDIDATE, &candidate);
	uint64_t served = a->rate.served[ARM_STABLE] + a->rate.served[ARM_CANDIDATE];

	cmd_put_number(cmd, month, "days", (double)(MONTH_US / US_PER_S) / 86400);
	cmd_put_number(cmd, month, "window_s", (double)a->rate.window_us / US_PER_S);
	cmd_put_count(cmd, month, "window_requests", served);
	cmd_put_usd(cmd, month, "present_usd", present_month(a, &present) ? &present : NULL);
	cmd_put_usd(cmd, month, "stable_usd", stable_known ? &stable : NULL);
	cmd_put_usd(cmd, month, "candidate_usd", candidate_known ? &candidate : NULL);
	cmd_put_saving(
	    cmd, month, stable_known ? &stable : NULL, candidate_known ? &candidate : NULL);
}

static void
put_release(struct cmd *cmd, cJSON *object, const struct config_release *release)
{
	const struct policy_release *set = policy_find(&cmd->master->policy, release->name);
	struct account a;
	cJSON *arms;

	fill_account(&a, cmd->master, release);
	cmd_put_text(cmd, object, "release", release->name);
	cmd_put_percent(cmd, object, "set_percent", set != NULL ? set->share_bp : 0);
	arms = cmd_put_object(cmd, object, "arms");
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		put_arm(cmd, arms, &a, (enum arm)arm);
	put_month(cmd, object, &a);
}

static void
put_client(struct cmd *cmd, cJSON *array, const struct client_totals *client)
{
	const uint64_t *c = client->counters;
	struct tokens tokens = { c[CLIENT_COUNTER_TOKENS_INPUT], c[CLIENT_COUNTER_TOKENS_CACHED],
		c[CLIENT_COUNTER_TOKENS_CACHE_WRITE], c[CLIENT_COUNTER_TOKENS_OUTPUT] };
	struct money cost =
	    money_from_units(c[CLIENT_COUNTER_COST_UNITS], c[CLIENT_COUNTER_COST_PICOUSD]);
	struct money guess = money_from_units(
	    c[CLIENT_COUNTER_ESTIMATED_UNITS], c[CLIENT_COUNTER_ESTIMATED_PICOUSD]);
	cJSON *object = cmd_put_element(cmd, array), *estimated;

	cmd_put_text(cmd, object, "client", client->name);
	cmd_put_count(cmd, object, "requests", c[CLIENT_COUNTER_REQUESTS]);
	put_tokens(cmd, object, &tokens);
	cmd_put_usd(cmd, object, "cost_usd", &cost);
	estimated = cmd_put_object(cmd, object, "estimated");
	cmd_put_count(cmd, estimated, "input", c[CLIENT_COUNTER_ESTIMATED_INPUT]);
	cmd_put_count(cmd, estimated, "output", c[CLIENT_COUNTER_ESTIMATED_OUTPUT]);
	cmd_put_usd(cmd, estimated, "cost_usd", &guess);
}

/* Of all releases together: nothing is kept of what a client asked which release. */
static void
put_clients(struct cmd *cmd, cJSON *answer)
{
	struct client_totals *clients = calloc(CLIENTS_MAX, sizeof(*clients));
	cJSON *array = cmd_put_array(cmd, answer, "clients");
	unsigned n = clients != NULL ? slots_sum_clients(&cmd->master->slots, clients) : 0;

	if (clients == NULL)
		cmd->no_memory = true;
	for (unsigned i = 0; i < n; i++)
		put_client(cmd, array, &clients[i]);
	free(clients);
}

void
cmd_cost(struct cmd *cmd)
{
	cJSON *answer;

	if (cmd->request.values[PARAM_COMPARE].given) {
		cmd_compare(cmd);
		return;
	}
	answer = cmd_begin(cmd);
	cmd_put_time(cmd, answer, "now", clock_wall_us());
	cmd_put_time(cmd, answer, "since", cmd->master->started_wall_us);
	if (!cmd_each_release(cmd, answer, put_release))
		return;
	if (!cmd->request.values[PARAM_RELEASE].given)
		put_clients(cmd, answer);
	cmd_answer(cmd, answer);
}
