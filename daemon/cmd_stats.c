// SPDX-License-Identifier: MIT
/*
 * What was counted: `stats`. Master process; reads only. All figures are since grayd
 * started, over the workers that are and those that were.
 */
#include "daemon/cmd.h"

#include <string.h>

#include "common/clock.h"
#include "common/money.h"
#include "daemon/master.h"

void
cmd_put_outcomes(struct cmd *cmd, cJSON *in, const char *name, const uint64_t counts[OUTCOME_COUNT])
{
	cJSON *object = cmd_put_object(cmd, in, name);

	for (unsigned o = 0; o < OUTCOME_COUNT; o++)
		if (counts[o] > 0)
			cmd_put_number(
			    cmd, object, outcome_name((enum outcome)o), (double)counts[o]);
}

static void
put_quantiles(struct cmd *cmd, cJSON *in, const char *name, const struct histogram_sum *histogram)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = { { "p50", 0.50 }, { "p95", 0.95 }, { "p99", 0.99 } };
	cJSON *object = cmd_put_object(cmd, in, name);

	for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		if (histogram->count > 0)
			cmd_put_number(cmd, object, quantiles[i].name,
			    (double)histogram_quantile_us(histogram, quantiles[i].q) / US_PER_MS);
		else
			cmd_put_null(cmd, object, quantiles[i].name);
	cmd_put_number(cmd, object, "count", (double)histogram->count);
}

/* A number with all its decimals: digits, not a double. */
static void
put_money(struct cmd *cmd, cJSON *in, const char *name, const struct config_model *model,
    struct money cost)
{
	char digits[MONEY_CHARS];

	if (model->price.known)
		cmd_put_digits(cmd, in, name, money_format(digits, cost, PICOUSD_DECIMALS));
	else
		cmd_put_null(cmd, in, name);
}

static void
put_bill(struct cmd *cmd, cJSON *arm, const struct config_model *model,
    const uint64_t counters[COUNTER_COUNT])
{
	cJSON *tokens = cmd_put_object(cmd, arm, "tokens"), *estimated;

	cmd_put_count(cmd, tokens, "input", counters[COUNTER_TOKENS_INPUT]);
	cmd_put_count(cmd, tokens, "cached", counters[COUNTER_TOKENS_CACHED]);
	cmd_put_count(cmd, tokens, "cache_write", counters[COUNTER_TOKENS_CACHE_WRITE]);
	cmd_put_count(cmd, tokens, "output", counters[COUNTER_TOKENS_OUTPUT]);
	put_money(cmd, arm, "cost_usd", model,
	    money_from_units(counters[COUNTER_COST_UNITS], counters[COUNTER_COST_PICOUSD]));
	estimated = cmd_put_object(cmd, arm, "estimated");
	cmd_put_count(cmd, estimated, "attempts", counters[COUNTER_ESTIMATED]);
	cmd_put_count(cmd, estimated, "input", counters[COUNTER_ESTIMATED_INPUT]);
	cmd_put_count(cmd, estimated, "output", counters[COUNTER_ESTIMATED_OUTPUT]);
	put_money(cmd, estimated, "cost_usd", model,
	    money_from_units(
		counters[COUNTER_ESTIMATED_UNITS], counters[COUNTER_ESTIMATED_PICOUSD]));
}

/* The counters that stand in an arm under their own names; the others have their place below. */
static const enum counter plain[] = { COUNTER_REQUESTS, COUNTER_FALLBACKS, COUNTER_RETRIES,
	COUNTER_CANCELLED, COUNTER_RESCUED, COUNTER_DIVERTED, COUNTER_PINNED, COUNTER_ATTEMPTS,
	COUNTER_SENT, COUNTER_COOL_DOWNS, COUNTER_USAGE_MISSING };

static void
put_arm(struct cmd *cmd, cJSON *arms, enum arm arm, const struct config_model *model,
    const struct arm_totals *totals)
{
	cJSON *object;

	if (model == NULL) {
		cmd_put_null(cmd, arms, arm_names[arm]);
		return;
	}
	object = cmd_put_object(cmd, arms, arm_names[arm]);
	cmd_put_text(cmd, object, "model", model->id);
	cmd_put_text(cmd, object, "name", model->name);
	cmd_put_text(cmd, object, "provider", model->provider->name);
	for (unsigned i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		cmd_put_number(
		    cmd, object, counter_info(plain[i])->name, (double)totals->counters[plain[i]]);
	cmd_put_number(cmd, object, "ok", (double)totals->finished[OUTCOME_OK]);
	cmd_put_number(cmd, object, "in_flight", (double)totals->in_flight);
	cmd_put_number(cmd, object, "window", (double)totals->window);
	cmd_put_outcomes(cmd, object, "outcomes", totals->finished);
	cmd_put_outcomes(cmd, object, "attempt_outcomes", totals->attempts);
	cmd_put_outcomes(cmd, object, "fallback_reasons", totals->fallbacks);
	put_bill(cmd, object, model, totals->counters);
	put_quantiles(cmd, object, "latency_ms", &totals->latency_us);
	put_quantiles(cmd, object, "first_token_ms", &totals->first_token_us);
}

static void
put_stats(struct cmd *cmd, cJSON *object, const struct config_release *release)
{
	const struct policy_release *set = cmd_put_current(cmd, object, release->name);
	struct release_totals totals;
	cJSON *arms;

	slots_sum_release(&cmd->master->slots, release->name, set->share_revision, &totals);
	cmd_put_measured(cmd, object, &totals);
	arms = cmd_put_object(cmd, object, "arms");
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		put_arm(cmd, arms, (enum arm)arm, release->arms[arm], &totals.arms[arm]);
}

static void
put_overall(struct cmd *cmd, cJSON *object)
{
	struct overall_totals t;

	slots_sum_overall(&cmd->master->slots, &t);
	cmd_put_number(cmd, object, "started", (double)t.started);
	cmd_put_number(cmd, object, "finished", (double)t.finished);
	cmd_put_number(cmd, object, "lost", (double)t.lost);
	cmd_put_number(cmd, object, "rejected", (double)t.rejected);
	cmd_put_number(cmd, object, "malformed", (double)t.malformed);
	cmd_put_number(cmd, object, "connections", (double)t.connections);
	cmd_put_number(cmd, object, "open_connections", (double)t.open);
	cmd_put_number(cmd, object, "log_dropped", (double)t.log_dropped);
	cmd_put_number(cmd, object, "bad_policy", (double)t.bad_policy);
	cmd_put_number(cmd, object, "restarts", (double)t.restarts);
	cmd_put_number(cmd, object, "insane_slots", t.insane);
}

void
cmd_stats(struct cmd *cmd)
{
	cJSON *answer = cmd_begin(cmd);

	cmd_put_time(cmd, answer, "now", clock_wall_us());
	cmd_put_time(cmd, answer, "since", cmd->master->started_wall_us);
	put_overall(cmd, cmd_put_object(cmd, answer, "grayd"));
	cmd_put_limits(cmd, answer, true);
	if (cmd_each_release(cmd, answer, put_stats))
		cmd_answer(cmd, answer);
}
