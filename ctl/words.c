// SPDX-License-Identifier: MIT
/* Figures in words; see words.h. */
#include "ctl/words.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/money.h"

char *
words_percent(char out[WORDS_BYTES], double percent)
{
	snprintf(out, WORDS_BYTES, "%.5g %%", percent);
	return out;
}

char *
words_seconds(char out[WORDS_BYTES], uint64_t seconds)
{
	static const struct {
		uint64_t length;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	unsigned i = 0;
	int n;

	while (i < 3 && seconds < units[i].length)
		i++;
	n = snprintf(out, WORDS_BYTES, "%llu %s", (unsigned long long)(seconds / units[i].length),
	    units[i].name);
	seconds %= units[i].length;
	if (i < 3 && seconds >= units[i + 1].length)
		snprintf(out + n, WORDS_BYTES - (size_t)n, " %llu %s",
		    (unsigned long long)(seconds / units[i + 1].length), units[i + 1].name);
	return out;
}

char *
words_ms(char out[WORDS_BYTES], double ms)
{
	int decimals = ms < 1 ? 3 : ms < 10 ? 2 : ms < 100 ? 1 : 0;

	snprintf(out, WORDS_BYTES, "%.*f", decimals, ms);
	return out;
}

char *
words_us(char out[WORDS_BYTES], double us)
{
	if (us < 1000)
		snprintf(out, WORDS_BYTES, "%.0f us", us);
	else if (us < 1e6)
		snprintf(out, WORDS_BYTES, "%.3g ms", us / 1e3);
	else
		snprintf(out, WORDS_BYTES, "%.1f s", us / 1e6);
	return out;
}

int64_t
words_parse_time(const char *iso)
{
	struct tm tm = { 0 };
	const char *rest = strptime(iso, "%Y-%m-%dT%H:%M:%S", &tm);

	if (rest == NULL || (*rest != '.' && *rest != 'Z'))
		return -1;
	return timegm(&tm);
}

char *
words_time(char out[WORDS_BYTES], const char *iso, const char *now_iso)
{
	time_t then = (time_t)words_parse_time(iso), now = (time_t)words_parse_time(now_iso);
	struct tm local, today;

	if (then == -1 || now == -1 || localtime_r(&then, &local) == NULL ||
	    localtime_r(&now, &today) == NULL) {
		snprintf(out, WORDS_BYTES, "%s", iso);
		return out;
	}
	if (local.tm_year == today.tm_year && local.tm_yday == today.tm_yday)
		strftime(out, WORDS_BYTES, "%H:%M:%S", &local);
	else
		strftime(out, WORDS_BYTES, "%Y-%m-%d %H:%M:%S", &local);
	return out;
}

char *
words_ago(char out[WORDS_BYTES], const char *iso, const char *now_iso)
{
	int64_t then = words_parse_time(iso), now = words_parse_time(now_iso);

	if (now - then < 1) {
		snprintf(out, WORDS_BYTES, "just now");
	} else {
		words_seconds(out, (uint64_t)(now - then));
		strcat(out, " ago");
	}
	return out;
}

/* Commas between each three of the digits up to the point, or the end. */
static char *
separate(char out[WORDS_BYTES], const char *digits)
{
	size_t whole = strcspn(digits, "."), n = 0;

	for (size_t i = 0; digits[i] != '\0' && n + 2 < WORDS_BYTES; i++) {
		if (i > 0 && i < whole && (whole - i) % 3 == 0)
			out[n++] = ',';
		out[n++] = digits[i];
	}
	out[n] = '\0';
	return out;
}

char *
words_count(char out[WORDS_BYTES], double count)
{
	char digits[WORDS_BYTES];

	snprintf(digits, sizeof(digits), "%.0f", count);
	return separate(out, digits);
}

char *
words_things(char out[WORDS_BYTES], double count, const char *thing)
{
	size_t n = strlen(words_count(out, count));

	snprintf(out + n, WORDS_BYTES - n, " %s%s", thing, strcmp(out, "1") == 0 ? "" : "s");
	return out;
}

char *
words_usd(char out[WORDS_BYTES], const char *usd, unsigned decimals)
{
	bool negative = usd[0] == '-';
	char digits[MONEY_CHARS];
	struct money amount;

	if (money_parse(usd + negative, &amount) != 0)
		return strcpy(out, "-");
	separate(out + negative, money_format(digits, amount, decimals));
	if (negative)
		out[0] = '-';
	return out;
}

unsigned
words_usd_decimals(const char *usd)
{
	bool nothing = strspn(usd, "-0.") == strlen(usd);

	usd += usd[0] == '-';
	return !nothing && usd[0] == '0' && usd[1] == '.' ? WORDS_SMALL : WORDS_CENTS;
}

char *
words_price(char out[WORDS_BYTES], const char *price)
{
	const char *point = strchr(price, '.');
	size_t decimals = point != NULL ? strlen(point + 1) : 0;

	snprintf(out, WORDS_BYTES, "%.40s%s", price,
	    point == NULL   ? ".00"
	    : decimals == 1 ? "0"
			    : "");
	return out;
}
