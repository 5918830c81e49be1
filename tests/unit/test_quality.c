// SPDX-License-Identifier: MIT
/*
 * What the guard wants to know of answers: JSON in pieces, held against the scanner that sees it
 * whole; tool calls in the ways in which providers write them; scripts.
 */
#include "worker/quality.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "worker/provider.h"

void suite_quality(void);

/* ---- JSON in pieces -------------------------------------------------------------------------- */

static const char *const texts[] = { "{}", "[]", "{\"a\":1}", " { \"a\" : [ 1 , 2.5e-3 , -0 ] } ",
	"\"x\"", "true", "fals", "null ", "nul", "1", "-", "01", "1.", "1.5", "1e", "1e+", "1e+5",
	"-1E9 ", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1}}", "[1}",
	"{\"a\":{\"b\":[{\"c\":\"d\\\"\\\\e\\u00e9\"}]}}", "\"\\x\"", "\"\\u12g4\"", "\"\\u12",
	"\"a", "", "  ", "[1 2]", "{\"a\" 1}", "1 1", "truefalse", "[true,false,null]", "\"\\u\"",
	"{\"a\":1e5}", "{\"a\":1.}", "[-]", "[1.2.3]", "{\"k\":\"v\",\"k2\":[[],{}]}", "+1", ".5",
	"[\"a\\", "\"tab\there\"", "{\"q\":\"a\"", "]", "}", "[[[[1]]]]", "[1e]", "-01" };

static void
test_pieces(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text = texts[i];
		size_t n = strlen(text);
		bool valid = jscan_valid(text, n);

		for (size_t a = 0; a <= n; a++) {
			for (size_t b = a; b <= n; b++) {
				struct jsonflow f = { 0 };

				jsonflow_feed(&f, text, a);
				jsonflow_feed(&f, text + a, b - a);
				jsonflow_feed(&f, text + b, n - b);
				if (jsonflow_whole(&f) != valid)
					printf("\n    %s", text);
				CU_ASSERT_EQUAL(jsonflow_whole(&f), valid);
			}
		}
	}
}

/* Every change of one byte of a text is judged as the scanner judges it. */
static void
test_changed_bytes(void)
{
	static const char alphabet[] = "{}[]:,\"\\0123456789.eE+-truefalsn u\n\tx";
	static const char text[] = "{\"a\":[1.5e-3,true,{\"b\\n\":\"c\\u00e9\"}],\"d\":null}";
	char copy[sizeof(text)];

	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		for (const char *c = alphabet; *c != '\0'; c++) {
			struct jsonflow f = { 0 };

			memcpy(copy, text, sizeof(text));
			copy[at] = *c;
			jsonflow_feed(&f, copy, sizeof(text) - 1);
			CU_ASSERT_EQUAL(jsonflow_whole(&f), jscan_valid(copy, sizeof(text) - 1));
		}
	}
}

static void
test_deep(void)
{
	struct jsonflow f = { 0 };

	for (unsigned i = 0; i < JSONFLOW_DEPTH + 1; i++)
		jsonflow_feed(&f, "[", 1);
	CU_ASSERT_TRUE(jsonflow_whole(&f));
}

/* ---- answers --------------------------------------------------------------------------------- */

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":"
    "{\"properties\":{\"name\":\"trap\"}}}},{\"name\":\"se\\u0061rch\"}]";

static struct facts facts;

static void
begin(bool wants_json)
{
	memset(&facts, 0, sizeof(facts));
	facts.quality.wants_json = wants_json;
}

/* One event of a stream. */
static void
event(const struct provider_ops *ops, enum api api, const char *type, const char *data)
{
	struct sse_event ev = { .type = (const uint8_t *)type,
		.type_len = strlen(type),
		.data = (const uint8_t *)data,
		.data_len = strlen(data),
		.raw_len = strlen(data) };
	uint8_t scratch[4096];
	unsigned marks = ops->read_event(api, &ev, scratch, &facts);

	CU_ASSERT_EQUAL(marks & (EVENT_GARBAGE | EVENT_ERROR), 0);
}

static void
delta(const char *text)
{
	char data[512];

	snprintf(data, sizeof(data), "{\"choices\":[{\"index\":0,\"delta\":%s}]}", text);
	event(&provider_openai, API_CHAT, "", data);
}

static void
expect(bool bad_call, bool offered)
{
	quality_end(&facts.quality);
	CU_ASSERT_EQUAL(facts.quality.bad_call, bad_call);
	CU_ASSERT_EQUAL(
	    quality_offered(&facts.quality, (const uint8_t *)tools, strlen(tools)), offered);
}

