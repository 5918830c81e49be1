// SPDX-License-Identifier: MIT
/* What is asked, in which order, and what the answers prove. */
#include "worker/inquiry.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void suite_inquiry(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LIST	 "/models"
#define NAMED	 "/models/old"

struct step {
	const char *path;
	unsigned status; /* 0: no answer */
	const char *body;
};

/* One model, "old", at a provider of kind openai. */
static const struct {
	struct step steps[4];
	enum standing standing;
	const char *why; /* a part of it */
	const char *alike;
} cases[] = {
	{ { { LIST, 200, "{\"data\":[{\"id\":\"old\"}]}" } }, STANDING_VERIFIED, "", "" },
	{ { { LIST, 200, "{\"data\":[{\"id\":\"models/old\"}]}" } }, STANDING_VERIFIED, "", "" },
	/* an alias, which is not listed */
	{ { { LIST, 200, "{\"data\":[]}" }, { NAMED, 200, "{\"id\":\"old-2025\"}" } },
	    STANDING_VERIFIED, "", "" },
	{ { { LIST, 200, "{\"data\":[{\"id\":\"new\"},{\"id\":\"old2\"}]}" },
	      { NAMED, 404, "{}" } },
	    STANDING_UNKNOWN, "not among the 2 models", "old2" },
	{ { { LIST, 200, "{\"data\":[{\"id\":\"new\"}]}" }, { NAMED, 410, "" } }, STANDING_UNKNOWN,
	    "not among the 1 model that", "" },
	/* no list */
	{ { { LIST, 404, "{}" }, { NAMED, 404, "{}" } }, STANDING_UNVERIFIED, "no list", "" },
	{ { { LIST, 405, "" }, { NAMED, 501, "" } }, STANDING_UNVERIFIED, "no list", "" },
	{ { { LIST, 501, "" }, { NAMED, 200, "{\"id\":\"old\"}" } }, STANDING_VERIFIED, "", "" },
	{ { { LIST, 200, "<html>" }, { NAMED, 404, "" } }, STANDING_UNVERIFIED, "no list", "" },
	{ { { LIST, 200, "<html>" }, { NAMED, 200, "<html>" } }, STANDING_UNVERIFIED, "no model",
	    "" },
	{ { { LIST, 204, "" }, { NAMED, 404, "" } }, STANDING_UNVERIFIED, "no list", "" },
	/* a list, and no way to ask for one */
	{ { { LIST, 200, "{\"data\":[]}" }, { NAMED, 405, "" } }, STANDING_UNVERIFIED, "(405)",
	    "" },
	{ { { LIST, 200, "{\"data\":[]}" }, { NAMED, 501, "" } }, STANDING_UNVERIFIED, "(501)",
	    "" },
	{ { { LIST, 200, "{\"data\":[]}" }, { NAMED, 200, "{}" } }, STANDING_UNVERIFIED, "no model",
	    "" },
	/* it could not be asked */
	{ { { LIST, 0, "Connection refused" } }, STANDING_UNREACHABLE, "Connection refused", "" },
	{ { { LIST, 200, "{\"data\":[]}" }, { NAMED, 0, "reset" } }, STANDING_UNREACHABLE, "reset",
	    "" },
	{ { { LIST, 401, "{\"error\":{\"message\":\"Bad key.\",\"code\":\"invalid_api_key\"}}" } },
	    STANDING_UNREACHABLE, "401 invalid_api_key: Bad key.", "" },
	{ { { LIST, 403, "" } }, STANDING_UNREACHABLE, "403", "" },
	{ { { LIST, 429, "" } }, STANDING_UNREACHABLE, "429", "" },
	{ { { LIST, 500, "" } }, STANDING_UNREACHABLE, "500", "" },
	{ { { LIST, 503, "down" } }, STANDING_UNREACHABLE, "503: down", "" },
	{ { { LIST, 301, "" } }, STANDING_UNREACHABLE, "correct base_url", "" },
	{ { { LIST, 400, "" } }, STANDING_UNREACHABLE, "400", "" },
	{ { { LIST, 200, "{\"data\":[]}" }, { NAMED, 503, "" } }, STANDING_UNREACHABLE, "503", "" },
	{ { { LIST, 200, "{\"data\":[]}" }, { NAMED, 401, "" } }, STANDING_UNREACHABLE, "401", "" },
	/* pages */
	{ { { LIST, 200, "{\"data\":[{\"id\":\"a\"}],\"has_more\":true,\"last_id\":\"a\"}" },
	      { LIST "?after=a", 200, "{\"data\":[{\"id\":\"old\"}]}" } },
	    STANDING_VERIFIED, "", "" },
	{ { { LIST, 200, "{\"data\":[{\"id\":\"a\"}],\"has_more\":true,\"last_id\":\"a\"}" },
	      { LIST "?after=a", 200, "{\"data\":[{\"id\":\"b\"}]}" }, { NAMED, 404, "" } },
	    STANDING_UNKNOWN, "not among the 2 models", "" },
	{ { { LIST, 200, "{\"data\":[{\"id\":\"old\"}],\"has_more\":true,\"last_id\":\"a\"}" } },
	    STANDING_VERIFIED, "", "" },
	{ { { LIST, 200, "{\"data\":[],\"has_more\":true,\"last_id\":\"a\"}" },
	      { LIST "?after=a", 500, "" } },
	    STANDING_UNREACHABLE, "500", "" },
	/* a list without an end proves nothing */
	{ { { LIST, 200, "{\"data\":[],\"has_more\":true}" }, { NAMED, 404, "" } },
	    STANDING_UNVERIFIED, "no end", "" },
	{ { { LIST, 200, "{\"data\":[],\"has_more\":true,\"last_id\":\"a\"}" },
	      { LIST "?after=a", 200, "{\"data\":[],\"has_more\":true,\"last_id\":\"a\"}" },
	      { NAMED, 404, "" } },
	    STANDING_UNVERIFIED, "no end", "" },
};

