// SPDX-License-Identifier: MIT
/*
 * grayctl's command line, its conditions of waiting, its help; and that the man page knows every
 * verb and option of the table.
 */
#include "ctl/args.h"

#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctlproto.h"
#include "ctl/usage.h"
#include "ctl/wait.h"

void suite_args(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WORDS	 16

/* Parses "stage chat 30", split at spaces; the words live in `line`. */
static int
parse(char *line, struct args *args, struct err *e)
{
	char program[] = "grayctl", *argv[WORDS + 1] = { program }, *rest = line;
	int argc = 1;

	for (char *word; argc < WORDS && (word = strsep(&rest, " ")) != NULL;)
		if (line[0] != '\0')
			argv[argc++] = word;
	return args_parse(argc, argv, "/from/environment", args, e);
}

static const struct {
	const char *line;
	enum verb verb;
	const char *error; /* a part of it; NULL: the line is good */
} lines[] = {
	{ "status", VERB_STATUS, NULL },
	{ "status chat --wait stage=30 --timeout 2.5", VERB_STATUS, NULL },
	{ "status --watch", VERB_STATUS, NULL },
	{ "top", VERB_TOP, NULL },
	{ "top chat --timeout 2.5", VERB_TOP, NULL },
	{ "resume chat --waive left,cost --reason known", VERB_RESUME, NULL },
	{ "-j -s /x stage chat 30", VERB_STAGE, NULL },
	{ "stage --reason=because chat 30 -i7", VERB_STAGE, NULL },
	{ "stage chat -- 30", VERB_STAGE, NULL },
	{ "stage -- -chat 30", VERB_STAGE, NULL },
	{ "rollback --all", VERB_ROLLBACK, NULL },
	{ "rollback -a -r why", VERB_ROLLBACK, NULL },
	{ "errors -n 50", VERB_ERRORS, NULL },
	{ "errors --limit 1 chat", VERB_ERRORS, NULL },
	{ "cost", VERB_COST, NULL },
	{ "cost chat", VERB_COST, NULL },
	{ "cost --compare requests=1 input=2 output=3", VERB_COST, NULL },
	{ "cost -crequests=1 input=2 -t 5 chat", VERB_COST, NULL },
	{ "cost --compare=requests=1 chat", VERB_COST, NULL },
	{ "start chat --wait stage=10 -t 5", VERB_START, NULL },
	{ "promote chat --full", VERB_PROMOTE, NULL },
	{ "promote chat --wait phase=gate", VERB_PROMOTE, NULL },
	{ "rollback chat -c", VERB_ROLLBACK, NULL },
	{ "resume chat --waive left --reason known", VERB_RESUME, NULL },
	{ "freeze", VERB_FREEZE, NULL },
	{ "freeze chat --until 2026-11-24T08:00:00Z", VERB_FREEZE, NULL },
	{ "freeze -u +1h30m", VERB_FREEZE, NULL },
	{ "route chat anna bob -t 1 carl", VERB_ROUTE, NULL },
	{ "key new team-a", VERB_KEY, NULL },
	{ "completion", VERB_COMPLETION, NULL },
	{ "--help", VERB_HELP, NULL },
	{ "-h", VERB_HELP, NULL },
	{ "stage --help", VERB_HELP, NULL },
	{ "stage chat thirty -h", VERB_STAGE, "percent" },
	{ "help stage", VERB_HELP, NULL },
	{ "-V", VERB_VERSION, NULL },
	{ "version", VERB_VERSION, NULL },

	{ "", VERB_NONE, "which verb?" },
	{ "-j", VERB_NONE, "which verb?" },
	{ "stge", VERB_NONE, "did you mean \"stage\"?" },
	{ "bogus", VERB_NONE, "unknown verb \"bogus\"" },
	{ "-x status", VERB_NONE, "-x: no such option before the verb" },
	{ "--reason x status", VERB_NONE, "--reason: no such option before" },
	{ "status --reason x", VERB_STATUS, "--reason: status has no such option" },
	{ "status --release chat", VERB_STATUS, "--release: status has no such option" },
	{ "status a b", VERB_STATUS, "\"b\" is one word too many" },
	{ "status --wait", VERB_STATUS, "--wait: its value is missing" },
	{ "status --wait soon", VERB_STATUS, "no condition" },
	{ "status --wait state=asleep", VERB_STATUS, "rolled_back" },
	{ "status --wait stage=12.345", VERB_STATUS, "two decimals" },
	{ "status --wait healthy --watch", VERB_STATUS, "exclude each other" },
	{ "status --watch=1", VERB_STATUS, "takes no value" },
	{ "status -Wj", VERB_STATUS, "write each option for itself" },
	{ "status --timeout 0", VERB_STATUS, "timeout" },
	{ "status --wait healthy --wait healthy", VERB_STATUS, "given twice" },
	{ "stage chat", VERB_STAGE, "percent is missing" },
	{ "stage", VERB_STAGE, "release is missing" },
	{ "stage chat 101", VERB_STAGE, "out of bounds" },
	{ "stage chat 30%", VERB_STAGE, "not a number from 0 to 100" },
	{ "stage chat 30 --if-revision 0", VERB_STAGE, "if_revision" },
	{ "rollback", VERB_ROLLBACK, "release is missing" },
	{ "rollback chat --all", VERB_ROLLBACK, "exclude each other" },
	{ "errors -n 51", VERB_ERRORS, "not within 1 to 50" },
	{ "cost a b", VERB_COST, "\"b\" is one word too many" },
	{ "cost --compare", VERB_COST, "--compare: its value is missing" },
	{ "cost -c a=1 -c b=2", VERB_COST, "compare: given twice" },
	{ "promote", VERB_PROMOTE, "release is missing" },
	{ "promote chat 30", VERB_PROMOTE, "one word too many" },
	{ "promote chat --wait phase=asleep", VERB_PROMOTE, "gate" },
	{ "freeze --until tomorrow", VERB_FREEZE, "is no time" },
	{ "freeze --until +2w", VERB_FREEZE, "is no time" },
	{ "route chat", VERB_ROUTE, "key is missing" },
	{ "workers x", VERB_WORKERS, "one word too many" },
	{ "key", VERB_KEY, "action is missing" },
	{ "judge chat", VERB_JUDGE, "good|bad is missing" },
	{ "judge chat good", VERB_JUDGE, "which one? add -q ID: the x-request-id of the answer" },
	{ "key new", VERB_KEY, "client is missing" },
	{ "key old team-a", VERB_KEY, "expected \"new\", found \"old\"" },
	{ "key new team'a", VERB_KEY, "client: expected 1 to 127 visible ASCII characters" },
	{ "help bogus", VERB_HELP, "unknown verb" },
	{ "-s", VERB_NONE, "its value is missing" },
};

static void
test_lines(void)
{
	for (size_t i = 0; i < COUNT(lines); i++) {
		char *line = strdup(lines[i].line);
		struct args args;
		struct err e = { "" };
		int result = parse(line, &args, &e);
		bool as_expected = result == (lines[i].error == NULL ? 0 : -1) &&
				   args.verb == lines[i].verb &&
				   (result == 0 || strstr(e.msg, lines[i].error) != NULL);

		if (!as_expected)
			fprintf(stderr, "grayctl %s: %d, verb %u, %s\n", lines[i].line, result,
			    args.verb, e.msg);
		CU_ASSERT_TRUE(as_expected);
		free(line);
	}
}

static void
test_values(void)
{
	char line[] = "weight chat 12.34 --reason=a=b -i 9 -t 0.25 -j";
	char general[] = "--socket=/my/socket status", help[] = "rollback --help";
	char keys[] = "route chat anna -j bob -- -carl";
	struct args args;
	struct err e;

	CU_ASSERT_EQUAL_FATAL(parse(line, &args, &e), 0);
	CU_ASSERT_TRUE(args.json);
	CU_ASSERT_STRING_EQUAL(args.socket, "/from/environment");
	CU_ASSERT_STRING_EQUAL(args.values[PARAM_RELEASE].text, "chat");
	CU_ASSERT_EQUAL(args.values[PARAM_PERCENT].number, 1234);
	CU_ASSERT_STRING_EQUAL(args.values[PARAM_REASON].text, "a=b");
	CU_ASSERT_EQUAL(args.values[PARAM_IF_REVISION].number, 9);
	CU_ASSERT_EQUAL(args.values[PARAM_TIMEOUT].number, 250);
	CU_ASSERT_EQUAL_FATAL(parse(keys, &args, &e), 0);
	CU_ASSERT_STRING_EQUAL(args.values[PARAM_RELEASE].text, "chat");
	CU_ASSERT_EQUAL_FATAL(args.values[PARAM_KEY].number, 3);
	CU_ASSERT_STRING_EQUAL(args.values[PARAM_KEY].list[0], "anna");
	CU_ASSERT_STRING_EQUAL(args.values[PARAM_KEY].list[2], "-carl");
	CU_ASSERT_EQUAL_FATAL(parse(general, &args, &e), 0);
	CU_ASSERT_STRING_EQUAL(args.socket, "/my/socket");
	CU_ASSERT_FALSE(args.json);
	CU_ASSERT_EQUAL_FATAL(parse(help, &args, &e), 0);
	CU_ASSERT_STRING_EQUAL(args.values[PARAM_TOPIC].text, "rollback");
}

/* An error before -j is told in JSON too; behind "--" it is a word. */
/* The words with a '=' behind it belong to it, and none further. */
static void
test_list_option(void)
{
	char line[] = "cost --compare requests=1 input=2 chat";
	struct args args;
	struct err e;

	CU_ASSERT_EQUAL(parse(line, &args, &e), 0);
	CU_ASSERT_EQUAL(args.values[PARAM_COMPARE].number, 2);
	CU_ASSERT_STRING_EQUAL(args.values[PARAM_COMPARE].list[1], "input=2");
	CU_ASSERT_STRING_EQUAL(args.values[PARAM_RELEASE].text, "chat");
}

static void
test_json_is_known_early(void)
{
	char before[] = "bogus -j", word[] = "status -- -j";
	struct args args;
	struct err e;

	CU_ASSERT_EQUAL(parse(before, &args, &e), -1);
	CU_ASSERT_TRUE(args.json);
	CU_ASSERT_EQUAL(parse(word, &args, &e), 0);
	CU_ASSERT_FALSE(args.json);
}

static void
test_default_socket(void)
{
	char program[] = "grayctl", verb[] = "status";
	char *argv[] = { program, verb, NULL };
	struct args args;
	struct err e;

	CU_ASSERT_EQUAL(args_parse(2, argv, NULL, &args, &e), 0);
	CU_ASSERT_STRING_EQUAL(args.socket, "/run/grayd/control.sock");
	CU_ASSERT_EQUAL(args_parse(2, argv, "", &args, &e), 0);
	CU_ASSERT_STRING_EQUAL(args.socket, "/run/grayd/control.sock");
}

static void
test_waiting(void)
{
#define RELEASE(state, stage, set, published)                                 \
	"{\"state\":\"" state "\",\"stage\":" #stage ",\"set_percent\":" #set \
	",\"published_percent\":" #published "}"
#define STATUS(serving, ...) \
	"{\"ok\":true,\"grayd\":{\"serving\":" serving "},\"releases\":{" __VA_ARGS__ "}}"
	static const struct {
		const char *condition, *status;
		enum wait_verdict verdict;
	} cases[] = {
		{ "stage=30", STATUS("true", "\"a\":" RELEASE("step", 30, 30, 30)), WAIT_MET },
		{ "stage=30", STATUS("true", "\"a\":" RELEASE("step", 30, 30, 10)), WAIT_NOT_YET },
		{ "stage=30", STATUS("true", "\"a\":" RELEASE("step", 10, 10, 10)), WAIT_NOT_YET },
		{ "stage=30", STATUS("true", "\"a\":" RELEASE("hold", 10, 10, 10)), WAIT_ON_HOLD },
		{ "stage=30", STATUS("true", "\"a\":" RELEASE("hold", 30, 30, 30)), WAIT_MET },
		{ "stage=30", STATUS("true", "\"a\":" RELEASE("rolled_back", 0, 0, 0)),
		    WAIT_ROLLED_BACK },
		{ "share=12.5", STATUS("true", "\"a\":" RELEASE("step", 13, 12.5, 12.5)),
		    WAIT_MET },
		{ "share=12.5", STATUS("true", "\"a\":" RELEASE("step", 13, 12.5, 12.4)),
		    WAIT_NOT_YET },
		{ "share=0", STATUS("true", "\"a\":" RELEASE("rolled_back", 0, 0, 0)), WAIT_MET },
		{ "state=rolled_back", STATUS("true", "\"a\":" RELEASE("rolled_back", 0, 0, 0)),
		    WAIT_MET },
		{ "state=rolled_back", STATUS("true", "\"a\":" RELEASE("rolled_back", 0, 0, 5)),
		    WAIT_ROLLED_BACK },
		{ "state=done", STATUS("true", "\"a\":" RELEASE("bake", 100, 100, 100)),
		    WAIT_NOT_YET },
		{ "phase=gate", STATUS("true", "\"a\":" RELEASE("step", 10, 10, 10)),
		    WAIT_NOT_YET },
		{ "phase=gate",
		    STATUS("true", "\"a\":{\"state\":\"step\",\"plan\":{\"phase\":\"gate\"}}"),
		    WAIT_MET },
		{ "phase=gate",
		    STATUS("true", "\"a\":{\"state\":\"hold\",\"plan\":{\"phase\":\"observe\"}}"),
		    WAIT_ON_HOLD },
		{ "healthy", STATUS("true", "\"a\":" RELEASE("step", 10, 10, 10)), WAIT_MET },
		{ "healthy", STATUS("false", "\"a\":" RELEASE("step", 10, 10, 10)), WAIT_NOT_YET },
		{ "healthy", STATUS("true", "\"a\":" RELEASE("hold", 10, 10, 10)), WAIT_ON_HOLD },
		{ "stage=30",
		    STATUS("true",
			"\"a\":" RELEASE("step", 30, 30, 30) ",\"b\":" RELEASE("step", 10, 10, 10)),
		    WAIT_NOT_YET },
		{ "stage=30",
		    STATUS("true", "\"a\":" RELEASE("step", 10, 10, 10) ",\"b\":" RELEASE(
				       "rolled_back", 0, 0, 0)),
		    WAIT_ROLLED_BACK },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		cJSON *status = cJSON_Parse(cases[i].status);
		struct wait_condition condition;

		CU_ASSERT_PTR_NOT_NULL_FATAL(status);
		CU_ASSERT_EQUAL_FATAL(wait_parse(cases[i].condition, &condition, NULL), 0);
		if (wait_judge(&condition, status) != cases[i].verdict) {
			fprintf(stderr, "%s on %s\n", cases[i].condition, cases[i].status);
			CU_FAIL("verdict");
		}
		cJSON_Delete(status);
	}
}

/* Of several releases the one is named for which the others wait in vain. */
static void
test_culprit(void)
{
	cJSON *status =
	    cJSON_Parse("{\"releases\":{\"a\":{\"state\":\"step\"},\"b\":{\"state\":\"hold\"},"
			"\"c\":{\"state\":\"rolled_back\"}}}");

	CU_ASSERT_PTR_NOT_NULL_FATAL(status);
	CU_ASSERT_STRING_EQUAL(wait_culprit(WAIT_ON_HOLD, status), "b");
	CU_ASSERT_STRING_EQUAL(wait_culprit(WAIT_ROLLED_BACK, status), "c");
	CU_ASSERT_PTR_NULL(wait_culprit(WAIT_NOT_YET, status));
	CU_ASSERT_PTR_NULL(wait_culprit(WAIT_ROLLED_BACK, NULL));
	cJSON_Delete(status);
}

static void
expect_screen(const char *text, size_t n)
{
	size_t lines_seen = 0, width = 0;

	for (size_t i = 0; i < n; i++) {
		width = text[i] == '\n' ? 0 : width + 1;
		lines_seen += text[i] == '\n';
		CU_ASSERT_FATAL(width <= 80);
	}
	CU_ASSERT(lines_seen <= 24);
}

static void
test_help_fits_a_screen(void)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	usage_screen(out);
	fclose(out);
	expect_screen(text, n);
	for (unsigned v = 0; v < VERB_COUNT; v++)
		CU_ASSERT_PTR_NOT_NULL(strstr(text, verb_info((enum verb)v)->name));
	free(text);
	for (unsigned v = 0; v < VERB_COUNT; v++) {
		out = open_memstream(&text, &n);
		usage_verb(out, (enum verb)v);
		fclose(out);
		expect_screen(text, n);
		free(text);
	}
}

