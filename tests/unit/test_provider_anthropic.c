// SPDX-License-Identifier: MIT
/* Anthropic's Messages API: heads, bodies, whole messages, events, and streams at every split. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/provider.h"

void suite_provider_anthropic(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct provider_ops *const ops = &provider_anthropic;

/* ---- requests -------------------------------------------------------------------------------- */

static void
test_paths(void)
{
	CU_ASSERT_PTR_EQUAL(provider_ops(PROVIDER_ANTHROPIC), ops);
	CU_ASSERT_STRING_EQUAL(ops->path(API_MESSAGES), "/messages");
	CU_ASSERT_PTR_NULL(ops->path(API_CHAT));
	CU_ASSERT_PTR_NULL(ops->path(API_COMPLETIONS));
	CU_ASSERT_PTR_NULL(ops->path(API_EMBEDDINGS));
	CU_ASSERT_PTR_NULL(ops->path(API_RESPONSES));
}

static bool
has_line(const struct buf *lines, const char *line)
{
	size_t at = 0;

	while (at < buf_len(lines)) {
		const char *found = (const char *)buf_bytes(lines) + at;

		if (strcmp(found, line) == 0)
			return true;
		at += strlen(found) + 1;
	}
	return false;
}

static void
test_headers(void)
{
	struct config_provider p = { 0 };
	char organization[] = "org", project[] = "proj";
	struct buf lines = { 0 };

	p.organization = organization;
	p.project = project;
	p.api_key = secret_new("sk-ant-1", 8);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p.api_key);
	CU_ASSERT_EQUAL(ops->headers(&p, &lines), 0);
	CU_ASSERT_TRUE(has_line(&lines, "x-api-key: sk-ant-1"));
	CU_ASSERT_TRUE(has_line(&lines, "Content-Type: application/json"));
	CU_ASSERT_TRUE(has_line(&lines, "User-Agent: grayd/" GRAYD_VERSION));
	CU_ASSERT_PTR_NULL(memmem(buf_bytes(&lines), buf_len(&lines), "uthorization", 12));
	buf_free(&lines);
	secret_free(p.api_key);
	p.api_key = NULL;
	CU_ASSERT_EQUAL(ops->headers(&p, &lines), 0);
	CU_ASSERT_PTR_NULL(memmem(buf_bytes(&lines), buf_len(&lines), "x-api-key", 9));
	buf_free(&lines);
}

static void
test_lines(void)
{
	const char *out[PROVIDER_LINES_MAX];
	struct client_lines none = { NULL, NULL };
	struct client_lines both = { "anthropic-version: 2024-01-01", "anthropic-beta: a,b" };

	CU_ASSERT_EQUAL_FATAL(ops->lines(&none, out), 1);
	CU_ASSERT_STRING_EQUAL(out[0], "anthropic-version: 2023-06-01");
	CU_ASSERT_EQUAL_FATAL(ops->lines(&both, out), 2);
	CU_ASSERT_STRING_EQUAL(out[0], "anthropic-version: 2024-01-01");
	CU_ASSERT_STRING_EQUAL(out[1], "anthropic-beta: a,b");
}

/* The model's name is all that changes. */
static void
test_encode(void)
{
	static const char given[] =
	    "{ \"max_tokens\":9007199254740993,\"model\" : \"m\", \"stream\":true }";
	static const char wanted[] =
	    "{ \"max_tokens\":9007199254740993,\"model\" : \"claude-x\", \"stream\":true }";
	struct chat_keys keys = { 0 };
	struct chat_error error;
	struct body b = { 0 };
	struct chat c;

	CU_ASSERT_EQUAL_FATAL(body_append(&b, given, strlen(given)), 0);
	CU_ASSERT_EQUAL_FATAL(chat_scan(&c, &keys, body_bytes(&b), b.len, &error), 0);
	CU_ASSERT_EQUAL(ops->encode(API_MESSAGES, "claude-x", &c, &b), 0);
	CU_ASSERT_EQUAL(b.len, strlen(wanted));
	CU_ASSERT_EQUAL(memcmp(body_bytes(&b), wanted, strlen(wanted)), 0);
	body_free(&b);
}

