// SPDX-License-Identifier: MIT
/* What is found in a request's body, and the two changes that are made to it. */
#include "worker/chat.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void suite_chat(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct chat_keys keys = { 5,
	{ { "user", NULL }, { "safety_identifier", NULL }, { "metadata", "user_id" },
	    { "metadata", "tenant" }, { "conversation", NULL } } };

static int
scan(struct chat *c, const char *body, struct chat_error *error)
{
	size_t n = strlen(body);
	uint8_t *copy = malloc(n + (n == 0)); /* its exact size, for the sanitizer */
	int rc;

	memcpy(copy, body, n);
	rc = chat_scan(c, &keys, copy, n, error);
	free(copy);
	return rc;
}

static bool
span_is(const char *body, struct jspan span, const char *text)
{
	return span.len == strlen(text) && memcmp(body + span.off, text, span.len) == 0;
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void
test_refusals(void)
{
	static const struct {
		const char *body, *param, *in_message;
	} cases[] = {
		{ "", "", "not JSON" },
		{ "{", "", "not JSON" },
		{ "[]", "", "object" },
		{ "\"model\"", "", "object" },
		{ "null", "", "object" },
		{ "{}", "model", "missing" },
		{ "{\"messages\":[]}", "model", "missing" },
		{ "{\"x\":{\"model\":\"m\"}}", "model", "missing" },
		{ "{\"Model\":\"m\"}", "model", "missing" },
		{ "{\"model\":\"\"}", "model", "empty" },
		{ "{\"model\":null}", "model", "string" },
		{ "{\"model\":7}", "model", "string" },
		{ "{\"model\":[\"m\"]}", "model", "string" },
		{ "{\"model\":\"m\"", "", "ends too early" },
		{ "{\"model\":\"m\"} x", "", "at byte 14" },
		{ "{\"model\":\"m\",}", "", "not JSON" },
		{ "{\"model\":\"m\",\"messages\":[1,]}", "", "not JSON" },
		{ "{\"model\":\"\xff\"}", "", "UTF-8" },
		{ "{\"model\":\"m\",\"model\":\"m\"}", "model", "twice" },
		{ "{\"model\":\"m\",\"mod\\u0065l\":\"n\"}", "model", "twice" },
		{ "{\"\\u006dodel\":\"m\",\"model\":\"n\"}", "model", "twice" },
		{ "{\"model\":\"m\",\"stream\":\"true\"}", "stream", "true or false" },
		{ "{\"model\":\"m\",\"stream\":1}", "stream", "true or false" },
		{ "{\"model\":\"m\",\"stream\":true,\"stream\":true}", "stream", "twice" },
		{ "{\"model\":\"m\",\"stream\":true,\"stre\\u0061m\":false}", "stream", "twice" },
		{ "{\"model\":\"m\",\"stream_options\":true}", "stream_options", "object" },
		{ "{\"model\":\"m\",\"stream_options\":[]}", "stream_options", "object" },
		{ "{\"model\":\"m\",\"stream_options\":{},\"stream_options\":{}}", "stream_options",
		    "twice" },
		{ "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true,\"include_usage\":"
		  "true}}",
		    "stream_options.include_usage", "twice" },
		{ "{\"model\":\"m\",\"stream_options\":{\"include_usage\":1,"
		  "\"include\\u005fusage\":1}}",
		    "stream_options.include_usage", "twice" },
		{ "{\"model\":\"m\",\"stream_options\":{\"include_usage\":\"yes\"}}",
		    "stream_options.include_usage", "true or false" },
		{ "{\"model\":\"m\",\"tools\":[],\"tools\":[]}", "tools", "twice" },
		{ "{\"model\":\"m\",\"response_format\":null,\"response_format\":null}",
		    "response_format", "twice" },
		{ "{\"model\":\"m\",\"previous_response_id\":\"a\",\"previous_response_id\":\"b\"}",
		    "previous_response_id", "twice" },
		{ "{\"model\":\"m\",\"conversation\":\"a\",\"conversation\":\"b\"}", "conversation",
		    "twice" },
		{ "{\"model\":\"m\",\"metadata\":{},\"metadata\":{}}", "metadata", "twice" },
		{ "{\"model\":\"m\",\"user\":\"a\",\"user\":\"a\"}", "user", "twice" },
		{ "{\"model\":\"m\",\"user\":\"a\",\"\\u0075ser\":\"a\"}", "user", "twice" },
		{ "{\"model\":\"m\",\"metadata\":{\"user_id\":1,\"user_id\":2}}",
		    "metadata.user_id", "twice" },
		{ "{\"model\":\"m\",\"metadata\":{\"user_id\":null,\"user\\u005fid\":2}}",
		    "metadata.user_id", "twice" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct chat_error error = { "", "unset" };
		struct chat c;

		CU_ASSERT_EQUAL(scan(&c, cases[i].body, &error), -1);
		CU_ASSERT_STRING_EQUAL(error.param, cases[i].param);
		CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].in_message));
		if (strstr(error.message, cases[i].in_message) == NULL)
			printf("\n%s: %s\n", cases[i].body, error.message);
	}
}

