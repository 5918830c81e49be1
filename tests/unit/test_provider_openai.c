// SPDX-License-Identifier: MIT
/* The openai kind: the head and body it sends, and what it reads out of answers. Streams and error
 * bodies have suites of their own. */
#include <CUnit/CUnit.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/provider.h"

void suite_provider_openai(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct provider_ops *const ops = &provider_openai;

/* ---- request --------------------------------------------------------------------------------- */

static void
test_kinds_and_paths(void)
{
	CU_ASSERT_PTR_EQUAL(provider_ops(PROVIDER_OPENAI), ops);
	CU_ASSERT_STRING_EQUAL(ops->path(API_CHAT), "/chat/completions");
	CU_ASSERT_STRING_EQUAL(ops->path(API_COMPLETIONS), "/completions");
	CU_ASSERT_STRING_EQUAL(ops->path(API_EMBEDDINGS), "/embeddings");
	CU_ASSERT_STRING_EQUAL(ops->path(API_RESPONSES), "/responses");
	CU_ASSERT_PTR_NULL(ops->path(API_MESSAGES));
}

static bool
head_is(const struct config_provider *p, const char *lines, size_t n)
{
	struct buf out = { 0 };
	bool same;

	CU_ASSERT_EQUAL_FATAL(ops->headers(p, &out), 0);
	same = buf_len(&out) == n && memcmp(buf_bytes(&out), lines, n) == 0;
	buf_free(&out);
	return same;
}

static void
test_headers(void)
{
	static char none[] = "", organization[] = "org-1", project[] = "proj_2";
	static const char bare[] =
	    "Content-Type: application/json\0User-Agent: grayd/" GRAYD_VERSION;
	static const char full[] =
	    "Content-Type: application/json\0User-Agent: grayd/" GRAYD_VERSION
	    "\0Authorization: Bearer hs_secret\0OpenAI-Organization: org-1"
	    "\0OpenAI-Project: proj_2";
	struct config_provider p = { .organization = none, .project = none };

	CU_ASSERT_TRUE(head_is(&p, bare, sizeof(bare)));
	CU_ASSERT_FATAL(sodium_init() >= 0);
	p.api_key = secret_new("hs_secret", 9);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p.api_key);
	p.organization = organization;
	p.project = project;
	CU_ASSERT_TRUE(head_is(&p, full, sizeof(full)));
	secret_free(p.api_key);
}

static void
test_encode(void)
{
	static const struct {
		enum api api;
		const char *members;
		bool asks;
	} cases[] = {
		{ API_CHAT, "", false },
		{ API_CHAT, ",\"stream\":false", false },
		{ API_CHAT, ",\"stream\":true", true },
		{ API_COMPLETIONS, ",\"stream\":true", true },
		{ API_RESPONSES, ",\"stream\":true", false },
		{ API_EMBEDDINGS, "", false },
	};
	static const struct chat_keys keys = { 0 };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct body b = { 0 };
		struct chat_error error;
		struct chat c;
		char text[128], expected[192];

		snprintf(text, sizeof(text), "{\"model\":\"public\"%s}", cases[i].members);
		CU_ASSERT_EQUAL_FATAL(body_append(&b, text, strlen(text)), 0);
		CU_ASSERT_EQUAL_FATAL(chat_scan(&c, &keys, body_bytes(&b), b.len, &error), 0);
		/* Once for the candidate and once more for stable. */
		for (unsigned arm = 0; arm < 2; arm++) {
			const char *model = arm == 0 ? "the-candidate" : "m";

			CU_ASSERT_EQUAL(ops->encode(cases[i].api, model, &c, &b), 0);
			snprintf(expected, sizeof(expected), "{\"model\":\"%s\"%s%s}", model,
			    cases[i].members,
			    cases[i].asks ? ",\"stream_options\":{\"include_usage\":true}" : "");
			CU_ASSERT_EQUAL_FATAL(b.len, strlen(expected));
			CU_ASSERT_EQUAL(memcmp(body_bytes(&b), expected, b.len), 0);
		}
		body_free(&b);
	}
}

/* ---- answers --------------------------------------------------------------------------------- */

struct answer {
	enum api api;
	const char *text;
	/* "bad", "failed CODE|MESSAGE", or the words content, FINISH and in/cached/out of usage */
	const char *expected;
};