/* ---- answers --------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	/* "bad", "failed CODE|MESSAGE", or content, finish, input/cached/write/output/reasoning */
	const char *expected;
} answers[] = {
	{ "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\","
	  "\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\","
	  "\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"cache_creation_input_tokens\":3,"
	  "\"cache_read_input_tokens\":2,\"output_tokens\":5}}",
	    "content stop 7/2/3/5/0" },
	{ "{\"content\":[{\"type\":\"text\",\"text\":\"\"}],\"stop_reason\":\"end_turn\"}",
	    "stop" },
	{ "{\"content\":[],\"stop_reason\":\"max_tokens\",\"usage\":null}", "length" },
	{ "{\"content\":[],\"stop_reason\":\"model_context_window_exceeded\"}", "length" },
	{ "{\"content\":[],\"stop_reason\":\"refusal\"}", "filter" },
	{ "{\"content\":[],\"stop_reason\":\"pause_turn\"}", "other" },
	{ "{\"content\":[],\"stop_reason\":null}", "" },
	{ "{\"content\":[{\"text\":\"a\"}],\"stop_reason\":\"stop_sequence\"}", "content stop" },
	{ "{\"content\":[{\"input\":{},\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\"}],"
	  "\"stop_reason\":\"tool_use\"}",
	    "content tool" },
	{ "{\"content\":[{\"type\":\"server_tool_use\",\"name\":\"web_search\"}]}", "" },
	{ "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"x\"}]}",
	    "content" },
	{ "{\"content\":[{\"type\":\"redacted_thinking\",\"data\":\"abc\"}]}", "content" },
	{ "{\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":9,"
	  "\"output_tokens_details\":{\"thinking_tokens\":4}}}",
	    "1/0/0/9/4" },
	{ "{\"content\":[],\"usage\":{\"input_tokens\":-1,\"output_tokens\":\"9\"}}", "" },
	{ "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Busy\"}}",
	    "failed overloaded_error|Busy" },
	{ "{\"error\":\"overloaded\"}", "failed |overloaded" },
	{ "{\"content\":\"hi\"}", "bad" },
	{ "{\"choices\":[]}", "bad" },
	{ "[]", "bad" },
	{ "", "bad" },
	{ "{\"content\":[]}x", "bad" },
};

static const char *const finish_names[] = { "", "stop", "length", "filter", "tool", "other" };

static void
describe(bool ok, const struct facts *f, char *out, size_t cap)
{
	const struct usage *u = &f->usage;
	size_t n = 0;

	out[0] = '\0';
	if (!ok || f->failed) {
		snprintf(out, cap, ok ? "failed %s|%s" : "bad", f->error_code, f->error_message);
		return;
	}
	if (f->content)
		n += (size_t)snprintf(out + n, cap - n, "content ");
	if (f->finish != FINISH_NONE)
		n += (size_t)snprintf(out + n, cap - n, "%s ", finish_names[f->finish]);
	if (u->present)
		n += (size_t)snprintf(out + n, cap - n, "%llu/%llu/%llu/%llu/%llu ",
		    (unsigned long long)u->input, (unsigned long long)u->cached,
		    (unsigned long long)u->cache_write, (unsigned long long)u->output,
		    (unsigned long long)u->reasoning);
	if (n > 0)
		out[n - 1] = '\0';
}

/* In memory of its exact size, for the sanitizer. */
static bool
read_copy(const char *text, size_t n, struct facts *f)
{
	uint8_t *copy = malloc(n + (n == 0));
	bool ok;

	memcpy(copy, text, n);
	*f = (struct facts){ .retry_after_ms = -1 };
	ok = ops->read_answer(API_MESSAGES, copy, n, f);
	free(copy);
	return ok;
}

static void
test_answers(void)
{
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct facts f;
		char found[400];
		bool ok = read_copy(answers[i].text, strlen(answers[i].text), &f);

		describe(ok, &f, found, sizeof(found));
		CU_ASSERT_STRING_EQUAL(found, answers[i].expected);
		if (strcmp(found, answers[i].expected) != 0)
			printf("\n%s\n  %s instead of %s\n", answers[i].text, found,
			    answers[i].expected);
	}
}

