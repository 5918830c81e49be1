// SPDX-License-Identifier: MIT
/*
 * The text of /metrics, see metrics.h. A family of samples is a row of metrics.def. The format
 * wants all samples of a family together, so each print_ function goes over all releases and arms.
 */
#include "worker/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/money.h"
#include "common/probe.h"
#include "worker/metrics_guard.h"
#include "worker/promtext.h"

#define SHARE_FULL_BP 10000
/* A label value can double by escapes; two labels with their names. */
#define LABELS_BYTES	   (2 * NAME_BYTES + 64)
#define MODEL_LABELS_BYTES (LABELS_BYTES + 4 * NAME_BYTES + 64)

/* About 2, 5, 10 of each decade, as near as the fine histogram has edges: each is 16 to 31 times a
 * power of two. */
const uint64_t metrics_edges_us[METRICS_EDGES] = { 2560, 5120, 10240, 24576, 49152, 98304, 253952,
	507904, 1015808, 2490368, 4980736, 9961472, 19922944, 30408704, 60817408, 121634816,
	301989888, 603979776, 1207959552, 1811939328 };

typedef void print_fn(struct promtext *p, const struct metrics *m, size_t at);

struct family {
	const char *name, *type, *help;
	print_fn *print;
	size_t at; /* where the figure stands; what that means is up to `print` */
};

/* ---- labels ------------------------------------------------------------------------------------
 */

static void
label_release(char labels[LABELS_BYTES], const struct metrics_release *r)
{
	char *end = promtext_escape(stpcpy(labels, "release=\""), r->set.name);

	stpcpy(end, "\"");
}

static void
label_arm(char labels[LABELS_BYTES], const struct metrics_release *r, unsigned arm)
{
	label_release(labels, r);
	snprintf(labels + strlen(labels), 32, ",arm=\"%s\"", arm_names[arm]);
}

/* ---- grayd as a whole --------------------------------------------------------------------------
 */

static uint64_t
figure(const struct metrics *m, size_t at)
{
	uint64_t n;

	memcpy(&n, (const char *)m + at, sizeof(n));
	return n;
}

/* `at`: of the figure in struct metrics. */
static void
print_figure(struct promtext *p, const struct metrics *m, size_t at)
{
	promtext_number(p, "", "", figure(m, at));
}

static void
print_seconds(struct promtext *p, const struct metrics *m, size_t at)
{
	promtext_seconds(p, "", "", figure(m, at));
}

static void
print_build(struct promtext *p, const struct metrics *m, size_t at)
{
	(void)at;
	promtext_with(p, "", "version", m->version, 1);
}

static void
print_workers(struct promtext *p, const struct metrics *m, size_t at)
{
	static const char *const names[SLOT_GONE] = {
		[SLOT_STARTING] = "starting",
		[SLOT_READY] = "ready",
		[SLOT_DRAINING] = "draining",
	};

	(void)at;
	for (unsigned state = SLOT_STARTING; state < SLOT_GONE; state++)
		promtext_with(p, "", "state", names[state], m->workers[state]);
}

/* ---- releases ----------------------------------------------------------------------------------
 */

static void
put_percent(struct promtext *p, const char *release, const char *kind, uint64_t share_bp)
{
	char number[PROMTEXT_NUMBER_BYTES], labels[LABELS_BYTES + 64];

	snprintf(labels, sizeof(labels), "%s,kind=\"%s\"", release, kind);
	snprintf(number, sizeof(number), "%" PRIu64 ".%02" PRIu64, share_bp / 100, share_bp % 100);
	promtext_text(p, "", labels, number);
}

static void
print_percents(struct promtext *p, const struct metrics *m, size_t at)
{
	(void)at;
	for (unsigned i = 0; i < m->n_releases; i++) {
		const struct metrics_release *r = &m->releases[i];
		uint64_t candidate = r->totals.arms[ARM_CANDIDATE].window;
		uint64_t all = candidate + r->totals.arms[ARM_STABLE].window;
		char labels[LABELS_BYTES];

		label_release(labels, r);
		put_percent(p, labels, "set", r->set.share_bp);
		if (r->published_known)
			put_percent(p, labels, "published", r->published_bp);
		if (all > 0)
			put_percent(
			    p, labels, "measured", (candidate * SHARE_FULL_BP + all / 2) / all);
	}
}

