// SPDX-License-Identifier: MIT
/*
 * The one door with a journal behind it: what raises waits for the disk, what lowers does not, and
 * what supersedes what.
 */
#include <CUnit/CUnit.h>
#include <string.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "tests/unit/journal_stage.h"

void suite_raise(void);

static void
test_raise_waits(void)
{
	struct stage_heard h;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &h), CTL_OK);
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_EQUAL(h.times, 0);
	CU_ASSERT_TRUE(stage_take_order());
	stage_write_order();
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	stage_confirm_order(NULL, false);
	CU_ASSERT_EQUAL(stage_share("a"), 1000);
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_EQUAL(h.code, CTL_OK);
	CU_ASSERT_TRUE(h.changed);
	CU_ASSERT_EQUAL(h.revision, 2);
	CU_ASSERT_FALSE(stage_take_order());
	stage_end();
}

static void
test_lowering_does_not_wait(void)
{
	struct journal_health health;
	struct stage_heard h, lower;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 5000, &h), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &lower), CTL_OK);
	CU_ASSERT_EQUAL(stage_share("a"), 1000);
	CU_ASSERT_EQUAL(stage_rollback("a", &h), CTL_OK);
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_EQUAL(stage_master->store.region->published, 4);
	journal_health(stage_master, &health);
	CU_ASSERT_EQUAL(health.waiting, 2);
	stage_write_all();
	journal_health(stage_master, &health);
	CU_ASSERT_EQUAL(health.waiting, 0);
	CU_ASSERT_EQUAL(stage_file.revision, 4);
	CU_ASSERT_EQUAL(lower.times, 1);
	CU_ASSERT_EQUAL(h.times, 1);
	stage_end();
}

/* A raise that is on its way when somebody rolls back is never published, and however far the two
 * records got, no restart finds its share. */
static void
test_rollback_supersedes(void)
{
	for (unsigned on_disk = 0; on_disk <= 2; on_disk++) {
		struct stage_heard raise, back;

		stage_begin();
		CU_ASSERT_EQUAL(stage_weight("a", 1000, &raise), CTL_OK);
		stage_write_all();
		CU_ASSERT_EQUAL(stage_weight("a", 5000, &raise), CTL_OK);
		CU_ASSERT_EQUAL(stage_rollback("a", &back), CTL_OK);
		CU_ASSERT_EQUAL(stage_share("a"), 0);
		CU_ASSERT_EQUAL(raise.times, 1);
		CU_ASSERT_EQUAL(raise.code, CTL_REFUSED);
		CU_ASSERT_PTR_NOT_NULL(strstr(raise.error.msg, "superseded"));
		CU_ASSERT_TRUE(stage_take_order());
		if (on_disk > 0) {
			stage_write_order();
			stage_confirm_order(NULL, false);
			CU_ASSERT_EQUAL(stage_share("a"), 0);
			CU_ASSERT_TRUE(stage_take_order());
		}
		if (on_disk > 1) {
			stage_write_order();
			stage_confirm_order(NULL, false);
		}
		stage_restart();
		CU_ASSERT_EQUAL(stage_share("a"), 0);
		CU_ASSERT_EQUAL(stage_release("a")->state, STATE_ROLLED_BACK);
		CU_ASSERT(stage_master->policy.revision >= 4);
		stage_end();
		stage_empty();
	}
}

/* The same for a raise of another release than the one that is rolled back. */
static void
test_raise_of_another_release(void)
{
	struct stage_heard raise, back;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("b", 700, &raise), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("b", 5000, &raise), CTL_OK);
	CU_ASSERT_EQUAL(stage_rollback("a", &back), CTL_OK);
	CU_ASSERT_EQUAL(raise.code, CTL_REFUSED);
	CU_ASSERT_TRUE(stage_take_order());
	stage_write_order();
	stage_confirm_order(NULL, false);
	CU_ASSERT_EQUAL(stage_share("b"), 700);
	stage_restart(); /* the last record is the raise */
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_EQUAL(stage_share("b"), 0);
	stage_end();
}

/* Who named a revision that the winner has changed is told so. */
static void
test_superseded_conflict(void)
{
	struct stage_heard raise, back;

	stage_begin();
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_WEIGHT, "a", 100, 1, &raise), CTL_OK);
	CU_ASSERT_EQUAL(stage_rollback("b", &back), CTL_OK);
	CU_ASSERT_EQUAL(raise.code, CTL_REFUSED);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_WEIGHT, "a", 100, 1, &raise), CTL_OK);
	CU_ASSERT_EQUAL(stage_rollback("a", &back), CTL_OK);
	CU_ASSERT_EQUAL(raise.code, CTL_CONFLICT);
	stage_end();
}

