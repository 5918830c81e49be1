// SPDX-License-Identifier: MIT
/* Exact sums of money; see money.h. Products are 128 bits wide, so nothing overflows on the way. */
#include "common/money.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PRICE_DECIMALS 6

static struct money
from_wide(unsigned __int128 picousd)
{
	unsigned __int128 usd = picousd / PICOUSD_PER_USD;

	if (usd > UINT64_MAX)
		return (struct money){ UINT64_MAX, PICOUSD_PER_USD - 1 };
	return (struct money){ (uint64_t)usd, (uint64_t)(picousd % PICOUSD_PER_USD) };
}

static unsigned __int128
to_wide(struct money m)
{
	return (unsigned __int128)m.usd * PICOUSD_PER_USD + m.picousd;
}

struct money
money_make(uint64_t usd, uint64_t picousd)
{
	return from_wide((unsigned __int128)usd * PICOUSD_PER_USD + picousd);
}

struct money
money_cost(uint64_t tokens, uint64_t price_picousd)
{
	return from_wide((unsigned __int128)tokens * price_picousd);
}

struct money
money_sum(struct money a, struct money b)
{
	return from_wide(to_wide(a) + to_wide(b));
}

struct money
money_times(struct money m, uint64_t n)
{
	/* An amount can be 104 bits wide: only its small part may be multiplied in one go. */
	unsigned __int128 pico = (unsigned __int128)m.picousd * n;
	unsigned __int128 usd = (unsigned __int128)m.usd * n + pico / PICOUSD_PER_USD;

	if (usd > UINT64_MAX)
		return (struct money){ UINT64_MAX, PICOUSD_PER_USD - 1 };
	return (struct money){ (uint64_t)usd, (uint64_t)(pico % PICOUSD_PER_USD) };
}

struct money
money_scale(struct money m, uint64_t num, uint64_t den)
{
	unsigned __int128 most = (unsigned __int128)UINT64_MAX * PICOUSD_PER_USD, whole, rest;

	assert(den > 0);
	whole = to_wide(m) / den;
	rest = to_wide(m) % den;
	if (num > 0 && whole > most / num)
		return (struct money){ UINT64_MAX, PICOUSD_PER_USD - 1 };
	return from_wide(whole * num + (rest * num + den / 2) / den);
}

struct money
money_difference(struct money a, struct money b)
{
	unsigned __int128 from = to_wide(a), less = to_wide(b);

	return from_wide(from > less ? from - less : 0);
}

uint64_t
money_units(struct money m, uint64_t *rest_picousd)
{
	unsigned __int128 units = to_wide(m) / MONEY_UNIT_PICOUSD;

	*rest_picousd = m.picousd % MONEY_UNIT_PICOUSD;
	return units > UINT64_MAX ? UINT64_MAX : (uint64_t)units;
}

struct money
money_from_units(uint64_t units, uint64_t rest_picousd)
{
	return from_wide((unsigned __int128)units * MONEY_UNIT_PICOUSD + rest_picousd);
}

char *
money_format(char out[MONEY_CHARS], struct money m, unsigned decimals)
{
	uint64_t unit = PICOUSD_PER_USD, fraction;

	assert(decimals <= 12);
	for (unsigned i = 0; i < decimals; i++)
		unit /= 10;
	/* Half of a whole dollar's unit does not fit the fraction, hence the sum in wide numbers.
	 */
	m = from_wide(to_wide(m) + unit / 2);
	fraction = m.picousd / unit;
	if (decimals == 0)
		snprintf(out, MONEY_CHARS, "%" PRIu64, m.usd);
	else
		snprintf(
		    out, MONEY_CHARS, "%" PRIu64 ".%0*" PRIu64, m.usd, (int)decimals, fraction);
	return out;
}

int
money_parse(const char *text, struct money *out)
{
	unsigned __int128 usd = 0;
	uint64_t picousd = 0, unit = PICOUSD_PER_USD;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		usd = usd * 10 + (unsigned)(*at - '0');
		if (usd > UINT64_MAX)
			return -1;
	}
	if (at == text)
		return -1;
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9' && unit > 1; at++) {
			unit /= 10;
			picousd += unit * (uint64_t)(*at - '0');
		}
	*out = (struct money){ (uint64_t)usd, picousd };
	return *at == '\0' ? 0 : -1;
}

int64_t
money_saving_bp(struct money a, struct money b)
{
	unsigned __int128 from = to_wide(a), to = to_wide(b);
	bool less = to <= from;
	unsigned __int128 bp;

	if (from == 0)
		return 0;
	bp = ((less ? from - to : to - from) * 10000 + from / 2) / from;
	if (bp > INT64_MAX)
		bp = INT64_MAX;
	return less ? (int64_t)bp : -(int64_t)bp;
}

int
money_parse_price(const char *text, size_t n, uint64_t *picousd, struct err *e)
{
	uint64_t value = 0;
	unsigned decimals = 0;
	bool point = false, digit = false;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (text[i] < '0' || text[i] > '9')
			return err_set(e, "expected a plain decimal number that is not negative");
		if (point && decimals == PRICE_DECIMALS && text[i] != '0')
			return err_set(e, "expected at most six decimals");
		digit = true;
		if (point && decimals == PRICE_DECIMALS)
			continue;
		decimals += point;
		value = value * 10 + (uint64_t)(text[i] - '0');
		if (value > MONEY_PRICE_MAX)
			return err_set(e, "expected at most 1000000");
	}
	if (!digit)
		return err_set(e, "expected a number");
	for (; decimals < PRICE_DECIMALS; decimals++)
		if (value <= MONEY_PRICE_MAX)
			value *= 10;
	if (value > MONEY_PRICE_MAX)
		return err_set(e, "expected at most 1000000");
	*picousd = value;
	return 0;
}

char *
money_format_price(char out[MONEY_CHARS], uint64_t picousd)
{
	size_t n;

	snprintf(out, MONEY_CHARS, "%" PRIu64 ".%06" PRIu64, picousd / 1000000, picousd % 1000000);
	for (n = strlen(out); out[n - 1] == '0'; n--)
		out[n - 1] = '\0';
	if (out[n - 1] == '.')
		out[n - 1] = '\0';
	return out;
}
