// SPDX-License-Identifier: MIT
/* The JSON tokenizer: what it takes and refuses, the tokens and spans it gives, unescaping. */
#include "worker/jscan.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void suite_jscan(void);

#define TEXT(s)	 s, sizeof(s) - 1
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct text {
	const char *bytes;
	size_t len;
};

static const struct text good[] = {
	/* values by themselves, white space around them */
	{ TEXT("null") },
	{ TEXT("true") },
	{ TEXT("false") },
	{ TEXT("\"\"") },
	{ TEXT("\"a\"") },
	{ TEXT("[]") },
	{ TEXT("{}") },
	{ TEXT(" null") },
	{ TEXT("null ") },
	{ TEXT("\t\r\n {} \n\r\t") },
	{ TEXT("[ ]") },
	{ TEXT("{ }") },
	{ TEXT("[\n]") },
	/* numbers */
	{ TEXT("0") },
	{ TEXT("-0") },
	{ TEXT("7") },
	{ TEXT("10") },
	{ TEXT("-12") },
	{ TEXT("0.0") },
	{ TEXT("-0.5") },
	{ TEXT("3.25") },
	{ TEXT("1e5") },
	{ TEXT("1E5") },
	{ TEXT("1e+5") },
	{ TEXT("1e-5") },
	{ TEXT("0e0") },
	{ TEXT("1.5e300") },
	{ TEXT("1e400") },
	{ TEXT("-1e-4000") },
	{ TEXT("9007199254740993") },
	{ TEXT("123456789012345678901234567890123456789012345678901234567890123456789012345") },
	{ TEXT("[0.000000000000000000000000000000000000000000000000000000000000000000001]") },
	/* containers */
	{ TEXT("[1]") },
	{ TEXT("[1,2]") },
	{ TEXT("[ 1 , 2 ]") },
	{ TEXT("[[],[[]],{}]") },
	{ TEXT("[null,true,false,\"\",0,{},[]]") },
	{ TEXT("{\"a\":1}") },
	{ TEXT("{ \"a\" : 1 }") },
	{ TEXT("{\"a\":1,\"b\":2}") },
	{ TEXT("{\"a\":1,\"a\":2}") },
	{ TEXT("{\"\":0}") },
	{ TEXT("{\"a\":{\"b\":{\"c\":[]}}}") },
	{ TEXT("{\"\\u0061\":1}") },
	{ TEXT("{\"a\":[{\"b\":null},{}],\"c\":\"]}\"}") },
	/* escapes */
	{ TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"") },
	{ TEXT("\"\\u0000\"") },
	{ TEXT("\"\\u0020\\u00e9\\u20AC\\uFFFF\"") },
	{ TEXT("\"\\uD83D\\uDE00\"") },
	{ TEXT("\"\\uD83D\"") },
	{ TEXT("\"\\uDE00\"") },
	{ TEXT("\"\\uDE00\\uD83D\"") },
	{ TEXT("\"\\uD83D\\u0041\"") },
	{ TEXT("\"\\uD83Dx\"") },
	{ TEXT("\"/\"") },
	{ TEXT("\"\\\\\"") },
	{ TEXT("\"\\\\u00zz\"") },
	{ TEXT("\"'\"") },
	{ TEXT("\"\x7f\"") },
	/* UTF-8: the first and last of every length and range */
	{ TEXT("\"\xc2\x80\"") },
	{ TEXT("\"\xdf\xbf\"") },
	{ TEXT("\"\xe0\xa0\x80\"") },
	{ TEXT("\"\xe1\x80\x80\"") },
	{ TEXT("\"\xec\xbf\xbf\"") },
	{ TEXT("\"\xed\x80\x80\"") },
	{ TEXT("\"\xed\x9f\xbf\"") },
	{ TEXT("\"\xee\x80\x80\"") },
	{ TEXT("\"\xef\xbf\xbf\"") },
	{ TEXT("\"\xf0\x90\x80\x80\"") },
	{ TEXT("\"\xf1\x80\x80\x80\"") },
	{ TEXT("\"\xf3\xbf\xbf\xbf\"") },
	{ TEXT("\"\xf4\x8f\xbf\xbf\"") },
	{ TEXT("\"\xef\xbb\xbf\"") },
	{ TEXT("\"\xe2\x80\xa8\xe2\x80\xa9\"") },
	{ TEXT("{\"\xc3\xa9t\xc3\xa9\":\"\xe4\xbd\xa0\xe5\xa5\xbd\"}") },
};

