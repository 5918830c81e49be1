// SPDX-License-Identifier: MIT
/*
 * The config against tests/config/: wrong ones with their messages, good ones with their print;
 * the configs that are shipped; and the manual page, which must hold every key of the field tables
 * with its default, and no other. Files are found from $GRAYD_SRC, else from here.
 */
#include "common/config.h"

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

void suite_config(void);

/* ---- files ----------------------------------------------------------------------------------- */

static char *
source_path(const char *name, char out[512])
{
	const char *root = getenv("GRAYD_SRC");

	snprintf(out, 512, "%s/%s", root == NULL ? "." : root, name);
	return out;
}

/* A whole file, terminated, to be freed; an empty text when it is not there. */
static char *
slurp(const char *name)
{
	char path[512];
	FILE *f = fopen(source_path(name, path), "r");
	char *text = NULL;
	size_t room = 0;

	if (f == NULL || getdelim(&text, &room, '\0', f) < 0) {
		fprintf(stderr, "cannot read %s\n", path);
		free(text);
		text = strdup("");
	}
	if (f != NULL)
		fclose(f);
	return text;
}

static void
expect_text(const char *what, const char *got, const char *wanted)
{
	CU_ASSERT_STRING_EQUAL(got, wanted);
	if (strcmp(got, wanted) != 0)
		fprintf(stderr, "\n%s\n  got:    %s\n  wanted: %s\n", what, got, wanted);
}

/* ---- wrong configs --------------------------------------------------------------------------- */

#define PROVIDERS "\"providers\": { \"p\": { \"base_url\": \"http://127.0.0.1:1/v1\" } }"
#define MODELS	  "\"models\": { \"a\": { \"provider\": \"p\" }, \"b\": { \"provider\": \"p\" } }"
#define RELEASES  "\"releases\": { \"r\": { \"stable\": \"a\", \"candidate\": \"b\" } }"

static const struct {
	const char *mark, *text;
} marks[] = {
	{ "@P", PROVIDERS },
	{ "@M", MODELS },
	{ "@R", RELEASES },
	{ "@B", PROVIDERS ", " MODELS ", " RELEASES },
	{ "@H", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" },
};

static const char *
mark_text(const char *at)
{
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strncmp(at, marks[i].mark, 2) == 0)
			return marks[i].text;
	return NULL;
}

/* The text of a case with its marks filled in, terminated. */
static char *
expand(const char *text, size_t n)
{
	struct buf b = { 0 };
	int rc = 0;

	while (n > 0) {
		const char *with = n >= 2 ? mark_text(text) : NULL;
		size_t used = with == NULL ? 1 : 2;

		rc |= with == NULL ? buf_add(&b, text, 1) : buf_adds(&b, with);
		text += used;
		n -= used;
	}
	rc |= buf_add(&b, "", 1);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	return (char *)b.data;
}

static void
check_bad(const char *name, const char *text, size_t n, const char *wanted)
{
	char *config_text = expand(text, n);
	char message[600];
	struct err e = { "accepted" };
	struct config *c = config_parse("FILE", config_text, CONFIG_NO_SECRETS, &e);

	CU_ASSERT_PTR_NULL(c);
	snprintf(message, sizeof(message), "FILE:%s", wanted);
	expect_text(name, e.msg, message);
	config_free(c);
	free(config_text);
}

/* Cuts the text at the end of the line; returns the next line. */
static char *
end_line(char *line)
{
	char *end = line + strcspn(line, "\n");

	if (*end == '\0')
		return end;
	*end = '\0';
	return end + 1;
}

/* Cases of three parts: "=== NAME", lines of config, "--- LINE: message". */
static void
test_wrong_configs(void)
{
	char *text = slurp("tests/config/bad.txt"), *next = text;
	unsigned cases = 0;

	while (strncmp(next, "=== ", 4) == 0) {
		char *name = next + 4, *body = end_line(name);
		char *result = strstr(body, "\n--- ");

		/* end_line() has cut the line before an empty body. */
		if (strncmp(body, "--- ", 4) == 0)
			result = body - 1;
		CU_ASSERT_PTR_NOT_NULL_FATAL(result);
		next = end_line(result + 5);
		check_bad(name, body, result < body ? 0 : (size_t)(result - body), result + 5);
		cases++;
	}
	CU_ASSERT_EQUAL(*next, '\0');
	CU_ASSERT_TRUE(cases >= 60);
	free(text);
}

