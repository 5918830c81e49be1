// SPDX-License-Identifier: MIT
/* The control protocol's lines and the table of verbs: what is taken, what is refused and why. */
#include "common/ctlproto.h"

#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/printable.h"

void suite_ctlproto(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool
contains(const char *text, const char *part)
{
	bool found = strstr(text, part) != NULL;

	if (!found)
		fprintf(stderr, "\"%s\" is not in \"%s\"\n", part, text);
	return found;
}

/* Decodes from a buffer of exactly the line's size. */
static int
decode(const char *line, size_t n, struct ctl_request *r, struct err *e)
{
	char *exact = malloc(n > 0 ? n : 1);
	int result;

	memcpy(exact, line, n);
	result = ctlproto_decode(exact, n, r, e);
	free(exact);
	return result;
}

static const struct {
	const char *line;
	const char *error; /* a part of it; NULL: the line is good */
} lines[] = {
	{ "{\"v\":1,\"cmd\":\"status\"}", NULL },
	{ " { \"args\" : { } , \"cmd\":\"status\", \"v\": 1.0 } ", NULL },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"release\":\"a\"},\"id\":\"x-1\"}", NULL },
	{ "{\"v\":1,\"cmd\":\"stage\",\"args\":{\"release\":\"a\",\"percent\":30}}", NULL },
	{ "{\"v\":1,\"cmd\":\"weight\",\"args\":{\"release\":\"a\",\"percent\":0.01}}", NULL },
	{ "{\"v\":1,\"cmd\":\"rollback\",\"args\":{\"all\":true,\"reason\":\"wegen \\u00dc\"}}",
	    NULL },
	{ "{\"v\":1,\"cmd\":\"rollback\",\"args\":{\"all\":false,\"release\":\"a\"}}", NULL },
	{ "{\"v\":1,\"cmd\":\"errors\",\"args\":{\"limit\":50}}", NULL },

	{ "", "" },
	{ "stage", "" },
	{ "[1]", "not a JSON object" },
	{ "{\"v\":1,\"cmd\":\"status\"} {}", "" },
	{ "{\"v\":1,\"cmd\":\"status\"", "" },
	{ "{\"cmd\":\"status\"}", "version 1" },
	{ "{\"v\":2,\"cmd\":\"status\"}", "version 1" },
	{ "{\"v\":\"1\",\"cmd\":\"status\"}", "version 1" },
	{ "{\"v\":1}", "cmd: expected" },
	{ "{\"v\":1,\"cmd\":7}", "cmd: expected" },
	{ "{\"v\":1,\"cmd\":\"stge\"}", "did you mean \"stage\"?" },
	{ "{\"v\":1,\"cmd\":\"Status\"}", "unknown verb \"Status\"" },
	{ "{\"v\":1,\"cmd\":\"help\"}", "unknown verb \"help\"" },
	{ "{\"v\":1,\"cmd\":\"xyzzy\"}", "unknown verb \"xyzzy\"" },
	{ "{\"v\":1,\"cmd\":\"status\",\"CMD\":\"stop\"}", "unknown member \"CMD\"" },
	{ "{\"v\":1,\"cmd\":\"status\",\"cmd\":\"stop\"}", "cmd: given twice" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":[]}", "args: expected an object" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"x\":1}}",
	    "args.x: status has no such argument" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"wait\":\"healthy\"}}",
	    "args.wait: status has no" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"percent\":1}}", "args.percent: status has no" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"release\":\"a\",\"release\":\"b\"}}",
	    "args.release: given twice" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"release\":null}}", "expected a string" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"release\":\"\"}}", "1 to 127 bytes" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"release\":\"a\\nb\"}}", "printable" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"release\":\"a\\u0000b\"}}", "" },
	{ "{\"v\":1,\"cmd\":\"status\",\"args\":{\"release\":\"\\u009b2J\"}}", "printable" },
	{ "{\"v\":1,\"cmd\":\"stage\",\"args\":{\"release\":\"a\"}}", "stage: percent is missing" },
	{ "{\"v\":1,\"cmd\":\"stage\",\"args\":{\"percent\":1}}", "stage: release is missing" },
	{ "{\"v\":1,\"cmd\":\"weight\",\"args\":{\"release\":\"a\",\"percent\":12.345}}",
	    "two decimals" },
	{ "{\"v\":1,\"cmd\":\"weight\",\"args\":{\"release\":\"a\",\"percent\":100.01}}",
	    "out of bounds" },
	{ "{\"v\":1,\"cmd\":\"weight\",\"args\":{\"release\":\"a\",\"percent\":-1}}", "percent" },
	{ "{\"v\":1,\"cmd\":\"weight\",\"args\":{\"release\":\"a\",\"percent\":1e1}}", "percent" },
	{ "{\"v\":1,\"cmd\":\"weight\",\"args\":{\"release\":\"a\",\"percent\":\"10\"}}",
	    "a number" },
	{ "{\"v\":1,\"cmd\":\"errors\",\"args\":{\"limit\":51}}", "not within 1 to 50" },
	{ "{\"v\":1,\"cmd\":\"errors\",\"args\":{\"limit\":2.5}}", "whole number" },
	{ "{\"v\":1,\"cmd\":\"stage\",\"args\":{\"release\":\"a\",\"percent\":1,\"if_revision\":0}"
	  "}",
	    "if_revision" },
	{ "{\"v\":1,\"cmd\":\"rollback\"}", "rollback: release is missing" },
	{ "{\"v\":1,\"cmd\":\"rollback\",\"args\":{\"all\":1}}", "true or false" },
	{ "{\"v\":1,\"cmd\":\"rollback\",\"args\":{\"all\":true,\"release\":\"a\"}}", "exclude" },
	{ "{\"v\":1,\"cmd\":\"route\",\"args\":{\"release\":\"a\",\"key\":[\"x\",\"\\u00fc\"]}}",
	    NULL },
	{ "{\"v\":1,\"cmd\":\"route\",\"args\":{\"release\":\"a\"}}", "key is missing" },
	{ "{\"v\":1,\"cmd\":\"route\",\"args\":{\"release\":\"a\",\"key\":[]}}", "key is missing" },
	{ "{\"v\":1,\"cmd\":\"route\",\"args\":{\"release\":\"a\",\"key\":\"x\"}}",
	    "a list of strings" },
	{ "{\"v\":1,\"cmd\":\"route\",\"args\":{\"release\":\"a\",\"key\":[\"x\",1]}}",
	    "expected strings" },
	{ "{\"v\":1,\"cmd\":\"route\",\"args\":{\"release\":\"a\",\"key\":[\"\"]}}",
	    "1 to 512 bytes" },
	{ "{\"v\":1,\"cmd\":\"freeze\",\"args\":{\"until\":\"+2h\"}}", NULL },
	{ "{\"v\":1,\"cmd\":\"freeze\",\"args\":{\"until\":\"soon\"}}", "is no time" },
	{ "{\"v\":1,\"cmd\":\"status\",\"id\":7}", "id: expected" },
	{ "{\"v\":1,\"cmd\":\"status\",\"id\":\"\"}", "id: expected" },
	{ "{\"v\":1,\"cmd\":\"status\",\"id\":\"a b\"}", "id: expected" },
};

