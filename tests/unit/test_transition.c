// SPDX-License-Identifier: MIT
/*
 * The one door for change: what is refused changes nothing, what is accepted is published once, and
 * the caller hears of it when no live worker acts on an older policy. Workers are played by their
 * slots; where one must die, by a child that sleeps.
 */
#include "daemon/transition.h"

#include <CUnit/CUnit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/cause.h"
#include "daemon/master.h"

void suite_transition(void);

static const char config_text[] =
    "{ \"providers\": { \"p\": { \"base_url\": \"http://127.0.0.1:1\" } },"
    "  \"models\": { \"s\": { \"provider\": \"p\" }, \"c\": { \"provider\": \"p\" } },"
    "  \"releases\": { \"a\": { \"stable\": \"s\", \"candidate\": \"c\" },"
    "                \"b\": { \"stable\": \"s\", \"candidate\": \"c\", \"stages\": [5, 50, 100] },"
    "                \"alone\": { \"stable\": \"s\" } } }";

static const struct role follower = { .name = "worker", .has_slot = true };
static struct master *m;

/* What the callback got. */
struct heard {
	unsigned times;
	struct receipt receipt;
};

static void
on_done(const struct receipt *receipt, void *arg)
{
	struct heard *h = arg;

	h->times++;
	h->receipt = *receipt;
}

static void
open_master(unsigned workers)
{
	struct err e = { "" };

	m = calloc(1, sizeof(*m));
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	m->config = config_parse("test", config_text, CONFIG_NO_SECRETS, &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m->config);
	CU_ASSERT_EQUAL_FATAL(policy_create(&m->store, &e), 0);
	CU_ASSERT_EQUAL_FATAL(slots_create(&m->slots, &e), 0);
	transition_begin(m);
	for (unsigned i = 0; i < workers; i++) {
		struct child *c = &m->supervisor.children[m->supervisor.n_children++];

		*c = (struct child){ .state = CHILD_READY, .role = &follower, .fd = -1, .pid = 1 };
		c->slot = (unsigned)slot_claim(&m->slots, 1, 0);
		m->slots.all[c->slot].acked_revision = 1;
	}
}

static void
close_master(void)
{
	transition_end(m);
	slots_destroy(&m->slots);
	policy_destroy(&m->store);
	config_free((struct config *)(uintptr_t)m->config);
	free(m);
}

static void
acknowledge(unsigned worker, uint64_t revision)
{
	m->slots.all[m->supervisor.children[worker].slot].acked_revision = revision;
	transition_check(m);
}

static enum ctl_code
apply(enum release_command command, const char *release, uint32_t share_bp, struct heard *h)
{
	struct change c = { .command = command,
		.release = release,
		.share_bp = share_bp,
		.actor = { .name = "tester" },
		.received_us = clock_mono_us() };
	struct err e = { "" };
	enum ctl_code code;

	memset(h, 0, sizeof(*h));
	code = transition_apply(m, &c, on_done, h, &e);
	CU_ASSERT_EQUAL(code == CTL_OK, e.msg[0] == '\0');
	return code;
}

static const struct policy_release *
release(const char *name)
{
	return policy_find(&m->policy, name);
}

static void
test_begins_on_stable(void)
{
	open_master(0);
	CU_ASSERT_EQUAL(m->policy.revision, 1);
	CU_ASSERT_EQUAL(m->policy.n_releases, 3);
	for (unsigned i = 0; i < m->policy.n_releases; i++) {
		CU_ASSERT_EQUAL(m->policy.releases[i].share_bp, 0);
		CU_ASSERT_EQUAL(m->policy.releases[i].state, STATE_IDLE);
	}
	CU_ASSERT_EQUAL(m->store.region->published, 1);
	close_master();
}

static void
test_waits_for_every_worker(void)
{
	struct heard h;

	open_master(3);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "a", 3000, &h), CTL_OK);
	CU_ASSERT_EQUAL(m->store.region->published, 2);
	CU_ASSERT_EQUAL(release("a")->share_bp, 3000);
	CU_ASSERT_EQUAL(release("a")->revision, 2);
	CU_ASSERT_EQUAL(release("b")->revision, 1);
	acknowledge(0, 2);
	acknowledge(2, 2);
	CU_ASSERT_EQUAL(h.times, 0);
	CU_ASSERT_EQUAL(m->acked.revision, 1);
	acknowledge(1, 2);
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_EQUAL(m->acked.revision, 2);
	CU_ASSERT_EQUAL(h.receipt.revision, 2);
	CU_ASSERT_TRUE(h.receipt.changed);
	CU_ASSERT_EQUAL(h.receipt.acknowledged, 3);
	transition_check(m);
	CU_ASSERT_EQUAL(h.times, 1);
	close_master();
}

