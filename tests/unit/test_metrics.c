// SPDX-License-Identifier: MIT
/*
 * The text of /metrics: whole families as golden text, what the format asks of all of them, and
 * histograms whose buckets are exact, rising, and end in the count.
 */
#include "worker/metrics.h"

#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/probe.h"

void suite_metrics(void);

static struct metrics metrics; /* too large for a stack */
static char *text;

static void
print(void)
{
	struct buf out = { 0 };

	CU_ASSERT_EQUAL_FATAL(metrics_print(&metrics, &out), 0);
	CU_ASSERT_EQUAL_FATAL(buf_add(&out, "", 1), 0);
	free(text);
	text = strdup((const char *)buf_bytes(&out));
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	buf_free(&out);
}

static struct metrics_release *
begin(const char *release)
{
	struct metrics_release *r = &metrics.releases[0];

	memset(&metrics, 0, sizeof(metrics));
	metrics.version = "1.2.3";
	metrics.n_releases = 1;
	strcpy(r->set.name, release);
	return r;
}

/* The samples of a family, without its HELP and TYPE; to be freed. */
static char *
samples(const char *family)
{
	char head[128], *at, *end;

	snprintf(head, sizeof(head), "\n# TYPE %s ", family);
	at = strstr(text, head);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	at = strchr(at + 1, '\n') + 1;
	end = strstr(at, "# HELP ");
	return strndup(at, end != NULL ? (size_t)(end - at) : strlen(at));
}

static void
expect(const char *family, const char *want)
{
	char *got = samples(family);

	if (strcmp(got, want) != 0)
		printf("\n%s: expected\n%sgot\n%s", family, want, got);
	CU_ASSERT_STRING_EQUAL(got, want);
	free(got);
}

static void
test_grayd(void)
{
	begin("chat");
	metrics.started_wall_us = 1795441869000123;
	metrics.uptime_us = 61500000;
	metrics.revision = 17;
	metrics.workers[SLOT_READY] = 4;
	metrics.workers[SLOT_DRAINING] = 2;
	metrics.overall = (struct overall_totals){ .started = 1000,
		.finished = 990,
		.rejected = 3,
		.lost = 1,
		.restarts = 5,
		.connections = 1ull << 56,
		.open = 12 };
	print();
	expect("grayd_build_info", "grayd_build_info{version=\"1.2.3\"} 1\n");
	expect("grayd_start_time_seconds", "grayd_start_time_seconds 1795441869.000123\n");
	expect("grayd_uptime_seconds", "grayd_uptime_seconds 61.500000\n");
	expect("grayd_workers", "grayd_workers{state=\"starting\"} 0\n"
				"grayd_workers{state=\"ready\"} 4\n"
				"grayd_workers{state=\"draining\"} 2\n");
	expect("grayd_worker_restarts_total", "grayd_worker_restarts_total 5\n");
	expect("grayd_connections_total", "grayd_connections_total 72057594037927936\n");
	expect("grayd_connections_open", "grayd_connections_open 12\n");
	expect("grayd_requests_started_total", "grayd_requests_started_total 1000\n");
	expect("grayd_requests_finished_total", "grayd_requests_finished_total 990\n");
	expect("grayd_requests_rejected_total", "grayd_requests_rejected_total 3\n");
	expect("grayd_requests_lost_total", "grayd_requests_lost_total 1\n");
	expect("grayd_policy_revision", "grayd_policy_revision 17\n");
	CU_ASSERT_PTR_NOT_NULL(
	    strstr(text, "# HELP grayd_workers Worker processes that are alive, by state.\n"
			 "# TYPE grayd_workers gauge\n"));
}

static void
test_release(void)
{
	struct metrics_release *r = begin("chat");

	r->set.share_bp = 3000;
	r->set.state = STATE_HOLD;
	r->set.changed_wall_us = 1795441869500000;
	print();
	/* What nobody knows is not there. */
	expect("grayd_release_percent",
	    "grayd_release_percent{release=\"chat\",kind=\"set\"} 30.00\n");
	r->published_known = true;
	r->published_bp = 1005;
	r->totals.arms[ARM_CANDIDATE].window = 1;
	r->totals.arms[ARM_STABLE].window = 2;
	print();
	expect("grayd_release_percent",
	    "grayd_release_percent{release=\"chat\",kind=\"set\"} 30.00\n"
	    "grayd_release_percent{release=\"chat\",kind=\"published\"} 10.05\n"
	    "grayd_release_percent{release=\"chat\",kind=\"measured\"} 33.33\n");
	expect("grayd_release_state",
	    "grayd_release_state{release=\"chat\",state=\"idle\"} 0\n"
	    "grayd_release_state{release=\"chat\",state=\"preflight\"} 0\n"
	    "grayd_release_state{release=\"chat\",state=\"step\"} 0\n"
	    "grayd_release_state{release=\"chat\",state=\"hold\"} 1\n"
	    "grayd_release_state{release=\"chat\",state=\"bake\"} 0\n"
	    "grayd_release_state{release=\"chat\",state=\"done\"} 0\n"
	    "grayd_release_state{release=\"chat\",state=\"rolled_back\"} 0\n");
	expect("grayd_release_changed_timestamp_seconds",
	    "grayd_release_changed_timestamp_seconds{release=\"chat\"} 1795441869.500000\n");
}

