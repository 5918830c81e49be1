// SPDX-License-Identifier: MIT
/* Error bodies in the shapes that providers send, whole and broken. */
#include "worker/errorbody.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

void suite_errorbody(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *text, *code, *message;
	int64_t retry_after_ms;
	bool no_quota;
} cases[] = {
	/* OpenAI */
	{ "{\"error\":{\"message\":\"No.\",\"type\":\"invalid_request_error\",\"param\":\"x\","
	  "\"code\":\"bad_x\"}}",
	    "bad_x", "No.", -1, 0 },
	{ "{\"error\":{\"message\":\"No.\",\"type\":\"invalid_request_error\",\"param\":null,"
	  "\"code\":null}}",
	    "invalid_request_error", "No.", -1, 0 },
	{ "{\"error\":{\"message\":\"No.\",\"code\":\"\",\"type\":\"t\"}}", "t", "No.", -1, 0 },
	{ "{\"error\":{\"code\":429,\"message\":\"Slow.\"}}", "429", "Slow.", -1, 0 },
	{ "{\"error\":{\"message\":\"a\\nb\\u0000c \\u00e9\\ud83d\"}}", "",
	    "a b c \xc3\xa9\xef\xbf\xbd", -1, 0 },
	/* Gemini, Anthropic, others */
	{ "[{\"error\":{\"code\":400,\"message\":\"No.\",\"status\":\"INVALID_ARGUMENT\"}}]",
	    "INVALID_ARGUMENT", "No.", -1, 0 },
	{ "{\"error\":{\"code\":429,\"message\":\"No.\",\"status\":429}}", "429", "No.", -1, 0 },
	{ "{\"error\":{\"code\":429,\"message\":\"No.\",\"status\":\"RESOURCE_EXHAUSTED\","
	  "\"details\":["
	  "{\"@type\":\"q\"},{\"@type\":\"r\",\"retryDelay\":\"34.5s\"}]}}",
	    "RESOURCE_EXHAUSTED", "No.", 34500, 0 },
	{ "{\"error\":{\"message\":\"No.\",\"details\":[{\"retryDelay\":\"s\"},{\"retryDelay\":5}]}"
	  "}",
	    "", "No.", -1, 0 },
	{ "{\"error\":{\"message\":\"No.\",\"status\":\"INVALID_ARGUMENT\"}}", "INVALID_ARGUMENT",
	    "No.", -1, 0 },
	{ "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Later.\"},"
	  "\"request_id\":\"r\"}",
	    "overloaded_error", "Later.", -1, 0 },
	{ "{\"error\":\"model not found\"}", "", "model not found", -1, 0 },
	{ "{\"error\":\"Not Found\",\"message\":\"no such path\",\"status\":404}", "404",
	    "no such path", -1, 0 },
	{ "{\"message\":\"No.\",\"code\":\"c\"}", "c", "No.", -1, 0 },
	{ "{\"type\":\"error\",\"code\":\"c\",\"message\":\"No.\"}", "c", "No.", -1, 0 },
	{ "{\"detail\":\"Not Found\"}", "", "Not Found", -1, 0 },
	{ "{\"detail\":[{\"msg\":\"x\"}]}", "", "[{\"msg\":\"x\"}]", -1, 0 },
	{ "{\"message\":\"outer\",\"code\":\"o\",\"error\":{\"message\":\"inner\",\"code\":\"i\"}}",
	    "i", "inner", -1, 0 },
	{ "{\"error\":{\"message\":\"inner\",\"code\":\"i\"},\"message\":\"outer\",\"code\":\"o\"}",
	    "i", "inner", -1, 0 },
	/* not what anybody promised */
	{ "", "", "", -1, 0 },
	{ " \r\n", "", "", -1, 0 },
	{ "upstream connect error\r\nreset", "", "upstream connect error reset", -1, 0 },
	{ "<html>\n <b>502</b>\x1b[0m</html>", "", "<html> <b>502</b> [0m</html>", -1, 0 },
	{ "{}", "", "{}", -1, 0 },
	{ "[]", "", "[]", -1, 0 },
	{ "null", "", "null", -1, 0 },
	{ "\"text\"", "", "text", -1, 0 },
	{ "{\"error\":null}", "", "{\"error\":null}", -1, 0 },
	{ "{\"error\":{\"message\":\"cut\",\"code\":\"c\",\"ty", "c", "cut", -1, 0 },
	{ "{\"error\":{\"message\":\"cut", "", "{\"error\":{\"message\":\"cut", -1, 0 },
	{ "\xff\xfe{", "", "\xef\xbf\xbd\xef\xbf\xbd{", -1, 0 },
	/* when to come back */
	{ "{\"error\":{\"message\":\"m\"},\"retry_after\":2}", "", "m", 2000, 0 },
	{ "{\"error\":{\"message\":\"m\",\"retry_after\":0.25}}", "", "m", 250, 0 },
	{ "{\"error\":{\"message\":\"m\",\"retry_after\":\"7\"}}", "", "m", 7000, 0 },
	{ "{\"error\":{\"message\":\"m\",\"metadata\":{\"retry_after\":3}}}", "", "m", 3000, 0 },
	{ "{\"retry_after\":9,\"error\":{\"message\":\"m\",\"retry_after\":1}}", "", "m", 1000, 0 },
	{ "{\"error\":{\"message\":\"m\",\"retry_after\":-1}}", "", "m", -1, 0 },
	{ "{\"error\":{\"message\":\"m\",\"retry_after\":\"soon\"}}", "", "m", -1, 0 },
	{ "{\"error\":{\"message\":\"m\",\"retry_after\":\"\"}}", "", "m", -1, 0 },
	{ "{\"error\":{\"message\":\"m\",\"retry_after\":null}}", "", "m", -1, 0 },
	{ "{\"error\":{\"message\":\"m\",\"retry_after\":\"Fri, 01 Jan 2100 00:00:00 GMT\"}}", "",
	    "m", -1, 0 },
	/* no quota */
	{ "{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"code\":null}}",
	    "insufficient_quota", "m", -1, 1 },
	{ "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"insufficient_quota\"}}",
	    "insufficient_quota", "m", -1, 1 },
	{ "{\"error\":{\"message\":\"m\",\"code\":\"billing_hard_limit_reached\"}}",
	    "billing_hard_limit_reached", "m", -1, 1 },
	{ "{\"error\":{\"message\":\"Monthly Spending Cap reached\"}}", "",
	    "Monthly Spending Cap reached", -1, 1 },
	{ "{\"error\":{\"message\":\"m\",\"code\":\"rate_limit_exceeded\"}}", "rate_limit_exceeded",
	    "m", -1, 0 },
	/* keys */
	{ "{\"error\":{\"message\":\"Incorrect API key provided: sk-abcdefghijklmnop.\"}}", "",
	    "Incorrect API key provided: sk-…", -1, 0 },
	{ "{\"error\":{\"message\":\"key \\u0073k-abcdefghijklmnop\"}}", "", "key sk-…", -1, 0 },
	{ "denied: Bearer abcdefghijklmnop", "", "denied: Bearer abc…", -1, 0 },
};