static void
test_lines(void)
{
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct ctl_request r;
		struct err e = { "" };
		int result = decode(lines[i].line, strlen(lines[i].line), &r, &e);

		if ((result == 0) != (lines[i].error == NULL))
			fprintf(stderr, "%s: %s\n", lines[i].line, e.msg);
		CU_ASSERT_EQUAL(result == 0, lines[i].error == NULL);
		if (result == 0)
			ctlproto_free(&r);
		else
			CU_ASSERT(contains(e.msg, lines[i].error));
	}
}

static void
test_meaning(void)
{
	static const char line[] = "{\"v\":1,\"cmd\":\"weight\",\"id\":\"n\",\"args\":{\"release\":"
				   "\"a/b\",\"percent\":12.35,\"if_revision\":9007199254740991}}";
	struct ctl_request r;

	CU_ASSERT_EQUAL_FATAL(decode(line, sizeof(line) - 1, &r, NULL), 0);
	CU_ASSERT_EQUAL(r.verb, VERB_WEIGHT);
	CU_ASSERT_STRING_EQUAL(r.id, "n");
	CU_ASSERT_STRING_EQUAL(r.values[PARAM_RELEASE].text, "a/b");
	CU_ASSERT_EQUAL(r.values[PARAM_PERCENT].number, 1235);
	CU_ASSERT_EQUAL(r.values[PARAM_IF_REVISION].number, UINT64_C(9007199254740991));
	CU_ASSERT_FALSE(r.values[PARAM_REASON].given);
	ctlproto_free(&r);
}

