// SPDX-License-Identifier: MIT
/* Packets between master and prober: what is sound comes through, all else does not. */
#include "common/probe.h"

#include <CUnit/CUnit.h>
#include <string.h>

void suite_probe(void);

static struct probe_report
sound_report(void)
{
	struct probe_report r;

	memset(&r, 0, sizeof(r));
	r.kind = PROBE_REPORT;
	r.round = 7;
	r.model = 2;
	r.finding.standing = STANDING_UNKNOWN;
	strcpy(r.finding.why, "not there");
	r.finding.n_alike = 1;
	strcpy(r.finding.alike[0], "gpt-4.1");
	return r;
}

static bool
passes(const struct probe_report *r)
{
	struct probe_report out;

	return probe_report_read(&out, r, sizeof(*r), 3);
}

static void
test_reports(void)
{
	struct probe_report r = sound_report(), out;
	char bytes[sizeof(r) + 1] = { 0 };

	CU_ASSERT_TRUE(probe_report_read(&out, &r, sizeof(r), 3));
	CU_ASSERT_EQUAL(out.round, 7);
	CU_ASSERT_EQUAL(out.model, 2);
	CU_ASSERT_EQUAL(out.finding.standing, STANDING_UNKNOWN);
	CU_ASSERT_STRING_EQUAL(out.finding.why, "not there");
	CU_ASSERT_STRING_EQUAL(out.finding.alike[0], "gpt-4.1");
	memcpy(bytes, &r, sizeof(r));
	for (size_t n = 0; n <= sizeof(bytes); n++)
		CU_ASSERT_EQUAL(probe_report_read(&out, bytes, n, 3), n == sizeof(r));
}

static void
test_bad_reports(void)
{
	struct probe_report r = sound_report();

	r.kind = PROBE_ORDER;
	CU_ASSERT_FALSE(passes(&r));
	r = sound_report();
	r.model = 3;
	CU_ASSERT_FALSE(passes(&r));
	r = sound_report();
	r.finding.standing = STANDING_COUNT;
	CU_ASSERT_FALSE(passes(&r));
	r.finding.standing = STANDING_UNASKED;
	CU_ASSERT_FALSE(passes(&r));
	memset(&r.finding.standing, 0xff, sizeof(r.finding.standing));
	CU_ASSERT_FALSE(passes(&r));
	r = sound_report();
	r.finding.n_alike = ALIKE_KEPT + 1;
	CU_ASSERT_FALSE(passes(&r));
}

static void
test_hostile_texts(void)
{
	struct probe_report r = sound_report(), out;

	memset(r.finding.why, 'x', sizeof(r.finding.why));
	memset(r.finding.alike, '\x1b', sizeof(r.finding.alike));
	CU_ASSERT_TRUE_FATAL(probe_report_read(&out, &r, sizeof(r), 3));
	CU_ASSERT_EQUAL(strlen(out.finding.why), sizeof(r.finding.why) - 1);
	for (unsigned i = 0; i < ALIKE_KEPT; i++) {
		CU_ASSERT_EQUAL(strlen(out.finding.alike[i]), NAME_BYTES - 1);
		CU_ASSERT_PTR_NULL(strchr(out.finding.alike[i], '\x1b'));
	}
}

static void
test_orders(void)
{
	struct probe_order o = { .kind = PROBE_ORDER, .round = 1, .n = 2, .models = { 0, 2 } };
	struct probe_order out;

	CU_ASSERT_TRUE(probe_order_read(&out, &o, sizeof(o), 3));
	CU_ASSERT_EQUAL(out.models[1], 2);
	CU_ASSERT_FALSE(probe_order_read(&out, &o, sizeof(o) - 1, 3));
	CU_ASSERT_FALSE(probe_order_read(&out, &o, sizeof(o), 2));
	o.n = PROBE_MODELS_MAX + 1;
	CU_ASSERT_FALSE(probe_order_read(&out, &o, sizeof(o), 3));
	o.n = 0;
	CU_ASSERT_TRUE(probe_order_read(&out, &o, sizeof(o), 0));
	o.kind = PROBE_REPORT;
	CU_ASSERT_FALSE(probe_order_read(&out, &o, sizeof(o), 3));
}

static void
test_names(void)
{
	CU_ASSERT_STRING_EQUAL(standing_name(STANDING_VERIFIED), "verified");
	CU_ASSERT_STRING_EQUAL(standing_name(STANDING_UNREACHABLE), "unreachable");
}

void
suite_probe(void)
{
	CU_pSuite s = CU_add_suite("probe", NULL, NULL);

	CU_add_test(s, "reports", test_reports);
	CU_add_test(s, "bad reports", test_bad_reports);
	CU_add_test(s, "hostile texts", test_hostile_texts);
	CU_add_test(s, "orders", test_orders);
	CU_add_test(s, "names", test_names);
}