#define CHAT(message) \
	"{\"choices\":[{\"index\":0,\"message\":" message ",\"finish_reason\":\"stop\"}]}"
#define USAGE(members) "{\"choices\":[],\"usage\":{" members "}}"
#define FINISH(reason) "{\"choices\":[{\"message\":{},\"finish_reason\":" reason "}]}"
#define OUTPUT(items, status)                                                                      \
	"{\"object\":\"response\",\"status\":\"" status "\",\"error\":null,\"output\":[" items "]" \
	"}"
#define PART(type, name, value) \
	"{\"type\":\"message\",\"content\":[{\"type\":\"" type "\",\"" name "\":" value "}]}"

static const struct answer answers[] = {
	/* what is no answer */
	{ API_CHAT, "", "bad" },
	{ API_CHAT, " \n", "bad" },
	{ API_CHAT, "null", "bad" },
	{ API_CHAT, "[]", "bad" },
	{ API_CHAT, "{}", "bad" },
	{ API_CHAT, "<html>Bad gateway</html>", "bad" },
	{ API_CHAT, "{\"choices\":null}", "bad" },
	{ API_CHAT, "{\"choices\":{}}", "bad" },
	{ API_CHAT, "{\"data\":[{}]}", "bad" },
	{ API_CHAT, "{\"error\":null}", "bad" },
	{ API_CHAT, "{\"error\":\"\"}", "bad" },
	{ API_CHAT, "{\"error\":false}", "bad" },
	{ API_CHAT, "{\"choices\":[{\"message\":{\"content\":\"hi\"}}]", "bad" },
	{ API_CHAT, "{\"choices\":[{\"message\":{\"content\":\"hi", "bad" },
	{ API_CHAT, CHAT("{\"content\":\"hi\"}") "x", "bad" },
	{ API_CHAT, CHAT("{\"content\":\"hi\"}") CHAT("{\"content\":\"hi\"}"), "bad" },
	{ API_EMBEDDINGS, "{\"choices\":[]}", "bad" },
	{ API_RESPONSES, "{\"choices\":[]}", "bad" },
	/* chat: content in all its forms */
	{ API_CHAT, "{\"choices\":[]}", "" },
	{ API_CHAT, CHAT("{\"role\":\"assistant\",\"content\":\"hi\"}"), "content stop" },
	{ API_CHAT, "\n\n\n\n" CHAT("{\"content\":\"hi\"}") "\n", "content stop" },
	{ API_CHAT, CHAT("{\"content\":\"\"}"), "stop" },
	{ API_CHAT, CHAT("{\"content\":null}"), "stop" },
	{ API_CHAT, CHAT("{\"content\":[]}"), "stop" },
	{ API_CHAT, CHAT("{\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}"), "content stop" },
	{ API_CHAT, CHAT("{\"content\":null,\"refusal\":\"no\"}"), "content stop" },
	{ API_CHAT, CHAT("{\"content\":\"\",\"reasoning_content\":\"hm\"}"), "content stop" },
	{ API_CHAT, CHAT("{\"content\":null,\"tool_calls\":[]}"), "stop" },
	{ API_CHAT, CHAT("{\"content\":null,\"tool_calls\":[{\"id\":\"1\"}]}"), "content stop" },
	{ API_CHAT, CHAT("{\"content\":null,\"function_call\":{\"name\":\"f\"}}"), "content stop" },
	{ API_CHAT, CHAT("{\"cont\\u0065nt\":\"hi\"}"), "content stop" },
	{ API_CHAT, CHAT("{\"x\":{\"content\":\"hi\"}}"), "stop" },
	{ API_CHAT,
	    "{\"choices\":[{\"message\":{\"content\":\"\"}},{\"message\":{\"content\":\"b\"}}]}",
	    "content" },
	{ API_CHAT, "{\"choices\":[null,7,\"x\"]}", "" },
	/* finish */
	{ API_CHAT, FINISH("null"), "" },
	{ API_CHAT, FINISH("\"stop\""), "stop" },
	{ API_CHAT, FINISH("\"length\""), "length" },
	{ API_CHAT, FINISH("\"content_filter\""), "filter" },
	{ API_CHAT, FINISH("\"tool_calls\""), "tool" },
	{ API_CHAT, FINISH("\"function_call\""), "tool" },
	{ API_CHAT, FINISH("\"else\""), "other" },
	/* usage */
	{ API_CHAT, USAGE("\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14"),
	    "10/0/4" },
	{ API_CHAT,
	    USAGE("\"prompt_tokens\":10,\"completion_tokens\":4,\"prompt_tokens_details\":{"
		  "\"cached_tokens\":8}"),
	    "2/8/4" },
	{ API_CHAT,
	    USAGE("\"prompt_tokens_details\":{\"audio_tokens\":1,\"cached_tokens\":8},\"prompt_"
		  "tokens\":10"),
	    "2/8/0" },
	{ API_CHAT,
	    USAGE("\"prompt_tokens\":10,\"prompt_tokens_details\":null,\"completion_tokens\":4"),
	    "10/0/4" },
	{ API_CHAT,
	    USAGE("\"prompt_tokens\":10,\"prompt_cache_hit_tokens\":6,\"prompt_cache_miss_tokens\":"
		  "4"),
	    "4/6/0" },
	{ API_CHAT,
	    USAGE("\"prompt_tokens\":10,\"prompt_cache_hit_tokens\":6,\"prompt_tokens_details\":{"
		  "\"cached_tokens\":6}"),
	    "4/6/0" },
	{ API_CHAT, USAGE("\"prompt_tokens\":3,\"prompt_cache_hit_tokens\":6"), "0/3/0" },
	{ API_CHAT, USAGE("\"prompt_tokens\":-3,\"completion_tokens\":1e3"), "" },
	{ API_CHAT, USAGE("\"prompt_tokens\":\"10\",\"completion_tokens\":null"), "" },
	{ API_CHAT, USAGE(""), "" },
	{ API_CHAT, "{\"usage\":null,\"choices\":[]}", "" },
	/* errors inside a 200 */
	{ API_CHAT, "{\"error\":{\"message\":\"broke\",\"code\":\"server_error\"}}",
	    "failed server_error|broke" },
	{ API_CHAT, "{\"error\":{\"message\":\"broke\",\"code\":502},\"choices\":[]}",
	    "failed 502|broke" },
	{ API_CHAT, "{\"error\":\"broke\"}", "failed |broke" },
	{ API_CHAT,
	    "{\"error\":{\"message\":\"\"},\"choices\":[{\"message\":{\"content\":\"hi\"}}]}",
	    "content" },
	{ API_EMBEDDINGS, "{\"error\":{\"message\":\"broke\",\"type\":\"t\"}}", "failed t|broke" },
	/* completions */
	{ API_COMPLETIONS,
	    "{\"choices\":[{\"text\":\"hi\",\"finish_reason\":\"length\"}],\"usage\":{\"prompt_"
	    "tokens\":1,\"completion_tokens\":2}}",
	    "content length 1/0/2" },
	{ API_COMPLETIONS, "{\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}", "stop" },
	/* embeddings */
	{ API_EMBEDDINGS,
	    "{\"object\":\"list\",\"data\":[{\"embedding\":[0.1,-2e-3],\"index\":0}],\"usage\":{"
	    "\"prompt_tokens\":5,\"total_tokens\":5}}",
	    "content 5/0/0" },
	{ API_EMBEDDINGS, "{\"data\":[]}", "" },
	/* responses */
	{ API_RESPONSES, OUTPUT("", "completed"), "stop" },
	{ API_RESPONSES, OUTPUT(PART("output_text", "text", "\"hi\""), "completed"),
	    "content stop" },
	{ API_RESPONSES, OUTPUT(PART("output_text", "text", "\"\""), "completed"), "stop" },
	{ API_RESPONSES, OUTPUT(PART("refusal", "refusal", "\"no\""), "completed"),
	    "content stop" },
	{ API_RESPONSES, OUTPUT("{\"type\":\"message\",\"content\":[]}", "completed"), "stop" },
	{ API_RESPONSES, OUTPUT("{\"type\":\"reasoning\",\"summary\":[]}", "completed"), "stop" },
	{ API_RESPONSES,
	    OUTPUT("{\"type\":\"reasoning\",\"summary\":[{\"text\":\"hm\"}]}", "completed"),
	    "content stop" },
	{ API_RESPONSES, OUTPUT("{\"type\":\"function_call\",\"arguments\":\"{}\"}", "completed"),
	    "content stop" },
	{ API_RESPONSES, "{\"output\":[],\"output_text\":\"hi\"}", "content" },
	{ API_RESPONSES, OUTPUT("", "queued"), "content" },
	{ API_RESPONSES, OUTPUT("", "in_progress"), "content" },
	{ API_RESPONSES, OUTPUT("", "incomplete"), "other" },
	{ API_RESPONSES,
	    "{\"output\":[],\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_"
	    "output_tokens\"}}",
	    "length" },
	{ API_RESPONSES,
	    "{\"output\":[],\"incomplete_details\":{\"reason\":\"content_filter\"},\"status\":"
	    "\"incomplete\"}",
	    "filter" },
	{ API_RESPONSES, "{\"output\":[],\"incomplete_details\":null,\"status\":\"completed\"}",
	    "stop" },
	{ API_RESPONSES,
	    "{\"output\":[{\"type\":\"x\"}],\"status\":\"failed\",\"error\":{\"code\":\"server_"
	    "error\",\"message\":\"broke\"}}",
	    "failed server_error|broke" },
	{ API_RESPONSES,
	    "{\"output\":[],\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_"
	    "tokens\":4},\"output_tokens\":3,\"output_tokens_details\":{\"reasoning_tokens\":2}}}",
	    "5/4/3" },
};