static void
test_raises_take_turns(void)
{
	struct stage_heard first, second, third;

	stage_begin();
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_WEIGHT, "a", 100, 1, &first), CTL_OK);
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_WEIGHT, "a", 200, 1, &second), CTL_OK);
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_WEIGHT, "b", 300, 1, &third), CTL_OK);
	CU_ASSERT_EQUAL(first.times + second.times + third.times, 0);
	stage_write_all();
	CU_ASSERT_EQUAL(first.code, CTL_OK);
	CU_ASSERT_EQUAL(second.times, 1);
	CU_ASSERT_EQUAL(second.code, CTL_CONFLICT);
	CU_ASSERT_EQUAL(third.code, CTL_OK);
	CU_ASSERT_EQUAL(third.revision, 3);
	CU_ASSERT_EQUAL(stage_share("a"), 100);
	CU_ASSERT_EQUAL(stage_share("b"), 300);
	stage_end();
}

static void
test_a_caller_that_left(void)
{
	struct stage_heard h;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &h), CTL_OK);
	transition_forget(stage_master, &h);
	stage_write_all();
	CU_ASSERT_EQUAL(h.times, 0);
	CU_ASSERT_EQUAL(stage_share("a"), 1000);
	stage_end();
}

static void
test_write_errors(void)
{
	struct journal_health health;
	struct stage_heard h;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &h), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("a", 5000, &h), CTL_OK);
	CU_ASSERT_TRUE(stage_take_order());
	stage_confirm_order("no space", false);
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_EQUAL(h.code, CTL_REFUSED);
	CU_ASSERT_PTR_NOT_NULL(strstr(h.error.msg, "no space"));
	CU_ASSERT_EQUAL(stage_share("a"), 1000);
	journal_health(stage_master, &health);
	CU_ASSERT_FALSE(health.ok);
	CU_ASSERT_EQUAL(health.errors, 1);
	/* While the alarm is on no raise is even tried, and a lowering holds. */
	CU_ASSERT_EQUAL(stage_weight("b", 1, &h), CTL_REFUSED);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage_refusal.msg, "no space"));
	CU_ASSERT_EQUAL(stage_rollback("a", &h), CTL_OK);
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_FALSE(stage_take_order());
	for (unsigned i = 0; i < 500 && !stage_take_order(); i++) {
		usleep(10000);
		journal_tick(stage_master);
	}
	stage_confirm_order("no space", false);
	journal_health(stage_master, &health);
	CU_ASSERT_EQUAL(health.waiting, 1);
	stage_restart();
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_EQUAL(stage_release("a")->state, STATE_ROLLED_BACK);
	journal_health(stage_master, &health);
	CU_ASSERT_TRUE(health.ok);
	CU_ASSERT_EQUAL(stage_weight("b", 1, &h), CTL_OK);
	stage_end();
}

/* The disk took a raise and then reported an error: nobody was told that it holds. */
static void
test_unclean_error(void)
{
	struct stage_heard h;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 5000, &h), CTL_OK);
	CU_ASSERT_TRUE(stage_take_order());
	stage_write_order();
	stage_confirm_order("input/output error", true);
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	stage_restart();
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	stage_end();
}

static void
test_writer_is_replaced(void)
{
	struct stage_heard raise, lower;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &raise), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("a", 100, &lower), CTL_OK);
	CU_ASSERT_EQUAL(stage_weight("a", 2000, &raise), CTL_OK);
	CU_ASSERT_TRUE(stage_take_order());
	stage_stop_writer(); /* before it wrote anything */
	CU_ASSERT_EQUAL(stage_weight("b", 3000, &lower), CTL_OK);
	stage_start_writer();
	stage_write_all();
	CU_ASSERT_EQUAL(raise.code, CTL_OK);
	CU_ASSERT_EQUAL(raise.times, 1);
	CU_ASSERT_EQUAL(stage_share("a"), 2000);
	CU_ASSERT_EQUAL(stage_share("b"), 3000);
	stage_restart();
	CU_ASSERT_EQUAL(stage_share("a"), 2000);
	CU_ASSERT_EQUAL(stage_share("b"), 3000);
	stage_end();
}

/* A raise that failed long ago is disowned only now; the lowering after it is not on disk yet. */
static void
test_late_failure_hides_no_lowering(void)
{
	struct stage_heard raise, lower, back;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &raise), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("b", 5000, &raise), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("a", 3000, &raise), CTL_OK);
	CU_ASSERT_TRUE(stage_take_order());
	CU_ASSERT_EQUAL(stage_weight("b", 3000, &lower), CTL_OK);
	CU_ASSERT_EQUAL(raise.code, CTL_REFUSED);
	CU_ASSERT_EQUAL(stage_rollback("b", &back), CTL_OK);
	stage_confirm_order("input/output error", true);
	for (unsigned i = 0; i < 500 && !stage_take_order(); i++) {
		usleep(10000);
		journal_tick(stage_master);
	}
	stage_write_order(); /* b at 30 %; its rollback never gets there */
	stage_confirm_order(NULL, false);
	stage_restart();
	CU_ASSERT_EQUAL(stage_share("b"), 0);
	CU_ASSERT_EQUAL(stage_release("b")->state, STATE_ROLLED_BACK);
	CU_ASSERT(stage_share("a") <= 1000);
	stage_end();
}

