// SPDX-License-Identifier: MIT
/*
 * Runs the unit tests: all suites of suites.def, or those whose names are given. Run it in the
 * project's root. The last line counts tests; exit status 0 only if all of them passed.
 */
#include <CUnit/Basic.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SUITE(name) void suite_##name(void);
#include "tests/unit/suites.def"
#undef SUITE

static const struct {
	const char *name;
	void (*add)(void);
} suites[] = {
#define SUITE(name) { #name, suite_##name },
#include "tests/unit/suites.def"
#undef SUITE
};

static bool
is_wanted(const char *name, int n, char **names)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return n == 0;
}

int
main(int argc, char **argv)
{
	unsigned failed, run;

	if (sodium_init() < 0 || CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		if (is_wanted(suites[i].name, argc - 1, argv + 1))
			suites[i].add();
	}
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	printf("%u passed, %u failed\n", run - failed, failed);
	return failed == 0 && run > 0 ? 0 : 1;
}