static void
test_arms(void)
{
	struct metrics_release *r = begin("chat");
	struct arm_totals *stable = &r->totals.arms[ARM_STABLE];
	struct arm_totals *candidate = &r->totals.arms[ARM_CANDIDATE];

	stable->counters[COUNTER_REQUESTS] = 70;
	candidate->counters[COUNTER_REQUESTS] = 30;
	candidate->in_flight = 4;
	stable->counters[COUNTER_TOKENS_CACHED] = 11;
	candidate->counters[COUNTER_TOKENS_OUTPUT] = 12;
	stable->counters[COUNTER_COST_UNITS] = 30000000;
	/* The rests of many attempts together. */
	stable->counters[COUNTER_COST_PICOUSD] = 1250000000001;
	candidate->counters[COUNTER_TOKENS_CACHE_WRITE] = 13;
	candidate->counters[COUNTER_ESTIMATED_INPUT] = 14;
	candidate->counters[COUNTER_ESTIMATED_UNITS] = 1;
	candidate->counters[COUNTER_ESTIMATED_PICOUSD] = 5;
	stable->counters[COUNTER_RETRIES] = 8;
	print();
	expect("grayd_assigned_total", "grayd_assigned_total{release=\"chat\",arm=\"stable\"} 70\n"
				       "grayd_assigned_total{release=\"chat\",arm=\"candidate\"} "
				       "30\n");
	expect("grayd_in_flight", "grayd_in_flight{release=\"chat\",arm=\"stable\"} 0\n"
				  "grayd_in_flight{release=\"chat\",arm=\"candidate\"} 4\n");
	expect("grayd_tokens_total",
	    "grayd_tokens_total{release=\"chat\",arm=\"stable\",type=\"input\"} 0\n"
	    "grayd_tokens_total{release=\"chat\",arm=\"stable\",type=\"cached\"} 11\n"
	    "grayd_tokens_total{release=\"chat\",arm=\"stable\",type=\"cache_write\"} 0\n"
	    "grayd_tokens_total{release=\"chat\",arm=\"stable\",type=\"output\"} 0\n"
	    "grayd_tokens_total{release=\"chat\",arm=\"candidate\",type=\"input\"} 0\n"
	    "grayd_tokens_total{release=\"chat\",arm=\"candidate\",type=\"cached\"} 0\n"
	    "grayd_tokens_total{release=\"chat\",arm=\"candidate\",type=\"cache_write\"} 13\n"
	    "grayd_tokens_total{release=\"chat\",arm=\"candidate\",type=\"output\"} 12\n");
	expect("grayd_cost_usd_total",
	    "grayd_cost_usd_total{release=\"chat\",arm=\"stable\"} 4.250000000001\n"
	    "grayd_cost_usd_total{release=\"chat\",arm=\"candidate\"} 0.000000000000\n");
	expect("grayd_estimated_tokens_total",
	    "grayd_estimated_tokens_total{release=\"chat\",arm=\"stable\",type=\"input\"} 0\n"
	    "grayd_estimated_tokens_total{release=\"chat\",arm=\"stable\",type=\"output\"} 0\n"
	    "grayd_estimated_tokens_total{release=\"chat\",arm=\"candidate\",type=\"input\"} 14\n"
	    "grayd_estimated_tokens_total{release=\"chat\",arm=\"candidate\",type=\"output\"} "
	    "0\n");
	expect("grayd_estimated_cost_usd_total",
	    "grayd_estimated_cost_usd_total{release=\"chat\",arm=\"stable\"} 0.000000000000\n"
	    "grayd_estimated_cost_usd_total{release=\"chat\",arm=\"candidate\"} "
	    "0.000000100005\n");
	expect("grayd_retries_total", "grayd_retries_total{release=\"chat\",arm=\"stable\"} 8\n"
				      "grayd_retries_total{release=\"chat\",arm=\"candidate\"} "
				      "0\n");
}