/* ---- good configs ---------------------------------------------------------------------------- */

static struct config *
must_parse(const char *name, const char *text)
{
	struct err e = { "" };
	struct config *c = config_parse(name, text, CONFIG_NO_SECRETS, &e);

	expect_text(name, e.msg, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	return c;
}

/* Prints, loads the print and prints again: the same text, to be freed. */
static char *
print_twice(const char *name, const struct config *c)
{
	char *once = config_print(c);
	struct config *again = must_parse(name, once);
	char *twice = config_print(again);

	expect_text(name, twice, once);
	config_free(again);
	free(twice);
	return once;
}

static void
test_prints(void)
{
	static const char *const names[] = { "minimal", "full" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128], *text, *wanted, *printed;
		struct config *c;
		struct buf with_newline = { 0 };

		snprintf(path, sizeof(path), "tests/config/good/%s.json", names[i]);
		text = slurp(path);
		c = must_parse(path, text);
		printed = print_twice(path, c);
		CU_ASSERT_EQUAL(
		    buf_addf(&with_newline, "%s\n", printed) | buf_add(&with_newline, "", 1), 0);
		snprintf(path, sizeof(path), "tests/config/good/%s.print", names[i]);
		wanted = slurp(path);
		expect_text(path, (const char *)with_newline.data, wanted);
		buf_free(&with_newline);
		free(wanted);
		free(printed);
		config_free(c);
		free(text);
	}
}

/* What the print cannot show: how it lies in memory. */
static void
test_meaning(void)
{
	char *text = slurp("tests/config/good/full.json");
	struct config *c = must_parse("full.json", text);
	const struct config_release *r = config_find_release(c, "first", 5);

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	CU_ASSERT_EQUAL(r->index, 0);
	CU_ASSERT_PTR_EQUAL(r->arms[ARM_STABLE], &c->models[0]);
	CU_ASSERT_PTR_EQUAL(r->arms[ARM_CANDIDATE], &c->models[1]);
	CU_ASSERT_PTR_EQUAL(c->models[0].provider, &c->providers[0]);
	CU_ASSERT_STRING_EQUAL(c->models[0].name, "models/a");
	CU_ASSERT_STRING_EQUAL(c->models[1].name, c->models[1].id);
	CU_ASSERT_EQUAL(c->models[0].price.input, 140000);
	CU_ASSERT_EQUAL(c->models[0].price.cached_input, 1);
	CU_ASSERT_EQUAL(c->models[0].price.cache_write, 0);
	CU_ASSERT_EQUAL(c->models[0].price.output, 999999999999);
	CU_ASSERT_EQUAL(c->models[1].price.cached_input, 15000000);
	CU_ASSERT_TRUE(c->models[1].price.known);
	CU_ASSERT_FALSE(c->models[2].price.known);
	CU_ASSERT_STRING_EQUAL(c->providers[0].base_url, "https://api.example.com:8443/v1");
	CU_ASSERT_STRING_EQUAL(c->providers[0].api_key_source, "environment variable A_KEY");
	CU_ASSERT_PTR_NULL(c->providers[3].api_key_source);
	CU_ASSERT_STRING_EQUAL(r->sticky[0].name, "x-tenant");
	CU_ASSERT_STRING_EQUAL(r->sticky[2].child, "tenant");
	CU_ASSERT_TRUE(r->plan.rollback_on_deadline);
	CU_ASSERT_EQUAL(r->guard.symptoms[SYMPTOM_LENGTH].action, ACTION_HOLD);
	CU_ASSERT_EQUAL(r->guard.symptoms[SYMPTOM_LENGTH].margin, 3.0);
	CU_ASSERT_EQUAL(r->guard.values[VALUE_COST].action, ACTION_ROLLBACK);
	CU_ASSERT_PTR_NULL(c->releases[1].arms[ARM_CANDIDATE]);
	CU_ASSERT_PTR_EQUAL(c->clients[1].releases[1], r);
	CU_ASSERT_EQUAL(c->clients[1].key_hash[0], 0xff);
	CU_ASSERT_PTR_NULL(config_find_release(c, "first ", 6));
	CU_ASSERT_PTR_NULL(config_find_release(c, "firs", 4));
	config_free(c);
	free(text);
}