/* mdoc writes "--if-revision" as ".Fl -if-revision". */
static bool
page_has_option(const char *page, const struct param_info *p)
{
	char option[64];

	snprintf(option, sizeof(option), "Fl -%s", p->name);
	for (char *c = option; *c != '\0'; c++)
		if (*c == '_')
			*c = '-';
	return strstr(page, option) != NULL;
}

static char *
read_page(const char *path)
{
	char *page = calloc(1, 1 << 20);
	FILE *file = fopen(path, "r");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT(fread(page, 1, (1 << 20) - 1, file) > 0);
	fclose(file);
	return page;
}

static void
test_protocol_page(void)
{
	char *page = read_page("daemon/grayd-control.7"), verb[64];

	for (unsigned v = 0; v < VERB_COUNT; v++) {
		const struct verb_info *info = verb_info((enum verb)v);

		if (info->right == RIGHT_LOCAL)
			continue;
		snprintf(verb, sizeof(verb), "\n.It Cm %s", info->name);
		if (strstr(page, verb) == NULL)
			CU_FAIL("a verb is missing in grayd-control(7)");
		for (const struct verb_param *p = info->params; p->role != ROLE_END; p++)
			if (param_info(p->param)->where == WHERE_WIRE &&
			    strstr(page, param_info(p->param)->name) == NULL)
				CU_FAIL("an argument is missing in grayd-control(7)");
	}
	for (unsigned code = CTL_USAGE; code < CTL_CODE_COUNT; code++) {
		snprintf(verb, sizeof(verb), "\n.It Cm %s\n", ctl_code_name((enum ctl_code)code));
		if (strstr(page, verb) == NULL)
			CU_FAIL("a code is missing in grayd-control(7)");
	}
	free(page);
}