static void
print_states(struct promtext *p, const struct metrics *m, size_t at)
{
	static const char *const names[STATE_COUNT] = {
#define STATE(id, name, ...) [STATE_##id] = name,
#include "common/states.def"
#undef STATE
	};

	(void)at;
	for (unsigned i = 0; i < m->n_releases; i++) {
		const struct metrics_release *r = &m->releases[i];
		char labels[LABELS_BYTES];

		label_release(labels, r);
		for (unsigned state = 0; state < STATE_COUNT; state++)
			promtext_with(p, labels, "state", names[state], r->set.state == state);
	}
}

/* Only of releases that are on hold: why. */
static void
print_holds(struct promtext *p, const struct metrics *m, size_t at)
{
	static const char *const names[HOLD_COUNT] = {
#define HOLD(id, name, ...) [HOLD_##id] = name,
#include "common/holds.def"
#undef HOLD
	};

	(void)at;
	for (unsigned i = 0; i < m->n_releases; i++) {
		const struct metrics_release *r = &m->releases[i];
		char labels[LABELS_BYTES];

		label_release(labels, r);
		if (r->set.state == STATE_HOLD && r->set.hold < HOLD_COUNT)
			promtext_with(p, labels, "reason", names[r->set.hold], 1);
	}
}

static void
print_changed(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases; i++) {
		label_release(labels, &m->releases[i]);
		promtext_seconds(p, "", labels, m->releases[i].set.changed_wall_us);
	}
}

/* False: the arm has no model. */
static bool
label_model(char labels[MODEL_LABELS_BYTES], const struct metrics_release *r, unsigned arm)
{
	const struct config_model *model = r->models[arm];
	char *end;

	if (model == NULL)
		return false;
	label_arm(labels, r, arm);
	end = promtext_escape(stpcpy(labels + strlen(labels), ",model=\""), model->name);
	end = promtext_escape(stpcpy(end, "\",provider=\""), model->provider->name);
	stpcpy(end, "\"");
	return true;
}

static void
print_known(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[MODEL_LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases * ARM_COUNT; i++) {
		const struct metrics_release *r = &m->releases[i / ARM_COUNT];
		uint32_t standing = r->standings[i % ARM_COUNT];

		if ((standing == STANDING_VERIFIED || standing == STANDING_UNKNOWN) &&
		    label_model(labels, r, i % ARM_COUNT))
			promtext_number(p, "", labels, standing == STANDING_VERIFIED);
	}
}

static void
print_asked(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[MODEL_LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases * ARM_COUNT; i++) {
		const struct metrics_release *r = &m->releases[i / ARM_COUNT];
		uint64_t asked_wall_us = r->asked_wall_us[i % ARM_COUNT];

		if (asked_wall_us != 0 && label_model(labels, r, i % ARM_COUNT))
			promtext_seconds(p, "", labels, asked_wall_us);
	}
}

static void
print_cooling(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[MODEL_LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases * ARM_COUNT; i++) {
		const struct metrics_release *r = &m->releases[i / ARM_COUNT];

		if (label_model(labels, r, i % ARM_COUNT))
			promtext_number(p, "", labels, r->cooling_us[i % ARM_COUNT] > 0);
	}
}

static void
print_cool_down(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[MODEL_LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases * ARM_COUNT; i++) {
		const struct metrics_release *r = &m->releases[i / ARM_COUNT];

		if (label_model(labels, r, i % ARM_COUNT))
			promtext_seconds(p, "", labels, r->cooling_us[i % ARM_COUNT]);
	}
}

static void
print_fallbacks(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases; i++) {
		const struct arm_totals *arms = m->releases[i].totals.arms;

		label_release(labels, &m->releases[i]);
		for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
			const struct outcome_info *info = outcome_info((enum outcome)o);
			uint64_t n =
			    arms[ARM_STABLE].fallbacks[o] + arms[ARM_CANDIDATE].fallbacks[o];

			if (info->fall_back || n > 0)
				promtext_with(p, labels, "reason", info->name, n);
		}
	}
}

/* ---- arms --------------------------------------------------------------------------------------
 */

typedef void print_arm_fn(
    struct promtext *p, const char *labels, const struct arm_totals *arm, size_t at);

static void
each_arm(struct promtext *p, const struct metrics *m, print_arm_fn *print, size_t at)
{
	char labels[LABELS_BYTES];

	for (unsigned i = 0; i < m->n_releases; i++) {
		const struct metrics_release *r = &m->releases[i];

		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			label_arm(labels, r, arm);
			print(p, labels, &r->totals.arms[arm], at);
		}
	}
}

static void
put_outcomes(struct promtext *p, const char *labels, const struct arm_totals *arm, size_t at)
{
	uint64_t counts[OUTCOME_COUNT];

	memcpy(counts, (const char *)arm + at, sizeof(counts));
	for (unsigned o = 0; o < OUTCOME_COUNT; o++)
		promtext_with(p, labels, "outcome", outcome_name((enum outcome)o), counts[o]);
}

