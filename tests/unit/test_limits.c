// SPDX-License-Identifier: MIT
/*
 * The limits region: limiters keep their history by their names, whatever becomes of the config;
 * what a dead worker had is given back; cool-downs; and what a worker scribbles harms nobody's
 * memory.
 */
#include "common/limits.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

void suite_limits(void);

#define BEGIN_US 1000000000ull

static struct limits limits;

static int
set_up(void)
{
	struct err e;

	return limits_create(&limits, &e);
}

static int
tear_down(void)
{
	limits_destroy(&limits);
	return 0;
}

/* ---- configs -----------------------------------------------------------------------------------
 */

struct wanted {
	const char *name;
	unsigned rate;
};

/* A config with one client for each entry, up to one without a name. */
static struct config *
make_config(const struct wanted *clients, unsigned model_rate, unsigned max_in_flight)
{
	char text[4096];
	int n = snprintf(text, sizeof(text),
	    "{\"providers\":{\"p\":{\"base_url\":\"http://"
	    "h\"}},\"models\":{\"m\":{\"provider\":\"p\","
	    "\"rate_per_minute\":%u,\"max_in_flight\":%u}},\"releases\":{\"r\":{\"stable\":\"m\"}},"
	    "\"clients\":[",
	    model_rate, max_in_flight);
	struct config *c;
	struct err e;

	for (unsigned i = 0; clients[i].name != NULL; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    "%s{\"name\":\"%s\",\"key_hash\":\"%064x\",\"rate_per_minute\":%u}",
		    i > 0 ? "," : "", clients[i].name, i + 1, clients[i].rate);
	snprintf(text + n, sizeof(text) - (size_t)n, "]}");
	c = config_parse("FILE", text, CONFIG_NO_SECRETS, &e);
	if (c == NULL)
		fprintf(stderr, "%s\n", e.msg);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	return c;
}

static struct config *
use(const struct wanted *clients, bool alone, uint64_t now_us)
{
	struct config *c = make_config(clients, 0, 0);
	struct err e;

	CU_ASSERT_EQUAL_FATAL(limits_prepare(&limits, c, alone, &e), 0);
	limits_commit(&limits, c, now_us);
	return c;
}

static unsigned
admit(uint32_t number, uint64_t now_us, unsigned n)
{
	unsigned in = 0;

	for (unsigned i = 0; i < n; i++) {
		struct window w;
		uint64_t at_us;

		if (!limiter_window(limits.region, number, &w))
			return UINT32_MAX;
		in += window_admit(&w, now_us, &at_us) == WINDOW_ADMITTED;
	}
	return in;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void
test_history_stays(void)
{
	/* What a client may still send after each config, within one minute. */
	static const struct {
		unsigned rate, more;
	} steps[] = { { 10, 10 }, { 10, 0 }, { 30, 20 }, { 20, 0 }, { 500, 470 }, { 5, 0 },
		{ 1000, 500 } };
	uint32_t number = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct wanted clients[] = { { "other", 7 }, { "a", steps[i].rate },
			{ NULL, 0 } };
		struct config *c = use(clients, i % 2 == 0, BEGIN_US + i);

		if (number == 0)
			number = c->clients[1].limiter;
		CU_ASSERT_EQUAL(c->clients[1].limiter, number);
		CU_ASSERT_EQUAL(admit(number, BEGIN_US + 10 * i, 2000), steps[i].more);
		config_free(c);
	}
	CU_ASSERT_EQUAL(admit(number, BEGIN_US + WINDOW_SPAN_US - 1, 2000), 0);
	CU_ASSERT_EQUAL(admit(number, BEGIN_US + WINDOW_SPAN_US + 100, 2000), 1000);
}

static void
test_limit_comes_and_goes(void)
{
	const struct wanted without[] = { { "come", 0 }, { NULL, 0 } };
	const struct wanted with[] = { { "come", 3 }, { NULL, 0 } };
	struct config *c = use(without, true, BEGIN_US);
	uint32_t number = c->clients[0].limiter;

	CU_ASSERT_EQUAL(admit(number, BEGIN_US, 1), UINT32_MAX);
	config_free(c);
	c = use(with, false, BEGIN_US);
	CU_ASSERT_EQUAL(admit(number, BEGIN_US, 5), 3);
	config_free(c);
	c = use(without, false, BEGIN_US);
	CU_ASSERT_EQUAL(admit(number, BEGIN_US, 1), UINT32_MAX);
	config_free(c);
	c = use(with, true, BEGIN_US);
	CU_ASSERT_EQUAL(admit(number, BEGIN_US, 5), 3);
	config_free(c);
}