static void
test_man_page(void)
{
	char *page = read_page("ctl/grayctl.8"), verb[64];

	for (unsigned v = 0; v < VERB_COUNT; v++) {
		const struct verb_info *info = verb_info((enum verb)v);

		snprintf(verb, sizeof(verb), "Cm %s", info->name);
		if (strstr(page, verb) == NULL)
			CU_FAIL("a verb is missing in the man page");
		for (const struct verb_param *p = info->params; p->role != ROLE_END; p++)
			if (p->role != ROLE_NEED && p->role != ROLE_MAY && p->role != ROLE_MANY &&
			    !page_has_option(page, param_info(p->param)))
				CU_FAIL("an option is missing in the man page");
	}
	free(page);
}

void
suite_args(void)
{
	CU_pSuite s = CU_add_suite("args", NULL, NULL);

	CU_add_test(s, "lines", test_lines);
	CU_add_test(s, "values", test_values);
	CU_add_test(s, "an option that is a list", test_list_option);
	CU_add_test(s, "json is known early", test_json_is_known_early);
	CU_add_test(s, "default socket", test_default_socket);
	CU_add_test(s, "conditions of waiting", test_waiting);
	CU_add_test(s, "who ends a wait", test_culprit);
	CU_add_test(s, "help fits a screen", test_help_fits_a_screen);
	CU_add_test(s, "the man page is complete", test_man_page);
	CU_add_test(s, "the page of the protocol is complete", test_protocol_page);
}