static void
read_copy(const char *text, size_t n, struct facts *f)
{
	uint8_t *copy = malloc(n + (n == 0)); /* its exact size, for the sanitizer */

	memcpy(copy, text, n);
	*f = (struct facts){ .retry_after_ms = -1 };
	errorbody_read(copy, n, f);
	free(copy);
}

static void
test_shapes(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct facts f;

		read_copy(cases[i].text, strlen(cases[i].text), &f);
		CU_ASSERT_STRING_EQUAL(f.error_code, cases[i].code);
		CU_ASSERT_STRING_EQUAL(f.error_message, cases[i].message);
		CU_ASSERT_EQUAL(f.retry_after_ms, cases[i].retry_after_ms);
		CU_ASSERT_EQUAL(f.no_quota, cases[i].no_quota);
		if (strcmp(f.error_message, cases[i].message) != 0 ||
		    strcmp(f.error_code, cases[i].code) != 0)
			printf(
			    "\n%s\n  gave %s | %s\n", cases[i].text, f.error_code, f.error_message);
	}
}

/* Gemini answers 400 to a key that is no good. */
static void
test_bad_key(void)
{
	static const char text[] =
	    "{\"error\":{\"code\":400,\"message\":\"API key not valid.\",\"status\":"
	    "\"INVALID_ARGUMENT\",\"details\":[{\"reason\":\"API_KEY_INVALID\"}]}}";
	static const char other[] = "{\"error\":{\"details\":[{\"reason\":\"X\"}]}}";
	struct facts f;

	read_copy(text, strlen(text), &f);
	CU_ASSERT_TRUE(f.bad_key);
	read_copy(other, strlen(other), &f);
	CU_ASSERT_FALSE(f.bad_key);
}