/* `at`: of the figures by outcome in struct arm_totals. */
static void
print_outcomes(struct promtext *p, const struct metrics *m, size_t at)
{
	each_arm(p, m, put_outcomes, at);
}

static void
put_counter(struct promtext *p, const char *labels, const struct arm_totals *arm, size_t at)
{
	promtext_number(p, "", labels, arm->counters[at]);
}

/* `at`: enum counter. */
static void
print_counter(struct promtext *p, const struct metrics *m, size_t at)
{
	each_arm(p, m, put_counter, at);
}

static void
put_in_flight(struct promtext *p, const char *labels, const struct arm_totals *arm, size_t at)
{
	(void)at;
	promtext_number(p, "", labels, arm->in_flight);
}

static void
print_in_flight(struct promtext *p, const struct metrics *m, size_t at)
{
	each_arm(p, m, put_in_flight, at);
}

static const struct {
	enum counter counter;
	const char *type;
} token_types[] = {
	{ COUNTER_TOKENS_INPUT, "input" },
	{ COUNTER_TOKENS_CACHED, "cached" },
	{ COUNTER_TOKENS_CACHE_WRITE, "cache_write" },
	{ COUNTER_TOKENS_OUTPUT, "output" },
};
#define N_TOKEN_TYPES (sizeof(token_types) / sizeof(token_types[0]))

static void
put_tokens(struct promtext *p, const char *labels, const struct arm_totals *arm, size_t at)
{
	(void)at;
	for (size_t i = 0; i < N_TOKEN_TYPES; i++)
		promtext_with(
		    p, labels, "type", token_types[i].type, arm->counters[token_types[i].counter]);
}

static void
print_tokens(struct promtext *p, const struct metrics *m, size_t at)
{
	each_arm(p, m, put_tokens, at);
}

static const struct {
	enum counter counter;
	const char *type;
} estimated_types[] = {
	{ COUNTER_ESTIMATED_INPUT, "input" },
	{ COUNTER_ESTIMATED_OUTPUT, "output" },
};

static void
put_estimated(struct promtext *p, const char *labels, const struct arm_totals *arm, size_t at)
{
	(void)at;
	for (size_t i = 0; i < sizeof(estimated_types) / sizeof(estimated_types[0]); i++)
		promtext_with(p, labels, "type", estimated_types[i].type,
		    arm->counters[estimated_types[i].counter]);
}

static void
print_estimated(struct promtext *p, const struct metrics *m, size_t at)
{
	each_arm(p, m, put_estimated, at);
}

static void
put_money(struct promtext *p, const char *labels, uint64_t units, uint64_t picousd)
{
	char digits[MONEY_CHARS];

	promtext_text(p, "", labels,
	    money_format(digits, money_from_units(units, picousd), PICOUSD_DECIMALS));
}

/* `at`: enum counter, of the units; the rest stands in the next counter. */
static void
put_cost(struct promtext *p, const char *labels, const struct arm_totals *arm, size_t at)
{
	put_money(p, labels, arm->counters[at], arm->counters[at + 1]);
}

static void
print_cost(struct promtext *p, const struct metrics *m, size_t at)
{
	each_arm(p, m, put_cost, at);
}

static void
put_bucket(struct promtext *p, const char *labels, const char *edge, uint64_t below)
{
	char all[LABELS_BYTES + 64];

	snprintf(all, sizeof(all), "%s,le=\"%s\"", labels, edge);
	promtext_number(p, "_bucket", all, below);
}

/* A value that was cut to whole microseconds is below an edge just when the true one was. What was
 * seen in buckets is the count, so that it can never contradict them. */
static void
put_histogram(struct promtext *p, const char *labels, const struct arm_totals *arm, size_t at)
{
	const struct histogram_sum *sum = (const void *)((const char *)arm + at);
	char edge[PROMTEXT_NUMBER_BYTES];
	uint64_t below = 0;
	unsigned bucket = 0;

	for (unsigned i = 0; i < METRICS_EDGES; i++) {
		while (bucket < histogram_bucket(metrics_edges_us[i]))
			below += sum->buckets[bucket++];
		snprintf(edge, sizeof(edge), "%.10g", (double)metrics_edges_us[i] / US_PER_S);
		put_bucket(p, labels, edge, below);
	}
	while (bucket < HIST_BUCKETS)
		below += sum->buckets[bucket++];
	put_bucket(p, labels, "+Inf", below);
	promtext_seconds(p, "_sum", labels, sum->sum_us);
	promtext_number(p, "_count", labels, below);
}

