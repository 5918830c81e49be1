// SPDX-License-Identifier: MIT
/* OpenAI's streams: what each event means, and the same for a whole stream at every split. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "worker/provider.h"

void suite_provider_openai_stream(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
	NONE = 0,
	COMMIT = EVENT_COMMIT,
	END = EVENT_END,
	USAGE_ONLY = EVENT_USAGE_ONLY,
	ERROR = EVENT_ERROR,
	GARBAGE = EVENT_GARBAGE,
	KEEPALIVE = EVENT_KEEPALIVE,
};

/* Reads one event; everything in memory of its exact size, for the sanitizer. */
static unsigned
read_one(enum api api, const char *text, struct facts *f)
{
	size_t n = strlen(text);
	uint8_t *copy = malloc(n), *scratch = malloc(n);
	struct sse sse = { 0 };
	struct sse_event ev;
	unsigned marks;

	memcpy(copy, text, n);
	CU_ASSERT_TRUE_FATAL(sse_next(&sse, copy, n, &ev));
	CU_ASSERT_EQUAL(ev.raw_len, n);
	marks = provider_openai.read_event(api, &ev, scratch, f);
	free(copy);
	free(scratch);
	return marks;
}

struct event {
	const char *text;
	unsigned marks;
	bool content;
	enum finish finish;
	const char *code; /* of an error; NULL: none */
};

static void
check_events(enum api api, const struct event *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct facts f = { .retry_after_ms = -1 };
		unsigned marks = read_one(api, events[i].text, &f);

		if (marks != events[i].marks)
			printf("\n%s  marks %u instead of %u\n", events[i].text, marks,
			    events[i].marks);
		CU_ASSERT_EQUAL(marks, events[i].marks);
		CU_ASSERT_EQUAL(f.content, events[i].content);
		CU_ASSERT_EQUAL(f.finish, events[i].finish);
		CU_ASSERT_EQUAL(f.ended, (marks & EVENT_END) != 0);
		CU_ASSERT_EQUAL(f.failed, events[i].code != NULL);
		CU_ASSERT_STRING_EQUAL(f.error_code, events[i].code != NULL ? events[i].code : "");
	}
}

#define DELTA(members) \
	"data: {\"choices\":[{\"index\":0,\"delta\":{" members "},\"finish_reason\":null}]}\n\n"
#define FINISH(reason) \
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":" reason "}]}\n\n"
#define DATA(text) "data: " text "\n\n"