/* Changes do not wait for each other; each is told when its own revision holds everywhere. */
static void
test_changes_overtake(void)
{
	struct heard first, second;

	open_master(2);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "a", 1000, &first), CTL_OK);
	CU_ASSERT_EQUAL(apply(COMMAND_ROLLBACK, "a", 0, &second), CTL_OK);
	acknowledge(0, 3);
	acknowledge(1, 2);
	CU_ASSERT_EQUAL(first.times, 1);
	CU_ASSERT_EQUAL(second.times, 0);
	acknowledge(1, 3);
	CU_ASSERT_EQUAL(second.times, 1);
	CU_ASSERT_EQUAL(second.receipt.revision, 3);
	close_master();
}

static void
test_dead_and_young_are_not_waited_for(void)
{
	struct heard h;

	open_master(3);
	CU_ASSERT_EQUAL(apply(COMMAND_WEIGHT, "a", 777, &h), CTL_OK);
	acknowledge(0, 2);
	m->supervisor.children[1].pid = 0;
	transition_check(m);
	CU_ASSERT_EQUAL(h.times, 0);
	m->supervisor.children[2].started_us = clock_mono_us() + 1; /* born after the publish */
	transition_check(m);
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_EQUAL(h.receipt.acknowledged, 1);
	close_master();
}

static void
test_refusals_change_nothing(void)
{
	static const struct {
		enum release_command command;
		const char *release;
		uint32_t share_bp;
		enum ctl_code code;
	} cases[] = {
		{ COMMAND_STAGE, "a", 2500, CTL_REFUSED },
		{ COMMAND_STAGE, "a", 500, CTL_REFUSED }, /* a stage of b only */
		{ COMMAND_STAGE, "nobody", 1000, CTL_REFUSED },
		{ COMMAND_STAGE, "", 1000, CTL_REFUSED },
		{ COMMAND_WEIGHT, "alone", 1000, CTL_REFUSED },
		{ COMMAND_WEIGHT, "a", 10001, CTL_USAGE },
		{ COMMAND_WEIGHT, NULL, 1000, CTL_USAGE },
		{ COMMAND_ROLLBACK, "nobody", 0, CTL_REFUSED },
	};
	struct heard h;

	open_master(1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(apply(cases[i].command, cases[i].release, cases[i].share_bp, &h),
		    cases[i].code);
		CU_ASSERT_EQUAL(m->policy.revision, 1);
		CU_ASSERT_EQUAL(m->store.region->published, 1);
		CU_ASSERT_PTR_NULL(m->pending);
		CU_ASSERT_EQUAL(h.times, 0);
	}
	close_master();
}

static void
test_rollback(void)
{
	struct heard h;

	open_master(0);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "a", 10000, &h), CTL_OK);
	CU_ASSERT_EQUAL(apply(COMMAND_ROLLBACK, "a", 0, &h), CTL_OK);
	CU_ASSERT_EQUAL(release("a")->share_bp, 0);
	CU_ASSERT_EQUAL(release("a")->state, STATE_ROLLED_BACK);
	CU_ASSERT_TRUE(h.receipt.changed);
	/* Again: answered, with the same revision, and nothing is published. */
	CU_ASSERT_EQUAL(apply(COMMAND_ROLLBACK, "a", 0, &h), CTL_OK);
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_FALSE(h.receipt.changed);
	CU_ASSERT_EQUAL(h.receipt.revision, 3);
	CU_ASSERT_EQUAL(m->store.region->published, 3);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "a", 1000, &h), CTL_REFUSED);
	CU_ASSERT_EQUAL(apply(COMMAND_WEIGHT, "a", 1, &h), CTL_REFUSED);
	CU_ASSERT_EQUAL(release("a")->share_bp, 0);
	close_master();
}

static void
test_rollback_of_all(void)
{
	struct heard h;

	open_master(0);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "a", 3000, &h), CTL_OK);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "b", 500, &h), CTL_OK);
	CU_ASSERT_EQUAL(apply(COMMAND_ROLLBACK, NULL, 0, &h), CTL_OK);
	CU_ASSERT_EQUAL(m->policy.revision, 4); /* one publish for all of them */
	for (unsigned i = 0; i < m->policy.n_releases; i++) {
		bool candidate = m->config->releases[i].arms[ARM_CANDIDATE] != NULL;

		CU_ASSERT_EQUAL(m->policy.releases[i].share_bp, 0);
		CU_ASSERT_EQUAL(
		    m->policy.releases[i].state, candidate ? STATE_ROLLED_BACK : STATE_IDLE);
		CU_ASSERT_EQUAL(m->policy.releases[i].revision, candidate ? 4 : 1);
	}
	close_master();
}

