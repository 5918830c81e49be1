// SPDX-License-Identifier: MIT
/* What `stress` makes of answers: whole and streamed, at any split, good and bad; and its sums. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/stress_prompts.h"
#include "ctl/stress_tally.h"

void suite_stress(void);

static const char head[] = "HTTP/1.1 200 OK\nX-Gray-Arm: stable\nx-gray-fallback: 1\n"
			   "x-gray-fallback-reason: server_error\nx-gray-attempts: 2\n"
			   "x-gray-cost-usd: 0.006000000001\n";

/* An answer, a piece of `step` bytes at a time; whether it is a good one. */
static bool
read_answer(struct stress_reply *r, bool stream, const char *lines, const char *body, size_t step)
{
	size_t n = strlen(body);

	stress_reply_init(r, stream);
	for (const char *line = lines; *line != '\0'; line += strcspn(line, "\n") + 1)
		stress_reply_head(r, line, strcspn(line, "\n"));
	for (size_t at = 0; at < n; at += step)
		CU_ASSERT_EQUAL(
		    stress_reply_bytes(r, body + at, n - at < step ? n - at : step, 1000 + at), 0);
	return stress_reply_end(r);
}

static void
test_whole(void)
{
	static const char body[] =
	    "{\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":100,"
	    "\"completion_tokens\":7,\"prompt_tokens_details\":{\"cached_tokens\":60}}}";
	struct stress_reply r = { 0 };

	for (size_t step = 1; step <= sizeof(body); step++) {
		CU_ASSERT_TRUE(read_answer(&r, false, head, body, step));
		CU_ASSERT_EQUAL(r.status, 200);
		CU_ASSERT(r.arm_known && r.arm == ARM_STABLE && r.fallback);
		CU_ASSERT_STRING_EQUAL(r.reason, "server_error");
		CU_ASSERT_EQUAL(r.attempts, 2);
		CU_ASSERT(r.input == 40 && r.cached == 60 && r.output == 7);
		CU_ASSERT(r.priced && r.cost.usd == 0 && r.cost.picousd == 6000000001);
	}
	stress_reply_free(&r);
}

/* A usage that is none must not overflow the sums. */
static void
test_hostile_usage(void)
{
	static const char body[] =
	    "{\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":1e300,"
	    "\"completion_tokens\":18446744073709551615,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":-7}}}";
	struct stress_reply r = { 0 };

	CU_ASSERT_TRUE(read_answer(&r, false, head, body, sizeof(body)));
	CU_ASSERT(r.input == 0 && r.cached == 0 && r.output == 0);
	stress_reply_free(&r);
}

static void
test_stream(void)
{
	static const char body[] =
	    ": ping\r\n\r\ndata: "
	    "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
	    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
	    "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n"
	    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
	    "\"cost_usd\":0.000300000000,\"estimated_cost_usd\":0.5}}\n\ndata: [DONE]\n\n";
	struct stress_reply r = { 0 };

	for (size_t step = 1; step <= sizeof(body); step++) {
		CU_ASSERT_TRUE(
		    read_answer(&r, true, "HTTP/1.1 200 OK\nx-gray-arm: candidate\n", body, step));
		CU_ASSERT(r.content && r.done && !r.failed);
		CU_ASSERT(r.first_token_us >= 1000 && r.first_token_us <= 1000 + 200);
		CU_ASSERT(r.input == 9 && r.output == 2);
		CU_ASSERT(r.cost.picousd == 300000000 && r.estimated.picousd == 500000000000);
	}
	stress_reply_free(&r);
}

static const struct {
	bool stream;
	const char *head, *body, *code, *message;
} bad[] = {
	{ false, "HTTP/1.1 503 x\n", "{\"error\":{\"code\":\"busy\",\"message\":\"no room\"}}",
	    "busy", "no room" },
	{ true, "HTTP/1.1 401 x\n", "{\"error\":{\"type\":\"auth\",\"message\":\"who?\"}}", "auth",
	    "who?" },
	{ false, "HTTP/1.1 500 x\n", "<html>", "status", "an error without a word" },
	{ false, "HTTP/1.1 200 x\n", "{\"choices\":", "garbage", "the answer is not JSON" },
	{ true, "HTTP/1.1 200 x\n", "data: {\"choices\":[]}\n\n", "incomplete",
	    "the stream ended without its end mark" },
	{ true, "HTTP/1.1 200 x\n", "data: {\"error\":{\"code\":\"cut\",\"message\":\"gone\"}}\n\n",
	    "cut", "gone" },
	{ false, "HTTP/1.1 200 x\n",
	    "{\"error\":{\"code\":\"a\\u001b[2J\",\"message\":\"key sk-0123456789abcdef\"}}",
	    "a [2J", "key sk-\xe2\x80\xa6" },
};

static void
test_bad(void)
{
	struct stress_reply r = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_FALSE(read_answer(&r, bad[i].stream, bad[i].head, bad[i].body, 7));
		CU_ASSERT_STRING_EQUAL(r.code, bad[i].code);
		CU_ASSERT_STRING_EQUAL(r.message, bad[i].message);
	}
	stress_reply_free(&r);
}