/* Every hundredth of a percent survives the way over the wire. */
static void
test_percents_travel(void)
{
	bool same = true;

	for (unsigned bp = 0; bp <= 10000; bp++) {
		struct ctl_request sent = { .verb = VERB_WEIGHT }, got;
		char text[16], *line;

		snprintf(text, sizeof(text), "%u.%02u", bp / 100, bp % 100);
		CU_ASSERT_EQUAL(
		    param_parse(PARAM_PERCENT, text, &sent.values[PARAM_PERCENT], NULL), 0);
		CU_ASSERT_EQUAL(
		    param_parse(PARAM_RELEASE, "r", &sent.values[PARAM_RELEASE], NULL), 0);
		line = ctlproto_encode(&sent);
		CU_ASSERT_PTR_NOT_NULL_FATAL(line);
		CU_ASSERT_EQUAL_FATAL(decode(line, strlen(line), &got, NULL), 0);
		same = same && got.values[PARAM_PERCENT].number == bp;
		ctlproto_free(&got);
		free(line);
	}
	CU_ASSERT_TRUE(same);
}

/* A request of every verb with all it takes: what arrives is what was sent, but for what grayctl
 * keeps to itself. */
static void
test_verbs_travel(void)
{
	static const char *const samples[TYPE_COUNT] = { [TYPE_NAME] = "gpt-4.1",
		[TYPE_TEXT] = "\"why\" \\ not: \xc3\x9c",
		[TYPE_FLAG] = "",
		[TYPE_PERCENT] = "33.33",
		[TYPE_INTEGER] = "17",
		[TYPE_SECONDS] = "2.5",
		[TYPE_CONDITION] = "healthy",
		[TYPE_MOMENT] = "+2h",
		[TYPE_LIST] = "key" };
	static const char *const list[] = { "one", "\"two\"" };

	for (unsigned v = 0; v < VERB_COUNT; v++) {
		struct ctl_request sent = { .verb = (enum verb)v, .id = "id-1" }, got;
		char *line;

		if (verb_info((enum verb)v)->right == RIGHT_LOCAL)
			continue;
		for (unsigned p = 0; p < PARAM_COUNT; p++)
			if (verb_role((enum verb)v, (enum param)p) != ROLE_END && p != PARAM_ALL)
				CU_ASSERT_EQUAL(param_parse((enum param)p,
						    samples[param_info((enum param)p)->type],
						    &sent.values[p], NULL),
				    0);
		for (unsigned p = 0; p < PARAM_COUNT; p++)
			if (sent.values[p].given && param_info((enum param)p)->type == TYPE_LIST)
				sent.values[p] = (struct command_value){
					.given = true, .number = 2, .list = list
				};
		line = ctlproto_encode(&sent);
		CU_ASSERT_PTR_NOT_NULL_FATAL(line);
		CU_ASSERT_EQUAL_FATAL(decode(line, strlen(line), &got, NULL), 0);
		CU_ASSERT_EQUAL(got.verb, sent.verb);
		CU_ASSERT_STRING_EQUAL(got.id, sent.id);
		for (unsigned p = 0; p < PARAM_COUNT; p++) {
			bool wire = param_info((enum param)p)->where == WHERE_WIRE;

			CU_ASSERT_EQUAL(got.values[p].given, sent.values[p].given && wire);
			CU_ASSERT_EQUAL(
			    got.values[p].number, got.values[p].given ? sent.values[p].number : 0);
			if (got.values[p].text != NULL)
				CU_ASSERT_STRING_EQUAL(got.values[p].text, sent.values[p].text);
			for (uint64_t i = 0; got.values[p].list != NULL && i < 2; i++)
				CU_ASSERT_STRING_EQUAL(got.values[p].list[i], list[i]);
		}
		ctlproto_free(&got);
		free(line);
	}
}

