// SPDX-License-Identifier: MIT
/* Tests of worker/retry.c: a table of decisions, backoff, timeouts by attempt, the retry budget,
 * and what must hold whatever the outcome. */
#include "worker/retry.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

/* A request on its first attempt, with everything still to spend and no jitter below the full
 * backoff: 1000 ms. */
#define BASE                                                                                 \
	.attempts_done = 1, .arm_attempts_done = 1, .attempts_max = 4,                       \
	.candidate_attempts_max = 1, .fallback_enabled = true, .retry_after_ms = -1,         \
	.now_ms = 50000, .deadline_ms = 170000, .backoff_ms = 1000, .retry_budget_ok = true, \
	.random = 500
#define STABLE_FAILED(o)    BASE, .arm = ARM_STABLE, .outcome = OUTCOME_##o
#define CANDIDATE_FAILED(o) BASE, .arm = ARM_CANDIDATE, .outcome = OUTCOME_##o

/* Rows change what BASE says. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct {
	const char *what;
	struct retry_state state;
	struct retry_verdict expected;
} cases[] = {
	/* stable */
	{ "stable fails: again after the backoff", { STABLE_FAILED(SERVER_ERROR) },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
	{ "stable cannot be helped", { STABLE_FAILED(UNAUTHORIZED) },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_OUTCOME } },
	{ "the request itself is bad", { STABLE_FAILED(BAD_REQUEST) },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_OUTCOME } },
	{ "no quota", { STABLE_FAILED(NO_QUOTA) }, { RETRY_GIVE_UP, 0, false, RETRY_WHY_OUTCOME } },
	{ "the client left", { STABLE_FAILED(CANCELLED) },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_OUTCOME } },
	{ "the last attempt", { STABLE_FAILED(SERVER_ERROR), .attempts_max = 1 },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_ATTEMPTS } },
	{ "no retry budget", { STABLE_FAILED(SERVER_ERROR), .retry_budget_ok = false },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_BUDGET } },
	{ "deadline over", { STABLE_FAILED(SERVER_ERROR), .deadline_ms = 50000 },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_DEADLINE } },
	{ "deadline long over", { STABLE_FAILED(SERVER_ERROR), .deadline_ms = 0 },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_DEADLINE } },
	{ "backoff as long as what is left", { STABLE_FAILED(SERVER_ERROR), .deadline_ms = 51000 },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_DEADLINE } },
	{ "backoff just fits", { STABLE_FAILED(SERVER_ERROR), .deadline_ms = 51001 },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },

	/* Retry-After */
	{ "Retry-After longer than the backoff",
	    { STABLE_FAILED(RATE_LIMITED), .retry_after_ms = 7000 },
	    { RETRY_SAME, 7000, true, RETRY_WHY_NONE } },
	{ "Retry-After shorter than the backoff",
	    { STABLE_FAILED(RATE_LIMITED), .retry_after_ms = 20 },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
	{ "Retry-After of 0", { STABLE_FAILED(RATE_LIMITED), .retry_after_ms = 0 },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
	{ "Retry-After beyond the deadline",
	    { STABLE_FAILED(RATE_LIMITED), .retry_after_ms = 120000 },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_RETRY_AFTER } },
	{ "Retry-After just before the deadline",
	    { STABLE_FAILED(RATE_LIMITED), .retry_after_ms = 119999 },
	    { RETRY_SAME, 119999, true, RETRY_WHY_NONE } },
	{ "candidate: Retry-After fits",
	    { CANDIDATE_FAILED(OVERLOADED), .candidate_attempts_max = 2, .retry_after_ms = 7000 },
	    { RETRY_SAME, 7000, true, RETRY_WHY_NONE } },
	{ "candidate: Retry-After does not fit",
	    { CANDIDATE_FAILED(OVERLOADED), .candidate_attempts_max = 2, .retry_after_ms = 900000 },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_RETRY_AFTER } },

	/* fallback */
	{ "candidate fails: stable at once", { CANDIDATE_FAILED(SERVER_ERROR) },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_ATTEMPTS } },
	{ "candidate refuses what stable may take", { CANDIDATE_FAILED(BAD_REQUEST) },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_OUTCOME } },
	{ "candidate is not known", { CANDIDATE_FAILED(NOT_FOUND) },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_OUTCOME } },
	{ "candidate rolled back meanwhile", { CANDIDATE_FAILED(RESCUED) },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_OUTCOME } },
	{ "candidate with attempts of its own left",
	    { CANDIDATE_FAILED(SERVER_ERROR), .candidate_attempts_max = 2 },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
	{ "candidate's second attempt fails",
	    { CANDIDATE_FAILED(SERVER_ERROR), .candidate_attempts_max = 2, .attempts_done = 2,
		.arm_attempts_done = 2 },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_ATTEMPTS } },
	{ "candidate's attempts stay within the request's",
	    { CANDIDATE_FAILED(SERVER_ERROR), .candidate_attempts_max = 9, .attempts_done = 4,
		.arm_attempts_done = 4 },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_ATTEMPTS } },
	{ "a fallback has always one attempt left",
	    { CANDIDATE_FAILED(SERVER_ERROR), .attempts_max = 1 },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_ATTEMPTS } },
	{ "a fallback needs no retry budget",
	    { CANDIDATE_FAILED(SERVER_ERROR), .candidate_attempts_max = 2,
		.retry_budget_ok = false },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_BUDGET } },
	{ "a fallback does not wait where a retry could not",
	    { CANDIDATE_FAILED(SERVER_ERROR), .candidate_attempts_max = 2, .deadline_ms = 50001 },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_DEADLINE } },
	{ "no fallback after the deadline",
	    { CANDIDATE_FAILED(SERVER_ERROR), .deadline_ms = 50000 },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_DEADLINE } },
	{ "no fallback when switched off",
	    { CANDIDATE_FAILED(SERVER_ERROR), .fallback_enabled = false },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_ATTEMPTS } },
	{ "no fallback for a pinned request", { CANDIDATE_FAILED(SERVER_ERROR), .pinned = true },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_ATTEMPTS } },
	{ "a pinned request may be repeated",
	    { CANDIDATE_FAILED(SERVER_ERROR), .pinned = true, .candidate_attempts_max = 2 },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
	{ "no second fallback", { CANDIDATE_FAILED(SERVER_ERROR), .fallback_used = true },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_ATTEMPTS } },
	{ "no fallback when the client left", { CANDIDATE_FAILED(CANCELLED) },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_OUTCOME } },
	{ "stable fails too: again",
	    { STABLE_FAILED(SERVER_ERROR), .fallback_used = true, .attempts_done = 2 },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
	{ "stable fails too, attempts used up",
	    { STABLE_FAILED(SERVER_ERROR), .fallback_used = true, .attempts_done = 2,
		.attempts_max = 1 },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_ATTEMPTS } },

	/* sent, no answer */
	{ "sent, no answer: not again", { STABLE_FAILED(NO_ANSWER), .sent = true },
	    { RETRY_GIVE_UP, 0, false, RETRY_WHY_SENT } },
	{ "sent, no answer, retry_sent",
	    { STABLE_FAILED(NO_ANSWER), .sent = true, .retry_sent = true },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
	{ "nothing sent, no answer", { STABLE_FAILED(NO_ANSWER) },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
	{ "candidate: sent, no answer",
	    { CANDIDATE_FAILED(NO_ANSWER), .candidate_attempts_max = 3, .sent = true },
	    { RETRY_FALLBACK, 0, false, RETRY_WHY_SENT } },
	{ "a timeout may be repeated although sent",
	    { STABLE_FAILED(FIRST_TOKEN_TIMEOUT), .sent = true },
	    { RETRY_SAME, 1000, true, RETRY_WHY_NONE } },
};
#pragma GCC diagnostic pop

static void
test_cases(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct retry_verdict *want = &cases[i].expected;
		struct retry_verdict v = retry_decide(&cases[i].state);

		if (v.action != want->action || v.delay_ms != want->delay_ms ||
		    v.uses_budget != want->uses_budget || v.why != want->why) {
			printf("\n    %s: action %d, %u ms, %s", cases[i].what, v.action,
			    v.delay_ms, retry_why_name(v.why));
			CU_FAIL("another verdict than expected");
		}
	}
}

