// SPDX-License-Identifier: MIT
/*
 * Slots: totals never fall when workers come and go, what was begun and not finished is counted as
 * lost, and whatever a worker writes over its slot harms nobody else's numbers.
 */
#include "common/slot.h"

#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void suite_slot(void);

static struct slots slots;
static struct release_totals totals; /* too large for a stack */

static void
open_slots(void)
{
	struct err e;

	CU_ASSERT_EQUAL_FATAL(slots_create(&slots, &e), 0);
	CU_ASSERT_EQUAL_FATAL(slots_declare(&slots, "a"), 0);
	CU_ASSERT_EQUAL_FATAL(slots_declare(&slots, "b"), 0);
}

/* What a worker does for one request of release `name`, seen from its slot. */
static void
count_request(struct slot *slot, const char *name, enum arm arm)
{
	struct slot_release *r = slot_release_tally(slot, name);

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	tally_add(&slot->started, 1);
	tally_add(&r->arms[arm].counters[COUNTER_REQUESTS], 1);
	tally_add(&r->arms[arm].window, 1);
	tally_add(&r->arms[arm].attempts[OUTCOME_OK], 1);
	tally_add(&r->arms[arm].finished[OUTCOME_OK], 1);
	histogram_record(&r->arms[arm].latency_us, 1000);
	tally_add(&slot->finished, 1);
}

static uint64_t
requests(const char *name, enum arm arm, uint64_t revision)
{
	slots_sum_release(&slots, name, revision, &totals);
	CU_ASSERT_EQUAL(
	    totals.arms[arm].finished[OUTCOME_OK], totals.arms[arm].counters[COUNTER_REQUESTS]);
	CU_ASSERT_EQUAL(
	    totals.arms[arm].latency_us.count, totals.arms[arm].counters[COUNTER_REQUESTS]);
	return totals.arms[arm].counters[COUNTER_REQUESTS];
}

static void
test_claim(void)
{
	bool taken[SLOTS_MAX] = { false };
	int slot;

	open_slots();
	for (unsigned i = 1; i < SLOTS_MAX; i++) {
		slot = slot_claim(&slots, 3, 77);
		CU_ASSERT_FATAL(slot >= 1 && slot < SLOTS_MAX);
		CU_ASSERT_FALSE(taken[slot]);
		taken[slot] = true;
		CU_ASSERT_EQUAL(slots.all[slot].generation, 3);
		CU_ASSERT_EQUAL(slots.all[slot].heartbeat_us, 77);
		CU_ASSERT_EQUAL(slots.all[slot].state, SLOT_STARTING);
	}
	/* A worker that calls its slot free does not get a tenant. */
	slots.all[5].state = SLOT_FREE;
	CU_ASSERT_EQUAL(slot_claim(&slots, 3, 77), -1);
	CU_ASSERT_TRUE(slot_retire(&slots, 9));
	slot = slot_claim(&slots, 4, 78);
	CU_ASSERT_EQUAL(slot, 9);
	CU_ASSERT_EQUAL(slots.all[9].started, 0);
	slots_destroy(&slots);
}

static void
test_totals_never_fall(void)
{
	uint64_t want_a = 0, want_b = 0;

	open_slots();
	for (unsigned life = 0; life < 100; life++) {
		int slot = slot_claim(&slots, 1, 0);
		unsigned n = life * 7 % 23;

		for (unsigned i = 0; i < n; i++) {
			count_request(&slots.all[slot], "b", ARM_CANDIDATE);
			count_request(&slots.all[slot], "a", ARM_STABLE);
		}
		want_a += n;
		want_b += n;
		CU_ASSERT_EQUAL(requests("a", ARM_STABLE, 0), want_a);
		CU_ASSERT_EQUAL(requests("b", ARM_CANDIDATE, 0), want_b);
		/* Every third lives on for a while. */
		if (life % 3 != 0)
			CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)slot));
		CU_ASSERT_EQUAL(requests("a", ARM_STABLE, 0), want_a);
		CU_ASSERT_EQUAL(requests("b", ARM_CANDIDATE, 0), want_b);
		CU_ASSERT_EQUAL(requests("b", ARM_STABLE, 0), 0);
	}
	CU_ASSERT_EQUAL(requests("nobody", ARM_STABLE, 0), 0);
	slots_destroy(&slots);
}