static void
test_clients(void)
{
	struct client_totals *c = metrics.clients;

	begin("chat");
	strcpy(c[0].name, "team-a");
	strcpy(c[1].name, "b\"b");
	c[1].counters[CLIENT_COUNTER_REQUESTS] = 7;
	c[1].counters[CLIENT_COUNTER_TOKENS_CACHE_WRITE] = 8;
	c[1].counters[CLIENT_COUNTER_COST_UNITS] = 9;
	c[1].counters[CLIENT_COUNTER_COST_PICOUSD] = 100001;
	metrics.n_clients = 2;
	print();
	expect("grayd_client_requests_total", "grayd_client_requests_total{client=\"team-a\"} 0\n"
					      "grayd_client_requests_total{client=\"b\\\"b\"} 7\n");
	expect("grayd_client_cost_usd_total",
	    "grayd_client_cost_usd_total{client=\"team-a\"} 0.000000000000\n"
	    "grayd_client_cost_usd_total{client=\"b\\\"b\"} 0.000001000001\n");
	CU_ASSERT_PTR_NOT_NULL(
	    strstr(text, "grayd_client_tokens_total{client=\"b\\\"b\",type=\"cache_write\"} 8\n"));
}

static bool
has_line(const char *line)
{
	const char *at = strstr(text, line);

	return at != NULL && at > text && at[-1] == '\n';
}

static void
test_outcomes(void)
{
	struct metrics_release *r = begin("chat");
	struct arm_totals *arms = r->totals.arms;
	char line[200];

	for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
		arms[ARM_STABLE].finished[o] = 100 + o;
		arms[ARM_CANDIDATE].attempts[o] = 200 + o;
	}
	arms[ARM_STABLE].fallbacks[OUTCOME_EMPTY] = 1;
	arms[ARM_CANDIDATE].fallbacks[OUTCOME_EMPTY] = 2;
	print();
	for (unsigned o = 0; o < OUTCOME_COUNT; o++) {
		snprintf(line, sizeof(line),
		    "grayd_requests_total{release=\"chat\",arm=\"stable\",outcome=\"%s\"} %u\n",
		    outcome_name((enum outcome)o), 100 + o);
		CU_ASSERT_TRUE(has_line(line));
		snprintf(line, sizeof(line),
		    "grayd_attempts_total{release=\"chat\",arm=\"candidate\",outcome=\"%s\"} %u\n",
		    outcome_name((enum outcome)o), 200 + o);
		CU_ASSERT_TRUE(has_line(line));
	}
	CU_ASSERT_TRUE(has_line("grayd_fallbacks_total{release=\"chat\",reason=\"empty\"} 3\n"));
	CU_ASSERT_TRUE(has_line("grayd_fallbacks_total{release=\"chat\",reason=\"refused\"} 0\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "reason=\"ok\""));
}

static void
test_escapes(void)
{
	char name[NAME_BYTES];

	begin("a\"b\\c\nd{e}");
	print();
	expect("grayd_release_percent",
	    "grayd_release_percent{release=\"a\\\"b\\\\c\\nd{e}\",kind=\"set\"} 0.00\n");
	/* The longest name, all of it escaped. */
	memset(name, '"', sizeof(name));
	name[NAME_BYTES - 1] = '\0';
	begin(name);
	print();
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\\\"\\\"\",arm=\"candidate\",le=\"+Inf\"} 0\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\\\"\\\"\",arm=\"candidate\",outcome=\"first_token_"
					    "timeout\"} 0\n"));
}

/* ---- what the format asks ----------------------------------------------------------------------
 */