static const struct event chat_events[] = {
	{ DELTA("\"content\":\"hi\""), COMMIT, true, FINISH_NONE, NULL },
	{ DELTA("\"content\":\" \""), COMMIT, true, FINISH_NONE, NULL },
	{ DELTA("\"reasoning_content\":\"hm\""), COMMIT, true, FINISH_NONE, NULL },
	{ DELTA("\"reasoning\":\"hm\""), COMMIT, true, FINISH_NONE, NULL },
	{ DELTA("\"refusal\":\"no\""), COMMIT, true, FINISH_NONE, NULL },
	{ DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]"),
	    COMMIT, true, FINISH_NONE, NULL },
	{ DELTA("\"function_call\":{\"name\":\"f\"}"), COMMIT, true, FINISH_NONE, NULL },
	{ DELTA("\"content\":[{\"type\":\"thinking\"}]"), COMMIT, true, FINISH_NONE, NULL },
	{ DELTA(""), NONE, false, FINISH_NONE, NULL },
	{ DELTA("\"role\":\"assistant\""), NONE, false, FINISH_NONE, NULL },
	{ DELTA("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null"), NONE, false,
	    FINISH_NONE, NULL },
	{ DELTA("\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]"), NONE, false,
	    FINISH_NONE, NULL },
	{ DELTA("\"reasoning_content\":\"\",\"function_call\":null"), NONE, false, FINISH_NONE,
	    NULL },
	{ FINISH("\"stop\""), COMMIT, false, FINISH_STOP, NULL },
	{ FINISH("\"length\""), COMMIT, false, FINISH_LENGTH, NULL },
	{ FINISH("\"content_filter\""), COMMIT, false, FINISH_FILTER, NULL },
	{ FINISH("\"tool_calls\""), COMMIT, false, FINISH_TOOL, NULL },
	{ DATA("[DONE]"), END, false, FINISH_NONE, NULL },
	{ "data:[DONE]\r\n\r\n", END, false, FINISH_NONE, NULL },
	{ DATA("[DONE]  "), END, false, FINISH_NONE, NULL },
	{ DATA("[done]"), GARBAGE, false, FINISH_NONE, NULL },
	{ DATA("[DONE]x"), GARBAGE, false, FINISH_NONE, NULL },
	{ DATA("{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}"),
	    USAGE_ONLY, false, FINISH_NONE, NULL },
	{ DATA("{\"usage\":{\"prompt_tokens\":1}}"), USAGE_ONLY, false, FINISH_NONE, NULL },
	{ DATA("{\"choices\":[],\"usage\":null}"), NONE, false, FINISH_NONE, NULL },
	{ DATA("{\"choices\":[],\"prompt_filter_results\":[]}"), NONE, false, FINISH_NONE, NULL },
	{ DATA("{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":1}}"),
	    COMMIT, true, FINISH_NONE, NULL },
	{ DATA("{\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}"), NONE, false,
	    FINISH_NONE, NULL },
	{ DATA("{}"), NONE, false, FINISH_NONE, NULL },
	{ DATA("{\"error\":{\"message\":\"m\",\"code\":\"c\"}}"), ERROR, false, FINISH_NONE, "c" },
	{ DATA("{\"error\":\"m\"}"), ERROR, false, FINISH_NONE, "" },
	{ DATA("{\"error\":null,\"choices\":[{\"delta\":{\"content\":\"x\"}}]}"), COMMIT, true,
	    FINISH_NONE, NULL },
	{ DATA("{\"choices\":[{\"delta\":{\"content\":\"\"}}],\"error\":{\"code\":502,\"message\":"
	       "\"m\"}}"),
	    ERROR, false, FINISH_NONE, "502" },
	{ "event: error\ndata: {\"message\":\"m\",\"code\":\"c\"}\n\n", ERROR, false, FINISH_NONE,
	    "c" },
	{ "event: error\n\n", ERROR, false, FINISH_NONE, "" },
	{ "event: error\ndata: broke\n\n", ERROR, false, FINISH_NONE, "" },
	{ DATA("{\"choices\":[{\"delta\":{\"content\":\"x\"}}]"), GARBAGE, true, FINISH_NONE,
	    NULL },
	{ DATA("hello"), GARBAGE, false, FINISH_NONE, NULL },
	{ DATA("null"), GARBAGE, false, FINISH_NONE, NULL },
	{ DATA("[]"), GARBAGE, false, FINISH_NONE, NULL },
	{ DATA("{\"choices\":[]}{\"choices\":[]}"), GARBAGE, false, FINISH_NONE, NULL },
	{ ": keep-alive\n\n", KEEPALIVE, false, FINISH_NONE, NULL },
	{ "\n", KEEPALIVE, false, FINISH_NONE, NULL },
	{ "event: ping\n\n", KEEPALIVE, false, FINISH_NONE, NULL },
	{ "data:\n\n", KEEPALIVE, false, FINISH_NONE, NULL },
	{ "id: 4\n\n", KEEPALIVE, false, FINISH_NONE, NULL },
	{ "data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"x\"}}]}\n\n", COMMIT, true,
	    FINISH_NONE, NULL },
	{ ": note\n" DATA("{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}"), COMMIT, true,
	    FINISH_NONE, NULL },
};

static const struct event completions_events[] = {
	{ DATA("{\"choices\":[{\"text\":\"hi\",\"finish_reason\":null}]}"), COMMIT, true,
	    FINISH_NONE, NULL },
	{ DATA("{\"choices\":[{\"text\":\"\",\"finish_reason\":null}]}"), NONE, false, FINISH_NONE,
	    NULL },
	{ DATA("{\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}"), COMMIT, false,
	    FINISH_LENGTH, NULL },
	{ DATA("[DONE]"), END, false, FINISH_NONE, NULL },
};

#define TYPED(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define RESPONSE(members)    ",\"response\":{\"id\":\"r\"," members "}"