static const char *const finish_names[] = { "", "stop", "length", "filter", "tool", "other" };

static void
describe(bool ok, const struct facts *f, char *out, size_t cap)
{
	char usage[80] = "";

	if (!ok) {
		snprintf(out, cap, "bad");
		return;
	}
	if (f->failed) {
		snprintf(out, cap, "failed %s|%s", f->error_code, f->error_message);
		return;
	}
	if (f->usage.present)
		snprintf(usage, sizeof(usage), "%llu/%llu/%llu", (unsigned long long)f->usage.input,
		    (unsigned long long)f->usage.cached, (unsigned long long)f->usage.output);
	snprintf(out, cap, "%s%s%s%s%s", f->content ? "content" : "",
	    f->content && f->finish != FINISH_NONE ? " " : "", finish_names[f->finish],
	    usage[0] != '\0' && (f->content || f->finish != FINISH_NONE) ? " " : "", usage);
}

static bool
read_copy(enum api api, const char *text, size_t n, struct facts *f)
{
	uint8_t *copy = malloc(n + (n == 0)); /* its exact size, for the sanitizer */
	bool ok;

	memcpy(copy, text, n);
	*f = (struct facts){ .retry_after_ms = -1 };
	ok = ops->read_answer(api, copy, n, f);
	free(copy);
	return ok;
}

