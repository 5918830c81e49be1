// SPDX-License-Identifier: MIT
/*
 * What a start makes of the journal: the same state again, or share 0 where that cannot be known.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "tests/unit/journal_stage.h"

void suite_journal_start(void);

static void
test_resumes(void)
{
	struct policy before;
	struct stage_heard h;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 1234, &h), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_STAGE, "b", 3000, 0, &h), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &h), CTL_OK);
	stage_write_all();
	before = stage_master->policy;
	for (unsigned i = 0; i < 3; i++) {
		stage_restart();
		CU_ASSERT_EQUAL(stage_master->policy.revision, before.revision);
		CU_ASSERT_EQUAL(
		    memcmp(stage_master->policy.releases, before.releases, sizeof(before.releases)),
		    0);
	}
	CU_ASSERT_EQUAL(stage_weight("a", 900, &h), CTL_OK);
	CU_ASSERT_EQUAL(stage_master->policy.revision, before.revision + 1);
	stage_end();
}

static void
test_lost_lowering(void)
{
	struct stage_heard h;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 5000, &h), CTL_OK);
	CU_ASSERT_EQUAL(stage_weight("b", 4000, &h), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &h), CTL_OK);
	stage_restart(); /* its record never reached the disk */
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_EQUAL(stage_release("a")->state, STATE_ROLLED_BACK);
	CU_ASSERT_EQUAL(stage_share("b"), 4000);
	CU_ASSERT(stage_master->policy.revision > 4);
	stage_restart(); /* and so it stays */
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_EQUAL(stage_share("b"), 4000);
	stage_end();
}

static void
test_releases_come_and_go(void)
{
	struct stage_heard h;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &h), CTL_OK);
	CU_ASSERT_EQUAL(stage_weight("b", 2000, &h), CTL_OK);
	stage_write_all();
	stage_restart_with("\"new\": { \"stable\": \"s\", \"candidate\": \"c\" },"
			   "\"b\": { \"stable\": \"s\", \"candidate\": \"c\" }");
	CU_ASSERT_PTR_NULL(stage_release("a"));
	CU_ASSERT_EQUAL(stage_share("b"), 2000);
	CU_ASSERT_EQUAL(stage_release("b")->revision, 3);
	CU_ASSERT_EQUAL(stage_share("new"), 0);
	CU_ASSERT_EQUAL(stage_release("new")->state, STATE_IDLE);
	stage_restart();
	CU_ASSERT_EQUAL(stage_share("a"), 0); /* it was gone */
	CU_ASSERT_EQUAL(stage_release("a")->state, STATE_IDLE);
	/* A share was granted to one candidate, not to whoever comes next. */
	stage_restart_with("\"b\": { \"stable\": \"s\", \"candidate\": \"d\" }");
	CU_ASSERT_EQUAL(stage_share("b"), 0);
	stage_end();
}

static void
test_lost_journal(void)
{
	struct journal_health health;
	struct stage_heard h;
	uint64_t revision;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &h), CTL_OK);
	stage_write_all();
	revision = stage_master->policy.revision;
	stage_end();
	stage_damage_journal();
	stage_open_master(stage_path, stage_usual);
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_EQUAL(stage_release("a")->state, STATE_ROLLED_BACK);
	CU_ASSERT_EQUAL(stage_release("b")->state, STATE_ROLLED_BACK);
	CU_ASSERT(stage_master->policy.revision > revision);
	stage_start_writer();
	stage_write_all();
	journal_health(stage_master, &health);
	CU_ASSERT_TRUE(health.ok);
	stage_restart();
	CU_ASSERT_EQUAL(stage_release("a")->state, STATE_ROLLED_BACK);
	stage_end();
}

static void
test_no_state_dir(void)
{
	struct journal_health health;
	struct stage_heard h;

	stage_open_master("/dev/null/state", stage_usual);
	CU_ASSERT_EQUAL(journal_lock_fd(stage_master), -1);
	journal_health(stage_master, &health);
	CU_ASSERT_FALSE(health.ok);
	CU_ASSERT_EQUAL(stage_weight("a", 1000, &h), CTL_REFUSED);
	CU_ASSERT_EQUAL(stage_rollback("a", &h), CTL_OK);
	CU_ASSERT_EQUAL(stage_release("a")->state, STATE_ROLLED_BACK);
	stage_close_master();
}