static void
answer(struct inquiry *q, const struct step *s)
{
	if (s->status == 0)
		inquiry_failed(q, s->body);
	else
		inquiry_answered(q, s->status, (const uint8_t *)s->body, strlen(s->body));
}

static void
run_case(size_t i)
{
	char path[CATALOGUE_PATH_BYTES];
	const struct finding *f;
	struct inquiry q;
	unsigned step = 0;

	CU_ASSERT_EQUAL_FATAL(inquiry_init(&q, PROVIDER_OPENAI), 0);
	inquiry_add(&q, 5, "old");
	while (inquiry_next(&q, path) && step < 4 && cases[i].steps[step].path != NULL) {
		CU_ASSERT_STRING_EQUAL(path, cases[i].steps[step].path);
		answer(&q, &cases[i].steps[step++]);
	}
	CU_ASSERT_FALSE(inquiry_next(&q, path));
	CU_ASSERT(step == 4 || cases[i].steps[step].path == NULL);
	f = &q.models[0].finding;
	CU_ASSERT_EQUAL(q.models[0].model, 5);
	CU_ASSERT_EQUAL(f->standing, cases[i].standing);
	CU_ASSERT_PTR_NOT_NULL(strstr(f->why, cases[i].why));
	CU_ASSERT_STRING_EQUAL(f->n_alike > 0 ? f->alike[0] : "", cases[i].alike);
	if (f->standing != cases[i].standing || strstr(f->why, cases[i].why) == NULL)
		printf("\ncase %zu: %s, %s\n", i, standing_name(f->standing), f->why);
	inquiry_fini(&q);
}

static void
test_cases(void)
{
	for (size_t i = 0; i < COUNT(cases); i++)
		run_case(i);
}

static void
say(struct inquiry *q, unsigned status, const char *body)
{
	inquiry_answered(q, status, (const uint8_t *)body, strlen(body));
}

/* Each model that is not listed is asked for once; one that cannot be asked for leaves the others
 * that are settled as they are. */
static void
test_many_models(void)
{
	char path[CATALOGUE_PATH_BYTES];
	struct inquiry q;

	CU_ASSERT_EQUAL_FATAL(inquiry_init(&q, PROVIDER_GEMINI), 0);
	inquiry_add(&q, 0, "models/a");
	inquiry_add(&q, 1, "b");
	inquiry_add(&q, 2, "c");
	inquiry_add(&q, 3, "d");
	CU_ASSERT_TRUE(inquiry_next(&q, path));
	CU_ASSERT_STRING_EQUAL(path, "/models?pageSize=1000");
	say(&q, 200, "{\"models\":[{\"name\":\"models/a\"},{\"name\":\"models/x\"}]}");
	CU_ASSERT_TRUE(inquiry_next(&q, path));
	CU_ASSERT_STRING_EQUAL(path, "/models/b");
	say(&q, 404, "");
	CU_ASSERT_TRUE(inquiry_next(&q, path));
	CU_ASSERT_STRING_EQUAL(path, "/models/c");
	inquiry_failed(&q, "it did not answer in time");
	CU_ASSERT_FALSE(inquiry_next(&q, path));
	CU_ASSERT_EQUAL(q.models[0].finding.standing, STANDING_VERIFIED);
	CU_ASSERT_EQUAL(q.models[1].finding.standing, STANDING_UNKNOWN);
	CU_ASSERT_EQUAL(q.models[2].finding.standing, STANDING_UNREACHABLE);
	CU_ASSERT_EQUAL(q.models[3].finding.standing, STANDING_UNREACHABLE);
	CU_ASSERT_STRING_EQUAL(q.models[3].finding.why, "it did not answer in time");
	inquiry_fini(&q);
}

/* A provider whose pages go on for ever is left after a while. */
static void
test_endless_list(void)
{
	char path[CATALOGUE_PATH_BYTES], body[128];
	struct inquiry q;
	unsigned asked = 0;

	CU_ASSERT_EQUAL_FATAL(inquiry_init(&q, PROVIDER_ANTHROPIC), 0);
	inquiry_add(&q, 0, "claude");
	while (inquiry_next(&q, path) && asked < 1000) {
		bool page = strncmp(path, "/models?", 8) == 0;

		snprintf(body, sizeof(body), "{\"data\":[],\"has_more\":true,\"last_id\":\"%u\"}",
		    asked++);
		say(&q, page ? 200 : 404, body);
	}
	CU_ASSERT_EQUAL(asked, INQUIRY_PAGES_MAX + 1);
	CU_ASSERT_EQUAL(q.models[0].finding.standing, STANDING_UNVERIFIED);
	inquiry_fini(&q);
}

static void
test_nothing_to_ask(void)
{
	char path[CATALOGUE_PATH_BYTES];
	struct inquiry q;

	CU_ASSERT_EQUAL_FATAL(inquiry_init(&q, PROVIDER_OPENAI), 0);
	CU_ASSERT_FALSE(inquiry_next(&q, path));
	inquiry_fini(&q);
}

void
suite_inquiry(void)
{
	CU_pSuite s = CU_add_suite("inquiry", NULL, NULL);

	CU_add_test(s, "cases", test_cases);
	CU_add_test(s, "many models", test_many_models);
	CU_add_test(s, "endless list", test_endless_list);
	CU_add_test(s, "nothing to ask", test_nothing_to_ask);
}