static enum ctl_code
apply_if(const char *name, uint64_t revision, const char *id, uint32_t share_bp, struct heard *h)
{
	struct change c = { .command = COMMAND_WEIGHT,
		.release = name,
		.share_bp = share_bp,
		.if_revision = revision,
		.request_id = id };
	struct err e;

	memset(h, 0, sizeof(*h));
	return transition_apply(m, &c, on_done, h, &e);
}

static void
test_if_revision(void)
{
	struct heard h;

	open_master(0);
	CU_ASSERT_EQUAL(apply_if("a", 1, NULL, 100, &h), CTL_OK);
	/* Of two scripts that saw revision 1 the second one is too late. */
	CU_ASSERT_EQUAL(apply_if("a", 1, NULL, 200, &h), CTL_CONFLICT);
	CU_ASSERT_EQUAL(release("a")->share_bp, 100);
	/* The other release has not changed since. */
	CU_ASSERT_EQUAL(apply_if("b", 1, NULL, 300, &h), CTL_OK);
	CU_ASSERT_EQUAL(apply_if("a", 2, NULL, 400, &h), CTL_OK);
	CU_ASSERT_EQUAL(release("a")->revision, 4);
	close_master();
}

static void
test_repeated_request_id(void)
{
	struct heard h;
	uint64_t revision;

	open_master(0);
	CU_ASSERT_EQUAL(apply_if("a", 0, "id-1", 100, &h), CTL_OK);
	CU_ASSERT_EQUAL(apply_if("a", 0, "id-2", 200, &h), CTL_OK);
	revision = m->policy.revision;
	/* The first command again must not undo the second. */
	CU_ASSERT_EQUAL(apply_if("a", 0, "id-1", 100, &h), CTL_OK);
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_FALSE(h.receipt.changed);
	CU_ASSERT_EQUAL(h.receipt.revision, 2);
	CU_ASSERT_EQUAL(m->policy.revision, revision);
	CU_ASSERT_EQUAL(release("a")->share_bp, 200);
	CU_ASSERT_EQUAL(apply_if("a", 0, "id-1", 300, &h), CTL_CONFLICT);
	CU_ASSERT_EQUAL(apply_if("b", 0, "id-1", 100, &h), CTL_CONFLICT);
	CU_ASSERT_EQUAL(m->policy.revision, revision);
	close_master();
}

/* Whoever gives every command the same id can still roll back. */
static void
test_rollback_with_a_used_id(void)
{
	struct change c = { .command = COMMAND_ROLLBACK, .release = "a", .request_id = "1" };
	struct heard h;
	struct err e;

	open_master(0);
	CU_ASSERT_EQUAL(apply_if("a", 0, "1", 100, &h), CTL_OK);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(transition_apply(m, &c, on_done, &h, &e), CTL_OK);
		CU_ASSERT_EQUAL(release("a")->state, STATE_ROLLED_BACK);
		CU_ASSERT_EQUAL(release("a")->share_bp, 0);
		c.command = COMMAND_RESTART;
		c.request_id = NULL;
		CU_ASSERT_EQUAL(transition_apply(m, &c, on_done, &h, &e), CTL_OK);
		CU_ASSERT_EQUAL(release("a")->state, STATE_STEP);
		c.command = COMMAND_ROLLBACK;
		c.request_id = "1";
	}
	close_master();
}

/* A rollout has the revision that began it; the share has the one that last changed it. */
static void
test_rollouts_and_shares(void)
{
	static const struct {
		enum release_command command;
		uint64_t rollout_id, share_revision;
	} steps[] = {
		{ COMMAND_START, 2, 2 },
		{ COMMAND_PROMOTE, 2, 3 },
		{ COMMAND_PAUSE, 2, 3 },
		{ COMMAND_RESUME, 2, 3 },
		{ COMMAND_FREEZE, 2, 3 },
		{ COMMAND_UNFREEZE, 2, 3 },
		{ COMMAND_FULL, 2, 8 },
		{ COMMAND_FULL, 2, 8 }, /* done */
		{ COMMAND_ROLLBACK, 2, 10 },
		{ COMMAND_RESTART, 11, 11 },
	};
	struct heard h;

	open_master(0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct change c = {
			.command = steps[i].command, .release = "a", .hold = HOLD_OPERATOR
		};
		struct err e;

		CU_ASSERT_EQUAL(transition_apply(m, &c, on_done, &h, &e), CTL_OK);
		CU_ASSERT_EQUAL(release("a")->revision, i + 2);
		CU_ASSERT_EQUAL(release("a")->rollout_id, steps[i].rollout_id);
		CU_ASSERT_EQUAL(release("a")->share_revision, steps[i].share_revision);
	}
	close_master();
}

