// SPDX-License-Identifier: MIT
/* Money is exact: known sums, every price with six decimals there and back, and no overflow. */
#include "common/money.h"

#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/price.h"

void suite_money(void);

static uint64_t
price(const char *text)
{
	uint64_t picousd = UINT64_MAX;
	struct err e;

	CU_ASSERT_EQUAL(money_parse_price(text, strlen(text), &picousd, &e), 0);
	return picousd;
}

static struct money
month(uint64_t requests, uint64_t input, uint64_t output, const char *in, const char *out)
{
	struct money one = money_sum(money_cost(input, price(in)), money_cost(output, price(out)));

	return money_times(one, requests);
}

static void
test_comparison(void)
{
	struct money dear = month(1000000, 1000, 500, "15.00", "60.00");
	struct money cheap = month(1000000, 1000, 500, "2", "8.0");
	char text[MONEY_CHARS];

	CU_ASSERT_STRING_EQUAL(money_format(text, dear, 2), "45000.00");
	CU_ASSERT_STRING_EQUAL(money_format(text, cheap, 2), "6000.00");
	CU_ASSERT_EQUAL(money_saving_bp(dear, cheap), 8667);
	CU_ASSERT_EQUAL(money_saving_bp(cheap, dear), -65000);
	CU_ASSERT_EQUAL(money_saving_bp(cheap, cheap), 0);
	CU_ASSERT_EQUAL(money_saving_bp(money_make(0, 0), cheap), 0);
}

static void
test_prices(void)
{
	static const struct {
		const char *text, *printed;
		uint64_t picousd;
	} cases[] = {
		{ "0", "0", 0 },
		{ "0.0", "0", 0 },
		{ "2", "2", 2000000 },
		{ "0.14", "0.14", 140000 },
		{ "0.42", "0.42", 420000 },
		{ "3.75", "3.75", 3750000 },
		{ "0.000001", "0.000001", 1 },
		{ "100", "100", 100000000 },
		{ "1.5000000000", "1.5", 1500000 },
		{ "999999.999999", "999999.999999", 999999999999 },
		{ "1000000.000000", "1000000", MONEY_PRICE_MAX },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[MONEY_CHARS];

		CU_ASSERT_EQUAL(price(cases[i].text), cases[i].picousd);
		CU_ASSERT_STRING_EQUAL(
		    money_format_price(text, cases[i].picousd), cases[i].printed);
	}
}

static void
test_prices_there_and_back(void)
{
	bool same = true;

	/* Steps that share no factor with 10 reach all digits at all places. */
	for (uint64_t p = 0; p <= MONEY_PRICE_MAX; p += 1 + p / 127) {
		char text[MONEY_CHARS];

		same = same && price(money_format_price(text, p)) == p;
	}
	CU_ASSERT_TRUE(same);
}

static void
test_bad_prices(void)
{
	static const char *const cases[] = { "", ".", "-1", "-0", "+1", "1e3", "1E-2", "0.0000001",
		"1.0000005", "1000000.000001", "1000001", "99999999999999999999999999", "1.2.3",
		"1 ", "1,5", "0x1" };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t picousd;
		struct err e;

		CU_ASSERT_EQUAL(money_parse_price(cases[i], strlen(cases[i]), &picousd, &e), -1);
	}
}