static void
test_quantiles(void)
{
	uint64_t us[100];
	struct stress_times t = { us, 100, 100 }, one = { us, 1, 1 }, none = { 0 };

	for (unsigned i = 0; i < 100; i++)
		us[i] = i + 1;
	CU_ASSERT_EQUAL(stress_quantile_us(&t, 0.5), 50);
	CU_ASSERT_EQUAL(stress_quantile_us(&t, 0.95), 95);
	CU_ASSERT_EQUAL(stress_quantile_us(&t, 0.99), 99);
	CU_ASSERT_EQUAL(stress_quantile_us(&t, 1), 100);
	CU_ASSERT_EQUAL(stress_quantile_us(&one, 0.5), 1);
	CU_ASSERT_EQUAL(stress_quantile_us(&none, 0.5), 0);
}

static void
test_tally(void)
{
	struct stress_tally t = { 0 };
	struct stress_reply r = { .status = 200,
		.arm_known = true,
		.arm = ARM_CANDIDATE,
		.attempts = 1,
		.input = 5,
		.priced = true,
		.cost = { 0, 7 } };

	stress_tally_add(&t, &r, true, 100, 600);
	r.arm = ARM_STABLE;
	r.fallback = true;
	strcpy(r.reason, "empty");
	stress_tally_add(&t, &r, true, 100, 900);
	r = (struct stress_reply){ .status = 502, .code = "both", .message = "no" };
	for (unsigned i = 0; i < 3; i++)
		stress_tally_add(&t, &r, false, 0, 1);
	for (unsigned i = 0; i < 2 * STRESS_ERRORS_KEPT; i++) {
		snprintf(r.code, sizeof(r.code), "kind %u", i);
		stress_tally_add(&t, &r, false, 0, 1);
	}
	CU_ASSERT(t.sent == 5 + 2 * STRESS_ERRORS_KEPT && t.answered == 2 && t.fallbacks == 1);
	CU_ASSERT(t.assigned[ARM_CANDIDATE] == 2 && t.assigned[ARM_STABLE] == 0);
	CU_ASSERT(t.arms[ARM_STABLE].answered == 1 && t.arms[ARM_CANDIDATE].answered == 1);
	CU_ASSERT(t.cost.picousd == 14 && t.errors[0].count == 3);
	CU_ASSERT_EQUAL(t.n_errors, STRESS_ERRORS_KEPT);
	CU_ASSERT_EQUAL(t.errors_left_out, STRESS_ERRORS_KEPT + 1);
	stress_tally_free(&t);
}

/* A file of prompts with this text. */
static int
read_prompts(const char *text, struct stress_prompts *p, struct err *e)
{
	char path[] = "/tmp/grayd-prompts-XXXXXX";
	int fd = mkstemp(path), rc;

	CU_ASSERT_FATAL(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	rc = stress_prompts_read(p, path, "demo", true, 50, e);
	unlink(path);
	return rc;
}

static void
test_prompts(void)
{
	struct stress_prompts p;
	struct err e;

	CU_ASSERT_EQUAL(
	    read_prompts(
		"say "
		"\"hi\"\r\n\n{\"messages\":[],\"model\":\"x\",\"stream\":false,\"max_tokens\":3}\n",
		&p, &e),
	    0);
	CU_ASSERT_EQUAL(p.n, 2);
	CU_ASSERT_STRING_EQUAL(p.bodies[0],
	    "{\"messages\":[{\"role\":\"user\",\"content\":\"say "
	    "\\\"hi\\\"\"}],\"model\":\"demo\",\"stream\":true,"
	    "\"stream_options\":{\"include_usage\":true},\"max_tokens\":50}");
	CU_ASSERT_STRING_EQUAL(p.bodies[1],
	    "{\"messages\":[],\"max_tokens\":3,\"model\":\"demo\",\"stream\":true,"
	    "\"stream_options\":{\"include_usage\":true}}");
	stress_prompts_free(&p);
	CU_ASSERT_EQUAL(read_prompts("\n\n", &p, &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "there is no line in it"));
	CU_ASSERT_EQUAL(read_prompts("a\n{\"messages\":\n", &p, &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, ":2: begins with '{' and is not a JSON object"));
	CU_ASSERT_EQUAL(read_prompts("{}\n", &p, &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, ":1: the request has no \"messages\""));
	CU_ASSERT_EQUAL(stress_prompts_read(&p, "/nowhere", "demo", false, 0, &e), -1);
	CU_ASSERT_EQUAL(stress_prompts_read(&p, NULL, "demo", false, 0, &e), 0);
	CU_ASSERT(p.n >= 5);
	stress_prompts_free(&p);
}

void
suite_stress(void)
{
	CU_pSuite s = CU_add_suite("stress", NULL, NULL);

	CU_add_test(s, "a whole answer, at any split", test_whole);
	CU_add_test(s, "a usage that is none", test_hostile_usage);
	CU_add_test(s, "a stream, at any split", test_stream);
	CU_add_test(s, "bad answers", test_bad);
	CU_add_test(s, "quantiles", test_quantiles);
	CU_add_test(s, "sums", test_tally);
	CU_add_test(s, "prompts", test_prompts);
}
