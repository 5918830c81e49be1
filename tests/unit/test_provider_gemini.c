// SPDX-License-Identifier: MIT
/* Gemini's own API: paths, heads, what answers and chunks mean. Streams: golden files. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/provider.h"

void suite_provider_gemini(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct provider_ops *const ops = &provider_gemini;

static void
test_paths(void)
{
	static const struct {
		const char *model, *path;
		bool stream;
	} cases[] = {
		{ "gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent", false },
		{ "gemini-2.5-flash", "/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
		    true },
		{ "models/gemini-x", "/models/gemini-x:generateContent", false },
		{ "tunedModels/my-model", "/tunedModels/my-model:generateContent", false },
		{ "a?b#c%d&e:f", "/models/a%3Fb%23c%25d%26e%3Af:generateContent", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out = { 0 };

		CU_ASSERT_EQUAL(ops->model_path(cases[i].model, cases[i].stream, &out), 0);
		CU_ASSERT_STRING_EQUAL((const char *)buf_bytes(&out), cases[i].path);
		buf_free(&out);
	}
	CU_ASSERT_PTR_EQUAL(provider_ops(PROVIDER_GEMINI), ops);
	for (unsigned api = 0; api < API_COUNT; api++)
		CU_ASSERT_PTR_NULL(ops->path(api));
}

static void
test_headers(void)
{
	static const char wanted[] =
	    "Content-Type: application/json\0User-Agent: grayd/" GRAYD_VERSION
	    "\0x-goog-api-key: AIza-1";
	struct config_provider p = { 0 };
	struct buf lines = { 0 };

	p.api_key = secret_new("AIza-1", 6);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p.api_key);
	CU_ASSERT_EQUAL(ops->headers(&p, &lines), 0);
	CU_ASSERT_EQUAL_FATAL(buf_len(&lines), sizeof(wanted));
	CU_ASSERT_EQUAL(memcmp(buf_bytes(&lines), wanted, sizeof(wanted)), 0);
	buf_free(&lines);
	secret_free(p.api_key);
}

/* ---- answers --------------------------------------------------------------------------------- */

#define PARTS(parts) \
	"{\"candidates\":[{\"content\":{\"parts\":[" parts "]},\"finishReason\":\"STOP\"}]}"
#define FINISH(reason) "{\"candidates\":[{\"finishReason\":\"" reason "\"}]}"
#define USAGE(members) "{\"candidates\":[],\"usageMetadata\":{" members "}}"

/* What a text says, as an answer and as the data of an event. */
static const struct {
	const char *text;
	bool good; /* as an answer */
	bool content, ended;
	enum finish finish;
	uint64_t input, cached, output, reasoning;
} cases[] = {
	{ PARTS("{\"text\":\"a\"}"), true, true, true, FINISH_STOP, 0, 0, 0, 0 },
	{ PARTS("{\"text\":\"\"}"), true, false, true, FINISH_STOP, 0, 0, 0, 0 },
	{ PARTS("{\"text\":\"a\",\"thought\":true}"), true, true, true, FINISH_STOP, 0, 0, 0, 0 },
	{ PARTS("{\"functionCall\":{\"name\":\"f\"}}"), true, true, true, FINISH_TOOL, 0, 0, 0, 0 },
	{ PARTS("{\"inlineData\":{\"data\":\"x\"}}"), true, true, true, FINISH_STOP, 0, 0, 0, 0 },
	{ FINISH("MAX_TOKENS"), true, false, true, FINISH_LENGTH, 0, 0, 0, 0 },
	{ FINISH("SAFETY"), true, false, true, FINISH_FILTER, 0, 0, 0, 0 },
	{ FINISH("PROHIBITED_CONTENT"), true, false, true, FINISH_FILTER, 0, 0, 0, 0 },
	{ FINISH("OTHER"), true, false, true, FINISH_OTHER, 0, 0, 0, 0 },
	{ FINISH("MALFORMED_FUNCTION_CALL"), true, false, true, FINISH_OTHER, 0, 0, 0, 0 },
	{ FINISH("FINISH_REASON_UNSPECIFIED"), true, false, false, FINISH_NONE, 0, 0, 0, 0 },
	{ "{\"promptFeedback\":{\"blockReason\":\"OTHER\"}}", true, false, true, FINISH_FILTER, 0,
	    0, 0, 0 },
	{ "{\"promptFeedback\":{\"safetyRatings\":[]}}", false, false, false, FINISH_NONE, 0, 0, 0,
	    0 },
	{ USAGE("\"promptTokenCount\":10,\"cachedContentTokenCount\":4,\"candidatesTokenCount\":3,"
		"\"thoughtsTokenCount\":20,\"toolUsePromptTokenCount\":5"),
	    true, false, false, FINISH_NONE, 11, 4, 23, 20 },
	{ USAGE("\"promptTokenCount\":1,\"cachedContentTokenCount\":4"), true, false, false,
	    FINISH_NONE, 0, 1, 0, 0 },
	{ USAGE("\"promptTokenCount\":-1,\"candidatesTokenCount\":\"x\""), true, false, false,
	    FINISH_NONE, 0, 0, 0, 0 },
	{ "{}", false, false, false, FINISH_NONE, 0, 0, 0, 0 },
};