static void
test_lost(void)
{
	struct overall_totals all;
	int slot;

	open_slots();
	slot = slot_claim(&slots, 1, 0);
	for (unsigned i = 0; i < 10; i++)
		count_request(&slots.all[slot], "a", ARM_STABLE);
	tally_add(&slots.all[slot].started, 3); /* killed in the middle of three */
	tally_add(&slots.all[slot].in_flight[0][ARM_CANDIDATE], 3);
	CU_ASSERT_EQUAL(slots_in_flight(&slots, "a", ARM_CANDIDATE), 3);
	slots_sum_overall(&slots, &all);
	CU_ASSERT_EQUAL(all.started - all.finished, 3);
	CU_ASSERT_EQUAL(all.lost, 0);
	CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)slot));
	slots_sum_overall(&slots, &all);
	CU_ASSERT_EQUAL(all.started, 13);
	CU_ASSERT_EQUAL(all.finished, 10);
	CU_ASSERT_EQUAL(all.lost, 3);
	CU_ASSERT_EQUAL(slots_in_flight(&slots, "a", ARM_CANDIDATE), 0);
	slots_destroy(&slots);
}

/* The split since the last change: only windows of the revision asked for count. */
static void
test_windows(void)
{
	int old, young;

	open_slots();
	old = slot_claim(&slots, 1, 0);
	young = slot_claim(&slots, 1, 0);
	slot_window_begin(slot_release_tally(&slots.all[old], "a"), 4);
	slot_window_begin(slot_release_tally(&slots.all[young], "a"), 5);
	for (unsigned i = 0; i < 6; i++)
		count_request(&slots.all[old], "a", ARM_CANDIDATE);
	for (unsigned i = 0; i < 2; i++)
		count_request(&slots.all[young], "a", ARM_CANDIDATE);
	slots_sum_release(&slots, "a", 5, &totals);
	CU_ASSERT_EQUAL(totals.arms[ARM_CANDIDATE].window, 2);
	CU_ASSERT_EQUAL(totals.arms[ARM_CANDIDATE].counters[COUNTER_REQUESTS], 8);
	CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)young));
	CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)old));
	slots_sum_release(&slots, "a", 5, &totals);
	CU_ASSERT_EQUAL(totals.arms[ARM_CANDIDATE].window, 2);
	slots_sum_release(&slots, "a", 4, &totals);
	CU_ASSERT_EQUAL(totals.arms[ARM_CANDIDATE].window, 0);
	CU_ASSERT_EQUAL(totals.arms[ARM_CANDIDATE].counters[COUNTER_REQUESTS], 8);
	slots_destroy(&slots);
}

static void
test_errors(void)
{
	static struct error_list list;
	struct error_note note = { .outcome = OUTCOME_REFUSED, .message = "no" };

	open_slots();
	for (unsigned worker = 0; worker < 3; worker++) {
		int slot = slot_claim(&slots, 1, 0);
		struct slot_release *r = slot_release_tally(&slots.all[slot], "a");

		for (unsigned i = 0; i < 30; i++) {
			note.wall_us = i * 3 + worker;
			errring_write(&r->errors, &note);
		}
		if (worker == 1)
			CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)slot));
	}
	slots_errors(&slots, "a", &list);
	CU_ASSERT_EQUAL(list.n, ERRORS_KEPT);
	for (unsigned i = 0; i < list.n; i++)
		CU_ASSERT_EQUAL(list.notes[i].wall_us, 90 - ERRORS_KEPT + i);
	slots_errors(&slots, "b", &list);
	CU_ASSERT_EQUAL(list.n, 0);
	slots_destroy(&slots);
}

/* ---- a worker that writes what it likes
 * ---------------------------------------------------------- */

static void
lie_count(struct slot *slot)
{
	slot->n_releases = UINT32_MAX;
}

static void
lie_finished(struct slot *slot)
{
	slot->finished = slot->started + 1;
}