/* Each family stands there once, with HELP, TYPE and then its samples, and nothing else. */
static void
test_format(void)
{
	char *copy, *line, *save = NULL, family[128] = "", type[16] = "";
	unsigned n_families = 0;

	begin("chat");
	strcpy(metrics.releases[1].set.name, "other");
	metrics.n_releases = 2;
	print();
	copy = strdup(text);
	for (line = strtok_r(copy, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		char again[160], name[128];

		if (sscanf(line, "# HELP %127s", name) == 1) {
			snprintf(again, sizeof(again), "# HELP %s ", name);
			CU_ASSERT_PTR_NULL(strstr(strstr(text, again) + 1, again));
			CU_ASSERT_PTR_NULL(strchr(line, '\\'));
			strcpy(family, name);
			n_families++;
		} else if (sscanf(line, "# TYPE %127s %15s", name, type) == 2) {
			CU_ASSERT_STRING_EQUAL(name, family);
			CU_ASSERT_EQUAL(strcmp(type, "counter") == 0,
			    strcmp(name + strlen(name) - 6, "_total") == 0);
		} else {
			CU_ASSERT_EQUAL(strncmp(line, family, strlen(family)), 0);
			CU_ASSERT_PTR_NOT_NULL(strchr("{ _", line[strlen(family)]));
		}
	}
	CU_ASSERT(n_families > 30);
	free(copy);
}

/* Every counter of counters.def is to be found: under its own name, or in a family that is known.
 */
static void
test_counters(void)
{
	static const struct {
		enum counter counter;
		const char *family;
	} elsewhere[] = {
		{ COUNTER_REQUESTS, "grayd_assigned_total{" },
		{ COUNTER_ATTEMPTS, "grayd_attempts_total{" },
		{ COUNTER_TOKENS_INPUT, "type=\"input\"" },
		{ COUNTER_TOKENS_CACHED, "type=\"cached\"" },
		{ COUNTER_TOKENS_OUTPUT, "type=\"output\"" },
		{ COUNTER_TOKENS_CACHE_WRITE, "type=\"cache_write\"" },
		{ COUNTER_COST_UNITS, "grayd_cost_usd_total{" },
		{ COUNTER_ESTIMATED_INPUT, "grayd_estimated_tokens_total{" },
		{ COUNTER_ESTIMATED_OUTPUT, "grayd_estimated_tokens_total{" },
		{ COUNTER_ESTIMATED_UNITS, "grayd_estimated_cost_usd_total{" },
		{ COUNTER_ESTIMATED_PICOUSD, "grayd_estimated_cost_usd_total{" },
		{ COUNTER_COST_PICOUSD, "grayd_cost_usd_total{" },
	};

	begin("chat");
	print();
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		char family[80];

		snprintf(family, sizeof(family), "\ngrayd_%s_total{",
		    counter_info((enum counter)c)->name);
		for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
			if (elsewhere[i].counter == c)
				strcpy(family, elsewhere[i].family);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, family));
	}
}

/* ---- histograms --------------------------------------------------------------------------------
 */

static void
test_edges(void)
{
	for (unsigned i = 0; i < METRICS_EDGES; i++) {
		uint64_t edge_us = metrics_edges_us[i];

		CU_ASSERT_EQUAL(histogram_low_us(histogram_bucket(edge_us)), edge_us);
		CU_ASSERT_TRUE(i == 0 || edge_us > metrics_edges_us[i - 1]);
	}
}

/* Values on all edges, right below and above them, and far beyond. */
static unsigned
make_values(uint64_t values[4 * METRICS_EDGES])
{
	unsigned n = 0;

	for (unsigned i = 0; i < METRICS_EDGES; i++) {
		values[n++] = metrics_edges_us[i] - 1;
		values[n++] = metrics_edges_us[i];
		values[n++] = metrics_edges_us[i] + 1;
		values[n++] = metrics_edges_us[i] * i;
	}
	return n;
}

static void
test_histogram(void)
{
	struct metrics_release *r = begin("chat");
	struct arm_totals *arm = &r->totals.arms[ARM_STABLE];
	uint64_t values[4 * METRICS_EDGES], sum_us = 0;
	unsigned n = make_values(values);
	char *got, line[200];

	for (unsigned v = 0; v < n; v++) {
		arm->latency_us.buckets[histogram_bucket(values[v])]++;
		sum_us += values[v];
	}
	arm->latency_us.sum_us = sum_us;
	/* A worker was killed between a bucket and the count. */
	arm->latency_us.count = n - 1;
	print();
	got = samples("grayd_request_duration_seconds");
	for (unsigned i = 0; i < METRICS_EDGES; i++) {
		unsigned below = 0;

		for (unsigned v = 0; v < n; v++)
			below += values[v] < metrics_edges_us[i];
		snprintf(line, sizeof(line),
		    "grayd_request_duration_seconds_bucket{release=\"chat\",arm=\"stable\",le=\"%"
		    ".10g\"} %u\n",
		    (double)metrics_edges_us[i] / 1e6, below);
		CU_ASSERT_PTR_NOT_NULL(strstr(got, line));
	}
	snprintf(line, sizeof(line),
	    "grayd_request_duration_seconds_bucket{release=\"chat\",arm=\"stable\",le=\"+Inf\"} "
	    "%u\n",
	    n);
	CU_ASSERT_PTR_NOT_NULL(strstr(got, line));
	snprintf(line, sizeof(line),
	    "grayd_request_duration_seconds_sum{release=\"chat\",arm=\"stable\"} %" PRIu64
	    ".%06" PRIu64
	    "\ngrayd_request_duration_seconds_count{release=\"chat\",arm=\"stable\"} %u\n",
	    sum_us / 1000000, sum_us % 1000000, n);
	CU_ASSERT_PTR_NOT_NULL(strstr(got, line));
	free(got);
}