static void
test_streamed_calls(void)
{
	begin(false);
	delta("{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"get_weather\","
	      "\"arguments\":\"\"}}]}");
	delta("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"ci\"}}]}");
	delta("{\"tool_calls\":[{\"function\":{\"arguments\":\"ty\\\":\\\"Kyiv\\\"}\"},\"index\":0}"
	      "]}");
	delta("{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"search\",\"arguments\":\"{}"
	      "\"}}]}");
	expect(false, true);
	CU_ASSERT_EQUAL(facts.quality.n_names, 2);

	/* Cut in the middle; the next call does not mend it. */
	begin(false);
	delta("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"search\",\"arguments\":\"{"
	      "\\\"q\"}}]}");
	delta("{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"search\",\"arguments\":\"{}"
	      "\"}}]}");
	expect(true, true);

	/* Broken at the end. */
	begin(false);
	delta("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"search\",\"arguments\":\"{"
	      "\\\"q\"}}]}");
	expect(true, true);

	/* A tool that nobody offered; a property of that name is none. */
	begin(false);
	delta("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"trap\",\"arguments\":\"{}\"}}"
	      "]}");
	expect(false, false);

	/* Of no tools none was offered; of a server of tools nobody here knows which. */
	begin(false);
	delta("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"search\",\"arguments\":\"{}"
	      "\"}}]}");
	quality_end(&facts.quality);
	CU_ASSERT_FALSE(quality_offered(&facts.quality, (const uint8_t *)"", 0));
	CU_ASSERT_FALSE(quality_offered(&facts.quality, (const uint8_t *)"[]", 2));
	CU_ASSERT_TRUE(quality_offered(
	    &facts.quality, (const uint8_t *)"[{\"type\":\"mcp\",\"server_label\":\"s\"}]", 35));

	/* All calls have one number, and come whole. */
	begin(false);
	delta("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"search\",\"arguments\":\"{}"
	      "\"}}]}");
	delta("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"get_weather\",\"arguments\":"
	      "\"{}\"}}]}");
	expect(false, true);
}

static void
whole(enum api api, const char *text)
{
	CU_ASSERT_TRUE(
	    provider_openai.read_answer(api, (const uint8_t *)text, strlen(text), &facts));
}

static void
test_whole_calls(void)
{
	begin(false);
	whole(API_CHAT, "{\"choices\":[{\"message\":{\"tool_calls\":["
			"{\"function\":{\"name\":\"search\",\"arguments\":\"{\\\"q\\\":1}\"}},"
			"{\"function\":{\"name\":\"search\",\"arguments\":\"[\"}}]}}]}");
	expect(true, true);
	begin(false);
	whole(API_RESPONSES, "{\"status\":\"completed\",\"output\":[{\"type\":\"function_call\","
			     "\"arguments\":\"{}\",\"name\":\"fly\"}]}");
	expect(false, false);
	begin(false);
	whole(API_RESPONSES, "{\"status\":\"completed\",\"output\":[{\"type\":\"function_call\","
			     "\"arguments\":\"{\",\"name\":\"search\"}]}");
	expect(true, true);
}

static void
test_responses_stream(void)
{
	begin(true);
	event(&provider_openai, API_RESPONSES, "response.output_item.added",
	    "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\","
	    "\"name\":\"search\",\"arguments\":\"\"}}");
	event(&provider_openai, API_RESPONSES, "",
	    "{\"delta\":\"{\",\"type\":\"response.function_call_arguments.delta\"}");
	event(&provider_openai, API_RESPONSES, "",
	    "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\","
	    "\"name\":\"search\",\"arguments\":\"{}\"}}");
	event(&provider_openai, API_RESPONSES, "",
	    "{\"delta\":\"[1\",\"type\":\"response.output_text.delta\"}");
	event(&provider_openai, API_RESPONSES, "response.output_text.delta", "{\"delta\":\"]\"}");
	expect(false, true);
	CU_ASSERT_TRUE(jsonflow_whole(&facts.quality.json));
	event(&provider_openai, API_RESPONSES, "",
	    "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{"
	    "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"[1]\"}]}]}}");
	CU_ASSERT_TRUE(jsonflow_whole(&facts.quality.json));
}

static void
test_anthropic(void)
{
	begin(false);
	event(&provider_anthropic, API_MESSAGES, "content_block_start",
	    "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":"
	    "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"search\",\"input\":{}}}");
	event(&provider_anthropic, API_MESSAGES, "content_block_delta",
	    "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":"
	    "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":\"}}");
	expect(true, true);
	begin(false);
	event(&provider_anthropic, API_MESSAGES, "content_block_start",
	    "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":"
	    "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"nothing\",\"input\":{}}}");
	expect(false, false);
}

