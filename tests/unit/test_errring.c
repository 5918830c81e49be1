// SPDX-License-Identifier: MIT
/* The ring of last errors: order, cut texts, hostile entries, a writer killed in the middle. */
#include "common/errring.h"

#include <CUnit/CUnit.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

void suite_errring(void);

#define KILLS 40

static struct error_note
note_of(uint64_t number)
{
	struct error_note n = { .wall_us = number,
		.status = (uint16_t)number,
		.arm = number % 2 != 0 ? ARM_CANDIDATE : ARM_STABLE,
		.outcome = (enum outcome)(number % OUTCOME_COUNT),
		.attempt = (uint8_t)number,
		.saved = (enum error_saved)(number % SAVED_COUNT) };

	snprintf(n.request_id, sizeof(n.request_id), "request-%llu", (unsigned long long)number);
	snprintf(n.model, sizeof(n.model), "model-%llu", (unsigned long long)number);
	snprintf(n.provider, sizeof(n.provider), "provider-%llu", (unsigned long long)number);
	snprintf(n.code, sizeof(n.code), "code-%llu", (unsigned long long)number);
	snprintf(n.message, sizeof(n.message), "message-%llu", (unsigned long long)number);
	return n;
}

static bool
is_note_of(const struct error_note *got, uint64_t number)
{
	struct error_note want = note_of(number);

	return strcmp(got->request_id, want.request_id) == 0 &&
	       strcmp(got->model, want.model) == 0 && strcmp(got->code, want.code) == 0 &&
	       strcmp(got->message, want.message) == 0 && got->status == want.status &&
	       strcmp(got->provider, want.provider) == 0 && got->saved == want.saved &&
	       got->arm == want.arm && got->outcome == want.outcome && got->attempt == want.attempt;
}

static void
test_keeps_the_newest(void)
{
	static struct errring ring;
	static struct error_list list;

	for (uint64_t i = 1; i <= 3 * ERRORS_KEPT + 7; i++) {
		struct error_note n = note_of(i);

		errring_write(&ring, &n);
		CU_ASSERT_EQUAL(ring.written, i);
		list.n = 0;
		errring_collect(&ring, &list);
		CU_ASSERT_EQUAL(list.n, i < ERRORS_KEPT ? i : ERRORS_KEPT);
		for (unsigned at = 0; at < list.n; at++)
			CU_ASSERT(is_note_of(&list.notes[at], i - list.n + 1 + at));
	}
}

/* A worker may have written anything at all over its ring. */
static void
test_hostile_entries(void)
{
	static struct errring ring;
	static struct error_list list;
	struct error_note n = note_of(1);

	for (unsigned i = 0; i < 5; i++)
		errring_write(&ring, &n);
	memset(ring.entries[1].message, 'x', sizeof(ring.entries[1].message));
	memcpy(ring.entries[2].model, "a\x1b[2J\xff\n", 8);
	ring.entries[3].arm = 200;
	ring.entries[4].outcome = 255;
	ring.entries[5].sequence_begin = 77;
	ring.written = UINT64_MAX - 3;
	errring_collect(&ring, &list);
	CU_ASSERT_EQUAL(list.n, 2);
	for (unsigned i = 0; i < list.n; i++) {
		const struct error_note *got = &list.notes[i];

		CU_ASSERT(strlen(got->message) < sizeof(got->message));
		for (size_t at = 0; got->model[at] != '\0'; at++)
			CU_ASSERT((unsigned char)got->model[at] >= 0x20);
	}
}

static void
test_random_bytes(void)
{
	static struct errring ring;
	static struct error_list list;

	srandom(7);
	for (unsigned round = 0; round < 50; round++) {
		unsigned char *bytes = (unsigned char *)&ring;

		for (size_t i = 0; i < sizeof(ring); i++)
			bytes[i] = (unsigned char)random();
		for (unsigned i = 0; i < ERRORS_KEPT; i++)
			ring.entries[i].sequence_end = ring.entries[i].sequence_begin;
		list.n = 0;
		errring_collect(&ring, &list);
		CU_ASSERT(list.n <= ERRORS_KEPT);
		for (unsigned i = 1; i < list.n; i++)
			CU_ASSERT(list.notes[i - 1].wall_us <= list.notes[i].wall_us);
	}
}

static void
test_fold(void)
{
	static struct errring into, from;
	static struct error_list list;

	/* 1, 3, 5 … 79 in one, 2, 4, 6 … 80 in the other: 31 … 80 are the newest. */
	for (uint64_t i = 1; i <= 80; i++) {
		struct error_note n = note_of(i);

		errring_write(i % 2 != 0 ? &into : &from, &n);
	}
	errring_fold(&into, &from);
	errring_collect(&into, &list);
	CU_ASSERT_EQUAL(list.n, ERRORS_KEPT);
	for (unsigned i = 0; i < list.n; i++)
		CU_ASSERT(is_note_of(&list.notes[i], 31 + i));
	memset(&from, 0, sizeof(from));
	errring_fold(&into, &from);
	list.n = 0;
	errring_collect(&into, &list);
	CU_ASSERT_EQUAL(list.n, ERRORS_KEPT);
	CU_ASSERT(is_note_of(&list.notes[0], 31));
}

/* The child writes as fast as it can and is killed anywhere; whole entries are whole. */
static void
test_killed_writer(void)
{
	struct errring *ring =
	    mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static struct error_list list;
	unsigned seen = 0;

	CU_ASSERT_PTR_NOT_EQUAL_FATAL(ring, MAP_FAILED);
	for (unsigned round = 0; round < KILLS; round++) {
		pid_t pid = fork();

		CU_ASSERT_FATAL(pid >= 0);
		if (pid == 0) {
			for (;;) {
				struct error_note n = note_of(ring->written + 1);

				errring_write(ring, &n);
			}
		}
		for (uint64_t before = ring->written; ring->written == before;)
			sched_yield();
		for (uint64_t end = clock_mono_us() + (uint64_t)random() % 4000;
		     clock_mono_us() < end;) {
			list.n = 0;
			errring_collect(ring, &list);
			for (unsigned i = 0; i < list.n; i++, seen++)
				CU_ASSERT(is_note_of(&list.notes[i], list.notes[i].wall_us));
		}
		kill(pid, SIGKILL);
		CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
		/* At most the one entry that was being written is missing. */
		list.n = 0;
		errring_collect(ring, &list);
		CU_ASSERT(
		    list.n + 1 >= (ring->written < ERRORS_KEPT ? ring->written : ERRORS_KEPT));
	}
	CU_ASSERT(seen > KILLS);
	munmap(ring, sizeof(*ring));
}

void
suite_errring(void)
{
	CU_pSuite s = CU_add_suite("errring", NULL, NULL);

	CU_add_test(s, "keeps the newest", test_keeps_the_newest);
	CU_add_test(s, "hostile entries", test_hostile_entries);
	CU_add_test(s, "random bytes", test_random_bytes);
	CU_add_test(s, "fold", test_fold);
	CU_add_test(s, "killed writer", test_killed_writer);
}