/* ---- what is shipped ------------------------------------------------------------------------- */

static void
test_shipped_configs(void)
{
	static const char *const names[] = { "etc/grayd.json", "etc/grayd-minimal.json",
		"etc/demo.json" };

	setenv("OPENAI_API_KEY", "sk-canary", 1);
	setenv("HOLYSHEEP_API_KEY", " hs_canary\n", 1);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[512], *printed;
		struct err e = { "" };
		struct config *c = config_load(source_path(names[i], path), 0, &e);

		expect_text(names[i], e.msg, "");
		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		printed = print_twice(names[i], c);
		CU_ASSERT_PTR_NULL(strstr(printed, "canary"));
		free(printed);
		config_free(c);
	}
	keys_scrub_environ();
	CU_ASSERT_PTR_NULL(getenv("OPENAI_API_KEY"));
	keys_forget();
}

static void
test_full_config_shows_defaults(void)
{
	static const char head[] = "{ " PROVIDERS ", " MODELS ", " RELEASES " }";
	struct config *defaults = must_parse("defaults", head), *c;
	char path[512];
	struct err e;

	c = config_load(source_path("etc/grayd.json", path), CONFIG_NO_SECRETS, &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(memcmp(&c->limits, &defaults->limits, sizeof(c->limits)), 0);
	CU_ASSERT_EQUAL(
	    memcmp(&c->releases[0].plan, &defaults->releases[0].plan, sizeof(c->releases[0].plan)),
	    0);
	CU_ASSERT_EQUAL(memcmp(&c->releases[0].guard, &defaults->releases[0].guard,
			    sizeof(c->releases[0].guard)),
	    0);
	CU_ASSERT_EQUAL(memcmp(&c->releases[0].timeouts, &defaults->releases[0].timeouts,
			    sizeof(c->releases[0].timeouts)),
	    0);
	config_free(c);
	config_free(defaults);
}

static void
test_key_errors_have_a_place(void)
{
	struct err e = { "" };
	struct config *c = config_parse("FILE",
	    "{ \"providers\": { \"o\": { \"base_url\": \"http://h\" },\n"
	    "  \"p\": { \"base_url\": \"http://h\",\n"
	    "    \"api_key\": { \"env\": \"GRAYD_TEST_NOT_SET\" } } },\n" MODELS ", " RELEASES " }",
	    0, &e);

	CU_ASSERT_PTR_NULL(c);
	expect_text("key", e.msg,
	    "FILE:3: providers.p.api_key: environment variable GRAYD_TEST_NOT_SET is not set: "
	    "export it "
	    "before grayd is started, or write it into a file that env_file names");
	config_free(c);
}

static void
test_files_that_are_none(void)
{
	struct err e;

	CU_ASSERT_PTR_NULL(config_load("/nowhere/grayd.json", 0, &e));
	expect_text("missing", e.msg, "/nowhere/grayd.json: No such file or directory");
	CU_ASSERT_PTR_NULL(config_load("/", 0, &e));
	expect_text("folder", e.msg, "/: Is a directory");
	CU_ASSERT_PTR_NULL(config_load("/dev/zero", 0, &e));
	expect_text("endless", e.msg, "/dev/zero: longer than 1048576 bytes");
}

/* ---- the manual page ------------------------------------------------------------------------- */

#define PAGE_KEYS_MAX 256

struct page {
	unsigned n;
	struct {
		char path[128];
		const char *about; /* what stands in parentheses behind the key */
		bool known;
	} keys[PAGE_KEYS_MAX];
};

/* Keys are ".It Cm KEY Pq ABOUT" in a section ".Ss PATH OF THE OBJECT". */
static void
read_page(struct page *page, char *text)
{
	char section[64] = "";

	while (*text != '\0') {
		char *line = text, *about;

		text = end_line(line);
		if (strncmp(line, ".Ss ", 4) == 0)
			snprintf(section, sizeof(section), "%s", line + 4);
		if (strncmp(line, ".It Cm ", 7) != 0 || (about = strstr(line, " Pq ")) == NULL)
			continue;
		CU_ASSERT_TRUE_FATAL(page->n < PAGE_KEYS_MAX);
		*about = '\0';
		if (strcmp(section, "Top level") == 0)
			snprintf(page->keys[page->n].path, 128, "%s", line + 7);
		else
			snprintf(page->keys[page->n].path, 128, "%s.%s", section, line + 7);
		page->keys[page->n++].about = about + 4;
	}
}

/* The page describes the keys of all symptoms at once, and those of all values. */
static void
generalise(char *path, const char *before, const char *word)
{
	char rest[128], *at = strstr(path, before), *dot;

	if (at == NULL || (dot = strchr(at + strlen(before), '.')) == NULL)
		return;
	snprintf(rest, sizeof(rest), "%s", dot);
	sprintf(at + strlen(before), "%s%s", word, rest);
}

/* Without quotes and spaces: the page is for people. */
static void
squeeze(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < room; text++)
		if (*text != '"' && *text != ' ')
			out[n++] = *text;
	out[n] = '\0';
}

