// SPDX-License-Identifier: MIT
/* Who may do what over the control socket. */
#include "daemon/peer.h"

#include <CUnit/CUnit.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void suite_peer(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct peer_user users[] = { { 1001, "ann" }, { 1002, "bob" } };
static gid_t operator_groups[] = { 50, 51 };
static const struct peer_rules rules = { .own = 900,
	.has_readers = true,
	.readers = 60,
	.n_users = 2,
	.users = users,
	.n_groups = 2,
	.groups = operator_groups };

static void
test_judge(void)
{
	static const struct {
		uid_t uid;
		gid_t gid, group;
		enum peer_right right;
	} cases[] = {
		{ 0, 7, 7, PEER_CHANGE },     /* the super-user */
		{ 900, 7, 7, PEER_CHANGE },   /* grayd's own user */
		{ 1002, 7, 7, PEER_CHANGE },  /* an operator by name */
		{ 2000, 51, 7, PEER_CHANGE }, /* by main group */
		{ 2000, 7, 50, PEER_CHANGE }, /* by another of its groups */
		{ 2000, 60, 7, PEER_READ }, { 2000, 7, 60, PEER_READ },
		{ 1001, 60, 60, PEER_CHANGE }, /* the greater right counts */
		{ 2000, 60, 50, PEER_CHANGE }, { 2000, 7, 7, PEER_NONE },
		{ 60, 50 + 1000, 7, PEER_NONE }, /* a user is no group */
		{ 50, 7, 7, PEER_NONE },
		{ 2000, 0, 0, PEER_NONE }, /* group 0 is not the super-user */
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		gid_t groups[] = { 3, cases[i].group };

		CU_ASSERT_EQUAL(
		    peer_judge(&rules, cases[i].uid, cases[i].gid, groups, 2), cases[i].right);
	}
}

static void
test_nobody_reads_without_a_group(void)
{
	struct peer_rules none = { .own = 900 };

	/* The number of a group that was never set must not let group 0 in. */
	CU_ASSERT_EQUAL(peer_judge(&none, 2000, 0, NULL, 0), PEER_NONE);
	CU_ASSERT_EQUAL(peer_judge(&none, 900, 0, NULL, 0), PEER_CHANGE);
}

static void
test_identify(void)
{
	struct peer_rules mine = { .own = geteuid() };
	struct peer peer;
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CU_ASSERT_EQUAL_FATAL(peer_identify(pair[0], &mine, &peer), 0);
	CU_ASSERT_EQUAL(peer.uid, geteuid());
	CU_ASSERT_EQUAL(peer.gid, getegid());
	CU_ASSERT_EQUAL(peer.pid, getpid());
	CU_ASSERT_EQUAL(peer.right, PEER_CHANGE);
	CU_ASSERT_NOT_EQUAL(peer.name[0], '\0');
	peer_free(&peer);
	close(pair[0]);
	close(pair[1]);
	CU_ASSERT_EQUAL(peer_identify(-1, &mine, &peer), -1);
}

static void
test_load(void)
{
	char user[] = "root", group[] = "@root", nobody[] = "no-such-user-here";
	char no_group[] = "", bad_group[] = "no-such-group-here";
	struct config config = {
		.control_group = no_group, .operators = { user, group, nobody }, .n_operators = 2
	};
	struct peer_rules loaded;
	struct err e;

	CU_ASSERT_EQUAL_FATAL(peer_rules_load(&loaded, &config, &e), 0);
	CU_ASSERT_EQUAL(loaded.n_users, 1);
	CU_ASSERT_EQUAL(loaded.n_groups, 1);
	CU_ASSERT_FALSE(loaded.has_readers);
	peer_rules_free(&loaded);
	config.n_operators = 3;
	CU_ASSERT_EQUAL(peer_rules_load(&loaded, &config, &e), -1);
	CU_ASSERT_STRING_EQUAL(e.msg, "operators[2]: there is no user \"no-such-user-here\"");
	config.n_operators = 0;
	config.control_group = bad_group;
	CU_ASSERT_EQUAL(peer_rules_load(&loaded, &config, &e), -1);
	CU_ASSERT_STRING_EQUAL(e.msg, "control_group: there is no group \"no-such-group-here\"");
}

void
suite_peer(void)
{
	CU_pSuite s = CU_add_suite("peer", NULL, NULL);

	CU_add_test(s, "who may do what", test_judge);
	CU_add_test(s, "no group, no readers", test_nobody_reads_without_a_group);
	CU_add_test(s, "identify", test_identify);
	CU_add_test(s, "names of the config", test_load);
}
