// SPDX-License-Identifier: MIT
/* Sums of a stress test; see stress_tally.h. A time that there is no memory for is left out. */
#include "ctl/stress_tally.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* ---- adding ---------------------------------------------------------------------------------- */

static void
add_time(struct stress_times *t, uint64_t us)
{
	if (t->n == t->room) {
		size_t room = t->room == 0 ? 1024 : t->room * 2;
		uint64_t *more = realloc(t->us, room * sizeof(*more));

		if (more == NULL)
			return;
		t->us = more;
		t->room = room;
	}
	t->us[t->n++] = us;
}

void
stress_tally_free(struct stress_tally *t)
{
	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		free(t->arms[arm].latency.us);
		free(t->arms[arm].first_token.us);
	}
	memset(t, 0, sizeof(*t));
}

static void
add_reason(struct stress_tally *t, const char *reason)
{
	unsigned i = 0;

	while (i < t->n_reasons && strcmp(t->reasons[i].reason, reason) != 0)
		i++;
	if (i == STRESS_ERRORS_KEPT)
		return;
	if (i == t->n_reasons) {
		strcpy(t->reasons[i].reason, reason);
		t->n_reasons++;
	}
	t->reasons[i].count++;
}

static void
add_error(struct stress_tally *t, const struct stress_reply *r)
{
	unsigned i = 0;

	while (i < t->n_errors &&
	       (t->errors[i].status != r->status || strcmp(t->errors[i].code, r->code) != 0 ||
		   strcmp(t->errors[i].message, r->message) != 0))
		i++;
	if (i == STRESS_ERRORS_KEPT) {
		t->errors_left_out++;
		return;
	}
	if (i == t->n_errors) {
		t->errors[i] = (struct stress_error){ .status = r->status };
		strcpy(t->errors[i].code, r->code);
		strcpy(t->errors[i].message, r->message);
		t->n_errors++;
	}
	t->errors[i].count++;
}

static void
add_answer(
    struct stress_tally *t, const struct stress_reply *r, uint64_t started_us, uint64_t ended_us)
{
	struct stress_arm *arm = &t->arms[r->arm];

	t->answered++;
	arm->answered++;
	arm->input += r->input;
	arm->cached += r->cached;
	arm->output += r->output;
	add_time(&arm->latency, ended_us - started_us);
	if (r->first_token_us > started_us)
		add_time(&arm->first_token, r->first_token_us - started_us);
}

void
stress_tally_add(struct stress_tally *t, const struct stress_reply *r, bool ok, uint64_t started_us,
    uint64_t ended_us)
{
	t->sent++;
	t->attempts += r->attempts;
	if (r->arm_known)
		t->assigned[r->fallback ? ARM_CANDIDATE : r->arm]++;
	if (r->fallback) {
		t->fallbacks++;
		add_reason(t, r->reason);
	}
	t->diverted += r->diverted;
	t->cost = money_sum(t->cost, r->cost);
	t->estimated = money_sum(t->estimated, r->estimated);
	if (ok && !r->priced)
		t->unpriced++;
	if (ok) {
		add_answer(t, r, started_us, ended_us);
	} else {
		t->failed++;
		add_error(t, r);
	}
}

/* ---- telling --------------------------------------------------------------------------------- */

static int
by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t
stress_quantile_us(const struct stress_times *t, double q)
{
	size_t at = (size_t)ceil(q * (double)t->n);

	return t->n == 0 ? 0 : t->us[at > 0 ? at - 1 : 0];
}

static void
print_times(cJSON *into, const char *name, struct stress_times *t)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = { { "p50", 0.50 }, { "p95", 0.95 }, { "p99", 0.99 }, { "max", 1 } };
	cJSON *object = cJSON_AddObjectToObject(into, name);

	if (t->n > 0)
		qsort(t->us, t->n, sizeof(*t->us), by_time);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		if (t->n > 0)
			cJSON_AddNumberToObject(object, quantiles[i].name,
			    (double)stress_quantile_us(t, quantiles[i].q) / US_PER_MS);
		else
			cJSON_AddNullToObject(object, quantiles[i].name);
}

static void
print_arm(cJSON *arms, enum arm arm, struct stress_tally *t)
{
	struct stress_arm *a = &t->arms[arm];
	cJSON *object = cJSON_AddObjectToObject(arms, arm_names[arm]), *tokens;

	cJSON_AddNumberToObject(object, "assigned", (double)t->assigned[arm]);
	cJSON_AddNumberToObject(object, "answered", (double)a->answered);
	tokens = cJSON_AddObjectToObject(object, "tokens");
	cJSON_AddNumberToObject(tokens, "input", (double)a->input);
	cJSON_AddNumberToObject(tokens, "cached", (double)a->cached);
	cJSON_AddNumberToObject(tokens, "output", (double)a->output);
	print_times(object, "latency_ms", &a->latency);
	print_times(object, "first_token_ms", &a->first_token);
}

static void
print_errors(cJSON *into, const struct stress_tally *t)
{
	cJSON *array = cJSON_AddArrayToObject(into, "errors");

	for (unsigned i = 0; i < t->n_errors; i++) {
		const struct stress_error *e = &t->errors[i];
		cJSON *object = cJSON_CreateObject();

		cJSON_AddItemToArray(array, object);
		cJSON_AddNumberToObject(object, "count", (double)e->count);
		if (e->status != 0)
			cJSON_AddNumberToObject(object, "status", e->status);
		else
			cJSON_AddNullToObject(object, "status");
		cJSON_AddStringToObject(object, "code", e->code);
		cJSON_AddStringToObject(object, "message", e->message);
	}
	cJSON_AddNumberToObject(into, "errors_left_out", (double)t->errors_left_out);
}

void
stress_tally_print(struct stress_tally *t, cJSON *into)
{
	char digits[MONEY_CHARS];
	cJSON *arms, *reasons;

	cJSON_AddNumberToObject(into, "sent", (double)t->sent);
	cJSON_AddNumberToObject(into, "answered", (double)t->answered);
	cJSON_AddNumberToObject(into, "failed", (double)t->failed);
	cJSON_AddNumberToObject(into, "attempts", (double)t->attempts);
	cJSON_AddNumberToObject(into, "fallbacks", (double)t->fallbacks);
	reasons = cJSON_AddObjectToObject(into, "fallback_reasons");
	for (unsigned i = 0; i < t->n_reasons; i++)
		cJSON_AddNumberToObject(reasons, t->reasons[i].reason, (double)t->reasons[i].count);
	cJSON_AddNumberToObject(into, "diverted", (double)t->diverted);
	arms = cJSON_AddObjectToObject(into, "arms");
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		print_arm(arms, (enum arm)arm, t);
	cJSON_AddStringToObject(into, "cost_usd", money_format(digits, t->cost, PICOUSD_DECIMALS));
	cJSON_AddStringToObject(
	    into, "estimated_cost_usd", money_format(digits, t->estimated, PICOUSD_DECIMALS));
	cJSON_AddNumberToObject(into, "without_cost", (double)t->unpriced);
	print_errors(into, t);
}