static void
check_facts(size_t i, const struct facts *f)
{
	CU_ASSERT_EQUAL(f->content, cases[i].content);
	CU_ASSERT_EQUAL(f->finish, cases[i].finish);
	CU_ASSERT_EQUAL(f->usage.input, cases[i].input);
	CU_ASSERT_EQUAL(f->usage.cached, cases[i].cached);
	CU_ASSERT_EQUAL(f->usage.output, cases[i].output);
	CU_ASSERT_EQUAL(f->usage.reasoning, cases[i].reasoning);
	if (f->content != cases[i].content || f->finish != cases[i].finish)
		printf("\n%s\n", cases[i].text);
}

static void
test_answers(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct facts f = { .retry_after_ms = -1 };
		size_t n = strlen(cases[i].text);
		const uint8_t *bytes = (const uint8_t *)cases[i].text;

		CU_ASSERT_EQUAL(ops->read_answer(API_GENERATE, bytes, n, &f), cases[i].good);
		check_facts(i, &f);
		while (n-- > 0)
			CU_ASSERT_FALSE(ops->read_answer(API_GENERATE, bytes, n, &f));
	}
}

static void
test_events(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct facts f = { .retry_after_ms = -1 };
		struct sse_event ev = {
			.data = (const uint8_t *)cases[i].text,
			.data_len = strlen(cases[i].text),
		};
		unsigned marks = ops->read_event(API_GENERATE, &ev, NULL, &f);

		check_facts(i, &f);
		CU_ASSERT_EQUAL(f.may_end, cases[i].ended);
		CU_ASSERT_FALSE(f.ended || (marks & EVENT_END));
		CU_ASSERT_EQUAL((marks & EVENT_COMMIT) != 0, cases[i].content || cases[i].ended);
	}
}

static void
read_events(const char *const *texts, size_t n, struct facts *f)
{
	*f = (struct facts){ .retry_after_ms = -1 };
	for (size_t i = 0; i < n; i++) {
		struct sse_event ev = {
			.data = (const uint8_t *)texts[i],
			.data_len = strlen(texts[i]),
		};

		CU_ASSERT_FALSE(ops->read_event(API_GENERATE, &ev, NULL, f) & EVENT_GARBAGE);
	}
	CU_ASSERT_TRUE(f->usage.present);
}

/* The totals of a chunk that names none of them do not undo those before it. */
static void
test_usage_of_a_stream(void)
{
	static const char *const texts[] = {
		USAGE("\"promptTokenCount\":10,\"candidatesTokenCount\":1"),
		USAGE("\"promptTokenCount\":10,\"candidatesTokenCount\":5"),
		USAGE(""),
		PARTS("{\"text\":\"a\"}"),
	};
	struct facts f;

	read_events(texts, COUNT(texts), &f);
	CU_ASSERT_EQUAL(f.usage.input, 10);
	CU_ASSERT_EQUAL(f.usage.output, 5);
}

/* Nor does a chunk that names only some: the prompt was billed all the same. */
static void
test_usage_in_pieces(void)
{
	static const char *const texts[] = {
		USAGE("\"promptTokenCount\":1000,\"cachedContentTokenCount\":400,"
		      "\"toolUsePromptTokenCount\":7"),
		USAGE("\"thoughtsTokenCount\":20"),
		USAGE("\"candidatesTokenCount\":3"),
		USAGE("\"candidatesTokenCount\":5"),
	};
	struct facts f;

	read_events(texts, COUNT(texts), &f);
	CU_ASSERT_EQUAL(f.usage.input, 607);
	CU_ASSERT_EQUAL(f.usage.cached, 400);
	CU_ASSERT_EQUAL(f.usage.output, 25);
	CU_ASSERT_EQUAL(f.usage.reasoning, 20);
}

/* The reason why it finished is not the end: what the stream says until it closes is read. */
static void
test_usage_behind_the_finish(void)
{
	static const char *const texts[] = {
		USAGE("\"promptTokenCount\":10,\"candidatesTokenCount\":1"),
		PARTS("{\"text\":\"a\"}"),
		USAGE("\"promptTokenCount\":10,\"candidatesTokenCount\":70"),
	};
	struct facts f;

	read_events(texts, COUNT(texts), &f);
	CU_ASSERT_TRUE(f.may_end && !f.ended);
	CU_ASSERT_EQUAL(f.usage.output, 70);
}

/* As a body with status 200, and as an event. */
static void
test_errors_as_text(void)
{
	static const char text[] = "{\"error\":\"overloaded\"}";
	struct sse_event ev = { .data = (const uint8_t *)text, .data_len = strlen(text) };
	struct facts f = { .retry_after_ms = -1 };

	CU_ASSERT_TRUE(ops->read_answer(API_GENERATE, ev.data, ev.data_len, &f));
	CU_ASSERT_TRUE(f.failed);
	CU_ASSERT_STRING_EQUAL(f.error_message, "overloaded");
	f = (struct facts){ .retry_after_ms = -1 };
	CU_ASSERT_EQUAL(ops->read_event(API_GENERATE, &ev, NULL, &f), EVENT_ERROR);
}

void
suite_provider_gemini(void)
{
	CU_pSuite s = CU_add_suite("provider_gemini", NULL, NULL);

	CU_add_test(s, "paths", test_paths);
	CU_add_test(s, "headers", test_headers);
	CU_add_test(s, "answers, whole and cut", test_answers);
	CU_add_test(s, "events", test_events);
	CU_add_test(s, "usage of a stream", test_usage_of_a_stream);
	CU_add_test(s, "usage of a stream in pieces", test_usage_in_pieces);
	CU_add_test(s, "usage behind the finish reason", test_usage_behind_the_finish);
	CU_add_test(s, "errors that are but a text", test_errors_as_text);
}
