// SPDX-License-Identifier: MIT
/* Keys and answers that a rollout has met: each once, whoever meets it, and closed when full. */
#include "common/seen.h"

#include <CUnit/CUnit.h>
#include <sys/wait.h>
#include <unistd.h>

void suite_seen(void);

static void
test_keys(void)
{
	struct err e;
	int fd;
	struct seen_region *s = seen_create(&fd, &e);
	uint64_t digest = seen_digest(5, 1, 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, digest), SEEN_NEW);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, digest), SEEN_KNOWN);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_FAILED, digest), SEEN_NEW);
	/* Another rollout, another number, another key. */
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, seen_digest(5, 2, 0)), SEEN_NEW);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, seen_digest(5, 1, 1)), SEEN_NEW);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, seen_digest(6, 1, 0)), SEEN_NEW);
	seen_forget(s);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, digest), SEEN_NEW);
	seen_destroy(s, fd);
}

static void
test_full(void)
{
	struct err e;
	int fd;
	struct seen_region *s = seen_create(&fd, &e);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	/* All want the same place. */
	for (uint64_t i = 1; i <= SEEN_PROBES; i++)
		CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, i << 20), SEEN_NEW);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, (uint64_t)1000 << 20), SEEN_FULL);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, (uint64_t)SEEN_PROBES << 20), SEEN_KNOWN);
	seen_destroy(s, fd);
}

/* A million users fit nearly all. */
static void
test_load(void)
{
	struct err e;
	int fd;
	struct seen_region *s = seen_create(&fd, &e);
	unsigned full = 0, known = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (uint64_t i = 0; i < 900000; i++) {
		enum seen_result result = seen_meet(s, SEEN_KEYS, seen_digest(i, 1, 0));

		full += result == SEEN_FULL;
		known += result == SEEN_KNOWN;
	}
	CU_ASSERT_EQUAL(known, 0);
	CU_ASSERT_TRUE(seen_crowded(s));
	seen_forget(s);
	CU_ASSERT_FALSE(seen_crowded(s));
	CU_ASSERT(full < 9000);
	seen_destroy(s, fd);
}

/* Each key is new to exactly one of two processes that meet all of them at once. */
static void
test_two_workers(void)
{
	enum { KEYS = 50000 };
	struct err e;
	int fd, status;
	struct seen_region *s = seen_create(&fd, &e);
	_Atomic uint64_t *total;
	unsigned mine = 0;
	pid_t pid;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	pid = fork();
	if (pid == 0) {
		struct seen_region *own = seen_map(fd, &e);
		unsigned n = 0;

		if (own == NULL)
			_exit(1);
		for (uint64_t i = 0; i < KEYS; i++)
			n += seen_meet(own, SEEN_KEYS, seen_digest(i, 1, 0)) == SEEN_NEW;
		tally_add(&own->answers[0].what, n);
		_exit(0);
	}
	for (uint64_t i = KEYS; i-- > 0;)
		mine += seen_meet(s, SEEN_KEYS, seen_digest(i, 1, 0)) == SEEN_NEW;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	total = &s->answers[0].what;
	CU_ASSERT_EQUAL(tally_get(total) + mine, KEYS);
	seen_destroy(s, fd);
}

static void
test_answers(void)
{
	const struct seen_facts put = {
		.share_bp = 3000, .arm = ARM_CANDIDATE, .first = true, .key = 99
	};
	struct seen_facts got;
	struct err e;
	int fd;
	struct seen_region *s = seen_create(&fd, &e);
	uint64_t tag = seen_answer_tag(seen_rollout_tag("r", 5), "req_1");

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_FALSE(seen_answer_take(s, tag, &got));
	seen_answer_put(s, tag, &put);
	CU_ASSERT_FALSE(
	    seen_answer_take(s, seen_answer_tag(seen_rollout_tag("r", 6), "req_1"), &got));
	CU_ASSERT_FALSE(
	    seen_answer_take(s, seen_answer_tag(seen_rollout_tag("s", 5), "req_1"), &got));
	CU_ASSERT_FALSE(seen_answer_taken(s, tag));
	CU_ASSERT_TRUE(seen_answer_take(s, tag, &got));
	/* Judged already is not the same as never seen. */
	CU_ASSERT_TRUE(seen_answer_taken(s, tag));
	CU_ASSERT_FALSE(seen_answer_taken(s, tag + 1));
	CU_ASSERT_EQUAL(got.share_bp, 3000);
	CU_ASSERT_EQUAL(got.arm, ARM_CANDIDATE);
	CU_ASSERT_TRUE(got.first);
	CU_ASSERT_EQUAL(got.key, 99);
	/* Once. */
	CU_ASSERT_FALSE(seen_answer_take(s, tag, &got));
	/* Torn by two writers: none. */
	seen_answer_put(s, tag, &put);
	tally_add(&s->answers[tag % ANSWERS_PLACES].key, 1);
	CU_ASSERT_FALSE(seen_answer_take(s, tag, &got));
	seen_destroy(s, fd);
}

void
suite_seen(void)
{
	CU_pSuite s = CU_add_suite("seen", NULL, NULL);

	CU_add_test(s, "keys", test_keys);
	CU_add_test(s, "full", test_full);
	CU_add_test(s, "load", test_load);
	CU_add_test(s, "two workers", test_two_workers);
	CU_add_test(s, "answers", test_answers);
}
