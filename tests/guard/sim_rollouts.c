// SPDX-License-Identifier: MIT
/*
 * Whole rollouts, 10 -> 30 -> 50 -> 98 -> done, under the guard's own rules with their defaults:
 * the verdict is asked after every 50 requests, as often as a guard would that looks once a second.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/verdict.h"
#include "tests/guard/sim.h"

#define RUNS	       300
#define LOOK_EVERY     50
#define STAGE_REQUESTS 120000 /* longer at one stage is a deadline */
#define BAKE_REQUESTS  3000

static const char config_text[] =
    "{\"state_dir\":\"/tmp/x\",\"control_socket\":\"/tmp/x.sock\","
    "\"providers\":{\"p\":{\"kind\":\"openai\",\"base_url\":\"http://127.0.0.1:1/v1\"}},"
    "\"models\":{\"a\":{\"provider\":\"p\",\"name\":\"a\"},\"b\":{\"provider\":\"p\",\"name\":"
    "\"b\"}},"
    "\"releases\":{\"r\":{\"stable\":\"a\",\"candidate\":\"b\"}}}";

/* How answers are; rates of the symptoms, and what the values are multiplied by. */
struct behaviour {
	double rates[SYMPTOM_COUNT];
	double slower, longer;
};

static const struct behaviour usual = {
	.rates = { [SYMPTOM_ERROR] = .01,
	    [SYMPTOM_TIMEOUT] = .005,
	    [SYMPTOM_EMPTY] = .001,
	    [SYMPTOM_LENGTH] = .08,
	    [SYMPTOM_FILTERED] = .004,
	    [SYMPTOM_LEFT] = .03 },
	.slower = 1,
	.longer = 1,
};

enum end { END_DONE, END_ROLLED_BACK, END_HELD, END_DEADLINE, END_COUNT };

struct rollout {
	enum end end;
	unsigned requests, candidate;
	enum verdict_test test;
	unsigned what;
};

/* So many requests of either arm fail after the first thousand. */
static unsigned outage;
#define OUTAGE_AFTER 1000

static struct verdict_rules rules;
static struct evidence evidence;

static void
add_value(struct evidence_value *v, double fine, double coarse)
{
	uint64_t unit = fine > 1 ? (uint64_t)llround(log(fine) * EVIDENCE_LOG_UNIT) : 0;

	v->n++;
	v->sum += unit;
	v->squares += unit * unit;
	v->buckets[evidence_bucket((uint64_t)coarse)]++;
}

static void
add_values(struct evidence_arm *a, const struct behaviour *b, struct sim_random *r)
{
	double tokens = exp(5.5 + .8 * sim_normal(r)) * b->longer;
	double first_ms = exp(6 + .5 * sim_normal(r)) * b->slower;
	double all_ms = first_ms + tokens * 20 * b->slower;

	if (sim_uniform(r) < .5)
		add_value(&a->values[VALUE_FIRST_TOKEN], first_ms * 1000, first_ms);
	add_value(&a->values[VALUE_LATENCY], all_ms * 1000, all_ms);
	add_value(&a->values[VALUE_OUTPUT], tokens, tokens);
	add_value(&a->values[VALUE_COST], tokens * 8000, tokens * 8);
}

/* One request without a key. */
static enum arm
add_request(uint32_t share_bp, const struct behaviour *candidate, bool fails, struct sim_random *r)
{
	enum arm arm = sim_uniform(r) * 10000 < share_bp ? ARM_CANDIDATE : ARM_STABLE;
	const struct behaviour *b = arm == ARM_CANDIDATE ? candidate : &usual;
	struct evidence_arm *a = &evidence_share(&evidence, share_bp)->arms[arm];
	double u = fails ? 0 : sim_uniform(r);

	a->assigned++;
	a->requests++;
	a->firsts++;
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		if (!fails && u >= b->rates[i]) {
			u -= b->rates[i];
			continue;
		}
		a->bad[i]++;
		a->bad_firsts[i]++;
		a->bad_keys[i]++;
		return arm;
	}
	add_values(a, b, r);
	return arm;
}

/* False: the rollout has ended. */
static bool
stay(struct rollout *o, uint32_t share_bp, const struct behaviour *candidate,
    struct verdict_span *span, struct sim_random *r)
{
	struct verdict_case c = {
		.rules = &rules, .evidence = &evidence, .span = span, .share_bp = share_bp
	};
	static struct verdict v;

	for (unsigned i = 1; i <= STAGE_REQUESTS; i++) {
		bool fails = o->requests >= OUTAGE_AFTER && o->requests < OUTAGE_AFTER + outage;

		o->requests++;
		o->candidate += add_request(share_bp, candidate, fails, r) == ARM_CANDIDATE;
		if (i % LOOK_EVERY != 0)
			continue;
		verdict_span_move(span, &evidence, true);
		verdict_find(&c, &v);
		o->test = v.test;
		o->what = v.what;
		if (v.kind == VERDICT_ROLLBACK || v.kind == VERDICT_HOLD) {
			o->end = v.kind == VERDICT_HOLD ? END_HELD : END_ROLLED_BACK;
			return false;
		}
		if (v.kind == VERDICT_SAFE && (share_bp < 9800 || i >= BAKE_REQUESTS))
			return true;
	}
	o->end = END_DEADLINE;
	return false;
}