static void
test_freeze_of_all(void)
{
	struct heard h;

	open_master(0);
	CU_ASSERT_EQUAL(apply(COMMAND_FREEZE, NULL, 0, &h), CTL_OK);
	CU_ASSERT_EQUAL(m->policy.revision, 2);
	CU_ASSERT_EQUAL(apply(COMMAND_UNFREEZE, "b", 0, &h), CTL_OK);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "a", 1000, &h), CTL_REFUSED);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "b", 500, &h), CTL_OK);
	/* Only these may be given to all at once. */
	CU_ASSERT_EQUAL(apply(COMMAND_START, NULL, 0, &h), CTL_USAGE);
	CU_ASSERT_EQUAL(apply(COMMAND_PROMOTE, NULL, 0, &h), CTL_USAGE);
	close_master();
}

/* The receipt adds up what the workers have told of this rollback, and of no other. */
static void
test_receipt_of_a_rollback(void)
{
	struct heard h;

	open_master(3);
	CU_ASSERT_EQUAL(apply(COMMAND_ROLLBACK, "a", 0, &h), CTL_OK);
	for (unsigned i = 0; i < 3; i++) {
		struct slot *slot = &m->slots.all[m->supervisor.children[i].slot];
		struct slot_release *tally = slot_release_tally(slot, "a");

		tally->rescued = 10 + i;
		tally->streaming = 100 + i;
		tally->candidate_at_us = 1000 + i;
		tally->rolled_back_revision = i < 2 ? 2 : 1;
		acknowledge(i, 2);
	}
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_EQUAL(h.receipt.rescued, 21);
	CU_ASSERT_EQUAL(h.receipt.streaming, 201);
	CU_ASSERT_EQUAL(h.receipt.candidate_at_us, 1002);
	close_master();
}

static void
test_forget(void)
{
	struct heard h;

	open_master(1);
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "a", 1000, &h), CTL_OK);
	transition_forget(m, &h);
	acknowledge(0, 2);
	CU_ASSERT_EQUAL(h.times, 0);
	CU_ASSERT_PTR_NULL(m->pending);
	close_master();
}

/* ---- workers that do not obey ---------------------------------------------------------------- */

static pid_t
sleeping_child(void)
{
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	while (pid == 0)
		pause();
	return pid;
}

static void
wait_for_death(struct child *c)
{
	int status = 0;

	CU_ASSERT_EQUAL(waitpid(c->pid, &status, 0), c->pid);
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	c->pid = 0;
}

static void
test_liar_is_killed_at_once(void)
{
	struct child *liar;
	struct heard h;

	open_master(2);
	liar = &m->supervisor.children[1];
	liar->pid = sleeping_child();
	m->slots.all[liar->slot].acked_revision = UINT64_MAX;
	CU_ASSERT_EQUAL(apply(COMMAND_STAGE, "a", 1000, &h), CTL_OK);
	acknowledge(0, 2);
	CU_ASSERT_EQUAL(h.times, 0);
	CU_ASSERT_TRUE(liar->killed);
	wait_for_death(liar);
	transition_check(m);
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_EQUAL(h.receipt.killed, 1);
	close_master();
}

static void
test_deaf_is_killed_for_a_rollback(void)
{
	struct child *deaf;
	struct heard h;
	uint64_t begin = clock_mono_us();

	open_master(1);
	deaf = &m->supervisor.children[0];
	deaf->pid = sleeping_child();
	CU_ASSERT_EQUAL(apply(COMMAND_ROLLBACK, "a", 0, &h), CTL_OK);
	while (!deaf->killed && clock_mono_us() - begin < 5 * US_PER_S) {
		transition_check(m);
		usleep(1000);
	}
	CU_ASSERT(clock_mono_us() - begin >= US_PER_S);
	CU_ASSERT(clock_mono_us() - begin < 2 * US_PER_S);
	wait_for_death(deaf);
	transition_check(m);
	CU_ASSERT_EQUAL(h.times, 1);
	CU_ASSERT_EQUAL(h.receipt.killed, 1);
	CU_ASSERT_EQUAL(h.receipt.acknowledged, 0);
	close_master();
}