static void
test_json_mode(void)
{
	begin(true);
	delta("{\"content\":\"{\\\"a\"}");
	delta("{\"content\":\"\\\":\\u0031}\"}");
	CU_ASSERT_TRUE(jsonflow_whole(&facts.quality.json));
	begin(true);
	delta("{\"content\":\"Sure! {}\"}");
	CU_ASSERT_FALSE(jsonflow_whole(&facts.quality.json));
	begin(false);
	delta("{\"refusal\":\"I cannot\"}");
	CU_ASSERT_TRUE(facts.quality.refused);
	event(&provider_openai, API_CHAT, "",
	    "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}");
	CU_ASSERT_TRUE(facts.quality.mixed);
}

/* ---- scripts --------------------------------------------------------------------------------- */

static void
test_scripts(void)
{
	static const struct {
		const char *prompt, *answer;
		bool foreign;
	} cases[] = {
		{ "\"What is the capital of France?\"", "The capital is Paris.", false },
		{ "\"What is the capital of France?\"", "Столица Франции — Париж.", true },
		{ "\"What is the capital of France?\"",
		    "\\u0421\\u0442\\u043e\\u043b\\u0438\\u0446\\u0430 "
		    "\\u0424\\u0440\\u0430\\u043d\\u0446\\u0438\\u0438",
		    true },
		{ "[{\"role\":\"user\",\"content\":\"Какой город столица Франции?\"}]",
		    "Столица Франции — Париж.", false },
		{ "[{\"role\":\"user\",\"content\":\"Какой город столица Франции?\"}]",
		    "The capital is Paris.", true },
		{ "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
		  "\"法国的首都是哪里？\"}]}]",
		    "法国的首都是巴黎，位于塞纳河畔。", false },
		{ "[{\"role\":\"user\",\"content\":\"法国的首都是哪里？\"}]",
		    "The capital of France is Paris.", true },
		{ "[{\"role\":\"user\",\"content\":\"Translate to Japanese: hello 日本語で\"}]",
		    "こんにちは、はじめまして、どうぞよろしく", false },
		{ "\"What is the capital of France?\"", "Париж", false }, /* too short to tell */
		{ "\"2+2?\"", "4444444444444444444", false },
		{ "\"12345\"", "abcdefghijklmnopq", false }, /* nothing to compare with */
		{ "\"Ποια είναι η πρωτεύουσα;\"", "مرحبا بالعالم الجميل كله", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script_count prompt = { .bytes = 0 }, answer = { .bytes = 0 };

		script_add_prompt(&prompt, cases[i].prompt, strlen(cases[i].prompt));
		script_add(&answer, cases[i].answer, strlen(cases[i].answer));
		if (script_foreign(&answer, &prompt) != cases[i].foreign)
			printf("\n    %s", cases[i].answer);
		CU_ASSERT_EQUAL(script_foreign(&answer, &prompt), cases[i].foreign);
	}
}

static void
test_script_bounds(void)
{
	struct script_count c = { .bytes = 0 };
	char text[SCRIPT_BYTES + 100];

	memset(text, 'a', sizeof(text));
	script_add(&c, text, sizeof(text));
	script_add(&c, text, sizeof(text));
	CU_ASSERT_EQUAL(c.letters[SCRIPT_LATIN], SCRIPT_BYTES);
	/* Cut characters and escapes at the very end. */
	c = (struct script_count){ .bytes = 0 };
	script_add(&c, "\xd0", 1);
	script_add(&c, "\xe4\xb8", 2);
	script_add(&c, "\\u04", 4);
	script_add(&c, "\\", 1);
	script_add(&c, "\xf0\x9f", 2);
	CU_ASSERT_TRUE(script_is_ascii("plain \\n text", 13));
	CU_ASSERT_FALSE(script_is_ascii("plain \\u0431 text", 17));
	CU_ASSERT_FALSE(script_is_ascii("1234567\xd0\xb1", 9));
}

void
suite_quality(void)
{
	CU_pSuite s = CU_add_suite("quality", NULL, NULL);

	CU_add_test(s, "JSON in pieces", test_pieces);
	CU_add_test(s, "JSON with a changed byte", test_changed_bytes);
	CU_add_test(s, "deep JSON", test_deep);
	CU_add_test(s, "streamed calls", test_streamed_calls);
	CU_add_test(s, "whole calls", test_whole_calls);
	CU_add_test(s, "responses, streamed", test_responses_stream);
	CU_add_test(s, "anthropic", test_anthropic);
	CU_add_test(s, "JSON mode", test_json_mode);
	CU_add_test(s, "scripts", test_scripts);
	CU_add_test(s, "bounds of scripts", test_script_bounds);
}