/* `at`: of the histogram in struct arm_totals. */
static void
print_histogram(struct promtext *p, const struct metrics *m, size_t at)
{
	each_arm(p, m, put_histogram, at);
}

/* ---- clients -----------------------------------------------------------------------------------
 */

static void
label_client(char labels[LABELS_BYTES], const struct client_totals *client)
{
	stpcpy(promtext_escape(stpcpy(labels, "client=\""), client->name), "\"");
}

/* `at`: enum client_counter. */
static void
print_client(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[LABELS_BYTES];

	for (unsigned i = 0; i < m->n_clients; i++) {
		label_client(labels, &m->clients[i]);
		promtext_number(p, "", labels, m->clients[i].counters[at]);
	}
}

/* `at`: enum client_counter, of the units; the rest stands in the next counter. */
static void
print_client_cost(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[LABELS_BYTES];

	for (unsigned i = 0; i < m->n_clients; i++) {
		const uint64_t *counters = m->clients[i].counters;

		label_client(labels, &m->clients[i]);
		put_money(p, labels, counters[at], counters[at + 1]);
	}
}

static const struct {
	enum client_counter counter;
	const char *type;
} client_types[] = {
	{ CLIENT_COUNTER_TOKENS_INPUT, "input" },
	{ CLIENT_COUNTER_TOKENS_CACHED, "cached" },
	{ CLIENT_COUNTER_TOKENS_CACHE_WRITE, "cache_write" },
	{ CLIENT_COUNTER_TOKENS_OUTPUT, "output" },
};

static void
print_client_tokens(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_clients; i++) {
		label_client(labels, &m->clients[i]);
		for (size_t k = 0; k < sizeof(client_types) / sizeof(client_types[0]); k++)
			promtext_with(p, labels, "type", client_types[k].type,
			    m->clients[i].counters[client_types[k].counter]);
	}
}

_Static_assert(COUNTER_COST_PICOUSD == COUNTER_COST_UNITS + 1 &&
		   COUNTER_ESTIMATED_PICOUSD == COUNTER_ESTIMATED_UNITS + 1 &&
		   CLIENT_COUNTER_COST_PICOUSD == CLIENT_COUNTER_COST_UNITS + 1 &&
		   CLIENT_COUNTER_ESTIMATED_PICOUSD == CLIENT_COUNTER_ESTIMATED_UNITS + 1,
    "units of money, then the rest");

/* ---- all families ------------------------------------------------------------------------------
 */

#define WHOLE(field) offsetof(struct metrics, field)
#define ARM(field)   offsetof(struct arm_totals, field)

#define print_evidence	metrics_guard_evidence
#define print_verdicts	metrics_guard_verdicts
#define print_uncounted metrics_guard_uncounted

static const struct family families[] = {
#define FAMILY(name, type, print, at, help) { #name, #type, help, print_##print, at },
#include "worker/metrics.def"
#undef FAMILY
};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

/* Counters that stand in a family above, or are the sum of one. */
static const bool has_family[COUNTER_COUNT] = {
	[COUNTER_REQUESTS] = true,
	[COUNTER_ATTEMPTS] = true,
	[COUNTER_FALLBACKS] = true,
	[COUNTER_TOKENS_INPUT] = true,
	[COUNTER_TOKENS_CACHED] = true,
	[COUNTER_TOKENS_CACHE_WRITE] = true,
	[COUNTER_TOKENS_OUTPUT] = true,
	[COUNTER_COST_UNITS] = true,
	[COUNTER_COST_PICOUSD] = true,
	[COUNTER_ESTIMATED_INPUT] = true,
	[COUNTER_ESTIMATED_OUTPUT] = true,
	[COUNTER_ESTIMATED_UNITS] = true,
	[COUNTER_ESTIMATED_PICOUSD] = true,
};

int
metrics_print(const struct metrics *m, struct buf *out)
{
	struct promtext p = { .out = out };
	char name[64], help[160];

	for (size_t i = 0; i < N_FAMILIES; i++) {
		promtext_family(&p, families[i].name, families[i].type, families[i].help);
		families[i].print(&p, m, families[i].at);
	}
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		const struct counter_info *info = counter_info((enum counter)c);

		if (has_family[c])
			continue;
		snprintf(name, sizeof(name), "grayd_%s_total", info->name);
		snprintf(help, sizeof(help), "Counted for each arm: %s.", info->help);
		promtext_family(&p, name, "counter", help);
		print_counter(&p, m, c);
	}
	return p.failed ? -1 : 0;
}
