// SPDX-License-Identifier: MIT
/* Lists of models as the three APIs send them, whole, cut anywhere, and broken. */
#include "worker/catalogue.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void suite_catalogue(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define OPENAI	  PROVIDER_OPENAI
#define ANTHROPIC PROVIDER_ANTHROPIC
#define GEMINI	  PROVIDER_GEMINI

static void
collect(void *arg, const char *name)
{
	char *names = arg;

	if (strlen(names) + strlen(name) + 2 < 1024)
		strcat(strcat(names, name), " ");
}

static const struct {
	enum provider_kind kind;
	const char *text;
	bool is_list;
	const char *names; /* each with a space behind */
	bool more;
	const char *cursor;
} lists[] = {
	{ OPENAI,
	    "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4.1\",\"object\":\"model\",\"created\":1,"
	    "\"owned_by\":\"openai\"},{\"object\":\"model\",\"id\":\"o3\"}]}",
	    true, "gpt-4.1 o3 ", false, "" },
	{ OPENAI, "{\"data\":[]}", true, "", false, "" },
	/* Gemini's compatible endpoint */
	{ OPENAI, "{\"data\":[{\"id\":\"models/gemini-2.5-flash\"}]}", true, "gemini-2.5-flash ", 0,
	    "" },
	/* some send the bare list */
	{ OPENAI, " [{\"id\":\"a\"},{\"id\":\"b\"}] ", true, "a b ", false, "" },
	{ OPENAI, "{\"data\":[{\"id\":\"a\"}],\"has_more\":true,\"last_id\":\"a\"}", true, "a ", 1,
	    "a" },
	{ OPENAI, "{\"data\":[{\"id\":\"\\u0067\\u0070t\"}]}", true, "gpt ", false, "" },
	/* what is in an entry beside its name is not looked at, and names of other things are none
	 */
	{ OPENAI,
	    "{\"data\":[{\"x\":{\"id\":\"no\"},\"y\":[{\"id\":\"no\"}],\"id\":\"yes\"}],"
	    "\"models\":[{\"name\":\"no\"}]}",
	    true, "yes ", false, "" },
	{ OPENAI, "{\"data\":[null,7,\"x\",{\"id\":7},{\"id\":null},{\"id\":\"\"},{}]}", true, "",
	    0, "" },
	{ OPENAI, "{\"data\":[{\"id\":\"a\\u0000b\"}]}", true, "", false, "" },
	{ OPENAI, "{\"data\":null}", false, "", false, "" },
	{ OPENAI, "{\"data\":{\"id\":\"a\"}}", false, "", false, "" },
	{ OPENAI, "{\"error\":{\"message\":\"no\"}}", false, "", false, "" },
	{ OPENAI, "{}", false, "", false, "" },
	{ OPENAI, "", false, "", false, "" },
	{ OPENAI, "<html></html>", false, "", false, "" },
	{ OPENAI, "\"data\"", false, "", false, "" },
	{ OPENAI, "{\"data\":[]}x", false, "", false, "" },
	{ OPENAI, "{\"data\":[{\"id\":\"\xff\"}]}", false, "", false, "" },

	{ ANTHROPIC,
	    "{\"data\":[{\"type\":\"model\",\"id\":\"claude-sonnet-4-5\",\"display_name\":"
	    "\"Claude\"}],"
	    "\"has_more\":true,\"first_id\":\"x\",\"last_id\":\"claude-sonnet-4-5\"}",
	    true, "claude-sonnet-4-5 ", true, "claude-sonnet-4-5" },
	{ ANTHROPIC, "{\"data\":[],\"has_more\":false,\"last_id\":null}", true, "", false, "" },

	{ GEMINI,
	    "{\"models\":[{\"name\":\"models/"
	    "gemini-2.5-flash\",\"version\":\"001\",\"id\":\"no\"}],"
	    "\"nextPageToken\":\"Ch/g=\"}",
	    true, "gemini-2.5-flash ", true, "Ch/g=" },
	{ GEMINI, "{\"models\":[{\"name\":\"a\"}],\"nextPageToken\":\"\"}", true, "a ", false, "" },
	{ GEMINI, "{\"data\":[{\"id\":\"a\"}]}", false, "", false, "" },
};

static bool
read_list(enum provider_kind kind, const char *text, size_t n, char names[1024],
    struct catalogue_page *page)
{
	uint8_t *copy = malloc(n + (n == 0)); /* its exact size, for the sanitizer */
	bool is_list;

	memcpy(copy, text, n);
	names[0] = '\0';
	is_list = catalogue_read_list(kind, copy, n, collect, names, page);
	free(copy);
	return is_list;
}

static void
test_lists(void)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct catalogue_page page;
		char names[1024];

		CU_ASSERT_EQUAL(
		    read_list(lists[i].kind, lists[i].text, strlen(lists[i].text), names, &page),
		    lists[i].is_list);
		if (!lists[i].is_list)
			continue;
		CU_ASSERT_STRING_EQUAL(names, lists[i].names);
		CU_ASSERT_EQUAL(page.more, lists[i].more);
		CU_ASSERT_STRING_EQUAL(page.cursor, lists[i].cursor);
		if (strcmp(names, lists[i].names) != 0)
			printf("\n%s gave %s\n", lists[i].text, names);
	}
}

