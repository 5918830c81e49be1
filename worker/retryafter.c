// SPDX-License-Identifier: MIT
/*
 * Retry-After; see retryafter.h. A number is read without the C library, which would follow the
 * locale and take "0x10" and "inf" as well. A date is read along a pattern, one per form.
 */
#include "worker/retryafter.h"

#include <stdbool.h>
#include <string.h>

struct text {
	const char *at, *end;
};

struct date {
	int day, month, year; /* month 1..12 */
	int hour, minute, second;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct text
trimmed(const char *value, size_t n)
{
	struct text t = { value, value + n };

	while (t.at < t.end && is_blank(t.at[0]))
		t.at++;
	while (t.at < t.end && is_blank(t.end[-1]))
		t.end--;
	return t;
}

static int64_t
clamp(int64_t ms)
{
	if (ms < 0)
		return 0;
	return ms < RETRYAFTER_MAX_MS ? ms : RETRYAFTER_MAX_MS;
}

/* Digits with or without a fraction, in units of `unit_ms`, rounded up to whole milliseconds. */
static int64_t
parse_number(struct text t, int64_t unit_ms)
{
	int64_t whole = 0, fraction_us = 0, place_us = unit_ms * 100;
	bool digits = false, finer = false;

	for (; t.at < t.end && is_digit(*t.at); t.at++, digits = true)
		if (whole <= RETRYAFTER_MAX_MS)
			whole = whole * 10 + (*t.at - '0');
	if (t.at < t.end && *t.at == '.') {
		for (t.at++; t.at < t.end && is_digit(*t.at); t.at++, digits = true) {
			fraction_us += (*t.at - '0') * place_us;
			finer |= place_us == 0 && *t.at != '0';
			place_us /= 10;
		}
	}
	if (t.at != t.end || !digits)
		return -1;
	return clamp(whole * unit_ms + (fraction_us + finer + 999) / 1000);
}

/* ---- dates ----------------------------------------------------------------------------------- */

static const char *const weekdays[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday", NULL };
static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
	"Oct", "Nov", "Dec", NULL };

/* Exactly `width` digits; with `padded` blanks may stand for leading zeros. -1: not there. */
static int
take_digits(struct text *t, int width, bool padded)
{
	int value = 0;

	if (t->end - t->at < width)
		return -1;
	for (int i = 0; i < width; i++) {
		char c = *t->at++;

		if (padded && c == ' ' && i < width - 1 && value == 0)
			continue;
		if (!is_digit(c))
			return -1;
		value = value * 10 + (c - '0');
	}
	return value;
}

/* One of a list of names, or of their first `width` letters (0: whole names). -1: none of them. */
static int
take_name(struct text *t, const char *const *names, size_t width)
{
	for (int i = 0; names[i] != NULL; i++) {
		size_t n = width != 0 ? width : strlen(names[i]);

		if ((size_t)(t->end - t->at) >= n && memcmp(t->at, names[i], n) == 0) {
			t->at += n;
			return i;
		}
	}
	return -1;
}

/* 'a' and 'A': short and long weekday, 'b': month, 'd': day, 'e': day padded with a blank, 'Y' and
 * 'y': year of four and two digits, 'H', 'M', 'S': time. The weekday need not fit the date. */
static bool
take_field(struct text *t, char field, struct date *d)
{
	switch (field) {
	case 'a': return take_name(t, weekdays, 3) >= 0;
	case 'A': return take_name(t, weekdays, 0) >= 0;
	case 'b': return (d->month = take_name(t, months, 3) + 1) > 0;
	case 'd': return (d->day = take_digits(t, 2, false)) >= 0;
	case 'e': return (d->day = take_digits(t, 2, true)) >= 0;
	case 'Y': return (d->year = take_digits(t, 4, false)) >= 0;
	case 'y': return (d->year = take_digits(t, 2, false)) >= 0;
	case 'H': return (d->hour = take_digits(t, 2, false)) >= 0;
	case 'M': return (d->minute = take_digits(t, 2, false)) >= 0;
	case 'S': return (d->second = take_digits(t, 2, false)) >= 0;
	default: return false;
	}
}

static bool
parse_pattern(struct text t, const char *pattern, struct date *d)
{
	for (; *pattern != '\0'; pattern++) {
		/* '%' tells a field from a letter that stands for itself. */
		bool ok = *pattern == '%' ? take_field(&t, *++pattern, d)
					  : t.at < t.end && *t.at++ == *pattern;
		if (!ok)
			return false;
	}
	return t.at == t.end;
}

/* Days from 1970-01-01, after Howard Hinnant's days_from_civil. */
static int64_t
days_since_1970(int year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static bool
valid_date(const struct date *d)
{
	int next = d->month == 12 ? 1 : d->month + 1;
	int64_t days = days_since_1970(d->year + (d->month == 12), next, 1) -
		       days_since_1970(d->year, d->month, 1);

	return d->day >= 1 && d->day <= days && d->hour <= 23 && d->minute <= 59 && d->second <= 60;
}

static int64_t
date_ms(const struct date *d)
{
	int64_t days = days_since_1970(d->year, d->month, d->day);

	return (((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second) * 1000;
}

/* A year of two digits is the nearest one: at most 50 years ahead (RFC 9110), else in the past. */
static void
complete_year(struct date *d, int64_t wall_ms)
{
	int year_now = (int)(1970 + wall_ms / 1000 / 31556952); /* mean length of a year */

	d->year += year_now - year_now % 100;
	if (d->year > year_now + 50)
		d->year -= 100;
	else if (d->year <= year_now - 50)
		d->year += 100;
}

static int64_t
parse_date(struct text t, int64_t wall_ms)
{
	static const struct {
		const char *pattern;
		bool short_year;
	} forms[] = {
		{ "%a, %d %b %Y %H:%M:%S GMT", false }, /* RFC 9110 itself */
		{ "%A, %d-%b-%y %H:%M:%S GMT", true },	/* RFC 850 */
		{ "%a %b %e %H:%M:%S %Y", false },	/* asctime() */
	};
	struct date d = { 0 };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!parse_pattern(t, forms[i].pattern, &d))
			continue;
		if (forms[i].short_year)
			complete_year(&d, wall_ms);
		return valid_date(&d) ? clamp(date_ms(&d) - wall_ms) : -1;
	}
	return -1;
}

/* ---- the door -------------------------------------------------------------------------------- */

int64_t
retryafter_parse(const char *value, size_t n, int64_t wall_ms)
{
	struct text t = trimmed(value, n);

	if (t.at < t.end && (is_digit(*t.at) || *t.at == '.'))
		return parse_number(t, 1000);
	return parse_date(t, wall_ms);
}

int64_t
retryafter_parse_ms(const char *value, size_t n)
{
	return parse_number(trimmed(value, n), 1);
}