static const struct event responses_events[] = {
	{ TYPED("response.created",
	      RESPONSE("\"status\":\"in_progress\",\"error\":null,\"output\":[],\"usage\":null")),
	    NONE, false, FINISH_NONE, NULL },
	{ TYPED("response.queued", RESPONSE("\"status\":\"queued\"")), NONE, false, FINISH_NONE,
	    NULL },
	{ TYPED("response.output_item.added", ",\"item\":{\"type\":\"message\",\"content\":[]}"),
	    NONE, false, FINISH_NONE, NULL },
	{ TYPED("response.output_item.added", ",\"item\":{\"type\":\"reasoning\"}"), NONE, false,
	    FINISH_NONE, NULL },
	{ TYPED("response.output_item.added", ",\"item\":{\"type\":\"web_search_call\"}"), NONE,
	    false, FINISH_NONE, NULL },
	{ TYPED("response.output_item.added",
	      ",\"item\":{\"type\":\"function_call\",\"arguments\":\"\"}"),
	    COMMIT, true, FINISH_NONE, NULL },
	{ TYPED(
	      "response.content_part.added", ",\"part\":{\"type\":\"output_text\",\"text\":\"\"}"),
	    NONE, false, FINISH_NONE, NULL },
	{ TYPED("response.output_text.delta", ",\"delta\":\"hi\""), COMMIT, true, FINISH_NONE,
	    NULL },
	{ TYPED("response.output_text.delta", ",\"delta\":\"\""), NONE, false, FINISH_NONE, NULL },
	{ TYPED("response.reasoning_text.delta", ",\"delta\":\"hm\""), COMMIT, true, FINISH_NONE,
	    NULL },
	{ TYPED("response.reasoning_summary_text.delta", ",\"delta\":\"hm\""), COMMIT, true,
	    FINISH_NONE, NULL },
	{ TYPED("response.refusal.delta", ",\"delta\":\"no\""), COMMIT, true, FINISH_NONE, NULL },
	{ TYPED("response.function_call_arguments.delta", ",\"delta\":\"{\""), COMMIT, true,
	    FINISH_NONE, NULL },
	{ TYPED("response.completed", RESPONSE("\"status\":\"completed\",\"output\":[]")),
	    COMMIT | END, false, FINISH_STOP, NULL },
	{ TYPED("response.completed",
	      RESPONSE("\"output\":[{\"type\":\"message\",\"content\":[{\"text\":\"hi\"}]}]")),
	    COMMIT | END, true, FINISH_STOP, NULL },
	{ TYPED("response.completed", ""), COMMIT | END, false, FINISH_STOP, NULL },
	{ "event: response.completed\ndata: {}\n\n", COMMIT | END, false, FINISH_STOP, NULL },
	{ "data: {\"response\":{},\"type\":\"response.completed\"}\n\n", COMMIT | END, false,
	    FINISH_STOP, NULL },
	{ TYPED("response.incomplete", RESPONSE("\"status\":\"incomplete\",\"incomplete_details\":{"
						"\"reason\":\"max_output_tokens\"}")),
	    COMMIT | END, false, FINISH_LENGTH, NULL },
	{ TYPED("response.incomplete", RESPONSE("\"incomplete_details\":{\"reason\":\"content_"
						"filter\"},\"status\":\"incomplete\"")),
	    COMMIT | END, false, FINISH_FILTER, NULL },
	{ TYPED("response.incomplete", RESPONSE("\"incomplete_details\":null")), COMMIT | END,
	    false, FINISH_OTHER, NULL },
	{ TYPED("response.failed",
	      RESPONSE(
		  "\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"m\"}")),
	    ERROR, false, FINISH_NONE, "server_error" },
	{ TYPED("response.failed", ""), ERROR, false, FINISH_NONE, "response.failed" },
	{ TYPED("error", ",\"code\":\"c\",\"message\":\"m\",\"param\":null"), ERROR, false,
	    FINISH_NONE, "c" },
	{ "data: {\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"m\"}}\n\n", ERROR,
	    false, FINISH_NONE, "t" },
	{ "data: {\"error\":{\"code\":\"c\",\"message\":\"m\"}}\n\n", ERROR, false, FINISH_NONE,
	    "c" },
	{ TYPED("response.some.future.event", ",\"x\":1"), NONE, false, FINISH_NONE, NULL },
	{ DATA("nonsense"), GARBAGE, false, FINISH_NONE, NULL },
	{ ": ping\n\n", KEEPALIVE, false, FINISH_NONE, NULL },
};

static void
test_chat_events(void)
{
	check_events(API_CHAT, chat_events, COUNT(chat_events));
}

static void
test_completions_events(void)
{
	check_events(API_COMPLETIONS, completions_events, COUNT(completions_events));
}

static void
test_responses_events(void)
{
	check_events(API_RESPONSES, responses_events, COUNT(responses_events));
}

/* ---- whole streams --------------------------------------------------------------------------- */