static void
lie_huge(struct slot *slot)
{
	slot->releases[0].arms[ARM_STABLE].counters[COUNTER_REQUESTS] = UINT64_MAX;
}

static void
lie_bucket(struct slot *slot)
{
	slot->releases[0].arms[ARM_CANDIDATE].first_token_us.buckets[3] = 1ull << 60;
}

static void
lie_name(struct slot *slot)
{
	memset(slot->releases[0].name, 'x', NAME_BYTES);
}

static void
lie_stranger(struct slot *slot)
{
	memcpy(slot->releases[0].name, "evil", 5);
}

static void
lie_in_flight(struct slot *slot)
{
	slot->in_flight[0][ARM_CANDIDATE] = UINT64_MAX;
}

/* None of its numbers reaches the totals, neither while it lives nor afterwards. */
static void
test_lies_are_left_out(void)
{
	static void (*const lies[])(struct slot *) = { lie_count, lie_finished, lie_huge,
		lie_bucket, lie_name, lie_stranger, lie_in_flight };

	open_slots();
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		int honest = slot_claim(&slots, 1, 0), liar = slot_claim(&slots, 1, 0);
		uint64_t before = requests("a", ARM_STABLE, 0);
		uint64_t lost = slots.all[0].lost;

		count_request(&slots.all[honest], "a", ARM_STABLE);
		count_request(&slots.all[liar], "a", ARM_STABLE);
		lies[i](&slots.all[liar]);
		CU_ASSERT_TRUE(slot_sane(&slots, (unsigned)honest));
		CU_ASSERT_FALSE(slot_sane(&slots, (unsigned)liar));
		CU_ASSERT_EQUAL(requests("a", ARM_STABLE, 0), before + 1);
		CU_ASSERT_EQUAL(slots_in_flight(&slots, "a", ARM_CANDIDATE), 0);
		CU_ASSERT_FALSE(slot_retire(&slots, (unsigned)liar));
		CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)honest));
		CU_ASSERT_EQUAL(requests("a", ARM_STABLE, 0), before + 1);
		CU_ASSERT_EQUAL(slots.all[0].lost, lost);
	}
	slots_destroy(&slots);
}

static void
scribble(struct slot *slot)
{
	uint64_t *words = (uint64_t *)slot;
	uint64_t seed = (uint64_t)random();

	for (size_t i = 0; i < sizeof(*slot) / sizeof(*words); i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		words[i] = seed ^ seed >> 29;
	}
}