/* Cells and limiters of clients that are gone come back, once no older worker lives. */
static void
test_nothing_leaks(void)
{
	uint64_t cells_top = 0;
	uint32_t limiters_top = 0;

	for (unsigned i = 0; i < 200; i++) {
		char name[32];
		const struct wanted clients[] = { { name, 50000 + i }, { NULL, 0 } };

		snprintf(name, sizeof(name), "passing-%u", i);
		config_free(use(clients, true, BEGIN_US));
		if (i == 3) {
			cells_top = limits.region->cells_top;
			limiters_top = limits.region->limiters_top;
		}
	}
	CU_ASSERT(limits.region->cells_top < 2 * cells_top);
	CU_ASSERT(limits.region->limiters_top <= limiters_top + 2);
}

static void
test_no_room(void)
{
	struct err e = { "" };
	int rc = 0;

	for (unsigned i = 0; i < 100 && rc == 0; i++) {
		char name[32];
		const struct wanted clients[] = { { name, RATE_MAX }, { NULL, 0 } };
		struct config *c;

		snprintf(name, sizeof(name), "large-%u", i);
		c = make_config(clients, 0, 0);
		rc = limits_prepare(&limits, c, false, &e);
		if (rc == 0)
			limits_commit(&limits, c, BEGIN_US);
		config_free(c);
	}
	CU_ASSERT_EQUAL(rc, -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "no room for the limits"));
	config_free(use((struct wanted[]){ { "large-x", RATE_MAX }, { NULL, 0 } }, true, BEGIN_US));
}

/* A config that was prepared and given up changes nothing for the one that holds. */
static void
test_given_up(void)
{
	const struct wanted now[] = { { "kept", 10 }, { NULL, 0 } };
	const struct wanted next[] = { { "kept", 900 }, { "new", 5 }, { NULL, 0 } };
	struct config *c = use(now, true, BEGIN_US), *other = make_config(next, 0, 0);
	uint32_t number = c->clients[0].limiter;
	struct err e;

	CU_ASSERT_EQUAL(admit(number, BEGIN_US, 6), 6);
	CU_ASSERT_EQUAL(limits_prepare(&limits, other, true, &e), 0);
	CU_ASSERT_EQUAL(admit(number, BEGIN_US, 20), 4);
	config_free(other);
	config_free(c);
	c = use(now, true, BEGIN_US);
	CU_ASSERT_EQUAL(c->clients[0].limiter, number);
	CU_ASSERT_EQUAL(admit(number, BEGIN_US, 20), 0);
	config_free(c);
}

static void
test_in_flight(void)
{
	struct config *c = make_config((struct wanted[]){ { NULL, 0 } }, 0, 3);
	uint32_t number;
	unsigned one, other;
	struct err e;

	CU_ASSERT_EQUAL_FATAL(limits_prepare(&limits, c, true, &e), 0);
	limits_commit(&limits, c, BEGIN_US);
	number = c->models[0].limiter;
	one = limits_seat_take(&limits);
	other = limits_seat_take(&limits);
	CU_ASSERT(one != 0 && other != 0 && one != other);
	CU_ASSERT_TRUE(limiter_begin(limits.region, number, one));
	CU_ASSERT_TRUE(limiter_begin(limits.region, number, one));
	CU_ASSERT_TRUE(limiter_begin(limits.region, number, other));
	CU_ASSERT_FALSE(limiter_begin(limits.region, number, other));
	limiter_end(limits.region, number, other);
	CU_ASSERT_TRUE(limiter_begin(limits.region, number, one));
	CU_ASSERT_FALSE(limiter_begin(limits.region, number, other));
	CU_ASSERT_EQUAL(limiter_in_flight(limits.region, number), 3);
	/* The worker is killed with all three. */
	limits_seat_free(&limits, one);
	CU_ASSERT_EQUAL(limiter_in_flight(limits.region, number), 0);
	limiter_end(limits.region, number, other);
	CU_ASSERT_EQUAL(limiter_in_flight(limits.region, number), 0);
	limits_seat_free(&limits, other);
	config_free(c);
}

