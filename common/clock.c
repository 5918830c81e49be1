// SPDX-License-Identifier: MIT
/* The clocks of the system, see clock.h. Any process. */
#include "common/clock.h"

#include <time.h>

static uint64_t
read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

uint64_t
clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* Writes `value` with leading zeros into exactly `digits` places. */
static void
put_digits(char *at, unsigned value, unsigned digits)
{
	for (unsigned i = digits; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
}

void
clock_iso(uint64_t wall_us, char out[CLOCK_ISO_BYTES])
{
	static const char pattern[] = "0000-00-00T00:00:00.000Z";
	time_t seconds = (time_t)(wall_us / US_PER_S);
	struct tm t = { 0 };

	_Static_assert(sizeof(pattern) == CLOCK_ISO_BYTES, "24 characters and a NUL");
	for (size_t i = 0; i < sizeof(pattern); i++)
		out[i] = pattern[i];
	/* Only years of more digits than an int has make this fail. */
	if (gmtime_r(&seconds, &t) == NULL)
		return;
	put_digits(out, (unsigned)t.tm_year + 1900, 4);
	put_digits(out + 5, (unsigned)t.tm_mon + 1, 2);
	put_digits(out + 8, (unsigned)t.tm_mday, 2);
	put_digits(out + 11, (unsigned)t.tm_hour, 2);
	put_digits(out + 14, (unsigned)t.tm_min, 2);
	put_digits(out + 17, (unsigned)t.tm_sec, 2);
	put_digits(out + 20, (unsigned)(wall_us % US_PER_S) / US_PER_MS, 3);
}