static void
test_random_bytes(void)
{
	static struct error_list list;
	struct overall_totals all;

	open_slots();
	srandom(3);
	for (unsigned round = 0; round < 8; round++) {
		int slot = slot_claim(&slots, 1, 0);

		scribble(&slots.all[slot]);
		/* Half of the rounds it is random only where it would be believed most. */
		if (round % 2 == 0) {
			memcpy(slots.all[slot].releases[0].name, "a", 2);
			slots.all[slot].n_releases = 1;
			slots.all[slot].started = slots.all[slot].finished = 0;
		}
		CU_ASSERT_EQUAL(requests("a", ARM_STABLE, 0), 0);
		slots_errors(&slots, "a", &list);
		slots_sum_overall(&slots, &all);
		CU_ASSERT_EQUAL(all.started, 0);
		CU_ASSERT_EQUAL(all.insane, 1);
		CU_ASSERT_FALSE(slot_retire(&slots, (unsigned)slot));
	}
	slots_destroy(&slots);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static int
child_maps_its_own(void)
{
	struct err e;
	unsigned char there;
	struct slot *own = slot_map_own(slots.fd, 2, &e);

	if (own == NULL)
		return 1;
	tally_add(&own->started, 42);
	/* The master's mapping of all slots does not exist here. */
	if (mincore(slots.all, 4096, &there) == 0 || errno != ENOMEM)
		return 2;
	if (ftruncate(slots.fd, 0) == 0 || ftruncate(slots.fd, (off_t)1 << 40) == 0)
		return 3;
	return 0;
}

static void
test_child_has_one_slot(void)
{
	int status = -1;
	pid_t pid;

	open_slots();
	CU_ASSERT_EQUAL(slot_claim(&slots, 1, 0), 1);
	CU_ASSERT_EQUAL(slot_claim(&slots, 1, 0), 2);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		_exit(child_maps_its_own());
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(slots.all[2].started, 42);
	CU_ASSERT_EQUAL(slots.all[1].started, 0);
	slots_destroy(&slots);
}

/* ---- a process that only looks -----------------------------------------------------------------
 */

#define LIVES	      2000
#define REQUESTS_EACH 20

/* Sums again and again, until all requests of all lives are there. What is whole never falls and
 * never counts a life twice. */
static int
child_observes(int ready_fd)
{
	const uint64_t all = LIVES * REQUESTS_EACH;
	struct slots view;
	struct err e;
	uint64_t last = 0;

	if (slots_map_readonly(&view, slots.fd, &e) != 0)
		return 1;
	if (mprotect(view.all, sizeof(struct slot), PROT_READ | PROT_WRITE) == 0)
		return 2;
	slots_sum_release(&view, "a", 0, &totals);
	if (write(ready_fd, "", 1) != 1)
		return 4;
	while (last < all) {
		uint64_t begun = slots_read_begin(&view), now;

		slots_sum_release(&view, "a", 0, &totals);
		now = totals.arms[ARM_STABLE].counters[COUNTER_REQUESTS];
		if (!slots_read_whole(&view, begun))
			continue;
		if (now < last || now > all)
			return 3;
		last = now;
	}
	slots_destroy(&view);
	return 0;
}

static void
test_observer(void)
{
	int status = -1, ready[2];
	char byte;
	pid_t pid;

	open_slots();
	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		_exit(child_observes(ready[1]));
	close(ready[1]);
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	for (unsigned life = 0; life < LIVES; life++) {
		int slot = slot_claim(&slots, 1, 0);

		for (unsigned i = 0; i < REQUESTS_EACH; i++)
			count_request(&slots.all[slot], "a", ARM_STABLE);
		/* The last but one lives on. */
		if (life != LIVES - 2)
			CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)slot));
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	slots_destroy(&slots);
}

/* A reader that meets the master in the middle of a fold, or was overtaken by one, knows it. */
static void
test_torn(void)
{
	uint64_t begun;
	int slot;

	open_slots();
	slot = slot_claim(&slots, 1, 0);
	begun = slots_read_begin(&slots);
	CU_ASSERT_TRUE(slots_read_whole(&slots, begun));
	CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)slot));
	CU_ASSERT_FALSE(slots_read_whole(&slots, begun));
	begun = slots_read_begin(&slots);
	CU_ASSERT_TRUE(slots_read_whole(&slots, begun));
	tally_add(&slots.all[0].folds, 1);
	begun = slots_read_begin(&slots);
	CU_ASSERT_FALSE(slots_read_whole(&slots, begun));
	slots_destroy(&slots);
}

static void
test_declare(void)
{
	char name[NAME_BYTES + 1];

	open_slots();
	CU_ASSERT_EQUAL(slots_declare(&slots, "a"), 0); /* known already */
	CU_ASSERT_EQUAL(slots.all[0].n_releases, 2);
	memset(name, 'n', sizeof(name));
	name[NAME_BYTES] = '\0';
	CU_ASSERT_EQUAL(slots_declare(&slots, name), -1);
	name[NAME_BYTES - 1] = '\0';
	for (unsigned i = 2; i < RELEASES_MAX; i++) {
		name[0] = (char)('A' + i);
		CU_ASSERT_EQUAL(slots_declare(&slots, name), 0);
	}
	CU_ASSERT_EQUAL(slots_declare(&slots, "one more"), -1);
	CU_ASSERT_EQUAL(slots_declare(&slots, name), 0);
	slots_destroy(&slots);
}

/* ---- clients --------------------------------------------------------------------------------- */

static struct client_totals clients[CLIENTS_MAX]; /* too large for a stack */

static void
count_client(struct slot *slot, const char *name, uint64_t n)
{
	struct slot_client *c = slot_client_tally(slot, name);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	tally_add(&c->counters[CLIENT_COUNTER_REQUESTS], n);
}

