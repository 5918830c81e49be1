// SPDX-License-Identifier: MIT
/*
 * What grayctl prints: each kind of answer as text, to the letter, and as JSON; and that no answer,
 * however incomplete or hostile, breaks a line or a terminal.
 */
#include "ctl/output.h"

#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/table.h"
#include "ctl/words.h"

void suite_output(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct printed {
	char *out, *err;
};

static void
printed_free(struct printed *p)
{
	free(p->out);
	free(p->err);
}

/* Shows an answer and collects what was printed. */
static struct printed
print(const struct output *output, bool colour, const struct args *args, const char *answer)
{
	struct printed p = { NULL, NULL };
	size_t n_out, n_err;
	struct screen screen = { .out = open_memstream(&p.out, &n_out),
		.err = open_memstream(&p.err, &n_err),
		.colour = colour };
	cJSON *json = cJSON_Parse(answer);

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	if (answer_is_true(json, "ok"))
		output->show[args->verb](&screen, args, json);
	else
		output->failed(&screen, args, json);
	cJSON_Delete(json);
	fclose(screen.out);
	fclose(screen.err);
	return p;
}

static void
expect(const char *what, const char *is, const char *should)
{
	if (strcmp(is, should) != 0)
		fprintf(stderr, "%s:\n%s--- instead of ---\n%s", what, is, should);
	CU_ASSERT_STRING_EQUAL(is, should);
}

#define STABLE                                                                                    \
	"{\"model\":\"old\",\"provider\":\"one\",\"requests\":8120,\"errors\":3,\"fallbacks\":0," \
	"\"in_flight\":4}"
#define CANDIDATE                                                                                  \
	"{\"model\":\"new\",\"provider\":\"two\",\"requests\":3449,\"errors\":0,\"fallbacks\":17," \
	"\"in_flight\":2}"
#define RELEASE                                                                                   \
	"\"chat\":{\"release\":\"chat\",\"state\":\"rolled_back\",\"stage\":0,\"set_percent\":0," \
	"\"published_percent\":12.5,\"measured_percent\":null,\"revision\":7,"                    \
	"\"state_text\":\"all to stable\",\"changed\":\"2026-11-23T13:09:09.000Z\",\"arms\":{"    \
	"\"stable\":" STABLE ",\"candidate\":" CANDIDATE "}}"
#define GRAYD                                                                                 \
	"\"grayd\":{\"version\":\"1.2\",\"pid\":42,\"uptime_s\":125,\"listen\":[\"127.0.0.1:" \
	"8080\","                                                                             \
	"\"unix:/"                                                                            \
	"x\"],\"workers\":{\"configured\":2,\"ready\":1,\"acknowledged\":1,\"draining\":1,"   \
	"\"restarts\":3},\"stopping\":false,\"serving\":false}"
#define NOW "\"ok\":true,\"now\":\"2026-11-23T13:11:09.000Z\""

/* clang-format off */
static const struct {
	enum verb verb;
	const char *answer, *text;
} pages[] = {
	{ VERB_STATUS, "{" NOW "," GRAYD ",\"releases\":{" RELEASE "}}",
	    "grayd 1.2, pid 42, up 2 min 5 s, listening on 127.0.0.1:8080 unix:/x\n"
	    "impaired, 1 of 2 workers ready, 1 with the newest policy, 1 draining, 3 replaced\n"
	    "\n"
	    "RELEASE  STATE        STAGE  SET  PUBLISHED  MEASURED  REVISION  CHANGED\n"
	    "chat     rolled back      0  0 %     12.5 %         -         7  13:09:09, 2 min ago\n"
	    "chat: restart begins a new rollout\n"
	    "\n"
	    "RELEASE  ARM        MODEL  PROVIDER  REQUESTS  ERRORS  FALLBACKS  IN FLIGHT\n"
	    "chat     stable     old    one           8120       3          0          4\n"
	    "chat     candidate  new    two           3449       0         17          2\n" },
	{ VERB_STAGE,
	    "{\"ok\":true,\"release\":\"chat\",\"state\":\"step\",\"set_percent\":30,\"revision\":2,"
	    "\"changed\":true,\"receipt\":{\"publish_us\":17,\"acknowledge_us\":1950,\"acknowledged\":2,"
	    "\"killed\":1,\"candidate_in_flight\":5}}",
	    "chat: step, the candidate's share is 30 %, revision 2\n"
	    "published after 17 us, acknowledged 1.95 ms later (workers: 2)\n"
	    "requests of the candidate at that moment: 5\n"
	    "workers that did not acknowledge and were replaced: 1\n" },
	{ VERB_ROLLBACK,
	    "{\"ok\":true,\"revision\":9,\"releases\":{\"a\":{\"release\":\"a\",\"state\":\"rolled_back\","
	    "\"set_percent\":0,\"revision\":9},\"b\":{\"release\":\"b\",\"state\":\"rolled_back\","
	    "\"set_percent\":0,\"revision\":4}},\"changed\":false}",
	    "a: rolled back, the candidate's share is 0 %, revision 9\n"
	    "b: rolled back, the candidate's share is 0 %, revision 4\n"
	    "it was so already: nothing was published\n" },
	{ VERB_ROLLBACK,
	    "{\"ok\":true,\"release\":\"chat\",\"state\":\"rolled_back\",\"set_percent\":0,\"revision\":9,"
	    "\"frozen\":true,\"changed\":true,\"cut\":false,\"receipt\":{\"publish_us\":12,"
	    "\"acknowledge_us\":154,\"journal_us\":820,\"acknowledged\":2,\"killed\":0,"
	    "\"candidate_in_flight\":9,\"rescued\":3,\"streaming\":2,\"last_candidate_attempt_us\":-310}}",
	    "chat: rolled back, the candidate's share is 0 %, revision 9, frozen\n"
	    "published after 12 us, acknowledged 154 us later (workers: 2), on disk after 820 us\n"
	    "requests of the candidate at that moment: 9; sent to stable at once: 3; streaming already and "
	    "left to finish: 2; with stable already, or just over: 4\n"
	    "the candidate was last asked 310 us before that\n" },
	{ VERB_PAUSE,
	    "{\"ok\":true,\"release\":\"chat\",\"state\":\"hold\",\"hold\":\"operator\","
	    "\"hold_text\":\"somebody paused it\",\"set_percent\":30,\"revision\":4,\"changed\":true,"
	    "\"receipt\":{\"publish_us\":9,\"acknowledge_us\":80,\"journal_us\":null,\"acknowledged\":2}}",
	    "chat: on hold (somebody paused it), the candidate's share is 30 %, revision 4\n"
	    "published after 9 us, acknowledged 80 us later (workers: 2), not on disk yet\n" },
	{ VERB_ROUTE,
	    "{\"ok\":true,\"release\":\"chat\",\"published_percent\":12.5,\"keys\":[{\"key\":\"anna\","
	    "\"bucket\":852,\"arm\":\"candidate\",\"model\":\"new\"},{\"key\":\"bob\",\"bucket\":4710,"
	    "\"arm\":\"stable\",\"model\":\"old\"}]}",
	    "chat: the candidate has 12.5 % of the keys: buckets 0 to 1249\n"
	    "KEY   BUCKET  ARM        MODEL\n"
	    "anna     852  candidate  new\n"
	    "bob     4710  stable     old\n" },
	{ VERB_ERRORS,
	    "{" NOW ",\"releases\":{\"chat\":{\"release\":\"chat\",\"fallbacks\":3,\"fallback_reasons\":"
	    "{\"refused\":2,\"empty\":1},\"failed_attempts\":{\"refused\":4},\"errors\":[{\"time\":"
	    "\"2026-11-20T09:00:12.5Z\",\"request_id\":\"r1\",\"arm\":\"candidate\",\"model\":\"new\","
	    "\"provider\":\"two\",\"outcome\":\"server_error\",\"text\":\"failed inside\",\"status\":500,\"code\":\"oops\",\"message\":"
	    "\"evil\\u001b[2Jtext\",\"attempt\":1,\"saved\":true,\"saved_by\":\"fallback\"},{\"time\":\"2026-11-23T13:00:00Z\","
	    "\"request_id\":\"r2\",\"arm\":\"stable\",\"model\":\"old\",\"outcome\":\"refused\",\"text\":"
	    "\"connection refused\",\"status\":null,\"message\":\"\",\"attempt\":2,\"saved\":false}]}}}",
	    "chat: 3 fallbacks (refused 2, empty 1); failed attempts: refused 4\n"
	    "TIME                 ARM        MODEL  PROVIDER  TRY  OUTCOME       STATUS  CODE  SAVED BY  REQUEST  MESSAGE\n"
	    "2026-11-20 09:00:12  candidate  new    two         1  server_error     500  oops  fallback  r1       evil?[2Jtext\n"
	    "13:00:00             stable     old                2  refused            -  -     no        r2       connection refused\n" },
	{ VERB_ERRORS, "{" NOW ",\"releases\":{\"chat\":{\"release\":\"chat\",\"fallbacks\":1,\"fallback_reasons\":{\"refused\":1}}}}",
	    "chat: 1 fallback (refused 1)\n" },
	{ VERB_COST,
	    "{" NOW ",\"since\":\"2026-11-23T13:11:09.000Z\",\"releases\":{\"chat\":{\"release\":\"chat\",\"arms\":{\"stable\":{"
	    "\"model\":\"old\",\"requests\":1,\"served\":1,\"tokens\":{\"input\":3,\"output\":2},\"cost_usd\":\"1.500000000000\","
	    "\"per_1000_usd\":\"1500.000000000000\"}},\"month\":{\"days\":30,\"window_s\":0.5,\"window_requests\":1,\"stable_usd\":"
	    "\"7776000.000000000000\"}}}}",
	    "chat: since 13:11:09, just now\n"
	    "                                STABLE\n"
	    "model                              old\n"
	    "requests                             1\n"
	    "served                               1\n"
	    "tokens, input                        3\n"
	    "tokens, cached                       0\n"
	    "tokens, written to cache             0\n"
	    "tokens, output                       2\n"
	    "cost, USD                         1.50\n"
	    "per 1,000 requests, USD       1,500.00\n"
	    "a month, USD              7,776,000.00\n"
	    "a month: 30 days at 2 requests a second, as in the first moment\n" },
	{ VERB_WORKERS,
	    "{\"ok\":true,\"revision\":7,\"workers\":[{\"role\":\"worker\",\"index\":0,\"pid\":43,\"state\":"
	    "\"ready\",\"generation\":1,\"restarts\":0,\"uptime_ms\":90000,\"sane\":true,\"heartbeat_ms\":15,"
	    "\"acknowledged\":7,\"started\":12,\"finished\":10,\"open_connections\":3},{\"role\":\"worker\","
	    "\"index\":1,\"pid\":0,\"state\":\"waiting\",\"generation\":1,\"restarts\":2,\"uptime_ms\":0}]}",
	    "WORKER    PID  STATE    GENERATION          UP  HEARTBEAT  REVISION  REQUESTS  RUNNING  CONNECTIONS  RESTARTS\n"
	    "worker 0   43  ready             1  1 min 30 s      15 ms         7        12        2            3         0\n"
	    "worker 1    0  waiting           1         0 s          -         -         -        -            -         2\n" },
	{ VERB_STATUS,
	    "{" NOW ",\"grayd\":{\"version\":\"1.2\",\"stopping\":true,\"listen\":[]},\"releases\":{\"a\":{"
	    "\"release\":\"a\",\"state\":\"step\",\"stage\":13,\"stages\":[10,30],\"set_percent\":12.5,"
	    "\"published_percent\":12.5,\"revision\":7,\"changed\":\"2026-11-23T13:09:09.000Z\",\"plan\":{"
	    "\"mode\":\"manual\",\"phase\":\"observe\",\"next_percent\":30}}},\"journal\":{\"ok\":false,"
	    "\"error\":\"full\"}}",
	    "grayd 1.2, pid 0, up 0 s\n"
	    "stopping, 0 of 0 workers ready, 0 with the newest policy\n"
	    "the journal cannot be written: full\n"
	    "so no share can be raised; rollback works\n"
	    "\n"
	    "RELEASE  STATE  STAGE     SET  PUBLISHED  MEASURED  REVISION  CHANGED\n"
	    "a        step       -  12.5 %     12.5 %         -         7  13:09:09, 2 min ago\n"
	    "a: promote goes to 30 %\n"
	    "\n"
	    "RELEASE  ARM  MODEL  PROVIDER  REQUESTS  ERRORS  FALLBACKS  IN FLIGHT\n" },
	{ VERB_HISTORY,
	    "{" NOW ",\"history\":[{\"time\":\"2026-11-23T13:09:09Z\",\"release\":\"a\",\"revision\":4,"
	    "\"actor\":\"root\",\"command\":\"rollback\",\"from\":{\"state\":\"step\",\"percent\":10},"
	    "\"to\":{\"state\":\"rolled_back\",\"percent\":0}},{\"time\":\"2026-11-23T13:10:09Z\","
	    "\"revision\":5,\"actor\":\"grayd\",\"command\":\"resume\",\"reason\":\"again\"}]}",
	    "WHEN      RELEASE  FROM       TO               REVISION  WHO    COMMAND   WHY\n"
	    "13:09:09  a        step 10 %  rolled back 0 %         4  root   rollback\n"
	    "13:10:09  -        -          -                       5  grayd  resume    again\n" },
	{ VERB_RELOAD, "{\"ok\":true,\"generation\":3,\"config\":\"/etc/g.json\"}",
	    "reload: generation 3 of the workers serves under /etc/g.json\n" },
	{ VERB_UPGRADE, "{\"ok\":true,\"pid\":77}", "upgrade: the new grayd serves, pid 77\n" },
	{ VERB_STOP, "{\"ok\":true}", "stop: done\n" },
	{ VERB_VERSION, "{\"ok\":true,\"version\":\"1.2\"}", "grayctl 1.2\n" },
};
/* clang-format on */

static void
test_pages(void)
{
	for (size_t i = 0; i < COUNT(pages); i++) {
		struct args args = { .verb = pages[i].verb };
		struct printed p = print(&output_text, false, &args, pages[i].answer);

		expect(verb_info(pages[i].verb)->name, p.out, pages[i].text);
		CU_ASSERT_STRING_EQUAL(p.err, "");
		printed_free(&p);
	}
}

/* What comes next, and what somebody should know, one line each. */
static void
test_rollouts(void)
{
	static const struct {
		const char *release, *text;
	} cases[] = {
		{ "\"state\":\"hold\",\"hold_text\":\"silence\",\"hold_recovers\":true,\"frozen\":"
		  "true",
		    "a: on hold: silence\n"
		    "a: it goes on when that is over, or with resume\n"
		    "a: frozen; unfreeze ends it\n" },
		{ "\"state\":\"hold\",\"hold_text\":\"a pause\",\"hold_recovers\":false",
		    "a: on hold: a pause\na: resume goes on\n" },
		/* Why it was rolled back was in history only. */
		{ "\"state\":\"rolled_back\",\"cause\":{\"time\":\"2026-11-23T13:09:09.000Z\","
		  "\"actor\":\"anna\",\"command\":\"rollback\",\"reason\":\"worse\\ntone\"}",
		    "a: rolled back since 13:09:09, 2 min ago, by anna: worse?tone\n"
		    "a: restart begins a new rollout\n" },
		{ "\"state\":\"hold\",\"hold\":\"operator\",\"hold_text\":\"a pause\",\"cause\":{"
		  "\"time\":\"2026-11-23T13:11:09.000Z\",\"actor\":\"bob\",\"command\":\"weight\","
		  "\"reason\":null}",
		    "a: on hold since 13:11:09, just now, by bob with weight\n"
		    "a: resume goes on\n" },
		/* A resume was advised that is undone a second later. */
		{ "\"state\":\"hold\",\"hold\":\"symptom\",\"hold_text\":\"h\",\"guard\":{"
		  "\"mode\":\"rollback\",\"verdict\":\"hold\",\"reason\":\"r\",\"worse\":["
		  "\"length\",\"cost\"]}",
		    "a: on hold: h\n"
		    "a: resume alone is held again at once; resume a --waive length,cost --reason "
		    "TEXT goes on whatever becomes of length, cost, rollback ends it\n"
		    "a: the guard says hold: r\n" },
		{ "\"state\":\"hold\",\"hold\":\"symptom\",\"hold_text\":\"h\",\"guard\":{"
		  "\"mode\":\"rollback\",\"verdict\":\"wait\",\"reason\":\"r\",\"worse\":["
		  "\"length\"]}",
		    "a: on hold: h\n"
		    "a: by what the guard sees now it is not held again: resume goes on, rollback "
		    "ends it\n" },
		/* "30 % in 0 s", for hours. */
		{ "\"state\":\"step\",\"plan\":{\"phase\":\"observe\",\"moves\":true,"
		  "\"waits_for_guard\":true,\"remaining_s\":0,\"next_percent\":30},\"guard\":{"
		  "\"mode\":\"rollback\",\"verdict\":\"wait\",\"reason\":\"r\",\"missing\":{"
		  "\"requests\":333,\"seconds\":360,\"what\":\"empty\"}}",
		    "a: 30 % when the guard says safe: about 333 more requests of the candidate, "
		    "for "
		    "empty, about 6 min at the present rate\n"
		    "a: the guard says wait: r\n" },
		{ "\"state\":\"step\",\"plan\":{\"phase\":\"settle\",\"moves\":true,"
		  "\"waits_for_guard\":true,\"remaining_s\":4,\"next_percent\":30},\"guard\":{"
		  "\"mode\":\"rollback\",\"verdict\":\"wait\",\"reason\":\"r\",\"missing\":{"
		  "\"requests\":364,\"seconds\":null,\"what\":null}}",
		    "a: 30 % when the guard says safe: about 364 more requests of the candidate; "
		    "not "
		    "before 4 s\n"
		    "a: the guard says wait: r\n" },
		{ "\"state\":\"step\",\"plan\":{\"phase\":\"observe\",\"moves\":true,"
		  "\"waits_for_guard\":true,\"remaining_s\":0,\"next_percent\":100},\"guard\":{"
		  "\"mode\":\"watch\",\"verdict\":\"rollback\",\"reason\":\"r\",\"warns\":["
		  "\"left\"]},\"waived\":[\"cost\"]",
		    "a: 100 % not while the guard says rollback\n"
		    "a: the guard would roll back, but its mode is watch: r\n"
		    "a: warning: worse than it should be, by the guard's evidence: left\n"
		    "a: waived in this rollout: cost; history tells since when, by whom and "
		    "why\n" },
		{ "\"state\":\"step\",\"plan\":{\"phase\":\"observe\",\"moves\":true,\"remaining_"
		  "s\":75.5,"
		  "\"next_percent\":30}",
		    "a: 30 % in 1 min 15 s\n" },
		{ "\"state\":\"step\",\"frozen\":true,\"frozen_until\":\"2026-11-24T13:00:00."
		  "000Z\",\"plan\":{"
		  "\"phase\":\"observe\",\"moves\":true,\"idle\":true,\"remaining_s\":9,\"next_"
		  "percent\":30}",
		    "a: 30 % not before the freeze ends; nobody asks now, and its clocks stand "
		    "still\n"
		    "a: frozen until 2026-11-24 13:00:00; unfreeze ends it\n" },
		{ "\"state\":\"step\",\"plan\":{\"phase\":\"gate\",\"next_percent\":50}",
		    "a: waits at a gate; promote goes to 50 %\n" },
		{ "\"state\":\"step\",\"plan\":{\"phase\":\"gate\",\"next_percent\":null}",
		    "a: at the last stage of its plan: promote --full goes on\n" },
		{ "\"state\":\"step\",\"plan\":{\"phase\":\"observe\",\"warning_text\":"
		  "\"silence\"}",
		    "a: warning: silence\n" },
		{ "\"state\":\"bake\",\"plan\":{\"phase\":\"bake\",\"moves\":true,\"remaining_s\":"
		  "9}",
		    "a: done in 9 s\n" },
		{ "\"state\":\"done\",\"arms\":{\"candidate\":{\"model\":\"new\"}}",
		    "a: to end the rollout, write in /etc/g.json under \"a\"\n"
		    "    \"stable\": \"new\",\n"
		    "leave \"candidate\" out or name the next one, and reload\n" },
		{ "\"state\":\"step\",\"frozen\":true,\"plan\":{\"mode\":\"manual\",\"phase\":"
		  "\"observe\","
		  "\"next_percent\":50}",
		    "a: frozen; unfreeze ends it\n" },
		{ "\"state\":\"idle\",\"plan\":{\"phase\":\"none\"}", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char answer[1024], *text = NULL;
		size_t size;
		struct screen screen = { .out = open_memstream(&text, &size) };
		cJSON *json;

		snprintf(answer, sizeof(answer),
		    "{" NOW ",\"grayd\":{\"config\":\"/etc/"
		    "g.json\"},\"releases\":{\"a\":{\"release\":\"a\",%s}}}",
		    cases[i].release);
		json = cJSON_Parse(answer);
		CU_ASSERT_PTR_NOT_NULL_FATAL(json);
		text_print_rollouts(&screen, json);
		fclose(screen.out);
		expect("rollouts", text, cases[i].text);
		free(text);
		cJSON_Delete(json);
	}
}

static void
test_stats_side_by_side(void)
{
	static const char answer[] =
	    "{" NOW
	    ",\"since\":\"2026-11-23T13:10:09.000Z\",\"grayd\":{\"started\":9,\"rejected\":1,"
	    "\"lost\":0},\"releases\":{\"chat\":{\"release\":\"chat\",\"state\":\"step\",\"set_"
	    "percent\":10,"
	    "\"published_percent\":10,\"measured_percent\":9.5,\"revision\":3,\"arms\":{\"stable\":"
	    "{"
	    "\"model\":\"old\",\"requests\":7,\"outcomes\":{\"ok\":7},\"cost_usd\":0.25,\"latency_"
	    "ms\":{"
	    "\"p50\":0.5,\"p95\":5.25,\"p99\":1250}},\"candidate\":{\"model\":\"new\",\"requests\":"
	    "2,"
	    "\"outcomes\":{\"ok\":1,\"empty\":1}}}}}}";
	static const char *const rows[] = {
		"since 13:10:09, 1 min ago: 9 requests, 1 of them rejected, 0 lost\n",
		"chat: step, set 10 %, published 10 %, measured 9.5 %, revision 3\n",
		"model                                        old        new\n",
		"requests                                       7          2\n",
		"  ok                                           7          1\n",
		"  empty                                        0          1\n",
		"cost, USD                               0.250000          -\n",
		"answer, ms: p50 / p95 / p99  0.500 / 5.25 / 1250  - / - / -\n",
	};
	struct args args = { .verb = VERB_STATS };
	struct printed p = print(&output_text, false, &args, answer);

	for (size_t i = 0; i < COUNT(rows); i++)
		if (strstr(p.out, rows[i]) == NULL) {
			fprintf(stderr, "missing: %sin:\n%s", rows[i], p.out);
			CU_FAIL("row");
		}
	printed_free(&p);
}

static void
test_colour(void)
{
	struct args args = { .verb = VERB_STATUS };
	struct printed p =
	    print(&output_text, true, &args, "{" NOW "," GRAYD ",\"releases\":{" RELEASE "}}");

	CU_ASSERT_PTR_NOT_NULL(strstr(p.out, "\033[31mrolled back\033[0m"));
	CU_ASSERT_PTR_NOT_NULL(strstr(p.out, "\033[31mimpaired\033[0m"));
	printed_free(&p);
}

static void
test_json(void)
{
	static const char answer[] = "{\"ok\":true,\"b\":1,\"a\":[0.1,\"\xc3\x9c\\n\"]}";
	static const char refusal[] = "{\"ok\":false,\"code\":\"busy\",\"error\":\"later\"}";

	for (unsigned v = 0; v < VERB_COUNT; v++) {
		struct args args = { .verb = (enum verb)v, .json = true };
		struct printed p = print(&output_json, false, &args, answer);

		CU_ASSERT_EQUAL(strncmp(p.out, answer, sizeof(answer) - 1), 0);
		CU_ASSERT_STRING_EQUAL(p.out + sizeof(answer) - 1, "\n");
		printed_free(&p);
		p = print(&output_json, false, &args, refusal);
		CU_ASSERT_EQUAL(strncmp(p.out, refusal, sizeof(refusal) - 1), 0);
		CU_ASSERT_STRING_EQUAL(p.err, "grayctl: later\n");
		printed_free(&p);
	}
}

static void
test_failures(void)
{
	struct args stage = { .verb = VERB_STAGE }, unknown = { .verb = VERB_NONE };
	struct printed p = print(&output_text, false, &stage,
	    "{\"ok\":false,\"code\":\"refused\",\"error\":\"no\\u001b[1m\"}");

	CU_ASSERT_STRING_EQUAL(p.out, "");
	expect("refused", p.err, "grayctl: no?[1m\n");
	printed_free(&p);
	p = print(
	    &output_text, false, &stage, "{\"ok\":false,\"code\":\"usage\",\"error\":\"no\"}");
	expect("usage", p.err,
	    "grayctl: no\nusage: grayctl stage RELEASE PCT [--wait COND] [--reason TEXT] "
	    "[--if-revision N]\n               [--timeout S]\n");
	printed_free(&p);
	p = print(
	    &output_text, false, &unknown, "{\"ok\":false,\"code\":\"usage\",\"error\":\"no\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(p.err, "`grayctl help` lists the verbs"));
	printed_free(&p);
}

/* Another version of grayd may leave out, add or change anything. */
static void
test_odd_answers(void)
{
	static const char *const odd[] = {
		"{\"ok\":true}",
		"{\"ok\":true,\"grayd\":7,\"releases\":[1,null,{\"arms\":[1,{}]}],\"workers\":{"
		"\"a\":1}}",
		"{\"ok\":true,\"now\":\"x\",\"releases\":{\"a\":{\"changed\":\"\",\"arms\":{"
		"\"stable\":null,"
		"\"candidate\":{\"outcomes\":{\"a\":\"b\"},\"latency_ms\":3}},\"errors\":[1,{"
		"\"time\":5}],"
		"\"fallback_reasons\":{\"a\":{}},\"failed_attempts\":[]}},\"workers\":[null,{"
		"\"index\":\"a\"}]}",
	};

	for (unsigned v = 0; v < VERB_COUNT; v++)
		for (size_t i = 0; i < COUNT(odd); i++) {
			struct args args = { .verb = (enum verb)v,
				.values[PARAM_RELEASE] = { .given = true, .text = "a" } };
			struct printed p = print(&output_text, true, &args, odd[i]);
			struct printed again = print(&output_text, true, &args, odd[i]);

			if (v != VERB_TOP) /* which tells of what was before */
				CU_ASSERT_STRING_EQUAL(p.out, again.out);
			CU_ASSERT_STRING_EQUAL(p.err, "");
			printed_free(&p);
			printed_free(&again);
		}
}

static void
test_words(void)
{
	static const struct {
		uint64_t seconds;
		const char *words;
	} durations[] = { { 0, "0 s" }, { 59, "59 s" }, { 60, "1 min" }, { 125, "2 min 5 s" },
		{ 3600, "1 h" }, { 3661, "1 h 1 min" }, { 86400 * 3 + 7200, "3 d 2 h" },
		{ 86400 + 59, "1 d" } };
	char words[WORDS_BYTES];

	for (size_t i = 0; i < COUNT(durations); i++)
		CU_ASSERT_STRING_EQUAL(
		    words_seconds(words, durations[i].seconds), durations[i].words);
	CU_ASSERT_STRING_EQUAL(words_us(words, 84), "84 us");
	CU_ASSERT_STRING_EQUAL(words_us(words, 1234), "1.23 ms");
	CU_ASSERT_STRING_EQUAL(words_us(words, 2500000), "2.5 s");
	CU_ASSERT_STRING_EQUAL(words_things(words, 0, "fallback"), "0 fallbacks");
	CU_ASSERT_STRING_EQUAL(words_things(words, 1, "fallback"), "1 fallback");
	CU_ASSERT_STRING_EQUAL(words_things(words, 1001, "request"), "1,001 requests");
	CU_ASSERT_STRING_EQUAL(words_percent(words, 100), "100 %");
	CU_ASSERT_STRING_EQUAL(words_percent(words, 12.34), "12.34 %");
	CU_ASSERT_STRING_EQUAL(words_percent(words, 0.01), "0.01 %");
	CU_ASSERT_EQUAL(words_parse_time("1970-01-02T00:00:01.5Z"), 86401);
	CU_ASSERT_EQUAL(words_parse_time("yesterday"), -1);
	CU_ASSERT_STRING_EQUAL(words_time(words, "?", "?"), "?");
	CU_ASSERT_STRING_EQUAL(
	    words_ago(words, "2026-11-23T13:11:09Z", "2026-11-23T13:11:08Z"), "just now");
}

static char *old_zone;

static int
to_utc(void)
{
	const char *zone = getenv("TZ");

	old_zone = zone != NULL ? strdup(zone) : NULL;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static int
back_home(void)
{
	if (old_zone != NULL)
		setenv("TZ", old_zone, 1);
	else
		unsetenv("TZ");
	free(old_zone);
	tzset();
	return 0;
}

void
suite_output(void)
{
	CU_pSuite s = CU_add_suite("output", to_utc, back_home);

	CU_add_test(s, "pages", test_pages);
	CU_add_test(s, "rollouts", test_rollouts);
	CU_add_test(s, "stats side by side", test_stats_side_by_side);
	CU_add_test(s, "colour", test_colour);
	CU_add_test(s, "json", test_json);
	CU_add_test(s, "failures", test_failures);
	CU_add_test(s, "odd answers", test_odd_answers);
	CU_add_test(s, "words", test_words);
}