static void
test_plain_shape(void)
{
	static const struct {
		const char *text;
		bool plain;
	} shapes[] = {
		{ "{\"error\":{}}", true },
		{ " {\"type\":\"error\",\"error\":{\"message\":\"m\"}}\n", true },
		{ "[{\"error\":{}}]", false },
		{ "{\"error\":\"m\"}", false },
		{ "{\"message\":\"m\"}", false },
		{ "{\"error\":{}", false },
		{ "", false },
	};

	for (size_t i = 0; i < COUNT(shapes); i++)
		CU_ASSERT_EQUAL(
		    errorbody_is_plain((const uint8_t *)shapes[i].text, strlen(shapes[i].text)),
		    shapes[i].plain);
}

static void
test_list_shape(void)
{
	static const struct {
		const char *text;
		bool list;
	} shapes[] = {
		{ "[{\"error\":{}}]", true },
		{ " [ {\"x\":1}, {\"error\":{\"message\":\"m\"}} ]\n", true },
		{ "{\"error\":{}}", false },
		{ "[{\"error\":null}]", false },
		{ "[[{\"error\":{}}]]", false },
		{ "[{\"error\":{}}", false },
		{ "[{\"error\":{}}]x", false },
		{ "[]", false },
		{ "", false },
	};

	for (size_t i = 0; i < COUNT(shapes); i++)
		CU_ASSERT_EQUAL(
		    errorbody_is_list((const uint8_t *)shapes[i].text, strlen(shapes[i].text)),
		    shapes[i].list);
}

static bool
is_utf8(const char *text)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);

	while (p < end) {
		size_t n = *p < 0x80 ? 1 : text_utf8_length(p, end);

		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

/* Long messages are cut between characters; a key at any place of them is never shown. */
static void
test_long_messages(void)
{
	static const char key[] = "sk-0123456789abcdefghijklmnop";
	char message[1200], text[1300];

	for (size_t at = 0; at < 1100; at += 7) {
		for (unsigned plain = 0; plain < 2; plain++) {
			struct facts f;

			memset(message, 0, sizeof(message));
			for (size_t i = 0; i + 2 < 1100; i += 3)
				memcpy(message + i, i % 2 == 0 ? "\xe4\xbd\xa0" : "ab ", 3);
			message[at] = ' ';
			memcpy(message + at + 1, key, sizeof(key) - 1);
			message[at + sizeof(key)] = ' ';
			snprintf(text, sizeof(text),
			    plain ? "%s" : "{\"error\":{\"message\":\"%s\"}}", message);
			read_copy(text, strlen(text), &f);
			CU_ASSERT_PTR_NULL(strstr(f.error_message, "sk-0"));
			CU_ASSERT_TRUE(is_utf8(f.error_message));
			CU_ASSERT(strlen(f.error_message) > 150);
		}
	}
}

void
suite_errorbody(void)
{
	CU_pSuite s = CU_add_suite("errorbody", NULL, NULL);

	CU_add_test(s, "shapes", test_shapes);
	CU_add_test(s, "a bad key", test_bad_key);
	CU_add_test(s, "plain shape", test_plain_shape);
	CU_add_test(s, "errors in a list", test_list_shape);
	CU_add_test(s, "long messages", test_long_messages);
}