/* Whatever a histogram holds, its buckets only rise, up to the count. */
static void
test_monotone(void)
{
	struct metrics_release *r = begin("chat");
	struct histogram_sum *sum = &r->totals.arms[ARM_CANDIDATE].first_token_us;
	uint64_t random = 12345, last = 0, n = 0;
	unsigned n_buckets = 0;
	char *got, *at;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		sum->buckets[i] = random >> 40;
		n += sum->buckets[i];
	}
	print();
	got = samples("grayd_first_token_seconds");
	for (at = got; (at = strstr(at, "arm=\"candidate\",le=")) != NULL; at++) {
		uint64_t below = strtoull(strstr(at, "} ") + 2, NULL, 10);

		CU_ASSERT(below >= last);
		last = below;
		n_buckets++;
	}
	CU_ASSERT_EQUAL(n_buckets, METRICS_EDGES + 1);
	CU_ASSERT_EQUAL(last, n);
	free(got);
	free(text);
	text = NULL;
}

static void
test_models(void)
{
	struct config_provider provider = { .name = (char *)(uintptr_t) "sim" };
	struct config_model model = { .name = (char *)(uintptr_t) "a\"b", .provider = &provider };
	struct metrics_release *r = begin("chat");

	print();
	expect("grayd_model_known", "");
	expect("grayd_model_asked_timestamp_seconds", "");
	r->models[ARM_STABLE] = r->models[ARM_CANDIDATE] = &model;
	r->standings[ARM_STABLE] = STANDING_VERIFIED;
	r->standings[ARM_CANDIDATE] = STANDING_UNKNOWN;
	r->asked_wall_us[ARM_CANDIDATE] = 1795441869000000;
	r->cooling_us[ARM_CANDIDATE] = 2500000;
	print();
	expect("grayd_cooling_down", "grayd_cooling_down{release=\"chat\",arm=\"stable\",model="
				     "\"a\\\"b\",provider=\"sim\"} 0\n"
				     "grayd_cooling_down{release=\"chat\",arm=\"candidate\",model="
				     "\"a\\\"b\",provider=\"sim\"} 1\n");
	expect("grayd_cool_down_seconds",
	    "grayd_cool_down_seconds{release=\"chat\",arm=\"stable\",model=\"a\\\"b\",provider="
	    "\"sim\"} 0.000000\n"
	    "grayd_cool_down_seconds{release=\"chat\",arm=\"candidate\",model=\"a\\\"b\",provider="
	    "\"sim\"} 2.500000\n");
	expect("grayd_model_known", "grayd_model_known{release=\"chat\",arm=\"stable\",model="
				    "\"a\\\"b\",provider=\"sim\"} 1\n"
				    "grayd_model_known{release=\"chat\",arm=\"candidate\",model="
				    "\"a\\\"b\",provider=\"sim\"} 0\n");
	expect("grayd_model_asked_timestamp_seconds", "grayd_model_asked_timestamp_seconds{release="
						      "\"chat\",arm=\"candidate\",model=\"a\\\"b\","
						      "provider=\"sim\"} 1795441869.000000\n");
	/* Who cannot tell says nothing. */
	r->standings[ARM_STABLE] = STANDING_UNREACHABLE;
	r->standings[ARM_CANDIDATE] = STANDING_UNVERIFIED;
	print();
	expect("grayd_model_known", "");
}

void
suite_metrics(void)
{
	CU_pSuite suite = CU_add_suite("metrics", NULL, NULL);

	CU_add_test(suite, "grayd as a whole", test_grayd);
	CU_add_test(suite, "a release", test_release);
	CU_add_test(suite, "arms", test_arms);
	CU_add_test(suite, "models", test_models);
	CU_add_test(suite, "clients", test_clients);
	CU_add_test(suite, "outcomes", test_outcomes);
	CU_add_test(suite, "label values are escaped", test_escapes);
	CU_add_test(suite, "each family once, with its samples", test_format);
	CU_add_test(suite, "no counter is forgotten", test_counters);
	CU_add_test(suite, "edges are edges of the fine histogram", test_edges);
	CU_add_test(suite, "buckets are exact, +Inf is the count", test_histogram);
	CU_add_test(suite, "buckets rise", test_monotone);
}