static bool
tells_default(const char *about, const char *preset)
{
	char wanted[256], got[512];

	if (preset == NULL)
		return strstr(about, ", required") != NULL;
	if (*preset == '\0')
		return strstr(about, ", optional") != NULL;
	if (*preset == '{')
		return strcmp(about, "object") == 0;
	squeeze(got, sizeof(got), about);
	squeeze(wanted, sizeof(wanted), preset);
	if (*wanted == '\0' || strcmp(wanted, "[]") == 0)
		snprintf(wanted, sizeof(wanted), "none");
	/* The page has a one-item list as it is. */
	return strlen(got) > strlen(wanted) + 8 &&
	       strcmp(got + strlen(got) - strlen(wanted), wanted) == 0 &&
	       memcmp(got + strlen(got) - strlen(wanted) - 8, ",default", 8) == 0;
}

static void
check_key(void *arg, const char *path, const char *preset)
{
	struct page *page = arg;
	char wanted[160];
	bool found = false;

	snprintf(wanted, sizeof(wanted), "%s", path);
	generalise(wanted, "guard.symptoms.", "SYMPTOM");
	generalise(wanted, "guard.values.", "VALUE");
	for (unsigned i = 0; i < page->n; i++) {
		if (strcmp(page->keys[i].path, wanted) != 0)
			continue;
		page->keys[i].known = found = true;
		CU_ASSERT_TRUE(tells_default(page->keys[i].about, preset));
		if (!tells_default(page->keys[i].about, preset))
			fprintf(stderr, "\ngrayd.json(5): %s: default %s\n", path, preset);
	}
	CU_ASSERT_TRUE(found);
	if (!found)
		fprintf(stderr, "\ngrayd.json(5) lacks %s\n", path);
}

static void
test_manual_page(void)
{
	char *text = slurp("daemon/grayd.json.5");
	struct page *page = calloc(1, sizeof(*page));

	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	read_page(page, text);
	config_each_key(check_key, page);
	for (unsigned i = 0; i < page->n; i++) {
		CU_ASSERT_TRUE(page->keys[i].known);
		if (!page->keys[i].known)
			fprintf(stderr, "\ngrayd.json(5) has %s\n", page->keys[i].path);
	}
	free(page);
	free(text);
}

void
suite_config(void)
{
	CU_pSuite s = CU_add_suite("config", NULL, NULL);

	CU_add_test(s, "wrong configs and their messages", test_wrong_configs);
	CU_add_test(s, "good configs and their prints", test_prints);
	CU_add_test(s, "meaning", test_meaning);
	CU_add_test(s, "shipped configs load", test_shipped_configs);
	CU_add_test(s, "full config shows the defaults", test_full_config_shows_defaults);
	CU_add_test(s, "key errors have a place", test_key_errors_have_a_place);
	CU_add_test(s, "files that are none", test_files_that_are_none);
	CU_add_test(s, "manual page", test_manual_page);
}