static const struct text bad[] = {
	/* nothing, or not all of it */
	{ TEXT("") },
	{ TEXT(" ") },
	{ TEXT("\n\n") },
	{ TEXT("[") },
	{ TEXT("{") },
	{ TEXT("\"") },
	{ TEXT("\"a") },
	{ TEXT("[1") },
	{ TEXT("[1,") },
	{ TEXT("{\"a\"") },
	{ TEXT("{\"a\":") },
	{ TEXT("{\"a\":1") },
	{ TEXT("{\"a\":1,") },
	{ TEXT("nul") },
	{ TEXT("t") },
	{ TEXT("fals") },
	{ TEXT("-") },
	{ TEXT("1.") },
	{ TEXT("1e") },
	{ TEXT("1e+") },
	/* more than one value */
	{ TEXT("1 2") },
	{ TEXT("{}{}") },
	{ TEXT("[]]") },
	{ TEXT("{}}") },
	{ TEXT("null,") },
	{ TEXT("\"a\"\"b\"") },
	{ TEXT("{}\0") },
	{ TEXT("truefalse") },
	{ TEXT("{} // comment") },
	/* containers */
	{ TEXT("]") },
	{ TEXT("}") },
	{ TEXT(",") },
	{ TEXT(":") },
	{ TEXT("[,]") },
	{ TEXT("[1,]") },
	{ TEXT("[,1]") },
	{ TEXT("[1,,2]") },
	{ TEXT("[1 2]") },
	{ TEXT("[1:2]") },
	{ TEXT("[}") },
	{ TEXT("{]") },
	{ TEXT("[1}") },
	{ TEXT("{\"a\":1]") },
	{ TEXT("{,}") },
	{ TEXT("{\"a\":1,}") },
	{ TEXT("{\"a\"}") },
	{ TEXT("{\"a\",\"b\"}") },
	{ TEXT("{\"a\" 1}") },
	{ TEXT("{\"a\"::1}") },
	{ TEXT("{\"a\":1 \"b\":2}") },
	{ TEXT("{\"a\":1:2}") },
	{ TEXT("{1:2}") },
	{ TEXT("{a:1}") },
	{ TEXT("{'a':1}") },
	{ TEXT("{null:1}") },
	{ TEXT("{[]:1}") },
	{ TEXT("{\"a\":}") },
	{ TEXT("{:1}") },
	/* numbers and words */
	{ TEXT("01") },
	{ TEXT("-01") },
	{ TEXT("00") },
	{ TEXT("+1") },
	{ TEXT(".5") },
	{ TEXT("-.5") },
	{ TEXT("5.") },
	{ TEXT("1.e5") },
	{ TEXT("1e5.5") },
	{ TEXT("1ee5") },
	{ TEXT("1e5e5") },
	{ TEXT("--1") },
	{ TEXT("1-") },
	{ TEXT("0x10") },
	{ TEXT("1_000") },
	{ TEXT("1,5") },
	{ TEXT("NaN") },
	{ TEXT("nan") },
	{ TEXT("Infinity") },
	{ TEXT("-Infinity") },
	{ TEXT("True") },
	{ TEXT("NULL") },
	{ TEXT("undefined") },
	{ TEXT("[truE]") },
	{ TEXT("[1a]") },
	{ TEXT("\xef\xbc\x91") },
	/* strings */
	{ TEXT("'a'") },
	{ TEXT("\"\t\"") },
	{ TEXT("\"\n\"") },
	{ TEXT("\"\0\"") },
	{ TEXT("\"\x1f\"") },
	{ TEXT("\"0123456789abcdef\x01 0123456789abcdef\"") },
	{ TEXT("\"\\\"") },
	{ TEXT("\"\\") },
	{ TEXT("\"\\a\"") },
	{ TEXT("\"\\'\"") },
	{ TEXT("\"\\x41\"") },
	{ TEXT("\"\\0\"") },
	{ TEXT("\"\\N\"") },
	{ TEXT("\"\\U0041\"") },
	{ TEXT("\"\\\0\"") },
	{ TEXT("\"\\\n\"") },
	{ TEXT("\"\\\xc3\xa9\"") },
	{ TEXT("\"\\u\"") },
	{ TEXT("\"\\u0\"") },
	{ TEXT("\"\\u00\"") },
	{ TEXT("\"\\u004\"") },
	{ TEXT("\"\\u004") },
	{ TEXT("\"\\u00g0\"") },
	{ TEXT("\"\\u 041\"") },
	{ TEXT("\"\\u+041\"") },
	{ TEXT("\"\\uD83D\\u\"") },
	/* UTF-8 */
	{ TEXT("\"\x80\"") },
	{ TEXT("\"\xbf\"") },
	{ TEXT("\"\xc0\x80\"") },
	{ TEXT("\"\xc1\xbf\"") },
	{ TEXT("\"\xc2\"") },
	{ TEXT("\"\xc3(\"") },
	{ TEXT("\"\xc2\xc2\"") },
	{ TEXT("\"\xe0\x80\x80\"") },
	{ TEXT("\"\xe0\x9f\xbf\"") },
	{ TEXT("\"\xe2\x82\"") },
	{ TEXT("\"\xe2\x82(\"") },
	{ TEXT("\"\xe2(\xa1\"") },
	{ TEXT("\"\xed\xa0\x80\"") },
	{ TEXT("\"\xed\xbf\xbf\"") },
	{ TEXT("\"\xf0\x80\x80\x80\"") },
	{ TEXT("\"\xf0\x8f\xbf\xbf\"") },
	{ TEXT("\"\xf0\x9f\x98\"") },
	{ TEXT("\"\xf0\x9f\x98(\"") },
	{ TEXT("\"\xf4\x90\x80\x80\"") },
	{ TEXT("\"\xf5\x80\x80\x80\"") },
	{ TEXT("\"\xfe\"") },
	{ TEXT("\"\xff\"") },
	{ TEXT("\"\xe4\xbd\xa0\xe5\xa5\"") },
	{ TEXT("\"\xc3\xa9") },
	{ TEXT("\"\xc3") },
	/* what is no white space here */
	{ TEXT("\xef\xbb\xbf{}") },
	{ TEXT("\v1") },
	{ TEXT("\f1") },
	{ TEXT("\xc2\xa0[]") },
	{ TEXT("[\v]") },
	{ TEXT("/**/1") },
	{ TEXT("# 1") },
	{ TEXT("\xff") },
	{ TEXT("\0") },
};