static void
test_answers(void)
{
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct facts f;
		char found[400];
		bool ok = read_copy(answers[i].api, answers[i].text, strlen(answers[i].text), &f);

		describe(ok, &f, found, sizeof(found));
		CU_ASSERT_STRING_EQUAL(found, answers[i].expected);
		if (strcmp(found, answers[i].expected) != 0)
			printf("\n%s\n  %s instead of %s\n", answers[i].text, found,
			    answers[i].expected);
	}
}

/* An answer that breaks off at any byte is never taken for a whole one. */
static void
test_cut_answers(void)
{
	for (size_t i = 0; i < COUNT(answers); i++) {
		const char *text = answers[i].text;
		size_t n = strlen(text);
		struct facts f;

		if (strcmp(answers[i].expected, "bad") == 0)
			continue;
		while (text[n - 1] == '\n')
			n--;
		while (n-- > 0)
			CU_ASSERT_FALSE(read_copy(answers[i].api, text, n, &f));
	}
}

void
suite_provider_openai(void)
{
	CU_pSuite s = CU_add_suite("provider_openai", NULL, NULL);

	CU_add_test(s, "kinds and paths", test_kinds_and_paths);
	CU_add_test(s, "headers", test_headers);
	CU_add_test(s, "encode", test_encode);
	CU_add_test(s, "answers", test_answers);
	CU_add_test(s, "cut answers", test_cut_answers);
}