static void
roll_out(struct rollout *o, uint64_t seed, const struct behaviour *candidate)
{
	static const uint32_t shares[] = { 1000, 3000, 5000, 9800 };
	struct sim_random random = { seed };
	struct verdict_span span = { 0 };

	memset(&evidence, 0, sizeof(evidence));
	memset(o, 0, sizeof(*o));
	for (unsigned i = 0; i < 4; i++) {
		if (!stay(o, shares[i], candidate, &span, &random))
			return;
	}
	o->end = END_DONE;
}

static int
compare(const void *a, const void *b)
{
	const struct rollout *x = a, *y = b;

	return (x->requests > y->requests) - (x->requests < y->requests);
}

/* The most frequent reason is told by its first occurrence among the median ones. */
static void
run_all(
    const char *name, const struct behaviour *candidate, unsigned runs, unsigned ends[END_COUNT])
{
	static struct rollout all[RUNS];
	const struct rollout *middle = &all[runs / 2];

	memset(ends, 0, END_COUNT * sizeof(*ends));
	for (unsigned i = 0; i < runs; i++) {
		roll_out(&all[i], 4000 + i, candidate);
		ends[all[i].end]++;
	}
	qsort(all, runs, sizeof(all[0]), compare);
	printf("| %s | %u | %u | %u | %u | %u | %u |\n", name, ends[END_DONE],
	    ends[END_ROLLED_BACK], ends[END_HELD], ends[END_DEADLINE], middle->requests,
	    middle->candidate);
}

/* ---- the cases ------------------------------------------------------------------------------- */

static struct behaviour
with(enum symptom symptom, double rate)
{
	struct behaviour b = usual;

	b.rates[symptom] = rate;
	return b;
}

static void
check_bad(const char *name, struct behaviour b, enum end should_be)
{
	unsigned ends[END_COUNT];

	run_all(name, &b, 40, ends);
	sim_check(ends[should_be] >= 39, "%s: %u of 40", name, ends[should_be]);
	sim_check(ends[END_DONE] == 0, "%s: promoted", name);
}

/* Where few requests of the candidate fall into it, it may go by unseen. */
static void
check_outage(void)
{
	unsigned ends[END_COUNT];

	outage = 200;
	run_all("harmless, an outage of both", &usual, 40, ends);
	outage = 0;
	sim_check(ends[END_ROLLED_BACK] == 0, "outages rolled back: %u", ends[END_ROLLED_BACK]);
	sim_check(ends[END_HELD] >= 36, "outages held: only %u", ends[END_HELD]);
}

static void
check_harmless(void)
{
	unsigned ends[END_COUNT];
	/* What alpha, breaker_alpha and split_alpha promise together, and four standard deviations.
	 */
	double promised = RUNS * (.01 + .001), holds = RUNS * (.01 + .01 + .001);

	run_all("harmless", &usual, RUNS, ends);
	sim_check(ends[END_ROLLED_BACK] <= promised + 4 * sqrt(promised), "false rollbacks: %u",
	    ends[END_ROLLED_BACK]);
	sim_check(ends[END_HELD] <= holds + 4 * sqrt(holds), "false holds: %u", ends[END_HELD]);
	sim_check(ends[END_DONE] >= RUNS * 9 / 10, "done: only %u", ends[END_DONE]);
}

static void
load_rules(void)
{
	struct err e;
	struct config *config = config_parse("sim", config_text, CONFIG_NO_SECRETS, &e);

	if (config == NULL) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	verdict_rules_init(&rules, &config->releases[0]);
	config_free(config);
}

void
sim_rollouts(void)
{
	struct behaviour slow = usual, wordy = usual;

	slow.slower = 1.6;
	wordy.longer = 2;
	load_rules();
	printf("\n| candidate | done | rolled back | held | deadline | requests, median | of the "
	       "candidate |\n|---|---|---|---|---|---|---|\n");
	check_harmless();
	check_bad("fails always", with(SYMPTOM_ERROR, .999), END_ROLLED_BACK);
	check_bad("fails half of the time", with(SYMPTOM_ERROR, .5), END_ROLLED_BACK);
	check_bad("fails 5 times as often", with(SYMPTOM_ERROR, .05), END_ROLLED_BACK);
	check_bad("empty answers, 5 %", with(SYMPTOM_EMPTY, .05), END_ROLLED_BACK);
	check_bad("broken tool calls, 5 %", with(SYMPTOM_BAD_TOOL, .05), END_ROLLED_BACK);
	check_bad("another script, 5 %", with(SYMPTOM_SCRIPT, .05), END_HELD);
	check_bad("clients leave 3 times as often", with(SYMPTOM_LEFT, .09), END_HELD);
	check_bad("slower by 60 %", slow, END_HELD);
	check_bad("answers of double length", wordy, END_HELD);
	check_outage();
}
