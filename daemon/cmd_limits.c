// SPDX-License-Identifier: MIT
/*
 * What is left of limits, and which models cool down: a part of
 * `status` and `stats`. Master process; reads only.
 */
#include "common/clock.h"
#include "daemon/cmd.h"
#include "daemon/master.h"

/* One limiter, as it stands. */
struct standing {
	uint64_t rate, used, max_in_flight, in_flight, waiting, cooling_us;
	enum limiter_cause cause;
};

static struct standing
look_at(struct limits_region *region, uint32_t number, uint64_t now_us)
{
	const struct limiter *limiter = limiter_at(region, number);
	struct standing s = {
		.max_in_flight = tally_get(&limiter->max_in_flight),
		.in_flight = limiter_in_flight(region, number),
		.waiting = limiter_line(region, number, 0).waiting,
	};
	struct window w;

	s.cooling_us = limiter_cooling_us(limiter, now_us, &s.cause);
	if (limiter_window(region, number, &w)) {
		s.rate = w.limit;
		s.used = window_used(&w, now_us);
	}
	return s;
}

static void
put_rate(struct cmd *cmd, cJSON *object, const char *name, const struct standing *s)
{
	cmd_put_text(cmd, object, "name", name);
	cmd_put_number(cmd, object, "rate_per_minute", (double)s->rate);
	cmd_put_number(cmd, object, "used", (double)s->used);
	cmd_put_number(cmd, object, "waiting", (double)s->waiting);
}

static void
put_client(
    struct cmd *cmd, cJSON *array, const struct config_client *client, const struct standing *s)
{
	cJSON *object = cmd_put_element(cmd, array);

	put_rate(cmd, object, client->name, s);
	cmd_put_number(cmd, object, "queue_ms", client->queue_ms);
}

static void
put_model(struct cmd *cmd, cJSON *array, const struct config_model *model, const struct standing *s,
    uint64_t now_us)
{
	cJSON *object = cmd_put_element(cmd, array);

	put_rate(cmd, object, model->id, s);
	cmd_put_number(cmd, object, "max_in_flight", (double)s->max_in_flight);
	cmd_put_number(cmd, object, "in_flight", (double)s->in_flight);
	if (s->cooling_us != 0) {
		cmd_put_number(
		    cmd, object, "cooling_ms", (double)((s->cooling_us - now_us) / US_PER_MS));
		cmd_put_text(cmd, object, "cooling_for", limiter_cause_names[s->cause]);
	}
}

/* Whether somebody who looks at grayd as a whole should know. */
static bool
is_worth_a_word(const struct standing *s)
{
	return s->waiting > 0 || s->cooling_us != 0 || (s->rate > 0 && s->used >= s->rate) ||
	       (s->max_in_flight > 0 && s->in_flight >= s->max_in_flight);
}

void
cmd_put_limits(struct cmd *cmd, cJSON *in, bool all)
{
	const struct config *c = cmd->master->config;
	struct limits_region *region = cmd->master->limits.region;
	uint64_t now_us = clock_mono_us();
	cJSON *limits = cmd_put_object(cmd, in, "limits");
	cJSON *clients = cmd_put_array(cmd, limits, "clients");
	cJSON *models = cmd_put_array(cmd, limits, "models");

	for (unsigned i = 0; i < c->n_clients; i++) {
		struct standing s = look_at(region, c->clients[i].limiter, now_us);

		if (is_worth_a_word(&s) || (all && s.rate > 0))
			put_client(cmd, clients, &c->clients[i], &s);
	}
	for (unsigned i = 0; i < c->n_models; i++) {
		struct standing s = look_at(region, c->models[i].limiter, now_us);

		if (is_worth_a_word(&s) || (all && (s.rate > 0 || s.max_in_flight > 0)))
			put_model(cmd, models, &c->models[i], &s, now_us);
	}
}