/* A list holds so many, and not one more. */
static void
test_long_lists(void)
{
	for (unsigned n = COMMAND_LIST_MAX; n <= COMMAND_LIST_MAX + 1; n++) {
		char line[1024] =
		    "{\"v\":1,\"cmd\":\"route\",\"args\":{\"release\":\"a\",\"key\":[";
		struct ctl_request r;

		for (unsigned i = 0; i < n; i++)
			strcat(line, i > 0 ? ",\"k\"" : "\"k\"");
		strcat(line, "]}}");
		CU_ASSERT_EQUAL(
		    decode(line, strlen(line), &r, NULL), n > COMMAND_LIST_MAX ? -1 : 0);
		if (n > COMMAND_LIST_MAX)
			continue;
		CU_ASSERT_EQUAL(r.values[PARAM_KEY].number, n);
		ctlproto_free(&r);
	}
}

static void
test_too_long(void)
{
	char *line = malloc(CTLPROTO_REQUEST_MAX + 1);
	struct ctl_request r;
	struct err e;

	memset(line, ' ', CTLPROTO_REQUEST_MAX + 1);
	memcpy(line, "{\"v\":1,\"cmd\":\"status\"}", 22);
	CU_ASSERT_EQUAL(ctlproto_decode(line, CTLPROTO_REQUEST_MAX, &r, &e), 0);
	ctlproto_free(&r);
	CU_ASSERT_EQUAL(ctlproto_decode(line, CTLPROTO_REQUEST_MAX + 1, &r, &e), -1);
	CU_ASSERT(contains(e.msg, "longer than 65536"));
	free(line);
}

/* Errors quote what callers send; the answer must be JSON in UTF-8 all the same. */
static void
test_errors_are_clean(void)
{
	static const char hostile[] = "bad \xff\xc0\x80 \x1b[2J \xed\xa0\x80 \"\\ \xc3\x9c";
	cJSON *answer = ctlproto_error(CTL_CONFLICT, "7", hostile);
	char *text = cJSON_PrintUnformatted(answer);
	struct json strict;

	CU_ASSERT_EQUAL_FATAL(json_parse(&strict, text, strlen(text), false, NULL, NULL), 0);
	CU_ASSERT_STRING_EQUAL(text, "{\"ok\":false,\"id\":\"7\",\"code\":\"conflict\",\"error\":"
				     "\"bad ??? ?[2J ??? \\\"\\\\ \xc3\x9c\"}");
	json_free(&strict);
	cJSON_free(text);
	cJSON_Delete(answer);
}

static void
test_answers(void)
{
	static const struct {
		const char *line;
		bool good;
	} answers[] = {
		{ "{\"ok\":true}", true },
		{ "{\"ok\":true,\"later\":1}", true },
		{ "{\"ok\":false,\"code\":\"busy\",\"error\":\"x\"}", true },
		{ "{\"ok\":false,\"code\":\"busy\"}", false },
		{ "{\"ok\":1}", false },
		{ "{}", false },
		{ "HTTP/1.1 400 Bad Request", false },
		{ "", false },
	};

	for (size_t i = 0; i < COUNT(answers); i++) {
		struct err e;
		cJSON *answer =
		    ctlproto_answer_decode(answers[i].line, strlen(answers[i].line), &e);

		CU_ASSERT_EQUAL(answer != NULL, answers[i].good);
		cJSON_Delete(answer);
	}
	for (unsigned c = 0; c < CTL_CODE_COUNT; c++)
		CU_ASSERT_EQUAL(ctl_code_find(ctl_code_name((enum ctl_code)c)), c);
	CU_ASSERT_EQUAL(ctl_code_find("teapot"), CTL_INTERNAL);
}

