// SPDX-License-Identifier: MIT
/*
 * The sliding window: never more than its limit in any span, by one process with the time passed
 * in, and by many that are killed at random.
 */
#include "common/window.h"

#include <CUnit/CUnit.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

void suite_window(void);

#define SPAN	 1000
#define CELLS	 64
#define BEGIN_US 1000000

static _Atomic uint64_t cells[2][CELLS], admitted[2];

static struct window
fresh(unsigned place, uint64_t capacity, uint64_t limit)
{
	for (unsigned i = 0; i < CELLS; i++)
		cells[place][i] = 0;
	admitted[place] = 0;
	return (struct window){ cells[place], &admitted[place], capacity, limit, SPAN, 2 * SPAN };
}

/* How many of `n` tries at one moment are let in. */
static unsigned
try_many(const struct window *w, uint64_t now_us, unsigned n)
{
	unsigned in = 0;
	uint64_t at_us;

	for (unsigned i = 0; i < n; i++)
		in += window_admit(w, now_us, &at_us) == WINDOW_ADMITTED;
	return in;
}

static void
test_limit(void)
{
	struct window w = fresh(0, 6, 5);
	uint64_t at_us = 0;

	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US, 3), 3);
	CU_ASSERT_EQUAL(window_used(&w, BEGIN_US), 3);
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + 400, 9), 2);
	CU_ASSERT_EQUAL(window_admit(&w, BEGIN_US + 999, &at_us), WINDOW_FULL);
	CU_ASSERT_EQUAL(at_us, BEGIN_US + SPAN);
	CU_ASSERT_EQUAL(window_used(&w, BEGIN_US + 999), 5);
	CU_ASSERT_EQUAL(window_used(&w, BEGIN_US + SPAN), 2);
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + SPAN, 9), 3);
	CU_ASSERT_EQUAL(window_admit(&w, BEGIN_US + SPAN, &at_us), WINDOW_FULL);
	CU_ASSERT_EQUAL(at_us, BEGIN_US + 400 + SPAN);
	CU_ASSERT_EQUAL(window_clear_us(&w, BEGIN_US + SPAN), BEGIN_US + 2 * SPAN);
	CU_ASSERT_EQUAL(window_clear_us(&w, BEGIN_US + 5 * SPAN), BEGIN_US + 5 * SPAN);
	CU_ASSERT_EQUAL(window_used(&w, BEGIN_US + 5 * SPAN), 0);
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + 5 * SPAN, 9), 5);
}

static void
test_limit_of_one(void)
{
	struct window w = fresh(0, 2, 1);
	uint64_t at_us;

	for (uint64_t now_us = BEGIN_US; now_us < BEGIN_US + 20 * SPAN; now_us += SPAN) {
		CU_ASSERT_EQUAL(window_admit(&w, now_us, &at_us), WINDOW_ADMITTED);
		CU_ASSERT_EQUAL(at_us, now_us);
		CU_ASSERT_EQUAL(try_many(&w, now_us + SPAN - 1, 3), 0);
	}
}

static void
test_room(void)
{
	struct window w = fresh(0, 8, 3);

	CU_ASSERT_EQUAL(window_room_us(&w, BEGIN_US, 0), 0);
	CU_ASSERT_EQUAL(window_room_us(&w, BEGIN_US, 2), 0);
	CU_ASSERT_EQUAL(window_room_us(&w, BEGIN_US, 3), BEGIN_US + SPAN);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + 10 * i, 1), 1);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(window_room_us(&w, BEGIN_US + 30, i), BEGIN_US + 10 * i + SPAN);
	CU_ASSERT_EQUAL(window_room_us(&w, BEGIN_US + 30, 4), BEGIN_US + 10 + 2 * SPAN);
}

/* The first three that are boots: a clock that is younger than the span. */
static void
test_young_clock(void)
{
	struct window w = fresh(0, 8, 3);

	CU_ASSERT_EQUAL(try_many(&w, 1, 5), 3);
	CU_ASSERT_EQUAL(try_many(&w, SPAN, 5), 0);
	CU_ASSERT_EQUAL(try_many(&w, SPAN + 1, 5), 3);
}

