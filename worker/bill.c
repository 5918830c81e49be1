// SPDX-License-Identifier: MIT
/*
 * What attempts cost; see bill.h. Runs once an attempt, in the worker. What a provider told and
 * what had to be estimated never meet in one counter, so the sums of the first are exact.
 */
#include "worker/bill.h"

#include "worker/estimate.h"

/* More than this is no answer's usage but a provider's mistake, and would drown every sum. */
#define TOKENS_MAX 1000000000

/* Where what was told, or what was estimated, is counted: for the arm and for the client. */
struct account {
	enum counter input, output, units, picousd;
	enum client_counter client_input, client_output, client_units, client_picousd;
};

static const struct account told_account = {
	COUNTER_TOKENS_INPUT,
	COUNTER_TOKENS_OUTPUT,
	COUNTER_COST_UNITS,
	COUNTER_COST_PICOUSD,
	CLIENT_COUNTER_TOKENS_INPUT,
	CLIENT_COUNTER_TOKENS_OUTPUT,
	CLIENT_COUNTER_COST_UNITS,
	CLIENT_COUNTER_COST_PICOUSD,
};

static const struct account estimate_account = {
	COUNTER_ESTIMATED_INPUT,
	COUNTER_ESTIMATED_OUTPUT,
	COUNTER_ESTIMATED_UNITS,
	COUNTER_ESTIMATED_PICOUSD,
	CLIENT_COUNTER_ESTIMATED_INPUT,
	CLIENT_COUNTER_ESTIMATED_OUTPUT,
	CLIENT_COUNTER_ESTIMATED_UNITS,
	CLIENT_COUNTER_ESTIMATED_PICOUSD,
};

static void
count(const struct attempt *a, enum counter counter, uint64_t n)
{
	tally_add(&a->request->release->tally->arms[a->arm].counters[counter], n);
}

struct slot_client *
bill_client(const struct request *r)
{
	const struct worker *w = r->worker;

	return r->client != NULL ? w->client_tallies[r->client - w->config->clients] : NULL;
}

static struct money
book(const struct attempt *a, const struct account *account, const struct tokens *t)
{
	struct slot_client *client = bill_client(a->request);
	struct money cost = price_cost(&a->model->price, t);
	uint64_t rest, units = money_units(cost, &rest);

	count(a, account->input, t->input);
	count(a, account->output, t->output);
	count(a, account->units, units);
	count(a, account->picousd, rest);
	if (client == NULL)
		return cost;
	tally_add(&client->counters[account->client_input], t->input);
	tally_add(&client->counters[account->client_output], t->output);
	tally_add(&client->counters[account->client_units], units);
	tally_add(&client->counters[account->client_picousd], rest);
	return cost;
}

/* Only providers tell of caches; nobody can estimate what is in one. */
static void
count_cached(const struct attempt *a, const struct tokens *t)
{
	struct slot_client *client = bill_client(a->request);

	count(a, COUNTER_TOKENS_CACHED, t->cached);
	count(a, COUNTER_TOKENS_CACHE_WRITE, t->cache_write);
	if (client == NULL)
		return;
	tally_add(&client->counters[CLIENT_COUNTER_TOKENS_CACHED], t->cached);
	tally_add(&client->counters[CLIENT_COUNTER_TOKENS_CACHE_WRITE], t->cache_write);
}

static void
add_tokens(struct tokens *sum, const struct tokens *t)
{
	sum->input += t->input;
	sum->cached += t->cached;
	sum->cache_write += t->cache_write;
	sum->output += t->output;
}

/* What the provider said. False: nothing, or nothing that can be true. */
static bool
tokens_told(const struct attempt *a, struct tokens *t)
{
	const struct usage *u = &a->facts.usage;

	*t = (struct tokens){ u->input, u->cached, u->cache_write, u->output };
	return u->present && t->input <= TOKENS_MAX && t->cached <= TOKENS_MAX &&
	       t->cache_write <= TOKENS_MAX && t->output <= TOKENS_MAX;
}

/* What the provider will bill without having said so: all of an attempt without usage; of a stream
 * that broke off after a first usage the rest. A request that was refused costs nothing, be it by a
 * status or by an error in place of an answer. */
static bool
tokens_missing(const struct attempt *a, bool told, struct tokens *t)
{
	bool bad_status = a->status != 0 && (a->status < 200 || a->status > 299);
	bool refused = bad_status || (a->facts.failed && !a->facts.content);
	bool whole = told && (!a->stream || a->facts.finish != FINISH_NONE);
	uint64_t output;

	if (!a->sent || refused || whole)
		return false;
	*t = (struct tokens){ 0 };
	output = estimate_output(a->facts.content_bytes, a->content_events);
	if (!told)
		t->input = estimate_input(body_bytes(&a->request->body), a->request->body.len);
	if (!told || output > a->facts.usage.output)
		t->output = output - (told ? a->facts.usage.output : 0);
	return t->input > 0 || t->output > 0;
}

void
bill_attempt(struct attempt *a)
{
	struct request *r = a->request;
	struct tokens t;
	bool told = tokens_told(a, &t);

	if (told) {
		r->billed = true;
		r->cost = money_sum(r->cost, book(a, &told_account, &t));
		count_cached(a, &t);
		add_tokens(&r->tokens, &t);
	}
	if (tokens_missing(a, told, &t)) {
		r->billed = true;
		r->estimated_cost = money_sum(r->estimated_cost, book(a, &estimate_account, &t));
		count(a, COUNTER_ESTIMATED, 1);
		add_tokens(&r->estimated, &t);
	}
	if (!told && a->outcome == OUTCOME_OK)
		count(a, COUNTER_USAGE_MISSING, 1);
}

void
bill_preview(const struct attempt *a, struct money *cost, struct money *estimated)
{
	const struct config_price *price = &a->model->price;
	struct tokens t;
	bool told = tokens_told(a, &t);

	if (told)
		*cost = money_sum(*cost, price_cost(price, &t));
	if (tokens_missing(a, told, &t))
		*estimated = money_sum(*estimated, price_cost(price, &t));
}