/* 1, 2, 4 s ... and never outside half to full, whatever the random number. */
static void
test_backoff(void)
{
	static const uint64_t randoms[] = { 0, 1, 499, 500, 501, 12345678901234, UINT64_MAX };
	uint32_t full_ms = 1000;

	for (uint8_t n = 1; n <= 6; n++, full_ms *= 2) {
		uint32_t low_ms = UINT32_MAX, high_ms = 0;

		for (size_t i = 0; i < sizeof(randoms) / sizeof(randoms[0]); i++) {
			struct retry_state s = { STABLE_FAILED(REFUSED) };
			uint32_t delay_ms;

			s.attempts_done = s.arm_attempts_done = n;
			s.attempts_max = 10;
			s.random = randoms[i];
			delay_ms = retry_decide(&s).delay_ms;
			low_ms = delay_ms < low_ms ? delay_ms : low_ms;
			high_ms = delay_ms > high_ms ? delay_ms : high_ms;
		}
		CU_ASSERT_EQUAL(low_ms, full_ms / 2);
		CU_ASSERT_TRUE(high_ms > full_ms / 2 && high_ms <= full_ms);
	}
}

static void
test_backoff_extremes(void)
{
	struct retry_state s = { STABLE_FAILED(REFUSED) };

	s.attempts_max = UINT8_MAX;
	s.deadline_ms = UINT64_MAX;
	s.backoff_ms = 0;
	CU_ASSERT_EQUAL(retry_decide(&s).delay_ms, 0);
	CU_ASSERT_EQUAL(retry_decide(&s).action, RETRY_SAME);
	s.backoff_ms = UINT32_MAX;
	s.attempts_done = s.arm_attempts_done = UINT8_MAX - 1;
	CU_ASSERT_EQUAL(retry_decide(&s).action, RETRY_SAME);
	CU_ASSERT_TRUE(retry_decide(&s).delay_ms <= 60 * 60 * 1000);
}