/* Killed between the two steps of an admission: the cell is taken, the number not yet. */
static void
test_killed_before_count(void)
{
	for (unsigned taken = 1; taken < 12; taken++) {
		struct window w = fresh(0, 6, 5);
		uint64_t now_us = BEGIN_US;
		unsigned in = 0;

		for (unsigned i = 0; i < taken; i++, in++) {
			while (try_many(&w, now_us, 1) == 0)
				now_us += SPAN / 8;
		}
		admitted[0]--;
		CU_ASSERT_EQUAL(window_used(&w, now_us + SPAN), 0);
		for (uint64_t end_us = now_us + SPAN; now_us < end_us; now_us += SPAN / 8)
			in += try_many(&w, now_us, 10);
		CU_ASSERT(admitted[0] == in);
		CU_ASSERT_EQUAL(try_many(&w, now_us + 2 * SPAN, 10), 5);
	}
}

/* Somebody comes late with an old time: it counts as the time of the one before. */
static void
test_late(void)
{
	struct window w = fresh(0, 8, 3);
	uint64_t at_us;

	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + 50, 1), 1);
	CU_ASSERT_EQUAL(window_admit(&w, BEGIN_US, &at_us), WINDOW_ADMITTED);
	CU_ASSERT_EQUAL(at_us, BEGIN_US + 50);
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US - SPAN, 5), 1);
}

static void
test_clock_set_back(void)
{
	struct window w = fresh(0, 8, 3);

	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US, 5), 3);
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US - 10 * SPAN, 5), 3);
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US - 9 * SPAN, 5), 3);
}

static void
test_limit_changes(void)
{
	struct window w = fresh(0, 16, 10);

	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US, 20), 10);
	w.limit = 4;
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + SPAN - 1, 20), 0);
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + SPAN, 20), 4);
	w.limit = 15;
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + SPAN + 10, 20), 11);
	CU_ASSERT_EQUAL(window_used(&w, BEGIN_US + SPAN + 10), 15);
	w.limit = 1;
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + 2 * SPAN + 9, 20), 0);
	CU_ASSERT_EQUAL(try_many(&w, BEGIN_US + 2 * SPAN + 10, 20), 1);
}

/* Moved into a window of another size in the middle of a span: its history goes with it. */
static void
test_moves(void)
{
	static const struct {
		uint64_t capacity, limit, later_capacity, later_limit;
		unsigned before, after; /* let in within one span */
	} moves[] = {
		{ 11, 10, 41, 40, 10, 30 },
		{ 41, 40, 11, 10, 40, 0 },
		{ 41, 40, 11, 10, 4, 6 },
		{ 6, 5, 6, 5, 3, 2 },
		{ 64, 63, 2, 1, 0, 1 },
	};

	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		for (unsigned lap = 0; lap < 4; lap++) {
			struct window from = fresh(0, moves[i].capacity, moves[i].limit);
			struct window into =
			    fresh(1, moves[i].later_capacity, moves[i].later_limit);
			uint64_t now_us = BEGIN_US, at_us;

			for (unsigned past = 0; past < lap; past++, now_us += SPAN)
				try_many(&from, now_us, 100);
			CU_ASSERT_EQUAL(try_many(&from, now_us, moves[i].before), moves[i].before);
			window_close(&from, now_us);
			CU_ASSERT_EQUAL(window_admit(&from, now_us, &at_us), WINDOW_CLOSED);
			window_close(&from, now_us);
			window_continue(&into, &from, now_us);
			CU_ASSERT_EQUAL(try_many(&into, now_us + SPAN - 1, 100), moves[i].after);
			CU_ASSERT_EQUAL(
			    try_many(&into, now_us + 3 * SPAN, 100), moves[i].later_limit);
		}
	}
}

/* ---- many processes ---------------------------------------------------------------------------
 */