static void
move_journal(const char *from, const char *to)
{
	static const char *const names[] = { "journal-00000000000000000001.jsonl", "head" };
	char old[128], new[128];

	for (unsigned i = 0; i < 2; i++) {
		snprintf(old, sizeof(old), "%s/%s%s", stage_path, from, names[i]);
		snprintf(new, sizeof(new), "%s/%s%s", stage_path, to, names[i]);
		CU_ASSERT_EQUAL(rename(old, new), 0);
	}
}

/* Somebody puts a sound journal of more and higher revisions in place of ours. */
static void
test_another_journal_under_way(void)
{
	struct stage_heard h;

	stage_begin();
	for (unsigned i = 1; i <= 5; i++) {
		CU_ASSERT_EQUAL(stage_weight("a", 1000 * i, &h), CTL_OK);
		stage_write_all();
	}
	stage_end();
	move_journal("", "other-");
	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 100, &h), CTL_OK);
	stage_write_all();
	stage_stop_writer();
	move_journal("other-", "");
	stage_start_writer();
	stage_write_all();
	stage_restart();
	CU_ASSERT_EQUAL(stage_share("a"), 100);
	CU_ASSERT_EQUAL(stage_weight("a", 50, &h), CTL_OK);
	stage_write_all();
	CU_ASSERT(h.revision > 6);
	stage_end();
}

/* A mark that no record could ever reach. */
static void
test_a_damaged_mark(void)
{
	const uint64_t mark[2] = { 1, UINT64_C(1) << 60 };
	struct stage_heard h;
	char name[128];
	FILE *f;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 5000, &h), CTL_OK);
	stage_write_all();
	snprintf(name, sizeof(name), "%s/marks", stage_path);
	f = fopen(name, "r+");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fseek(f, 8 + 16 * 20, SEEK_SET);
	fwrite(mark, sizeof(mark), 1, f);
	fclose(f);
	stage_restart();
	CU_ASSERT_EQUAL(stage_share("a"), 0);
	CU_ASSERT_EQUAL(stage_apply_if(COMMAND_RESTART, "a", 0, 0, &h), CTL_OK);
	stage_write_all();
	stage_restart();
	CU_ASSERT_EQUAL(stage_share("a"), 1000);
	stage_end();
}

static void
flip(const char *file, long at, unsigned bit)
{
	char name[128];
	FILE *f;
	int byte;

	snprintf(name, sizeof(name), "%s/%s", stage_path, file);
	f = fopen(name, "r+");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fseek(f, at, SEEK_SET);
	byte = fgetc(f);
	fseek(f, at, SEEK_SET);
	fputc(byte ^ (1 << bit), f);
	fclose(f);
}

/* Whatever of the marks flips, no share is higher than it was, and all goes on after it. */
static void
test_flipped_marks(void)
{
	struct stage_heard h;

	stage_begin();
	CU_ASSERT_EQUAL(stage_weight("a", 5000, &h), CTL_OK);
	stage_write_all();
	CU_ASSERT_EQUAL(stage_weight("a", 3000, &h), CTL_OK);
	stage_write_all();
	for (long at = 0; at < 8 + 2 * 16; at += 3) {
		flip("marks", at, at % 8);
		stage_restart();
		CU_ASSERT(stage_share("a") == 3000 || stage_share("a") == 0);
		if (stage_release("a")->state == STATE_ROLLED_BACK)
			CU_ASSERT_EQUAL(stage_apply_if(COMMAND_RESTART, "a", 0, 0, &h), CTL_OK);
		stage_write_all();
		CU_ASSERT_EQUAL(stage_weight("a", 5000, &h), CTL_OK);
		stage_write_all();
		CU_ASSERT_EQUAL(stage_weight("a", 3000, &h), CTL_OK);
		stage_write_all();
		stage_restart();
		CU_ASSERT_EQUAL(stage_share("a"), 3000);
	}
	stage_end();
}

void
suite_journal_start(void)
{
	CU_pSuite s = CU_add_suite_with_setup_and_teardown(
	    "journal start", stage_init, stage_fini, NULL, stage_empty);

	CU_add_test(s, "resumes", test_resumes);
	CU_add_test(s, "a lowering that was lost", test_lost_lowering);
	CU_add_test(s, "releases come and go", test_releases_come_and_go);
	CU_add_test(s, "a lost journal", test_lost_journal);
	CU_add_test(s, "no state_dir", test_no_state_dir);
	CU_add_test(s, "another journal under way", test_another_journal_under_way);
	CU_add_test(s, "a damaged mark", test_a_damaged_mark);
	CU_add_test(s, "flipped marks", test_flipped_marks);
}