static void
test_delays(void)
{
	static const uint32_t expected[] = { 0, 100, 200, 400, 800, 1600, 3200, 6400, 10000,
		10000 };

	for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		CU_ASSERT_EQUAL(supervisor_delay_ms(i), expected[i]);
	CU_ASSERT_EQUAL(supervisor_delay_ms(1000000), 10000);
}

static int
start(void)
{
	struct err e;

	return log_open("/dev/null", LOG_ERROR, &e);
}

static int
end(void)
{
	log_close();
	return 0;
}

/* A rollback's reason was lost, unless the guard's own symptom did it a moment ago. */
static void
test_cause_of_a_standstill(void)
{
	struct change pause = { .command = COMMAND_PAUSE,
		.release = "a",
		.hold = HOLD_SYMPTOM,
		.reason = "length: more than stable's",
		.actor = { .uid = 7, .name = "guard" } };
	struct change start = { .command = COMMAND_START, .release = "a" };
	struct change freeze = { .command = COMMAND_FREEZE, .release = "a" };
	struct change rollback = { .command = COMMAND_ROLLBACK,
		.release = "a",
		.cut = true,
		.actor = { .name = "anna" } };
	const struct cause *c;
	struct heard h = { 0 };
	struct err e;

	open_master(0);
	CU_ASSERT_EQUAL(transition_apply(m, &start, on_done, &h, &e), CTL_OK);
	CU_ASSERT_EQUAL(transition_apply(m, &pause, on_done, &h, &e), CTL_OK);
	c = cause_find(m, policy_find(&m->policy, "a"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_STRING_EQUAL(c->actor, "guard");
	CU_ASSERT_STRING_EQUAL(c->command, "pause");
	CU_ASSERT_STRING_EQUAL(c->reason, "length: more than stable's");
	CU_ASSERT_EQUAL(c->uid, 7);

	/* A freeze leaves the state; somebody's own pause after it is another hold. */
	CU_ASSERT_EQUAL(transition_apply(m, &freeze, on_done, &h, &e), CTL_OK);
	CU_ASSERT_PTR_EQUAL(cause_find(m, policy_find(&m->policy, "a")), c);
	pause = (struct change){ .command = COMMAND_PAUSE,
		.release = "a",
		.hold = HOLD_OPERATOR,
		.actor = { .name = "bob" } };
	CU_ASSERT_EQUAL(transition_apply(m, &pause, on_done, &h, &e), CTL_OK);
	CU_ASSERT_STRING_EQUAL(c->actor, "bob");
	CU_ASSERT_STRING_EQUAL(c->reason, "");

	/* Rolled back once more, with --cut, it is still the first one's doing. */
	CU_ASSERT_EQUAL(transition_apply(m, &rollback, on_done, &h, &e), CTL_OK);
	rollback.actor.name[0] = 'x';
	CU_ASSERT_EQUAL(transition_apply(m, &rollback, on_done, &h, &e), CTL_OK);
	CU_ASSERT_STRING_EQUAL(cause_find(m, policy_find(&m->policy, "a"))->actor, "anna");
	CU_ASSERT_PTR_NULL(cause_find(m, policy_find(&m->policy, "b")));
	close_master();
}

void
suite_transition(void)
{
	CU_pSuite s = CU_add_suite("transition", start, end);

	CU_add_test(s, "the cause of a standstill", test_cause_of_a_standstill);
	CU_add_test(s, "begins on stable", test_begins_on_stable);
	CU_add_test(s, "waits for every worker", test_waits_for_every_worker);
	CU_add_test(s, "changes overtake", test_changes_overtake);
	CU_add_test(s, "dead and young are not waited for", test_dead_and_young_are_not_waited_for);
	CU_add_test(s, "refusals change nothing", test_refusals_change_nothing);
	CU_add_test(s, "rollback", test_rollback);
	CU_add_test(s, "rollback of all", test_rollback_of_all);
	CU_add_test(s, "if revision", test_if_revision);
	CU_add_test(s, "repeated request id", test_repeated_request_id);
	CU_add_test(s, "rollback with a used id", test_rollback_with_a_used_id);
	CU_add_test(s, "rollouts and shares", test_rollouts_and_shares);
	CU_add_test(s, "freeze of all", test_freeze_of_all);
	CU_add_test(s, "receipt of a rollback", test_receipt_of_a_rollback);
	CU_add_test(s, "forget", test_forget);
	CU_add_test(s, "a liar is killed at once", test_liar_is_killed_at_once);
	CU_add_test(s, "a deaf one is killed for a rollback", test_deaf_is_killed_for_a_rollback);
	CU_add_test(s, "delays", test_delays);
}