/* The text in a block of its exact size, so that a sanitizer sees a read behind it. */
static bool
valid_alone(const char *bytes, size_t n)
{
	char *copy = malloc(n + (n == 0));
	bool ok;

	memcpy(copy, bytes, n);
	ok = jscan_valid(copy, n);
	free(copy);
	return ok;
}

/* Also inside of an array, where the end of the text is no help. */
static bool
valid_inside(const struct text *t)
{
	char *text = malloc(t->len + 2);
	bool ok;

	text[0] = '[';
	memcpy(text + 1, t->bytes, t->len);
	text[t->len + 1] = ']';
	ok = valid_alone(text, t->len + 2);
	free(text);
	return ok;
}

static void
test_good(void)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		bool ok = valid_alone(good[i].bytes, good[i].len) && valid_inside(&good[i]);

		if (!ok)
			printf("\nrefused: %s\n", good[i].bytes);
		CU_ASSERT_TRUE(ok);
	}
}

static void
test_bad(void)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		bool ok = valid_alone(bad[i].bytes, bad[i].len);

		if (ok)
			printf("\naccepted: %s\n", bad[i].bytes);
		CU_ASSERT_FALSE(ok);
	}
}

/* No good text but a number stays good when its last byte is cut off. */
static void
test_cut(void)
{
	static const char text[] =
	    "{\"a\":[1,-2.5e3,true,null,\"x\\u0041\\n\xe4\xbd\xa0\"],\"b\":{}}";

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		CU_ASSERT_FALSE(valid_alone(text, n));
	CU_ASSERT_TRUE(valid_alone(text, sizeof(text) - 1));
}

/* Each special byte at each place of a string: the wide steps miss none. */
static void
test_every_place(void)
{
	static const char specials[] = { '"', '\\', '\0', '\x1f', '\n', '\x80', '\xff' };
	char text[100];

	for (size_t at = 1; at < sizeof(text) - 1; at++)
		for (size_t i = 0; i < sizeof(specials); i++) {
			memset(text, 'x', sizeof(text));
			text[0] = text[sizeof(text) - 1] = '"';
			CU_ASSERT_TRUE(jscan_valid(text, sizeof(text)));
			text[at] = specials[i];
			CU_ASSERT_FALSE(jscan_valid(text, sizeof(text)));
		}
}

