// SPDX-License-Identifier: MIT
/* Gates of two models in one worker: waiting in vain at one says nothing of the other. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/request.h"
#include "worker/state.h"

void suite_gate(void);

static const char config_text[] =
    "{\"providers\":{\"p\":{\"base_url\":\"http://h\"}},\"models\":{"
    "\"new\":{\"provider\":\"p\",\"max_in_flight\":1},"
    "\"old\":{\"provider\":\"p\",\"max_in_flight\":1}},"
    "\"releases\":{\"r\":{\"stable\":\"old\",\"candidate\":\"new\"}}}";

static struct limits limits;
static struct worker_seed seed;
static struct worker *worker;
static struct config *config;
static struct gate *candidate, *stable;

static int
set_up(void)
{
	struct err e;

	config = config_parse("FILE", config_text, CONFIG_NO_SECRETS, &e);
	worker = calloc(1, sizeof(*worker));
	if (config == NULL || worker == NULL || limits_create(&limits, &e) < 0 ||
	    limits_prepare(&limits, config, true, &e) < 0)
		return -1;
	limits_commit(&limits, config, clock_mono_us());
	seed = (struct worker_seed){ .limits = limits.region, .seat = limits_seat_take(&limits) };
	worker->seed = &seed;
	worker->config = config;
	worker->base = event_base_new();
	if (worker->base == NULL || gate_open_all(worker) < 0)
		return -1;
	candidate = gate_of_model(worker, config->releases[0].arms[ARM_CANDIDATE]);
	stable = gate_of_model(worker, config->releases[0].arms[ARM_STABLE]);
	return 0;
}

static int
tear_down(void)
{
	gate_close_all(worker);
	event_base_free(worker->base);
	free(worker);
	config_free(config);
	limits_destroy(&limits);
	return 0;
}

static uint64_t
soon_us(void)
{
	return clock_mono_us() + 60 * (uint64_t)US_PER_S;
}

/* Waits at the candidate's gate, which another request holds shut, until its time is over. */
static void
wait_in_vain(struct request *r, struct request *other)
{
	*r = *other = (struct request){ .worker = worker };
	deadline_init(&r->timer, worker->base, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(gate_pass(candidate, other, 0), GATE_PASSED);
	CU_ASSERT_EQUAL_FATAL(gate_pass(candidate, r, soon_us()), GATE_WAITS);
	gate_give_up(r);
}

static void
test_in_vain(void)
{
	struct request r, other;

	wait_in_vain(&r, &other);
	CU_ASSERT_EQUAL(gate_pass(candidate, &r, soon_us()), GATE_REFUSED);
	CU_ASSERT_EQUAL(r.turn.limit.reason, GATE_IN_FLIGHT);
	gate_give_back(&other);
	CU_ASSERT_EQUAL(gate_pass(candidate, &r, soon_us()), GATE_PASSED);
	gate_give_back(&r);
	deadline_fini(&r.timer);
}

/* A rollback at the very moment at which its time is over sends it to stable, which has room. */
static void
test_in_vain_at_a_rollback(void)
{
	struct request r, other;

	wait_in_vain(&r, &other);
	CU_ASSERT_EQUAL(gate_pass(stable, &r, soon_us()), GATE_PASSED);
	gate_give_back(&r);
	gate_give_back(&other);
	deadline_fini(&r.timer);
}

void
suite_gate(void)
{
	CU_pSuite s = CU_add_suite("gate", set_up, tear_down);

	CU_add_test(s, "in vain", test_in_vain);
	CU_add_test(s, "in vain at the moment of a rollback", test_in_vain_at_a_rollback);
}