/* Letters of the marks of each event: C, E, U, X (error), G, K, - (none). */
static void
add_letters(struct buf *out, unsigned marks)
{
	static const char letters[] = "CEUXGK";

	for (unsigned i = 0; letters[i] != '\0'; i++)
		if (marks & 1u << i)
			CU_ASSERT_EQUAL_FATAL(buf_add(out, &letters[i], 1), 0);
	CU_ASSERT_EQUAL_FATAL(buf_adds(out, marks == 0 ? "- " : " "), 0);
}

struct stream {
	enum api api;
	const char *text, *marks;
	bool content, ended;
	enum finish finish;
	uint64_t input, cached, output;
};

static const struct stream streams[] = {
	{ API_CHAT,
	    DELTA("\"role\":\"assistant\",\"content\":\"\"") ": keep-alive\n\n" DELTA(
		"\"content\":\"a\"") DELTA("\"content\":\"\xc3\xa9\"") FINISH("\"stop\"")
		DATA("{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
		     "\"prompt_tokens_details\":{\"cached_tokens\":4}}}") DATA("[DONE]"),
	    "- K C C C U E ", true, true, FINISH_STOP, 5, 4, 2 },
	{ API_CHAT,
	    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n: x\r\n\r\ndata: "
	    "[DONE]\r\n\r\n",
	    "C K E ", true, true, FINISH_NONE, 0, 0, 0 },
	{ API_CHAT, DELTA("\"content\":\"a\"") DATA("{\"error\":{\"message\":\"m\"}}"), "C X ",
	    true, false, FINISH_NONE, 0, 0, 0 },
	{ API_COMPLETIONS,
	    DATA("{\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":1,\"completion_"
		 "tokens\":1}}") DATA("{\"choices\":[{\"text\":\"b\",\"finish_reason\":\"length\"}]"
				      ",\"usage\":{\"prompt_tokens\":1,"
				      "\"completion_tokens\":2}}") DATA("[DONE]"),
	    "C C E ", true, true, FINISH_LENGTH, 1, 0, 2 },
	{ API_RESPONSES,
	    TYPED("response.created", RESPONSE("\"status\":\"in_progress\"")) TYPED(
		"response.output_text.delta", ",\"delta\":\"a\"") TYPED("response.completed",
		RESPONSE("\"status\":\"completed\",\"usage\":{\"input_tokens\":7,"
			 "\"input_tokens_details\":{\"cached_tokens\":3},\"output_tokens\":2}")),
	    "- C CE ", true, true, FINISH_STOP, 4, 3, 2 },
};

static void
run(const struct stream *stream, size_t split, struct buf *marks, struct facts *f)
{
	size_t n = strlen(stream->text), ends[] = { split, n }, begin = 0;
	struct sse sse = { 0 };
	uint8_t scratch[1024];

	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *bytes = (const uint8_t *)stream->text;
		struct sse_event ev;

		while (sse_next(&sse, bytes + begin, ends[i] - begin, &ev)) {
			add_letters(
			    marks, provider_openai.read_event(stream->api, &ev, scratch, f));
			begin += ev.raw_len;
		}
	}
	CU_ASSERT_EQUAL(begin, n);
}

static void
test_streams_at_every_split(void)
{
	for (size_t i = 0; i < COUNT(streams); i++) {
		const struct stream *stream = &streams[i];
		size_t length = strlen(stream->marks);

		for (size_t split = 0; split <= strlen(stream->text); split++) {
			struct facts f = { .retry_after_ms = -1 };
			struct buf marks = { 0 };

			run(stream, split, &marks, &f);
			CU_ASSERT_EQUAL_FATAL(buf_len(&marks), length);
			CU_ASSERT_EQUAL(memcmp(buf_bytes(&marks), stream->marks, length), 0);
			CU_ASSERT_EQUAL(f.content, stream->content);
			CU_ASSERT_EQUAL(f.ended, stream->ended);
			CU_ASSERT_EQUAL(f.finish, stream->finish);
			CU_ASSERT_EQUAL(f.usage.input, stream->input);
			CU_ASSERT_EQUAL(f.usage.cached, stream->cached);
			CU_ASSERT_EQUAL(f.usage.output, stream->output);
			CU_ASSERT_EQUAL(f.usage.present, stream->input > 0);
			buf_free(&marks);
		}
	}
}

void
suite_provider_openai_stream(void)
{
	CU_pSuite s = CU_add_suite("provider_openai_stream", NULL, NULL);

	CU_add_test(s, "chat events", test_chat_events);
	CU_add_test(s, "completions events", test_completions_events);
	CU_add_test(s, "responses events", test_responses_events);
	CU_add_test(s, "streams at every split", test_streams_at_every_split);
}