static void
test_format(void)
{
	static const struct {
		uint64_t usd, picousd;
		unsigned decimals;
		const char *text;
	} cases[] = {
		{ 0, 0, 0, "0" },
		{ 0, 0, 2, "0.00" },
		{ 1, 5000000000, 2, "1.01" },
		{ 1, 4999999999, 2, "1.00" },
		{ 0, 500000000000, 0, "1" },
		{ 0, 999999999999, 12, "0.999999999999" },
		{ 0, 999999999999, 11, "1.00000000000" },
		{ 9, 995000000000, 2, "10.00" },
		{ 0, 1, 12, "0.000000000001" },
		{ 7, 70000000, 6, "7.000070" },
		{ UINT64_MAX, 0, 12, "18446744073709551615.000000000000" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[MONEY_CHARS];
		struct money m = { cases[i].usd, cases[i].picousd };

		CU_ASSERT_STRING_EQUAL(money_format(text, m, cases[i].decimals), cases[i].text);
	}
}

/* Summed as in shared memory, amount by amount, and at once. */
static void
test_units(void)
{
	static const uint64_t amounts_picousd[] = { 0, 1, 99999, 100000, 100001, 140000, 420001,
		333333333337, 999999999999, 1000000000000, 45000000000000000 };
	uint64_t units = 0, rests = 0, rest;
	struct money at_once = { 0 }, back;

	for (unsigned i = 0; i < sizeof(amounts_picousd) / sizeof(amounts_picousd[0]); i++) {
		struct money one = money_make(0, amounts_picousd[i]);

		for (unsigned times = 0; times < 100000; times++) {
			units += money_units(one, &rest);
			CU_ASSERT_TRUE_FATAL(rest < MONEY_UNIT_PICOUSD);
			rests += rest;
		}
		at_once = money_sum(at_once, money_times(one, 100000));
		back = money_from_units(units, rests);
		CU_ASSERT_EQUAL(back.usd, at_once.usd);
		CU_ASSERT_EQUAL(back.picousd, at_once.picousd);
	}
}

/* Ten years at a million USD a day, in 10^12 amounts of the worst kind, stay below the 2^56 that a
 * slot may hold. */
static void
test_ten_years(void)
{
	struct money day = money_make(1000000, 0), all = money_times(day, 3653);
	uint64_t rest, units = money_units(all, &rest);

	CU_ASSERT_EQUAL(all.usd, 3653000000);
	CU_ASSERT(units < UINT64_C(1) << 56);
	CU_ASSERT((MONEY_UNIT_PICOUSD - 1) / 2 * UINT64_C(1000000000000) < UINT64_C(1) << 56);
	CU_ASSERT_EQUAL(money_from_units(units, rest).usd, all.usd);
	/* All slots at their largest still make a sum. */
	all = money_from_units(129 * (UINT64_C(1) << 56), 129 * (UINT64_C(1) << 56));
	CU_ASSERT_EQUAL(all.usd, 929552258518);
}

static void
test_difference(void)
{
	struct money m = money_difference(money_make(5, 1), money_make(3, 2));

	CU_ASSERT_EQUAL(m.usd, 1);
	CU_ASSERT_EQUAL(m.picousd, PICOUSD_PER_USD - 1);
	m = money_difference(money_make(3, 2), money_make(5, 1));
	CU_ASSERT_EQUAL(m.usd, 0);
	CU_ASSERT_EQUAL(m.picousd, 0);
	m = money_make(2, UINT64_MAX);
	CU_ASSERT_EQUAL(m.usd, 2 + UINT64_MAX / PICOUSD_PER_USD);
	CU_ASSERT_EQUAL(m.picousd, UINT64_MAX % PICOUSD_PER_USD);
}

static void
test_scale(void)
{
	static const struct {
		const char *m;
		uint64_t num, den;
		const char *result;
	} cases[] = {
		{ "45000", 1000, 1000000, "45.000000000000" },
		{ "1", 1, 3, "0.333333333333" },
		{ "1", 2, 3, "0.666666666667" },
		{ "0.000000000001", 1, 2, "0.000000000001" },
		{ "0.000000000001", 1, 3, "0.000000000000" },
		{ "0", 5, 7, "0.000000000000" },
		{ "12.5", 0, 7, "0.000000000000" },
		{ "18446744073709551615", 1, 1, "18446744073709551615.000000000000" },
		{ "18446744073709551615", 2592000000000, 2592000000000,
		    "18446744073709551615.000000000000" },
		{ "18446744073709551615", 2, 1, "18446744073709551615.999999999999" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[MONEY_CHARS];
		struct money m;

		CU_ASSERT_EQUAL(money_parse(cases[i].m, &m), 0);
		money_format(text, money_scale(m, cases[i].num, cases[i].den), 12);
		CU_ASSERT_STRING_EQUAL(text, cases[i].result);
	}
}

static void
test_parse(void)
{
	static const char *const bad[] = { "", "-1", ".5", "1.2.3", "x", "1 ", "1e3",
		"18446744073709551616", "99999999999999999999999999999999999999999999",
		"1.0000000000001" };
	static const char *const good[] = { "0.000000000000", "0.000000000001", "1.000000000000",
		"45000.123456789012", "18446744073709551615.999999999999" };
	char text[MONEY_CHARS];
	struct money m;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(money_parse(bad[i], &m), -1);
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_EQUAL(money_parse(good[i], &m), 0);
		CU_ASSERT_STRING_EQUAL(money_format(text, m, 12), good[i]);
	}
	CU_ASSERT_EQUAL(money_parse("7.25", &m), 0);
	CU_ASSERT_EQUAL(m.picousd, 250000000000);
}

static void
test_largest(void)
{
	struct money most = { UINT64_MAX, PICOUSD_PER_USD - 1 };
	struct money m = money_cost(UINT64_MAX, MONEY_PRICE_MAX);
	uint64_t rest;

	CU_ASSERT_EQUAL(m.usd, UINT64_MAX);
	CU_ASSERT_EQUAL(m.picousd, 0);
	m = money_sum(most, money_make(0, 1));
	CU_ASSERT_EQUAL(m.usd, most.usd);
	CU_ASSERT_EQUAL(m.picousd, most.picousd);
	CU_ASSERT_EQUAL(money_units(most, &rest), UINT64_MAX);
	m = money_times(most, 2);
	CU_ASSERT_EQUAL(m.usd, most.usd);
	m = money_cost(UINT64_MAX, UINT64_MAX);
	CU_ASSERT_EQUAL(m.usd, most.usd);
	CU_ASSERT_EQUAL(money_saving_bp(most, money_make(0, 0)), 10000);
}

/* ---- prices of tokens ------------------------------------------------------------------------ */

static void
test_tokens(void)
{
	static const struct {
		const char *in, *cached, *write, *out; /* USD per million tokens */
		struct tokens tokens;
		const char *cost;
	} cases[] = {
		{ "2", "0.5", "2", "8", { 1000, 0, 0, 500 }, "0.006000000000" },
		{ "15", "7.5", "15", "60", { 1000, 0, 0, 500 }, "0.045000000000" },
		{ "0.14", "0.014", "0.14", "0.42", { 1, 0, 0, 0 }, "0.000000140000" },
		{ "0.14", "0.014", "0.14", "0.42", { 1, 1, 1, 1 }, "0.000000714000" },
		{ "3.75", "0.3", "3.75", "15", { 7, 13, 17, 19 }, "0.000378900000" },
		{ "0.000001", "0.000002", "0.000003", "0.000004", { 1, 1, 1, 1 },
		    "0.000000000010" },
		{ "0", "0", "0", "0", { 1000000, 1000000, 1000000, 1000000 }, "0.000000000000" },
		{ "1000000", "0", "0", "0", { 1000000000, 0, 0, 0 }, "1000000000.000000000000" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_price prices = { price(cases[i].in), price(cases[i].cached),
			price(cases[i].write), price(cases[i].out), true };
		char text[MONEY_CHARS];

		money_format(text, price_cost(&prices, &cases[i].tokens), PICOUSD_DECIMALS);
		CU_ASSERT_STRING_EQUAL(text, cases[i].cost);
	}
}

void
suite_money(void)
{
	CU_pSuite s = CU_add_suite("money", NULL, NULL);

	CU_add_test(s, "comparison of two models", test_comparison);
	CU_add_test(s, "prices", test_prices);
	CU_add_test(s, "prices there and back", test_prices_there_and_back);
	CU_add_test(s, "bad prices", test_bad_prices);
	CU_add_test(s, "format", test_format);
	CU_add_test(s, "units, amount by amount", test_units);
	CU_add_test(s, "ten years at a million a day", test_ten_years);
	CU_add_test(s, "difference", test_difference);
	CU_add_test(s, "scale", test_scale);
	CU_add_test(s, "parse", test_parse);
	CU_add_test(s, "largest", test_largest);
	CU_add_test(s, "tokens at prices", test_tokens);
}
