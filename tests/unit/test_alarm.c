// SPDX-License-Identifier: MIT
/* Alarms: raised once, cleared by an answer, told in a sentence that says what to do. */
#include "daemon/alarm.h"

#include <CUnit/CUnit.h>
#include <string.h>

void suite_alarm(void);

/* Looks, one after the other, at one model. */
static const struct {
	unsigned unauthorized, no_quota, ok, server_error;
	enum alarm_change change;
	bool on;
	uint64_t attempts;
} looks[] = {
	{ 0, 0, 0, 0, ALARM_SAME, false, 0 }, { 0, 0, 9, 3, ALARM_SAME, false, 0 },
	{ 2, 0, 0, 0, ALARM_RAISED, true, 2 }, { 0, 0, 0, 0, ALARM_SAME, true, 2 },
	{ 5, 0, 0, 0, ALARM_SAME, true, 7 }, { 0, 0, 0, 8, ALARM_SAME, true, 7 },
	{ 1, 0, 9, 0, ALARM_SAME, true, 8 }, /* some get through: still something to mend */
	{ 0, 0, 1, 0, ALARM_CLEARED, false, 8 }, { 0, 0, 1, 0, ALARM_SAME, false, 8 },
	{ 1, 0, 0, 0, ALARM_RAISED, true, 1 },
	{ 0, 3, 0, 0, ALARM_RAISED, true, 3 }, /* another cause is another alarm */
};

static void
test_looks(void)
{
	struct alarm a = { 0 };

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		uint64_t fresh[OUTCOME_COUNT] = { [OUTCOME_UNAUTHORIZED] = looks[i].unauthorized,
			[OUTCOME_NO_QUOTA] = looks[i].no_quota,
			[OUTCOME_OK] = looks[i].ok,
			[OUTCOME_SERVER_ERROR] = looks[i].server_error };

		CU_ASSERT_EQUAL(alarm_step(&a, fresh, 1000 + i), looks[i].change);
		CU_ASSERT_EQUAL(a.on, looks[i].on);
		CU_ASSERT_EQUAL(a.attempts, looks[i].attempts);
		if (looks[i].change == ALARM_RAISED)
			CU_ASSERT_EQUAL(a.since_wall_us, 1000 + i);
	}
	CU_ASSERT_EQUAL(a.outcome, OUTCOME_NO_QUOTA);
}

static void
test_words(void)
{
	char id[] = "new", name[] = "openai", source[] = "environment variable OPENAI_API_KEY";
	struct config_provider provider = { .name = name, .api_key_source = source };
	struct config_model model = { .id = id, .provider = &provider };
	struct alarm a = { .on = true, .outcome = OUTCOME_UNAUTHORIZED };
	struct err e;

	alarm_describe(&a, &model, &e);
	CU_ASSERT_STRING_EQUAL(e.msg,
	    "the model new of provider \"openai\" refused grayd's key: look at the key "
	    "(environment variable OPENAI_API_KEY)");
	provider.api_key_source = NULL;
	a.outcome = OUTCOME_NO_BALANCE;
	alarm_describe(&a, &model, &e);
	CU_ASSERT_STRING_EQUAL(e.msg,
	    "the model new of provider \"openai\" has no balance left for grayd's key: top up the "
	    "account of the key (none is configured)");
}

void
suite_alarm(void)
{
	CU_pSuite s = CU_add_suite("alarm", NULL, NULL);

	CU_add_test(s, "raised once, cleared by an answer", test_looks);
	CU_add_test(s, "what it says", test_words);
}
