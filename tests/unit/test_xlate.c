// SPDX-License-Identifier: MIT
/* Translation between the APIs: the golden files of tests/golden, streams at every split. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/golden.h"
#include "worker/xlate.h"

void suite_xlate(void);

#define CREATED_S UINT64_C(1700000000)
#define SEED	  UINT64_C(0x0123456789abcdef)

static enum api
api_named(const char *name)
{
	if (strncmp(name, "chat", 4) == 0)
		return API_CHAT;
	CU_ASSERT_TRUE_FATAL(strncmp(name, "messages", 8) == 0);
	return API_MESSAGES;
}

static enum provider_kind
kind_named(const char *name)
{
	for (unsigned kind = 0; kind < PROVIDER_KIND_COUNT; kind++)
		if (strncmp(name, provider_kind_names[kind], strlen(provider_kind_names[kind])) ==
		    0)
			return kind;
	CU_FAIL_FATAL("no such kind");
	return PROVIDER_OPENAI;
}

/* Bytes in memory of their exact size, for the sanitizer. */
static uint8_t *
exact(const void *bytes, size_t n)
{
	uint8_t *copy = malloc(n + (n == 0));

	memcpy(copy, bytes, n);
	return copy;
}

static void
say(struct buf *out, const char *text)
{
	CU_ASSERT_EQUAL_FATAL(buf_adds(out, text), 0);
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static enum xlate_verdict
translate(
    const struct golden *g, const uint8_t *body, size_t n, struct buf *out, struct xlate_error *e)
{
	char own[] = "https://api.openai.com/v1", other[] = "http://127.0.0.1/v1";
	char name[] = "the-model";
	struct config_provider provider = {
		.kind = kind_named(golden_to(g)),
		.base_url = golden_flag(g, "itself") ? own : other,
	};
	struct config_model model = { .name = name, .provider = &provider, .max_tokens = 8192 };
	struct chat_keys keys = { 0 };
	struct chat_error error;
	struct xlate_order order = {
		.asked = api_named(g->header), .body = body, .n = n, .model = &model
	};
	struct chat chat;

	CU_ASSERT_EQUAL_FATAL(chat_scan(&chat, &keys, body, n, &error), 0);
	order.stream = chat.stream;
	return xlate_request(&order, out, e);
}

static void
run_request(const struct golden *g, struct buf *verdict, struct buf *out)
{
	uint8_t *body = exact(g->input, g->input_len);
	struct xlate_error e, again;
	enum xlate_verdict found = translate(g, body, g->input_len, out, &e);

	/* The check without an output comes to the same. */
	CU_ASSERT_EQUAL(translate(g, body, g->input_len, NULL, &again), found);
	free(body);
	if (found == XLATE_OK) {
		say(verdict, "ok");
		CU_ASSERT_TRUE(jscan_is_object(buf_bytes(out), buf_len(out)));
		return;
	}
	CU_ASSERT_EQUAL(found, XLATE_REFUSED);
	CU_ASSERT_STRING_EQUAL(e.message, again.message);
	CU_ASSERT_EQUAL(buf_addf(verdict, "refused %s | %s", e.param, e.message), 0);
	buf_consume(out, buf_len(out));
}

static void
test_requests(void)
{
	golden_run("tests/golden/requests.txt", run_request);
}

/* ---- answers -----------------------------------------------------------------------------------
 */

static void
init_retell(const struct golden *g, bool stream, struct retell *t, struct buf *out)
{
	struct xlate_traits traits = {
		.stream = stream,
		.usage_asked = golden_flag(g, "usage"),
		.schema = golden_flag(g, "schema"),
	};

	xlate_answer_init(t, api_named(golden_to(g)), kind_named(g->header), &traits);
	t->out.buf = out;
	t->max_bytes = 100000;
	t->fallback_id = "req_1";
	t->fallback_model = "the-model";
	t->created_s = CREATED_S;
	t->seed = SEED;
}

static bool
is_empty(const struct facts *f)
{
	return !f->content && f->finish != FINISH_FILTER && f->finish != FINISH_LENGTH;
}

static const char *
retell_whole(
    const struct golden *g, const uint8_t *bytes, size_t n, struct facts *f, struct buf *out)
{
	enum provider_kind kind = kind_named(g->header);
	enum api api = xlate_api(api_named(golden_to(g)), kind);
	struct retell t;
	bool ok;

	if (!provider_ops(kind)->read_answer(api, bytes, n, f))
		return "garbage";
	if (f->failed)
		return "error";
	if (is_empty(f))
		return "empty";
	init_retell(g, false, &t, out);
	ok = xlate_answer(&t, kind, bytes, n, f);
	retell_free(&t);
	if (!ok) {
		buf_consume(out, buf_len(out));
		return "bad";
	}
	CU_ASSERT_TRUE(jscan_is_object(buf_bytes(out), buf_len(out)));
	return "ok";
}

static void
run_answer(const struct golden *g, struct buf *verdict, struct buf *out)
{
	uint8_t *bytes = exact(g->input, g->input_len);
	struct facts f = { .retry_after_ms = -1 };

	say(verdict, retell_whole(g, bytes, g->input_len, &f, out));
	if (f.failed) {
		CU_ASSERT_EQUAL(buf_addf(verdict, " %s | %s", f.error_code, f.error_message), 0);
	}
	free(bytes);
}

static void
test_answers(void)
{
	golden_run("tests/golden/answers.txt", run_answer);
}

/* ---- streams -----------------------------------------------------------------------------------
 */

struct stream {
	enum provider_kind kind;
	enum api api;
	struct retell retell;
	struct facts facts;
	struct sse sse;
	struct buf in;
	const char *end; /* NULL: it goes on */
};

/* As the relay does it. */
static void
take_event(struct stream *s, const struct sse_event *ev)
{
	uint8_t *scratch = malloc(ev->raw_len);
	const uint8_t *data = ev->data;
	size_t n = ev->data_len;
	unsigned marks = provider_ops(s->kind)->read_event(s->api, ev, scratch, &s->facts);

	if (ev->more_data) {
		n = sse_join(ev, scratch);
		data = scratch;
	}
	if (marks & EVENT_ERROR)
		s->end = "error";
	else if (marks & EVENT_GARBAGE)
		s->end = "garbage";
	else if ((marks & EVENT_END) && is_empty(&s->facts))
		s->end = "empty";
	else if (!xlate_event(&s->retell, s->kind, marks, data, n, &s->facts))
		s->end = "bad";
	else if (marks & EVENT_END)
		s->end = "ok";
	free(scratch);
}

static void
feed(struct stream *s, const uint8_t *bytes, size_t n)
{
	struct sse_event ev;

	CU_ASSERT_EQUAL_FATAL(buf_add(&s->in, bytes, n), 0);
	while (s->end == NULL && sse_next(&s->sse, buf_bytes(&s->in), buf_len(&s->in), &ev)) {
		take_event(s, &ev);
		buf_consume(&s->in, ev.raw_len);
	}
}

/* The stream has closed, which is all that marks the end of some. */
static void
close_stream(struct stream *s)
{
	if (s->end != NULL || !s->facts.may_end)
		return;
	s->facts.ended = true;
	if (is_empty(&s->facts))
		s->end = "empty";
	else if (!xlate_event(&s->retell, s->kind, EVENT_END, NULL, 0, &s->facts))
		s->end = "bad";
	else
		s->end = "ok";
}

/* Feeds a stream in two pieces; how it ends is added to `verdict`. */
static void
run_split(const struct golden *g, size_t at, struct buf *verdict, struct buf *out)
{
	struct stream s = { .kind = kind_named(g->header), .facts.retry_after_ms = -1 };
	const uint8_t *bytes = (const uint8_t *)g->input;

	s.api = xlate_api(api_named(golden_to(g)), s.kind);
	init_retell(g, true, &s.retell, out);
	feed(&s, bytes, at);
	feed(&s, bytes + at, g->input_len - at);
	close_stream(&s);
	say(verdict, s.end != NULL ? s.end : "incomplete");
	if (s.facts.failed) {
		CU_ASSERT_EQUAL(
		    buf_addf(verdict, " %s | %s", s.facts.error_code, s.facts.error_message), 0);
	}
	retell_free(&s.retell);
	buf_free(&s.in);
}

/* What a client reads is JSON, event by event, up to the end marker of its API. */
static void
check_events(const struct golden *g, const struct buf *out)
{
	const uint8_t *at = buf_bytes(out);
	size_t left = buf_len(out);
	struct sse_event ev;

	while (left > 0) {
		struct sse sse = { 0 };
		bool done;

		CU_ASSERT_TRUE_FATAL(sse_next(&sse, at, left, &ev));
		done = ev.data_len == 6 && memcmp(ev.data, "[DONE]", 6) == 0;
		CU_ASSERT_TRUE(ev.data == NULL || done || jscan_valid(ev.data, ev.data_len));
		CU_ASSERT_TRUE(!done || api_named(golden_to(g)) == API_CHAT);
		at += ev.raw_len;
		left -= ev.raw_len;
		CU_ASSERT_TRUE(!done || left == 0);
	}
}

static bool
is_same(const struct buf *a, const struct buf *b)
{
	return buf_len(a) == buf_len(b) &&
	       (buf_len(a) == 0 || memcmp(buf_bytes(a), buf_bytes(b), buf_len(a)) == 0);
}

static void
run_stream(const struct golden *g, struct buf *verdict, struct buf *out)
{
	run_split(g, 0, verdict, out);
	check_events(g, out);
	for (size_t at = 1; at < g->input_len; at++) {
		struct buf other = { 0 }, other_verdict = { 0 };

		run_split(g, at, &other_verdict, &other);
		CU_ASSERT_TRUE(is_same(out, &other));
		CU_ASSERT_TRUE(is_same(verdict, &other_verdict));
		buf_free(&other);
		buf_free(&other_verdict);
	}
}

static void
test_streams(void)
{
	golden_run("tests/golden/streams.txt", run_stream);
}

/* ---- which is whose ----------------------------------------------------------------------------
 */

static void
test_apis(void)
{
	CU_ASSERT_EQUAL(xlate_api(API_CHAT, PROVIDER_OPENAI), API_CHAT);
	CU_ASSERT_EQUAL(xlate_api(API_MESSAGES, PROVIDER_ANTHROPIC), API_MESSAGES);
	CU_ASSERT_EQUAL(xlate_api(API_CHAT, PROVIDER_ANTHROPIC), API_MESSAGES);
	CU_ASSERT_EQUAL(xlate_api(API_MESSAGES, PROVIDER_OPENAI), API_CHAT);
	CU_ASSERT_EQUAL(xlate_api(API_CHAT, PROVIDER_GEMINI), API_GENERATE);
	CU_ASSERT_EQUAL(xlate_api(API_MESSAGES, PROVIDER_GEMINI), API_GENERATE);
	for (unsigned api = API_COMPLETIONS; api <= API_RESPONSES; api++) {
		CU_ASSERT_EQUAL(xlate_api(api, PROVIDER_OPENAI), api);
		CU_ASSERT_EQUAL(xlate_api(api, PROVIDER_ANTHROPIC), API_COUNT);
		CU_ASSERT_EQUAL(xlate_api(api, PROVIDER_GEMINI), API_COUNT);
	}
}

/* More parts than anybody needs are refused before they eat memory. */
static void
test_too_many_parts(void)
{
	static const char head[] =
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[";
	static const char part[] = "{\"type\":\"text\",\"text\":\"a\"},";
	struct golden g = { .header = "chat > anthropic" };
	struct buf body = { 0 };
	struct xlate_error e;

	say(&body, head);
	for (unsigned i = 0; i < ASK_ITEMS_MAX; i++)
		say(&body, part);
	say(&body, "{\"type\":\"text\",\"text\":\"b\"}]}]}");
	CU_ASSERT_EQUAL(translate(&g, buf_bytes(&body), buf_len(&body), NULL, &e), XLATE_REFUSED);
	CU_ASSERT_STRING_EQUAL(e.param, "messages[0].content[16384]");
	buf_free(&body);
}

/* Ids that are long and alike, and results that all answer the first call: no worker may look
 * through all calls for each of them. */
static void
test_many_results(void)
{
	enum { N = 8000, ID_BYTES = 1000 };
	struct golden g = { .header = "chat > gemini" };
	struct buf body = { 0 }, out = { 0 };
	struct xlate_error e;
	char id[ID_BYTES + 1];
	clock_t begun;

	memset(id, 'x', ID_BYTES);
	id[ID_BYTES] = '\0';
	say(&body, "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[");
	for (int i = 0; i < N; i++) {
		snprintf(id + ID_BYTES - 4, 5, "%04u", (unsigned)i % 10000);
		CU_ASSERT_EQUAL(buf_addf(&body, "%s{\"id\":\"%s\",\"function\":{\"name\":\"%s\"}}",
				    i > 0 ? "," : "", id, i > 0 ? "other" : "first"),
		    0);
	}
	say(&body, "]}");
	snprintf(id + ID_BYTES - 4, 5, "0000");
	for (int i = 0; i < N; i++)
		CU_ASSERT_EQUAL(
		    buf_addf(&body, ",{\"role\":\"tool\",\"tool_call_id\":\"%s\"}", id), 0);
	say(&body, "]}");
	begun = clock();
	CU_ASSERT_EQUAL(translate(&g, buf_bytes(&body), buf_len(&body), &out, &e), XLATE_OK);
	CU_ASSERT(clock() - begun < CLOCKS_PER_SEC / 2);
	CU_ASSERT_PTR_NOT_NULL(memmem(
	    buf_bytes(&out), buf_len(&out), "{\"functionResponse\":{\"name\":\"first\"", 35));
	CU_ASSERT_PTR_NULL(memmem(
	    buf_bytes(&out), buf_len(&out), "{\"functionResponse\":{\"name\":\"other\"", 35));
	buf_free(&body);
	buf_free(&out);
}

void
suite_xlate(void)
{
	CU_pSuite s = CU_add_suite("xlate", NULL, NULL);

	CU_add_test(s, "which API is whose", test_apis);
	CU_add_test(s, "golden requests", test_requests);
	CU_add_test(s, "many results of calls", test_many_results);
	CU_add_test(s, "golden answers", test_answers);
	CU_add_test(s, "golden streams, every split", test_streams);
	CU_add_test(s, "too many parts", test_too_many_parts);
}