static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static struct retry_state
first_attempt(uint64_t *random)
{
	uint64_t bits = next_random(random);

	return (struct retry_state){
		.arm = bits & 1 ? ARM_CANDIDATE : ARM_STABLE,
		.attempts_max = 1 + (bits >> 1) % 6,
		.candidate_attempts_max = 1 + (bits >> 4) % 6,
		.fallback_enabled = bits >> 8 & 1,
		.pinned = (bits >> 9) % 4 == 0,
		.retry_sent = bits >> 12 & 1,
		.deadline_ms = 1 + (bits >> 16) % 60000,
		.backoff_ms = (bits >> 32) % 3000,
	};
}

static void
attempt_ends(struct retry_state *s, uint64_t *random)
{
	uint64_t bits = next_random(random);

	s->attempts_done++;
	s->arm_attempts_done++;
	s->now_ms += bits % 5000;
	s->outcome = (enum outcome)(1 + (bits >> 16) % (OUTCOME_COUNT - 1));
	s->sent = bits >> 24 & 1;
	s->retry_budget_ok = (bits >> 25) % 4 != 0;
	s->retry_after_ms = bits >> 27 & 1 ? (int64_t)((bits >> 28) % 90000) : -1;
	s->random = next_random(random);
}

/* Plays whole requests with random bad luck and counts what happened to them. */
static void
test_whole_requests(void)
{
	uint64_t random = 11;

	for (int i = 0; i < 200000; i++) {
		struct retry_state s = first_attempt(&random);
		struct retry_verdict v;
		uint32_t begun[ARM_COUNT] = { 0 }, fallbacks = 0;

		do {
			begun[s.arm]++;
			attempt_ends(&s, &random);
			v = retry_decide(&s);
			s.now_ms += v.delay_ms;
			if (v.action != RETRY_GIVE_UP)
				CU_ASSERT_TRUE_FATAL(s.now_ms < s.deadline_ms);
			if (v.action == RETRY_FALLBACK) {
				CU_ASSERT_TRUE_FATAL(s.arm == ARM_CANDIDATE && !s.pinned);
				CU_ASSERT_TRUE_FATAL(v.delay_ms == 0 && !v.uses_budget);
				s.arm = ARM_STABLE;
				s.arm_attempts_done = 0;
				s.fallback_used = true;
				fallbacks++;
			}
		} while (v.action != RETRY_GIVE_UP);
		CU_ASSERT_TRUE_FATAL(fallbacks <= 1);
		CU_ASSERT_TRUE_FATAL(begun[ARM_CANDIDATE] <= s.candidate_attempts_max);
		CU_ASSERT_TRUE_FATAL(
		    begun[ARM_CANDIDATE] + begun[ARM_STABLE] <= s.attempts_max + fallbacks);
	}
}