static struct change
promote(const char *id)
{
	return (struct change){ .command = COMMAND_PROMOTE,
		.release = "a",
		.actor = { .name = "tester" },
		.request_id = id };
}

static void
count_done(const struct receipt *r, void *arg)
{
	unsigned *changed = arg;

	CU_ASSERT_EQUAL(r->code, CTL_OK);
	*changed += r->changed;
}

static void
count_refused(const struct receipt *r, void *arg)
{
	(void)arg;
	CU_ASSERT_EQUAL(r->code, CTL_REFUSED);
}

static void
test_an_id_that_waits(void)
{
	const struct change once = promote("once"), other = promote("other");
	struct stage_heard h;
	unsigned changed = 0;
	struct err e;

	stage_begin();
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_START, "a", 0, 0, &h), CTL_OK);
	stage_write_all();
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(
		    transition_apply(stage_master, &once, count_done, &changed, &e), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(changed, 1);
	CU_ASSERT_EQUAL(stage_share("a"), 3000);
	CU_ASSERT_EQUAL(transition_apply(stage_master, &other, count_done, &changed, &e), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_share("a"), 5000);
	stage_end();
}

/* The answer was lost with the master; and what was superseded was never carried out. */
static void
test_ids_outlive_a_master(void)
{
	const struct change once = promote("once"), other = promote("other");
	struct stage_heard h;
	unsigned changed = 0;
	struct err e;

	stage_begin();
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_START, "a", 0, 0, &h), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(transition_apply(stage_master, &once, count_done, &changed, &e), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(
	    transition_apply(stage_master, &other, count_refused, &changed, &e), CTL_OK);
	CU_ASSERT_EQUAL(stage_rollback("b", &h), CTL_OK);
	stage_write_all();
	stage_restart();
	changed = 0;
	CU_ASSERT_EQUAL(transition_apply(stage_master, &once, count_done, &changed, &e), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(changed, 0);
	CU_ASSERT_EQUAL(stage_share("a"), 3000);
	CU_ASSERT_EQUAL(transition_apply(stage_master, &other, count_done, &changed, &e), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(changed, 1);
	CU_ASSERT_EQUAL(stage_share("a"), 5000);
	stage_end();
}

/* More than there is stack for, if each would be carried out within the one before. */
static void
test_the_line_has_an_end(void)
{
	struct stage_heard h[100];
	unsigned refused = 0, n = sizeof(h) / sizeof(h[0]);

	stage_begin();
	for (unsigned i = 0; i < n; i++)
		refused += stage_weight("a", 1000, &h[i]) == CTL_BUSY;
	CU_ASSERT_EQUAL(refused, n - 64);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage_refusal.msg, "wait for the disk"));
	CU_ASSERT_EQUAL(stage_rollback("b", &h[99]), CTL_OK);
	CU_ASSERT_EQUAL(stage_release("b")->state, STATE_ROLLED_BACK);
	stage_write_all();
	for (unsigned i = 1; i < 64; i++)
		CU_ASSERT_EQUAL(h[i].code, CTL_OK);
	CU_ASSERT_EQUAL(stage_share("a"), 1000);
	stage_end();
}

void
suite_raise(void)
{
	CU_pSuite s = CU_add_suite_with_setup_and_teardown(
	    "raise", stage_init, stage_fini, NULL, stage_empty);

	CU_add_test(s, "a raise waits", test_raise_waits);
	CU_add_test(s, "a lowering does not wait", test_lowering_does_not_wait);
	CU_add_test(s, "a rollback supersedes", test_rollback_supersedes);
	CU_add_test(s, "also a raise of another release", test_raise_of_another_release);
	CU_add_test(s, "a superseded one that named a revision", test_superseded_conflict);
	CU_add_test(s, "raises take turns", test_raises_take_turns);
	CU_add_test(s, "a caller that left", test_a_caller_that_left);
	CU_add_test(s, "write errors", test_write_errors);
	CU_add_test(s, "an unclean error", test_unclean_error);
	CU_add_test(s, "the writer is replaced", test_writer_is_replaced);
	CU_add_test(s, "a late failure hides no lowering", test_late_failure_hides_no_lowering);
	CU_add_test(s, "a repeated id while the first one waits", test_an_id_that_waits);
	CU_add_test(s, "ids outlive a master", test_ids_outlive_a_master);
	CU_add_test(s, "the line has an end", test_the_line_has_an_end);
}
