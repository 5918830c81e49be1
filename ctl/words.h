// SPDX-License-Identifier: MIT
/*
 * Figures in words for people: shares, durations, times. Pure, but for the time zone, which is the
 * reader's. Each writes at most WORDS_BYTES into `out` and returns it.
 */
#pragma once

#include <stdint.h>

#define WORDS_BYTES 64

/* 12.5 gives "12.5 %". */
char *words_percent(char out[WORDS_BYTES], double percent);
/* The two largest units: "3 d 4 h", "2 min 5 s", "0 s". */
char *words_seconds(char out[WORDS_BYTES], uint64_t seconds);
/* "84 us", "1.2 ms", "3.5 s". */
char *words_us(char out[WORDS_BYTES], double us);
/* Milliseconds, three figures: "0.084", "12.3", "1250". */
char *words_ms(char out[WORDS_BYTES], double ms);

/* Seconds since 1970 of "2026-11-23T13:11:09.123Z"; -1: not such a text. */
int64_t words_parse_time(const char *iso);
/* Local time of day, with the date where it is not today's: "14:11:09", "2026-11-20 09:00:12". */
char *words_time(char out[WORDS_BYTES], const char *iso, const char *now_iso);
/* "2 min 5 s ago"; "just now" below a second. */
char *words_ago(char out[WORDS_BYTES], const char *iso, const char *now_iso);

/* 1234567 gives "1,234,567". */
char *words_count(char out[WORDS_BYTES], double count);
/* 1, "request" gives "1 request"; 1234 gives "1,234 requests". */
char *words_things(char out[WORDS_BYTES], double count, const char *thing);
/* An amount as grayd writes it ("-45000.123400000000"), rounded to `decimals`, with separators:
 * "-45,000.12"; "-" where it is none. */
char *words_usd(char out[WORDS_BYTES], const char *usd, unsigned decimals);
/* How many decimals an amount needs to say something: cents, or millionths where it is below a
 * dollar. */
#define WORDS_CENTS 2
#define WORDS_SMALL 6
unsigned words_usd_decimals(const char *usd);
/* A price in USD per million tokens as the config has it, with two decimals at least: "0.10". */
char *words_price(char out[WORDS_BYTES], const char *price);