static void
test_cut_answers(void)
{
	for (size_t i = 0; i < COUNT(answers); i++) {
		size_t n = strlen(answers[i].text);
		struct facts f;

		if (strcmp(answers[i].expected, "bad") == 0)
			continue;
		while (n-- > 0)
			CU_ASSERT_FALSE(read_copy(answers[i].text, n, &f));
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

#define EVENT(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define BLOCK(block)	     EVENT("content_block_start", ",\"index\":0,\"content_block\":{" block "}")
#define DELTA(delta)	     EVENT("content_block_delta", ",\"index\":0,\"delta\":{" delta "}")

static const struct {
	const char *text;
	unsigned marks;
	const char *facts; /* as above */
} events[] = {
	{ EVENT("message_start",
	      ",\"message\":{\"id\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{"
	      "\"input_tokens\":25,\"cache_read_input_tokens\":4,\"output_tokens\":1}}"),
	    0, "25/4/0/1/0" },
	{ BLOCK("\"type\":\"text\",\"text\":\"\""), 0, "" },
	{ BLOCK("\"type\":\"text\",\"text\":\"a\""), EVENT_COMMIT, "content" },
	{ BLOCK("\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}"), EVENT_COMMIT,
	    "content" },
	{ BLOCK("\"type\":\"server_tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}"), 0, "" },
	{ BLOCK("\"type\":\"redacted_thinking\",\"data\":\"zz\""), EVENT_COMMIT, "content" },
	{ DELTA("\"type\":\"text_delta\",\"text\":\"hi\""), EVENT_COMMIT, "content" },
	{ DELTA("\"type\":\"text_delta\",\"text\":\"\""), 0, "" },
	{ DELTA("\"type\":\"thinking_delta\",\"thinking\":\"hm\""), EVENT_COMMIT, "content" },
	{ DELTA("\"type\":\"signature_delta\",\"signature\":\"hm\""), 0, "" },
	{ DELTA("\"type\":\"input_json_delta\",\"partial_json\":\"{\""), 0, "" },
	{ EVENT("content_block_stop", ",\"index\":0"), 0, "" },
	{ EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
				 "\"output_tokens\":15}"),
	    EVENT_COMMIT, "stop 0/0/0/15/0" },
	{ EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"refusal\"}"), EVENT_COMMIT,
	    "filter" },
	{ EVENT("message_delta", ",\"delta\":{\"stop_reason\":null}"), 0, "" },
	{ EVENT("message_stop", ""), EVENT_END, "" },
	{ "data: {\"type\":\"message_stop\"}\n\n", EVENT_END, "" },
	{ "event: message_stop\ndata: {}\n\n", EVENT_END, "" },
	{ EVENT("ping", ""), EVENT_KEEPALIVE, "" },
	{ ": keep-alive\n\n", EVENT_KEEPALIVE, "" },
	{ "event: ping\n\n", EVENT_KEEPALIVE, "" },
	{ EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Busy\"}"),
	    EVENT_ERROR, "failed overloaded_error|Busy" },
	{ "event: error\ndata: oh no\n\n", EVENT_ERROR, "failed |oh no" },
	{ "data: {\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}\n\n", EVENT_ERROR,
	    "failed api_error|m" },
	{ EVENT("something_new", ",\"text\":\"x\""), 0, "" },
	{ "data: [DONE]\n\n", EVENT_GARBAGE, "" },
	{ "data: {\"type\":\n\n", EVENT_GARBAGE, "" },
	{ "data: {\"type\":\"content_block_delta\",\ndata: \"delta\":{\"text\":\"x\"}}\n\n",
	    EVENT_COMMIT, "content" },
};

static unsigned
read_one(const char *text, size_t n, struct facts *f)
{
	uint8_t *copy = malloc(n), *scratch = malloc(n);
	struct sse sse = { 0 };
	struct sse_event ev;
	unsigned marks;

	memcpy(copy, text, n);
	CU_ASSERT_TRUE_FATAL(sse_next(&sse, copy, n, &ev));
	CU_ASSERT_EQUAL(ev.raw_len, n);
	marks = ops->read_event(API_MESSAGES, &ev, scratch, f);
	free(copy);
	free(scratch);
	return marks;
}

static void
test_events(void)
{
	for (size_t i = 0; i < COUNT(events); i++) {
		struct facts f = { .retry_after_ms = -1 };
		unsigned marks = read_one(events[i].text, strlen(events[i].text), &f);
		char found[400];

		describe(true, &f, found, sizeof(found));
		CU_ASSERT_EQUAL(marks, events[i].marks);
		CU_ASSERT_STRING_EQUAL(found, events[i].facts);
		CU_ASSERT_EQUAL(f.ended, (marks & EVENT_END) != 0);
		if (marks != events[i].marks || strcmp(found, events[i].facts) != 0)
			printf("\n%s  %u %s\n", events[i].text, marks, found);
	}
}

/* The figures of message_delta are running totals: they replace, and what they do not name stays.
 */
static void
test_usage_of_a_stream(void)
{
	static const char *const texts[] = {
		EVENT("message_start", ",\"message\":{\"usage\":{\"input_tokens\":25,"
				       "\"cache_creation_input_tokens\":6,\"output_tokens\":1}}"),
		EVENT("message_delta", ",\"delta\":{},\"usage\":{\"output_tokens\":10}"),
		EVENT("message_delta",
		    ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":26,"
		    "\"cache_read_input_tokens\":null,\"output_tokens\":15}"),
	};
	struct facts f = { .retry_after_ms = -1 };
	char found[100];

	for (size_t i = 0; i < COUNT(texts); i++)
		read_one(texts[i], strlen(texts[i]), &f);
	describe(true, &f, found, sizeof(found));
	CU_ASSERT_STRING_EQUAL(found, "stop 26/0/6/15/0");
}

void
suite_provider_anthropic(void)
{
	CU_pSuite s = CU_add_suite("provider_anthropic", NULL, NULL);

	CU_add_test(s, "paths", test_paths);
	CU_add_test(s, "headers", test_headers);
	CU_add_test(s, "lines of each request", test_lines);
	CU_add_test(s, "encode", test_encode);
	CU_add_test(s, "answers", test_answers);
	CU_add_test(s, "cut answers", test_cut_answers);
	CU_add_test(s, "events", test_events);
	CU_add_test(s, "usage of a stream", test_usage_of_a_stream);
}