static void
test_decimals(void)
{
	static const struct {
		const char *text;
		unsigned decimals;
		int result;
		uint64_t value;
	} cases[] = {
		{ "0", 2, 0, 0 },
		{ "30", 2, 0, 3000 },
		{ "12.5", 2, 0, 1250 },
		{ "007.25", 2, 0, 725 },
		{ "12.345", 2, -1, 0 },
		{ "12.", 2, -1, 0 },
		{ ".5", 2, -1, 0 },
		{ "1.2.3", 2, -1, 0 },
		{ "", 2, -1, 0 },
		{ "-1", 2, -1, 0 },
		{ "+1", 2, -1, 0 },
		{ " 1", 2, -1, 0 },
		{ "1e2", 2, -1, 0 },
		{ "1.0", 0, -1, 0 },
		{ "9007199254740992", 0, 0, UINT64_C(9007199254740992) },
		{ "9007199254740993", 0, -1, 0 },
		{ "90071992547409", 2, 0, UINT64_C(9007199254740900) },
		{ "90071992547410", 2, -1, 0 },
		{ "99999999999999999999999999", 0, -1, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 0;

		if (decimal_parse(cases[i].text, cases[i].decimals, &value) != cases[i].result ||
		    value != cases[i].value)
			CU_FAIL("decimal");
	}
}

static void
test_nearest(void)
{
	static const struct {
		const char *written;
		enum verb meant;
	} cases[] = {
		{ "stge", VERB_STAGE },
		{ "staeg", VERB_STAGE },
		{ "rolback", VERB_ROLLBACK },
		{ "roll", VERB_ROLLBACK },
		{ "wieght", VERB_WEIGHT },
		{ "error", VERB_ERRORS },
		{ "worker", VERB_WORKERS },
		{ "halt", VERB_NONE },
		{ "", VERB_NONE },
		{ "x", VERB_NONE },
		{ "rollbackrollbackrollback", VERB_NONE },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		CU_ASSERT_EQUAL(verb_nearest(cases[i].written), cases[i].meant);
	for (unsigned v = 0; v < VERB_COUNT; v++) {
		CU_ASSERT_EQUAL(verb_find(verb_info((enum verb)v)->name), v);
		CU_ASSERT_EQUAL(verb_nearest(verb_info((enum verb)v)->name), v);
	}
}

/* No two options of a verb have the same name or letter, and words come before options. */
static void
test_table_is_sound(void)
{
	for (unsigned v = 0; v < VERB_COUNT; v++) {
		const struct verb_param *params = verb_info((enum verb)v)->params;

		for (const struct verb_param *a = params; a->role != ROLE_END; a++) {
			const struct param_info *info = param_info(a->param);
			bool word =
			    a->role == ROLE_NEED || a->role == ROLE_MAY || a->role == ROLE_MANY;

			CU_ASSERT_EQUAL(param_find(info->name), a->param);
			CU_ASSERT(
			    word || (info->letter != 0 && strchr("jshV", info->letter) == NULL));
			CU_ASSERT(!word || a == params || a[-1].role == ROLE_NEED ||
				  a[-1].role == ROLE_MAY);
			for (const struct verb_param *b = params; b != a; b++) {
				CU_ASSERT_NOT_EQUAL(a->param, b->param);
				CU_ASSERT(word || info->letter != param_info(b->param)->letter);
			}
		}
	}
}

static void
test_printable(void)
{
	char mixed[] = "a\x80\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\x7f\xc2\x85\xc3";

	printable_clean(mixed);
	CU_ASSERT_STRING_EQUAL(mixed, "a?\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80????");
	CU_ASSERT_EQUAL(printable_width(mixed), 9);
}

void
suite_ctlproto(void)
{
	CU_pSuite s = CU_add_suite("ctlproto", NULL, NULL);

	CU_add_test(s, "lines", test_lines);
	CU_add_test(s, "meaning", test_meaning);
	CU_add_test(s, "percents travel", test_percents_travel);
	CU_add_test(s, "verbs travel", test_verbs_travel);
	CU_add_test(s, "long lists", test_long_lists);
	CU_add_test(s, "too long", test_too_long);
	CU_add_test(s, "errors are clean", test_errors_are_clean);
	CU_add_test(s, "answers", test_answers);
	CU_add_test(s, "decimals", test_decimals);
	CU_add_test(s, "nearest verb", test_nearest);
	CU_add_test(s, "the table is sound", test_table_is_sound);
	CU_add_test(s, "printable", test_printable);
}