static void
test_line(void)
{
	struct config *c = use((struct wanted[]){ { "q", 1 }, { NULL, 0 } }, true, BEGIN_US);
	uint32_t number = c->clients[0].limiter;
	unsigned seats[3];
	struct limiter_line line;

	for (unsigned i = 0; i < 3; i++)
		seats[i] = limits_seat_take(&limits);
	line = limiter_line(limits.region, number, seats[0]);
	CU_ASSERT(line.waiting == 0 && line.oldest_since_us == UINT64_MAX);
	limiter_queue(limits.region, number, seats[0], 50, 4);
	limiter_queue(limits.region, number, seats[1], 70, 2);
	limiter_queue(limits.region, number, seats[2], 60, 100000);
	line = limiter_line(limits.region, number, seats[0]);
	CU_ASSERT(line.waiting == 2 + 65535 && line.oldest_since_us == 60);
	limits_seat_free(&limits, seats[2]);
	line = limiter_line(limits.region, number, seats[0]);
	CU_ASSERT(line.waiting == 2 && line.oldest_since_us == 70);
	limiter_queue(limits.region, number, seats[1], 0, 0);
	line = limiter_line(limits.region, number, seats[0]);
	CU_ASSERT(line.waiting == 0 && line.oldest_since_us == UINT64_MAX);
	limits_seat_free(&limits, seats[0]);
	limits_seat_free(&limits, seats[1]);
	config_free(c);
}

static void
test_cooling(void)
{
	struct config *c = use((struct wanted[]){ { NULL, 0 } }, true, BEGIN_US);
	struct limiter *m = limiter_at(limits.region, c->models[0].limiter);
	enum limiter_cause cause = CAUSE_COUNT;

	CU_ASSERT_EQUAL(limiter_cooling_us(m, BEGIN_US, &cause), 0);
	CU_ASSERT_TRUE(limiter_cool(m, BEGIN_US, BEGIN_US + 5000, CAUSE_OVERLOADED));
	/* litellm#40130 */
	CU_ASSERT_FALSE(limiter_cool(m, BEGIN_US, BEGIN_US + 3000, CAUSE_RATE_LIMITED));
	CU_ASSERT_EQUAL(limiter_cooling_us(m, BEGIN_US, &cause), BEGIN_US + 5000);
	CU_ASSERT_EQUAL(cause, CAUSE_OVERLOADED);
	/* It goes on for longer: that is no other one. */
	CU_ASSERT_FALSE(limiter_cool(m, BEGIN_US, BEGIN_US + 9000, CAUSE_UNAVAILABLE));
	CU_ASSERT_EQUAL(limiter_cooling_us(m, BEGIN_US + 8999, &cause), BEGIN_US + 9000);
	CU_ASSERT_EQUAL(cause, CAUSE_UNAVAILABLE);
	CU_ASSERT_EQUAL(limiter_cooling_us(m, BEGIN_US + 9000, &cause), 0);
	/* The clock was set back, or somebody scribbles. */
	CU_ASSERT_TRUE(limiter_cool(
	    m, BEGIN_US + 9000, BEGIN_US + 2000ull * COOLING_MAX_MS, CAUSE_UNAVAILABLE));
	CU_ASSERT_EQUAL(limiter_cooling_us(m, BEGIN_US, &cause), 0);
	config_free(c);
}

static void
test_seats(void)
{
	unsigned taken[SEATS_MAX], n = 0;
	pid_t pid;

	CU_ASSERT_EQUAL(limits_seats_used(&limits), 0);
	while ((taken[n] = limits_seat_take(&limits)) != 0)
		n++;
	CU_ASSERT_EQUAL(n, SEATS_MAX - 1);
	CU_ASSERT_EQUAL(limits_seats_used(&limits), SEATS_MAX - 1);
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	limits_seat_name(&limits, taken[0], pid);
	limits_seat_name(&limits, taken[1], getpid());
	limits_seats_sweep(&limits);
	CU_ASSERT_EQUAL(limits_seats_used(&limits), SEATS_MAX - 2);
	CU_ASSERT_EQUAL(limits_seat_take(&limits), taken[0]);
	for (unsigned i = 0; i < n; i++)
		limits_seat_free(&limits, taken[i]);
}