/* Part of a list is no list: a model that stands in the missing part would seem to be unknown. */
static void
test_every_cut(void)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		size_t n = strlen(lists[i].text);

		while (n > 0 && lists[i].text[n - 1] == ' ')
			n--;
		for (size_t cut = 0; lists[i].is_list && cut < n; cut++) {
			struct catalogue_page page;
			char names[1024];

			CU_ASSERT_FALSE(read_list(lists[i].kind, lists[i].text, cut, names, &page));
		}
	}
}

static void
test_long_names(void)
{
	char text[800], name[NAME_BYTES + 1], names[1024];
	struct catalogue_page page;

	for (size_t n = NAME_BYTES - 1; n <= NAME_BYTES; n++) {
		memset(name, 'x', n);
		name[n] = '\0';
		snprintf(text, sizeof(text), "{\"data\":[{\"id\":\"models/%s\"}]}", name);
		CU_ASSERT_TRUE(read_list(OPENAI, text, strlen(text), names, &page));
		CU_ASSERT_EQUAL(strlen(names), n < NAME_BYTES ? n + 1 : 0);
		CU_ASSERT_EQUAL(page.n, 1);
	}
	/* A cursor that does not fit is none: the list is not read on, and not taken for whole. */
	snprintf(text, sizeof(text), "{\"data\":[],\"has_more\":true,\"last_id\":\"%0600d\"}", 0);
	CU_ASSERT_TRUE(read_list(OPENAI, text, strlen(text), names, &page));
	CU_ASSERT_TRUE(page.more);
	CU_ASSERT_STRING_EQUAL(page.cursor, "");
}

static const struct {
	enum provider_kind kind;
	const char *text;
	bool is_model;
} models[] = {
	{ OPENAI, "{\"id\":\"gpt-4.1\",\"object\":\"model\"}", true },
	{ OPENAI, "{\"object\":\"model\",\"id\":\"x\",\"more\":{}}", true },
	{ OPENAI, "{\"id\":\"\"}", false },
	{ OPENAI, "{\"id\":7}", false },
	{ OPENAI, "{\"error\":{\"id\":\"x\"}}", false },
	{ OPENAI, "[{\"id\":\"x\"}]", false },
	{ OPENAI, "{\"id\":\"x\"", false },
	{ OPENAI, "<html>", false },
	{ OPENAI, "", false },
	{ ANTHROPIC, "{\"type\":\"model\",\"id\":\"claude\"}", true },
	{ GEMINI, "{\"name\":\"models/gemini\"}", true },
	{ GEMINI, "{\"id\":\"gemini\"}", false },
};

static void
test_models(void)
{
	for (size_t i = 0; i < COUNT(models); i++)
		CU_ASSERT_EQUAL(catalogue_read_model(models[i].kind,
				    (const uint8_t *)models[i].text, strlen(models[i].text)),
		    models[i].is_model);
}

static void
test_paths(void)
{
	char path[CATALOGUE_PATH_BYTES], cursor[CATALOGUE_CURSOR_BYTES];

	catalogue_list_path(OPENAI, "", path);
	CU_ASSERT_STRING_EQUAL(path, "/models");
	catalogue_list_path(OPENAI, "a b", path);
	CU_ASSERT_STRING_EQUAL(path, "/models?after=a%20b");
	catalogue_list_path(ANTHROPIC, "", path);
	CU_ASSERT_STRING_EQUAL(path, "/models?limit=1000");
	catalogue_list_path(ANTHROPIC, "claude", path);
	CU_ASSERT_STRING_EQUAL(path, "/models?limit=1000&after_id=claude");
	catalogue_list_path(GEMINI, "Ch/g=&x", path);
	CU_ASSERT_STRING_EQUAL(path, "/models?pageSize=1000&pageToken=Ch%2Fg%3D%26x");
	catalogue_model_path("models/gemini-2.5-flash", path);
	CU_ASSERT_STRING_EQUAL(path, "/models/gemini-2.5-flash");
	catalogue_model_path("meta/llama 3?#%\xc3\xa9", path);
	CU_ASSERT_STRING_EQUAL(path, "/models/meta%2Fllama%203%3F%23%25%C3%A9");
	catalogue_model_path("ft:gpt-4.1:org::id", path);
	CU_ASSERT_STRING_EQUAL(path, "/models/ft:gpt-4.1:org::id");
	memset(cursor, '%', sizeof(cursor) - 1);
	cursor[sizeof(cursor) - 1] = '\0';
	catalogue_list_path(GEMINI, cursor, path);
	CU_ASSERT(strlen(path) < sizeof(path));
}

void
suite_catalogue(void)
{
	CU_pSuite s = CU_add_suite("catalogue", NULL, NULL);

	CU_add_test(s, "lists", test_lists);
	CU_add_test(s, "every cut", test_every_cut);
	CU_add_test(s, "long names", test_long_names);
	CU_add_test(s, "models", test_models);
	CU_add_test(s, "paths", test_paths);
}