static void
test_depth(void)
{
	char text[4 * JSCAN_DEPTH + 16];

	for (unsigned depth = JSCAN_DEPTH - 1; depth <= JSCAN_DEPTH + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		CU_ASSERT_EQUAL(jscan_valid(text, 2 * depth), depth <= JSCAN_DEPTH);
	}
	/* Objects and arrays in turn, so that each bit of the stack is seen in both states. */
	for (unsigned odd = 0; odd < 2; odd++) {
		size_t n = 0;

		for (unsigned i = 0; i < JSCAN_DEPTH; i++)
			n += (size_t)sprintf(text + n, i % 2 == odd	      ? "["
						       : i == JSCAN_DEPTH - 1 ? "{"
									      : "{\"\":");
		for (unsigned i = JSCAN_DEPTH; i-- > 0;)
			text[n++] = i % 2 == odd ? ']' : '}';
		CU_ASSERT_TRUE(jscan_valid(text, n));
		text[n - 1] ^= ']' ^ '}';
		CU_ASSERT_FALSE(jscan_valid(text, n));
	}
}

static void
test_tokens_and_spans(void)
{
	static const char text[] = " {\"k\\u0065y\" : [ -1.5e3 ,\"a\\nb\",true,false,null,{}] } ";
	static const struct {
		enum jtok tok;
		const char *span;
	} expected[] = {
		{ JTOK_OBJECT, "{" },
		{ JTOK_KEY, "k\\u0065y" },
		{ JTOK_ARRAY, "[" },
		{ JTOK_NUMBER, "-1.5e3" },
		{ JTOK_STRING, "a\\nb" },
		{ JTOK_TRUE, "true" },
		{ JTOK_FALSE, "false" },
		{ JTOK_NULL, "null" },
		{ JTOK_OBJECT, "{" },
		{ JTOK_OBJECT_END, "}" },
		{ JTOK_ARRAY_END, "]" },
		{ JTOK_OBJECT_END, "}" },
		{ JTOK_END, "" },
		{ JTOK_END, "" },
	};
	struct jscan s;

	jscan_init(&s, text, sizeof(text) - 1);
	for (size_t i = 0; i < COUNT(expected); i++) {
		CU_ASSERT_EQUAL(jscan_next(&s), expected[i].tok);
		CU_ASSERT_EQUAL(s.span.len, strlen(expected[i].span));
		CU_ASSERT_EQUAL(memcmp(text + s.span.off, expected[i].span, s.span.len), 0);
		if (expected[i].tok == JTOK_KEY) {
			CU_ASSERT_TRUE(s.escaped);
			CU_ASSERT_TRUE(jscan_equals(&s, "key"));
			CU_ASSERT_FALSE(jscan_equals(&s, "ke"));
			CU_ASSERT_FALSE(jscan_equals(&s, "keys"));
			CU_ASSERT_FALSE(jscan_equals(&s, "k\\u0065y"));
		}
	}
	CU_ASSERT_PTR_NULL(s.error);
}

static void
test_error_stays(void)
{
	struct jscan s;

	jscan_init(&s, "[1,x]", 5);
	CU_ASSERT_EQUAL(jscan_next(&s), JTOK_ARRAY);
	CU_ASSERT_EQUAL(jscan_next(&s), JTOK_NUMBER);
	CU_ASSERT_EQUAL(jscan_next(&s), JTOK_ERROR);
	CU_ASSERT_EQUAL(s.pos, 3);
	CU_ASSERT_PTR_NOT_NULL(s.error);
	CU_ASSERT_EQUAL(jscan_next(&s), JTOK_ERROR);
	jscan_init(&s, "[1", 2);
	CU_ASSERT_FALSE(jscan_skip(&s, jscan_next(&s), NULL));
	CU_ASSERT_STRING_EQUAL(s.error, "it ends too early");
}

static void
test_skip(void)
{
	static const char text[] = "[ {\"a\":[1,{}]} , \"x\\\"y\",12.5 , null,[]]";
	static const char *const wholes[] = { "{\"a\":[1,{}]}", "\"x\\\"y\"", "12.5", "null",
		"[]" };
	struct jspan whole;
	struct jscan s;

	jscan_init(&s, text, sizeof(text) - 1);
	CU_ASSERT_EQUAL(jscan_next(&s), JTOK_ARRAY);
	for (size_t i = 0; i < COUNT(wholes); i++) {
		CU_ASSERT_TRUE(jscan_skip(&s, jscan_next(&s), &whole));
		CU_ASSERT_EQUAL(whole.len, strlen(wholes[i]));
		CU_ASSERT_EQUAL(memcmp(text + whole.off, wholes[i], whole.len), 0);
	}
	CU_ASSERT_EQUAL(jscan_next(&s), JTOK_ARRAY_END);
	CU_ASSERT_EQUAL(jscan_next(&s), JTOK_END);
}