static void
test_adopted(void)
{
	struct config *c = use((struct wanted[]){ { "moved", 4 }, { NULL, 0 } }, true, BEGIN_US);
	struct limits other;
	struct err e;

	CU_ASSERT_EQUAL(admit(c->clients[0].limiter, BEGIN_US, 3), 3);
	CU_ASSERT_EQUAL_FATAL(limits_adopt(&other, dup(limits.fd), &e), 0);
	CU_ASSERT_EQUAL(limits_prepare(&other, c, false, &e), 0);
	limits_commit(&other, c, BEGIN_US);
	limits_destroy(&other);
	CU_ASSERT_EQUAL(admit(c->clients[0].limiter, BEGIN_US, 3), 1);
	limits.region->layout++;
	CU_ASSERT_EQUAL(limits_adopt(&other, dup(limits.fd), &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "layout"));
	limits.region->layout--;
	CU_ASSERT_EQUAL(limits_adopt(&other, dup(STDERR_FILENO), &e), -1);
	config_free(c);
}

/* A config in a region that may have been filled up: then it is refused, and another region made.
 */
static struct config *
use_anew(const struct wanted *clients)
{
	struct config *c = make_config(clients, 0, 0);
	struct err e;

	if (limits_prepare(&limits, c, true, &e) != 0) {
		CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "no room"));
		limits_destroy(&limits);
		CU_ASSERT_EQUAL_FATAL(limits_create(&limits, &e), 0);
		CU_ASSERT_EQUAL_FATAL(limits_prepare(&limits, c, true, &e), 0);
	}
	limits_commit(&limits, c, BEGIN_US);
	return c;
}

/* Whatever stands there: no access outside the region, and an end. */
static void
test_scribbled(void)
{
	static const uint64_t values[] = { 0, 1, 2, LIMITS_CELLS - 1, LIMITS_CELLS, UINT64_MAX / 2,
		UINT64_MAX };
	const unsigned n = sizeof(values) / sizeof(values[0]);
	const struct wanted clients[] = { { "victim", 5 }, { NULL, 0 } };

	for (unsigned i = 0; i < n * n * n; i++) {
		struct config *c = use_anew(clients);
		struct limiter *l = limiter_at(limits.region, c->clients[0].limiter);
		struct window w;

		l->ring = (uint32_t)values[i % n];
		for (unsigned k = 0; k < 2; k++) {
			l->rings[k].first = values[i % n];
			l->rings[k].capacity = values[i / n % n];
			l->rings[k].admitted = values[i / n / n];
		}
		l->kind = (uint32_t)values[i / n % n];
		l->rate = values[(i + 1) % n];
		memset(l->name, 'x', i % 3 == 0 ? sizeof(l->name) : 0);
		if (limiter_window(limits.region, c->clients[0].limiter, &w)) {
			CU_ASSERT(w.limit > 0 && w.limit < w.capacity);
			CU_ASSERT(w.cells + w.capacity <= limits.region->cells + LIMITS_CELLS);
			(void)admit(c->clients[0].limiter, BEGIN_US, 3);
			(void)window_used(&w, BEGIN_US);
		}
		limits.region->limiters_top = i % 2 == 0 ? UINT32_MAX : limits.region->limiters_top;
		config_free(c);
	}
	limits.region->cells_top = UINT64_MAX;
	config_free(use_anew(clients));
}

void
suite_limits(void)
{
	CU_pSuite suite = CU_add_suite("limits", set_up, tear_down);

	CU_add_test(suite, "seats of workers", test_seats);
	CU_add_test(suite, "history stays when the config changes", test_history_stays);
	CU_add_test(suite, "a limit comes and goes", test_limit_comes_and_goes);
	CU_add_test(suite, "nothing leaks", test_nothing_leaks);
	CU_add_test(suite, "no room", test_no_room);
	CU_add_test(suite, "a config that is given up", test_given_up);
	CU_add_test(suite, "places in flight", test_in_flight);
	CU_add_test(suite, "lines of several workers", test_line);
	CU_add_test(suite, "the longest cool-down wins", test_cooling);
	CU_add_test(suite, "another master goes on", test_adopted);
	CU_add_test(suite, "whatever a worker scribbles", test_scribbled);
}