static uint64_t
requests_of(const char *name)
{
	unsigned n = slots_sum_clients(&slots, clients);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(clients[i].name, name) == 0)
			return clients[i].counters[CLIENT_COUNTER_REQUESTS];
	return UINT64_MAX;
}

/* Workers of two configs, one of which names the clients the other way round and lacks one. */
static void
test_clients(void)
{
	int one, two;

	open_slots();
	CU_ASSERT_EQUAL(slots_declare_client(&slots, "ann"), 0);
	CU_ASSERT_EQUAL(slots_declare_client(&slots, "bob"), 0);
	CU_ASSERT_EQUAL(slots_declare_client(&slots, "cyd"), 0);
	CU_ASSERT_EQUAL(slots_declare_client(&slots, "bob"), 0);
	CU_ASSERT_EQUAL(slots.all[0].n_clients, 3);
	one = slot_claim(&slots, 1, 0);
	two = slot_claim(&slots, 2, 0);
	count_client(&slots.all[one], "ann", 1);
	count_client(&slots.all[one], "bob", 2);
	count_client(&slots.all[one], "cyd", 3);
	count_client(&slots.all[two], "cyd", 40);
	count_client(&slots.all[two], "ann", 10);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(requests_of("ann"), 11);
		CU_ASSERT_EQUAL(requests_of("bob"), 2);
		CU_ASSERT_EQUAL(requests_of("cyd"), 43);
		CU_ASSERT_EQUAL(requests_of("dan"), UINT64_MAX);
		if (i < 2)
			CU_ASSERT_TRUE(slot_retire(&slots, (unsigned)(i == 0 ? two : one)));
	}
	slots_destroy(&slots);
}

static void
test_client_lies(void)
{
	int slot;

	open_slots();
	CU_ASSERT_EQUAL(slots_declare_client(&slots, "ann"), 0);
	slot = slot_claim(&slots, 1, 0);
	count_client(&slots.all[slot], "ann", 5);
	CU_ASSERT_TRUE(slot_sane(&slots, (unsigned)slot));
	count_client(&slots.all[slot], "nobody", 5);
	CU_ASSERT_FALSE(slot_sane(&slots, (unsigned)slot));
	CU_ASSERT_EQUAL(requests_of("ann"), 5);
	count_client(&slots.all[slot], "ann", 1ull << 60);
	CU_ASSERT_EQUAL(requests_of("ann"), 0);
	atomic_store(&slots.all[slot].n_clients, UINT32_MAX);
	CU_ASSERT_FALSE(slot_sane(&slots, (unsigned)slot));
	CU_ASSERT_EQUAL(requests_of("ann"), 0);
	slots_destroy(&slots);
}

static void
test_clients_full(void)
{
	char name[32];

	open_slots();
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		snprintf(name, sizeof(name), "client %u", i);
		CU_ASSERT_EQUAL_FATAL(slots_declare_client(&slots, name), 0);
	}
	CU_ASSERT_EQUAL(slots_declare_client(&slots, "one more"), -1);
	CU_ASSERT_EQUAL(slots_declare_client(&slots, name), 0);
	CU_ASSERT_EQUAL(slots_sum_clients(&slots, clients), CLIENTS_MAX);
	slots_destroy(&slots);
}

void
suite_slot(void)
{
	CU_pSuite s = CU_add_suite("slot", NULL, NULL);

	CU_add_test(s, "claim", test_claim);
	CU_add_test(s, "declare", test_declare);
	CU_add_test(s, "totals never fall", test_totals_never_fall);
	CU_add_test(s, "lost", test_lost);
	CU_add_test(s, "windows", test_windows);
	CU_add_test(s, "errors", test_errors);
	CU_add_test(s, "lies are left out", test_lies_are_left_out);
	CU_add_test(s, "random bytes", test_random_bytes);
	CU_add_test(s, "child has one slot", test_child_has_one_slot);
	CU_add_test(s, "an observer sees whole sums", test_observer);
	CU_add_test(s, "an observer knows what is torn", test_torn);
	CU_add_test(s, "clients", test_clients);
	CU_add_test(s, "lies about clients are left out", test_client_lies);
	CU_add_test(s, "no room for more clients", test_clients_full);
}