static void
test_unescape(void)
{
	static const struct {
		struct text in, out;
	} cases[] = {
		{ { TEXT("") }, { TEXT("") } },
		{ { TEXT("plain") }, { TEXT("plain") } },
		{ { TEXT("\\\"\\\\\\/\\b\\f\\n\\r\\t") }, { TEXT("\"\\/\b\f\n\r\t") } },
		{ { TEXT("a\\u0000b") }, { TEXT("a\0b") } },
		{ { TEXT("\\u007f\\u0080\\u07ff\\u0800\\uffff") },
		    { TEXT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf") } },
		{ { TEXT("\\uD83D\\uDE00") }, { TEXT("\xf0\x9f\x98\x80") } },
		{ { TEXT("\\uD800\\uDC00\\uDBFF\\uDFFF") },
		    { TEXT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") } },
		{ { TEXT("\\ud83d") }, { TEXT("\xef\xbf\xbd") } },
		{ { TEXT("\\ude00x") }, { TEXT("\xef\xbf\xbdx") } },
		{ { TEXT("\\ud83d\\ud83d\\ude00") }, { TEXT("\xef\xbf\xbd\xf0\x9f\x98\x80") } },
		{ { TEXT("\\ud83d\\n") }, { TEXT("\xef\xbf\xbd\n") } },
		{ { TEXT("\\ud83d\\u0041") }, { TEXT("\xef\xbf\xbd\x41") } },
		{ { TEXT("\xe4\xbd\xa0\\n\xc3\xa9") }, { TEXT("\xe4\xbd\xa0\n\xc3\xa9") } },
		{ { TEXT("0123456789abcdefg\\n0123456789abcdefg") },
		    { TEXT("0123456789abcdefg\n0123456789abcdefg") } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct jspan span = { 0, cases[i].in.len }, rest;
		size_t len = cases[i].out.len;
		uint8_t *out = malloc(len + 8);

		CU_ASSERT_EQUAL(
		    jscan_unescape(cases[i].in.bytes, span, out, len + 8), (ptrdiff_t)len);
		CU_ASSERT_EQUAL(memcmp(out, cases[i].out.bytes, len), 0);
		CU_ASSERT_EQUAL(jscan_unescape(cases[i].in.bytes, span, out, len), (ptrdiff_t)len);
		if (len > 0)
			CU_ASSERT_EQUAL(jscan_unescape(cases[i].in.bytes, span, out, len - 1), -1);
		/* In parts of every size that holds a character, the parts make the whole. */
		for (size_t cap = 4; cap < len; cap++) {
			uint8_t part[64];
			size_t at = 0;

			for (rest = span; rest.len > 0;) {
				size_t n = jscan_unescape_part(cases[i].in.bytes, &rest, part, cap);

				CU_ASSERT_FATAL(n > 0 && n <= cap && at + n <= len);
				CU_ASSERT_EQUAL(memcmp(part, cases[i].out.bytes + at, n), 0);
				at += n;
			}
			CU_ASSERT_EQUAL(at, len);
		}
		free(out);
	}
}

static void
test_uint(void)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "42", true, 42 },
		{ "999999999999999", true, 999999999999999 },
		{ "1000000000000000", false, 0 },
		{ "18446744073709551616", false, 0 },
		{ "", false, 0 },
		{ "-1", false, 0 },
		{ "1.0", false, 0 },
		{ "1e3", false, 0 },
		{ "12a", false, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 77;

		CU_ASSERT_EQUAL(
		    jscan_uint(cases[i].text, (struct jspan){ 0, strlen(cases[i].text) }, &value),
		    cases[i].ok);
		CU_ASSERT_EQUAL(value, cases[i].ok ? cases[i].value : 77);
	}
}

void
suite_jscan(void)
{
	CU_pSuite s = CU_add_suite("jscan", NULL, NULL);

	CU_add_test(s, "takes what is JSON", test_good);
	CU_add_test(s, "refuses what is not", test_bad);
	CU_add_test(s, "refuses every cut", test_cut);
	CU_add_test(s, "special bytes at every place", test_every_place);
	CU_add_test(s, "depth", test_depth);
	CU_add_test(s, "tokens and spans", test_tokens_and_spans);
	CU_add_test(s, "an error stays", test_error_stays);
	CU_add_test(s, "skip", test_skip);
	CU_add_test(s, "unescape", test_unescape);
	CU_add_test(s, "whole numbers", test_uint);
}