/* ---- what is found --------------------------------------------------------------------------- */

static void
test_flags(void)
{
	static const struct {
		const char *members;
		bool stream, usage, tools, json, bound;
	} cases[] = {
		{ "", 0, 0, 0, 0, 0 },
		{ ",\"stream\":true", 1, 0, 0, 0, 0 },
		{ ",\"stream\":false", 0, 0, 0, 0, 0 },
		{ ",\"stream\":null", 0, 0, 0, 0, 0 },
		{ ",\"\\u0073tream\":true", 1, 0, 0, 0, 0 },
		{ ",\"x\":{\"stream\":true}", 0, 0, 0, 0, 0 },
		{ ",\"stream_options\":null", 0, 0, 0, 0, 0 },
		{ ",\"stream_options\":{}", 0, 0, 0, 0, 0 },
		{ ",\"stream_options\":{\"include_usage\":true}", 0, 1, 0, 0, 0 },
		{ ",\"stream_options\":{\"include_usage\":false}", 0, 0, 0, 0, 0 },
		{ ",\"stream_options\":{\"include_usage\":null}", 0, 0, 0, 0, 0 },
		{ ",\"stream_options\":{\"x\":{\"include_usage\":true}}", 0, 0, 0, 0, 0 },
		{ ",\"stream_options\":{\"x\":[{}],\"include_us\\u0061ge\":true}", 0, 1, 0, 0, 0 },
		{ ",\"tools\":[]", 0, 0, 0, 0, 0 },
		{ ",\"tools\":null", 0, 0, 0, 0, 0 },
		{ ",\"tools\":[{}]", 0, 0, 1, 0, 0 },
		{ ",\"tools\": [ {\"type\":\"function\"} ]", 0, 0, 1, 0, 0 },
		{ ",\"response_format\":null", 0, 0, 0, 0, 0 },
		{ ",\"response_format\":{\"type\":\"text\"}", 0, 0, 0, 0, 0 },
		{ ",\"response_format\":{\"type\":\"json_object\"}", 0, 0, 0, 1, 0 },
		{ ",\"response_format\":{\"json_schema\":{\"type\":\"text\"},\"type\":\"json_"
		  "schema\"}",
		    0, 0, 0, 1, 0 },
		{ ",\"response_format\":{\"type\":\"json\\u005fobject\"}", 0, 0, 0, 1, 0 },
		{ ",\"response_format\":\"json_object\"", 0, 0, 0, 0, 0 },
		{ ",\"previous_response_id\":null", 0, 0, 0, 0, 0 },
		{ ",\"previous_response_id\":\"resp_1\"", 0, 0, 0, 0, 1 },
		{ ",\"conversation\":{\"id\":\"c\"}", 0, 0, 0, 0, 1 },
		{ ",\"conversation\":null,\"previous_response_id\":\"r\"", 0, 0, 0, 0, 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct chat_error error;
		struct chat c;
		char body[256];

		snprintf(body, sizeof(body), "{\"model\":\"m\"%s}", cases[i].members);
		CU_ASSERT_EQUAL_FATAL(scan(&c, body, &error), 0);
		CU_ASSERT_EQUAL(c.stream, cases[i].stream);
		CU_ASSERT_EQUAL(c.usage_asked, cases[i].usage);
		CU_ASSERT_EQUAL(c.has_tools, cases[i].tools);
		CU_ASSERT_EQUAL(c.wants_json, cases[i].json);
		CU_ASSERT_EQUAL(c.bound, cases[i].bound);
		CU_ASSERT_TRUE(span_is(body, c.model, "m"));
		CU_ASSERT_EQUAL(body[c.last_brace], '}');
		CU_ASSERT_EQUAL(c.last_brace, strlen(body) - 1);
	}
}

/* Whether the request tells all tools that may be called. */
static void
test_far_tools(void)
{
	static const struct {
		const char *body;
		bool far;
	} cases[] = {
		{ "{\"model\":\"m\"}", false },
		{ "{\"model\":\"m\",\"prompt\":\"Say hi\"}", false },
		{ "{\"model\":\"m\",\"prompt\":[\"Say hi\"]}", false },
		{ "{\"model\":\"m\",\"prompt\":{\"id\":\"pmpt_1\"}}", true },
		{ "{\"model\":\"m\",\"mcp_servers\":null}", false },
		{ "{\"model\":\"m\",\"mcp_servers\":[{\"url\":\"u\"}]}", true },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct chat_error error;
		struct chat c;

		CU_ASSERT_EQUAL_FATAL(scan(&c, cases[i].body, &error), 0);
		CU_ASSERT_EQUAL(c.far_tools, cases[i].far);
	}
}

static void
test_keys(void)
{
	static const struct {
		const char *members;
		const char *found[5];
		bool escaped;
	} cases[] = {
		{ "", { "", "", "", "", "" }, 0 },
		{ ",\"user\":\"ann\"", { "ann", "", "", "", "" }, 0 },
		{ ",\"user\":12.50", { "12.50", "", "", "", "" }, 0 },
		{ ",\"user\":\"\"", { "", "", "", "", "" }, 0 },
		{ ",\"user\":null", { "", "", "", "", "" }, 0 },
		{ ",\"user\":true", { "", "", "", "", "" }, 0 },
		{ ",\"user\":{\"id\":1}", { "", "", "", "", "" }, 0 },
		{ ",\"user\":[\"ann\"]", { "", "", "", "", "" }, 0 },
		{ ",\"user\":\"\\u0061nn\"", { "\\u0061nn", "", "", "", "" }, 1 },
		{ ",\"us\\u0065r\":\"ann\"", { "ann", "", "", "", "" }, 0 },
		{ ",\"safety_identifier\":\"s\",\"user\":\"u\"", { "u", "s", "", "", "" }, 0 },
		{ ",\"metadata\":{\"user_id\":\"u\",\"tenant\":4}", { "", "", "u", "4", "" }, 0 },
		{ ",\"metadata\":{\"x\":{\"user_id\":\"u\"},\"tenant\":\"t\"}",
		    { "", "", "", "t", "" }, 0 },
		{ ",\"metadata\":{\"user_id\":null}", { "", "", "", "", "" }, 0 },
		{ ",\"metadata\":\"user_id\"", { "", "", "", "", "" }, 0 },
		{ ",\"metadata\":null,\"user\":\"u\"", { "u", "", "", "", "" }, 0 },
		{ ",\"user_id\":\"u\"", { "", "", "", "", "" }, 0 },
		{ ",\"conversation\":\"c1\"", { "", "", "", "", "c1" }, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct chat_error error;
		struct chat c;
		char body[256];

		snprintf(body, sizeof(body), " { \"model\":\"m\"%s } ", cases[i].members);
		CU_ASSERT_EQUAL_FATAL(scan(&c, body, &error), 0);
		for (unsigned k = 0; k < 5; k++)
			CU_ASSERT_TRUE(span_is(body, c.keys[k], cases[i].found[k]));
		CU_ASSERT_EQUAL(c.keys_escaped[0], cases[i].escaped);
	}
}

/* ---- changes --------------------------------------------------------------------------------- */

static void
load(struct chat *c, struct body *b, const char *text)
{
	struct chat_error error;

	*b = (struct body){ 0 };
	CU_ASSERT_EQUAL_FATAL(body_append(b, text, strlen(text)), 0);
	CU_ASSERT_EQUAL_FATAL(chat_scan(c, &keys, body_bytes(b), b->len, &error), 0);
}

static bool
body_is(const struct body *b, const char *text)
{
	bool same = b->len == strlen(text) && memcmp(body_bytes(b), text, b->len) == 0;

	if (!same)
		printf("\n%.*s\ninstead of %s\n", (int)b->len, (const char *)body_bytes(b), text);
	return same;
}

static bool
same_span(struct jspan a, struct jspan b)
{
	return a.len == b.len && (a.len == 0 || a.off == b.off);
}

/* The spans are those that a fresh scan of the changed body finds. */
static void
check_spans(const struct chat *c, const struct body *b)
{
	struct chat_error error;
	struct chat fresh;

	CU_ASSERT_EQUAL_FATAL(chat_scan(&fresh, &keys, body_bytes(b), b->len, &error), 0);
	CU_ASSERT_TRUE(same_span(c->model, fresh.model));
	CU_ASSERT_TRUE(same_span(c->stream_options, fresh.stream_options));
	CU_ASSERT_TRUE(same_span(c->include_usage, fresh.include_usage));
	for (unsigned k = 0; k < keys.n; k++)
		CU_ASSERT_TRUE(same_span(c->keys[k], fresh.keys[k]));
	CU_ASSERT_EQUAL(c->last_brace, fresh.last_brace);
	CU_ASSERT_EQUAL(c->model_escaped, fresh.model_escaped);
	CU_ASSERT_EQUAL(c->usage_asked || c->usage_added, fresh.usage_asked);
}

static void
test_set_model(void)
{
	static const char *const names[][2] = {
		{ "n", "n" },
		{ "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14" },
		{ "a\"b\\c", "a\\\"b\\\\c" },
		{ "\xe4\xbd\xa0", "\xe4\xbd\xa0" },
		{ "gpt-4.1", "gpt-4.1" },
	};
	/* What stands before the name and behind it. */
	static const char *const bodies[][2] = {
		{ "{\"model\":\"",
		    "\",\"messages\":[1.50,9007199254740993,\"\\u0000\"],\"user\":\"u\"}" },
		{ " { \"user\" : \"u\" , \"stream_options\" : { \"include_usage\" : false } , "
		  "\"model\" : \"",
		    "\" } " },
		{ "{\"metadata\":{\"user_id\":\"a\"},\"mod\\u0065l\":\"",
		    "\",\"stream_options\":{}}" },
	};
	char text[512];

	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct chat c;
		struct body b;

		snprintf(text, sizeof(text), "%sgpt\\u002d4.1%s", bodies[i][0], bodies[i][1]);
		load(&c, &b, text);
		CU_ASSERT_TRUE(c.model_escaped);
		for (size_t k = 0; k < COUNT(names); k++) {
			CU_ASSERT_EQUAL(chat_set_model(&c, &b, names[k][0]), 0);
			snprintf(
			    text, sizeof(text), "%s%s%s", bodies[i][0], names[k][1], bodies[i][1]);
			CU_ASSERT_TRUE(body_is(&b, text));
			check_spans(&c, &b);
		}
		body_free(&b);
	}
}

static void
test_ask_usage(void)
{
	static const char *const cases[][2] = {
		{ "{\"model\":\"m\"}",
		    "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}" },
		{ " {\"model\":\"m\" } \n",
		    " {\"model\":\"m\" ,\"stream_options\":{\"include_usage\":true}} \n" },
		{ "{\"model\":\"m\",\"stream_options\":null,\"user\":\"u\"}",
		    "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true},\"user\":"
		    "\"u\"}" },
		{ "{\"stream_options\":{},\"model\":\"m\"}",
		    "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\"}" },
		{ "{\"stream_options\":{ },\"model\":\"m\"}",
		    "{\"stream_options\":{\"include_usage\":true },\"model\":\"m\"}" },
		{ "{\"stream_options\":{\"x\":1},\"model\":\"m\"}",
		    "{\"stream_options\":{\"include_usage\":true,\"x\":1},\"model\":\"m\"}" },
		{ "{\"stream_options\":{\"include_usage\":false},\"model\":\"m\"}",
		    "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\"}" },
		{ "{\"model\":\"m\",\"stream_options\":{\"a\":[],\"include_usage\" : null "
		  ",\"b\":{}}}",
		    "{\"model\":\"m\",\"stream_options\":{\"a\":[],\"include_usage\" : true "
		    ",\"b\":{}}}" },
		{ "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}",
		    "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}" },
		{ "{\"model\":\"m\",\"str\\u0065am_options\":{\"include_us\\u0061ge\":false}}",
		    "{\"model\":\"m\",\"str\\u0065am_options\":{\"include_us\\u0061ge\":true}}" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct chat c;
		struct body b;
		bool asked;

		load(&c, &b, cases[i][0]);
		asked = c.usage_asked;
		CU_ASSERT_EQUAL(chat_ask_usage(&c, &b), 0);
		CU_ASSERT_TRUE(body_is(&b, cases[i][1]));
		CU_ASSERT_EQUAL(c.usage_asked, asked);
		check_spans(&c, &b);
		CU_ASSERT_EQUAL(chat_ask_usage(&c, &b), 0);
		CU_ASSERT_TRUE(body_is(&b, cases[i][1]));
		CU_ASSERT_EQUAL(chat_set_model(&c, &b, "a longer name"), 0);
		check_spans(&c, &b);
		CU_ASSERT_EQUAL(chat_set_model(&c, &b, "m"), 0);
		CU_ASSERT_TRUE(body_is(&b, cases[i][1]));
		body_free(&b);
	}
}

void
suite_chat(void)
{
	CU_pSuite s = CU_add_suite("chat", NULL, NULL);

	CU_add_test(s, "refusals", test_refusals);
	CU_add_test(s, "flags", test_flags);
	CU_add_test(s, "far tools", test_far_tools);
	CU_add_test(s, "keys", test_keys);
	CU_add_test(s, "set model", test_set_model);
	CU_add_test(s, "ask for usage", test_ask_usage);
}