static void
test_timeouts(void)
{
	static const uint32_t list[] = { 10000, 40000, 60000 };

	CU_ASSERT_EQUAL(retry_timeout_ms(list, 3, 1), 10000);
	CU_ASSERT_EQUAL(retry_timeout_ms(list, 3, 2), 40000);
	CU_ASSERT_EQUAL(retry_timeout_ms(list, 3, 3), 60000);
	CU_ASSERT_EQUAL(retry_timeout_ms(list, 3, 4), 60000);
	CU_ASSERT_EQUAL(retry_timeout_ms(list, 3, 255), 60000);
	CU_ASSERT_EQUAL(retry_timeout_ms(list, 1, 2), 10000);
}

static uint32_t
take_all(struct retry_budget *b, uint32_t active, uint32_t percent)
{
	uint32_t n = 0;

	while (n < 1000 && retry_budget_has(b, active, percent)) {
		retry_budget_take(b);
		n++;
	}
	return n;
}

static void
test_budget(void)
{
	static const struct {
		uint32_t active, percent, allowed;
	} budgets[] = { { 0, 20, 3 }, { 1, 20, 3 }, { 15, 20, 3 }, { 19, 20, 3 }, { 20, 20, 4 },
		{ 100, 20, 20 }, { 100, 0, 3 }, { 100, 100, 100 } };

	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		struct retry_budget b = { 0 };

		CU_ASSERT_EQUAL(
		    take_all(&b, budgets[i].active, budgets[i].percent), budgets[i].allowed);
		retry_budget_release(&b);
		CU_ASSERT_EQUAL(take_all(&b, budgets[i].active, budgets[i].percent), 1);
		/* When requests become fewer, retries under way stay, and no new one begins. */
		CU_ASSERT_FALSE(retry_budget_has(&b, 0, 20));
	}
	CU_ASSERT_TRUE(retry_budget_has(&(struct retry_budget){ 42 }, UINT32_MAX, 100));
}

static void
test_names(void)
{
	for (unsigned i = 0; i < RETRY_WHY_COUNT; i++) {
		const char *name = retry_why_name((enum retry_why)i);

		CU_ASSERT_PTR_NOT_NULL_FATAL(name);
		for (unsigned k = 0; k < i; k++)
			CU_ASSERT_STRING_NOT_EQUAL(name, retry_why_name((enum retry_why)k));
	}
}

void suite_retry(void);

void
suite_retry(void)
{
	CU_pSuite suite = CU_add_suite("retry", NULL, NULL);

	CU_add_test(suite, "verdicts", test_cases);
	CU_add_test(suite, "backoff doubles, with jitter", test_backoff);
	CU_add_test(suite, "backoff of any size", test_backoff_extremes);
	CU_add_test(
	    suite, "200,000 unlucky requests stay within their bounds", test_whole_requests);
	CU_add_test(suite, "timeouts by attempt", test_timeouts);
	CU_add_test(suite, "retry budget", test_budget);
	CU_add_test(suite, "every reason has a name of its own", test_names);
}
