// SPDX-License-Identifier: MIT
/* Moments; see moment.h. Pure. */
#include "common/moment.h"

#include <stdbool.h>
#include <stddef.h>

#define US_A_SECOND 1000000
#define DAYS_MAX    36500

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly `n` digits at *at, which moves behind them; -1: there are not. */
static int
digits(const char **at, unsigned n)
{
	int value = 0;

	for (; n > 0; n--, (*at)++) {
		if (!is_digit(**at))
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool
skip(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* Days since 1970 of a date of the Gregorian calendar (Hinnant, days_from_civil). */
static int64_t
days_since_1970(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int
days_of_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

static int
parse_date(const char **at, int64_t *days)
{
	int year = digits(at, 4), month, day;

	if (year < 1970 || year > 2199 || !skip(at, '-'))
		return -1;
	month = digits(at, 2);
	if (month < 1 || month > 12 || !skip(at, '-'))
		return -1;
	day = digits(at, 2);
	if (day < 1 || day > days_of_month(year, month))
		return -1;
	*days = days_since_1970(year, month, day);
	return 0;
}

/* "08:00" as seconds. */
static int
parse_clock(const char **at)
{
	int hour = digits(at, 2), minute;

	if (hour < 0 || hour > 23 || !skip(at, ':'))
		return -1;
	minute = digits(at, 2);
	return minute < 0 || minute > 59 ? -1 : hour * 3600 + minute * 60;
}

static int
parse_fraction(const char **at, int64_t *us)
{
	int64_t unit = US_A_SECOND / 10;

	*us = 0;
	if (!skip(at, '.'))
		return 0;
	if (!is_digit(**at))
		return -1;
	for (; is_digit(**at); (*at)++, unit /= 10)
		*us += (**at - '0') * unit;
	return 0;
}

static int
parse_offset(const char **at, int *seconds)
{
	bool west = **at == '-';

	*seconds = 0;
	if (skip(at, 'Z') || skip(at, 'z'))
		return 0;
	if (!skip(at, '+') && !skip(at, '-'))
		return -1;
	*seconds = parse_clock(at);
	if (*seconds < 0)
		return -1;
	if (west)
		*seconds = -*seconds;
	return 0;
}

static int
parse_absolute(const char *at, uint64_t *out)
{
	int64_t days, us, total;
	int clock, second, offset;

	if (parse_date(&at, &days) == -1 || (!skip(&at, 'T') && !skip(&at, 't') && !skip(&at, ' ')))
		return -1;
	clock = parse_clock(&at);
	if (clock < 0 || !skip(&at, ':'))
		return -1;
	second = digits(&at, 2);
	if (second < 0 || second > 60 || parse_fraction(&at, &us) == -1 ||
	    parse_offset(&at, &offset) == -1 || *at != '\0')
		return -1;
	total = (days * 86400 + clock + second - offset) * US_A_SECOND + us;
	if (total < 0)
		return -1;
	*out = (uint64_t)total;
	return 0;
}

static int
parse_relative(const char *at, uint64_t now_us, uint64_t *out)
{
	static const struct {
		char name;
		uint64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	uint64_t seconds = 0;
	unsigned unit = 0;

	while (*at != '\0') {
		uint64_t number = 0;

		if (!is_digit(*at))
			return -1;
		for (; is_digit(*at); at++) {
			number = number * 10 + (uint64_t)(*at - '0');
			if (number > (uint64_t)DAYS_MAX * 86400)
				return -1;
		}
		while (unit < 4 && units[unit].name != *at)
			unit++;
		if (unit == 4)
			return -1;
		seconds += number * units[unit++].seconds;
		at++;
	}
	if (seconds == 0 || seconds > (uint64_t)DAYS_MAX * 86400)
		return -1;
	*out = now_us + seconds * US_A_SECOND;
	return 0;
}

int
moment_parse(const char *text, uint64_t now_us, uint64_t *out)
{
	return text[0] == '+' ? parse_relative(text + 1, now_us, out) : parse_absolute(text, out);
}
