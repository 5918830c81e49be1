// SPDX-License-Identifier: MIT
/* The strict door to cJSON: what it refuses and where, and that places belong to their values. */
#include "common/json.h"

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void suite_json(void);

static int
parse(struct json *j, const char *text, unsigned *line)
{
	struct err e;

	return json_parse(j, text, strlen(text), true, line, &e);
}

/* Texts that are no JSON (RFC 8259), or not taken here, and the line that is told. */
static void
test_refuses(void)
{
	static const struct {
		const char *text;
		unsigned line;
	} cases[] = {
		{ "", 1 },
		{ "\n\n", 3 },
		{ "{", 1 },
		{ "[1,\n2", 2 },
		{ "[1 2]", 1 },
		{ "{\"a\"}", 1 },
		{ "{\"a\":}", 1 },
		{ "{\"a\":1,}", 1 },
		{ "[\n,1]", 2 },
		{ "[1,]", 1 },
		{ "{1:2}", 1 },
		{ "nul", 1 },
		{ "True", 1 },
		{ "truee", 1 },
		{ "01", 1 },
		{ "-", 1 },
		{ "1.", 1 },
		{ ".5", 1 },
		{ "1e", 1 },
		{ "1e+", 1 },
		{ "+1", 1 },
		{ "0x10", 1 },
		{ "NaN", 1 },
		{ "\"", 1 },
		{ "\"\n\"", 1 },
		{ "\"\t\"", 1 },
		{ "\"\x7f\"", 1 },
		{ "\"\\", 1 },
		{ "\"\\\"", 1 },
		{ "\"\\q\"", 1 },
		{ "\"\\u12\"", 1 },
		{ "\"\\u12g4\"", 1 },
		{ "\"\\u0000\"", 1 },
		{ "\"\\ud800\"", 1 },
		{ "\"\\ud800\\u0041\"", 1 },
		{ "\"\\udc00\"", 1 },
		{ "\"\x80\"", 1 },
		{ "\"\xc0\xaf\"", 1 },
		{ "\"\xe0\x80\x80\"", 1 },
		{ "\"\xed\xa0\x80\"", 1 },
		{ "\"\xf4\x90\x80\x80\"", 1 },
		{ "\"\xc3", 1 },
		{ "\"\xf0\x9f\x98\"", 1 },
		{ "1 /* */", 1 },
		{ "1\n/ 2", 2 },
		{ "1\n// 2\n3", 3 },
		{ "1 # 2", 1 },
		{ "\xef\xbb\xbf{}", 1 },
		{ "12345678901234567890123456789012345678901", 1 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json j;
		unsigned line = 0;
		bool refused = parse(&j, cases[i].text, &line) != 0 && line == cases[i].line;

		CU_ASSERT_TRUE(refused);
		if (!refused)
			fprintf(stderr, "\n\"%s\": line %u\n", cases[i].text, line);
		CU_ASSERT_PTR_NULL(j.root);
		json_free(&j);
	}
}

static void
test_accepts(void)
{
	static const char *const cases[] = { " 0 ", "-0.0e-0", "1E400", "\"\"", "[]", "{ }",
		"[[],{},[{}]]", "\"\\ud83d\\ude00\\u00e9\\n\\/\"", "\"\xf0\x9f\x98\x80\"",
		"{\"\":null,\"a\":true,\"a\":false}", "// first\n1 // last", "\"// no comment\"",
		"[\"\\\\\" // a comment \"\n]", "\"\\\\\\\"//\"",
		"1234567890123456789012345678901234567890" };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json j;
		unsigned line;
		int rc = parse(&j, cases[i], &line);

		CU_ASSERT_EQUAL(rc, 0);
		if (rc != 0)
			fprintf(stderr, "\nrefused: %s\n", cases[i]);
		json_free(&j);
	}
}

static void
test_depth(void)
{
	char text[2 * JSON_DEPTH + 3] = "";
	struct json j;

	memset(text, '[', JSON_DEPTH);
	memset(text + JSON_DEPTH, ']', JSON_DEPTH);
	CU_ASSERT_EQUAL(parse(&j, text, NULL), 0);
	json_free(&j);
	memset(text, '[', JSON_DEPTH + 1);
	memset(text + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
	CU_ASSERT_EQUAL(parse(&j, text, NULL), -1);
}

/* A NUL ends the bytes for cJSON, but not for the scanner. */
static void
test_zero_bytes(void)
{
	struct json j;
	struct err e;

	CU_ASSERT_EQUAL(json_parse(&j, "1\0", 2, true, NULL, &e), -1);
	CU_ASSERT_EQUAL(json_parse(&j, "\"a\0b\"", 5, true, NULL, &e), -1);
	CU_ASSERT_EQUAL(json_parse(&j, "1 // 2", 6, false, NULL, &e), -1);
}

/* Each number of the text is its own line times 100, wherever it stands. */
static void
check_places(const struct json *j, const cJSON *v, unsigned *seen)
{
	for (; v != NULL; v = v->next) {
		size_t n;
		const char *text = json_text(j, v, &n);
		char number[32];

		if (cJSON_IsNumber(v)) {
			snprintf(number, sizeof(number), "%u00", json_place(j, v)->line);
			CU_ASSERT_EQUAL(n, strlen(number));
			CU_ASSERT_EQUAL(memcmp(text, number, n), 0);
			(*seen)++;
		} else if (cJSON_IsObject(v) || cJSON_IsArray(v)) {
			CU_ASSERT_EQUAL(text[0], cJSON_IsObject(v) ? '{' : '[');
			CU_ASSERT_EQUAL(text[n - 1], cJSON_IsObject(v) ? '}' : ']');
		}
		check_places(j, v->child, seen);
	}
}

static void
test_places(void)
{
	struct json j;
	unsigned seen = 0;

	CU_ASSERT_EQUAL_FATAL(parse(&j,
				  "{ \"a\": 100, // 7\n"
				  "\"b\": [200, [], {\"c\":\t200},\r\n"
				  "\"x\\n\\\"\", 300], \"a\":\n\n\n"
				  "600, \"d\": true, \"e\": null, \"f\": {\n"
				  "\"g\": [ [700 ]] } }",
				  NULL),
	    0);
	check_places(&j, j.root, &seen);
	CU_ASSERT_EQUAL(seen, 6);
	CU_ASSERT_STRING_EQUAL(json_kind_name(j.root), "an object");
	json_free(&j);
}

void
suite_json(void)
{
	CU_pSuite s = CU_add_suite("json", NULL, NULL);

	CU_add_test(s, "refuses, and tells the line", test_refuses);
	CU_add_test(s, "accepts", test_accepts);
	CU_add_test(s, "depth", test_depth);
	CU_add_test(s, "zero bytes", test_zero_bytes);
	CU_add_test(s, "places belong to their values", test_places);
}