#define WORKERS	    6
#define STRESS_SPAN 5000 /* us */
#define STRESS_N    2000
#define KILLS	    100
#define STRESS_MAX  (1u << 22) /* times kept; on a slow machine more are admitted */

/* What is shared between the processes of the stress. */
struct stress {
	_Atomic uint64_t cells[STRESS_N + 1], admitted;
	_Atomic uint64_t noted; /* places taken in `times`; what is not filled in was killed */
	_Atomic uint64_t times[STRESS_MAX];
};

static struct window
view(struct stress *s)
{
	return (struct window){ s->cells, &s->admitted, STRESS_N + 1, STRESS_N, STRESS_SPAN,
		WINDOW_AHEAD_US };
}

/* A worker: admits as fast as it can, for ever. */
static void
run_worker(struct stress *s)
{
	const struct window w = view(s);
	uint64_t at_us, place;

	for (;;) {
		if (window_admit(&w, clock_mono_us(), &at_us) != WINDOW_ADMITTED)
			continue;
		place = atomic_fetch_add(&s->noted, 1);
		if (place < STRESS_MAX)
			atomic_store(&s->times[place], at_us);
	}
}

static pid_t
start_worker(struct stress *s)
{
	pid_t pid = fork();

	/* The one that kills comes first. */
	if (pid == 0 && nice(19) != -1)
		run_worker(s);
	if (pid == 0)
		_exit(1);
	return pid;
}

static void
stop_worker(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int
compare_times(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return one < other ? -1 : one > other;
}

/* Sorts what was admitted; false: more than the limit in some span. */
static bool
judge(struct stress *s, uint64_t *n)
{
	uint64_t *times = calloc(STRESS_MAX, sizeof(*times));
	bool good = true;

	*n = 0;
	for (uint64_t i = 0; i < s->noted && i < STRESS_MAX; i++) {
		if (s->times[i] != 0)
			times[(*n)++] = s->times[i];
	}
	qsort(times, *n, sizeof(*times), compare_times);
	for (uint64_t i = STRESS_N; i < *n; i++)
		good &= times[i] - times[i - STRESS_N] >= STRESS_SPAN;
	free(times);
	return good;
}

static void
test_kills(void)
{
	struct stress *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	const struct timespec nap = { .tv_nsec = 300000 };
	const struct window w = view(s);
	pid_t pids[WORKERS];
	uint64_t n;

	CU_ASSERT_FATAL(s != MAP_FAILED);
	srandom(1);
	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = start_worker(s);
	for (unsigned i = 0; i < KILLS; i++) {
		unsigned victim = (unsigned)random() % WORKERS;

		nanosleep(&nap, NULL);
		stop_worker(pids[victim]);
		pids[victim] = start_worker(s);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		stop_worker(pids[i]);
	CU_ASSERT_TRUE(judge(s, &n));
	CU_ASSERT(n > 10 * STRESS_N);
	/* A kill costs at most the one place that was taken and not used. */
	CU_ASSERT(n + KILLS + WORKERS >= (s->admitted < STRESS_MAX ? s->admitted : STRESS_MAX));
	/* And nothing is wedged. */
	CU_ASSERT_EQUAL(try_many(&w, clock_mono_us() + STRESS_SPAN, 2 * STRESS_N), STRESS_N);
	munmap(s, sizeof(*s));
}

void
suite_window(void)
{
	CU_pSuite suite = CU_add_suite("window", NULL, NULL);

	CU_add_test(suite, "no more than the limit in a span", test_limit);
	CU_add_test(suite, "a limit of one", test_limit_of_one);
	CU_add_test(suite, "when there will be room", test_room);
	CU_add_test(suite, "a clock younger than the span", test_young_clock);
	CU_add_test(suite, "killed before it was counted", test_killed_before_count);
	CU_add_test(suite, "late with an old time", test_late);
	CU_add_test(suite, "a clock that was set back", test_clock_set_back);
	CU_add_test(suite, "the limit changes", test_limit_changes);
	CU_add_test(suite, "moved to another size", test_moves);
	CU_add_test(suite, "many processes, killed at random", test_kills);
}
