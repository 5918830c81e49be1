// SPDX-License-Identifier: MIT
/*
 * Money, exactly: whole picodollars (1e-12 USD), never a double. A price in USD per million tokens
 * with up to six decimals is a whole number of picodollars a token, so no token is ever rounded;
 * only money_format() rounds, for people. Pure. Sums that do not fit stay at the largest amount.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define PICOUSD_PER_USD	 UINT64_C(1000000000000)
#define PICOUSD_DECIMALS 12
#define MONEY_PRICE_MAX	 PICOUSD_PER_USD /* a token: one million USD per million tokens */
#define MONEY_CHARS	 40		 /* what money_format() needs at most */

struct money {
	uint64_t usd, picousd; /* picousd < PICOUSD_PER_USD */
};

/* Any two counts as money; picousd may be larger than a dollar (sums of several workers). */
struct money money_make(uint64_t usd, uint64_t picousd);
/* tokens (or requests, or months) times a price in picodollars. */
struct money money_cost(uint64_t tokens, uint64_t price_picousd);
struct money money_sum(struct money a, struct money b);
struct money money_times(struct money m, uint64_t n);
/* m * num / den, rounded half up to a picodollar; den > 0. */
struct money money_scale(struct money m, uint64_t num, uint64_t den);
/* a - b, and nothing where b is more. */
struct money money_difference(struct money a, struct money b);

/* In shared memory a sum of money is two counters that only grow: whole units of 1e-7 USD, and what
 * each amount had beside them. Nothing is ever carried from one to the other, so that a reader, or
 * a kill, between the two is off by less than a unit and no sum ever falls. Ten years at a million
 * USD a day, in 10^12 amounts, keep both below 2^56, which is the most that a slot may hold. */
#define MONEY_UNIT_PICOUSD UINT64_C(100000)
/* The whole units of an amount; `rest_picousd` receives what is beside them. */
uint64_t money_units(struct money m, uint64_t *rest_picousd);
struct money money_from_units(uint64_t units, uint64_t rest_picousd);

/* Decimal text with `decimals` (0 to 12) digits after the point, rounded half up; exact with 12.
 * Returns `out`. */
char *money_format(char out[MONEY_CHARS], struct money m, unsigned decimals);
/* The same backwards, for amounts as money_format() writes them with up to 12 decimals. -1: it is
 * none, or does not fit. */
int money_parse(const char *text, struct money *out) MUST_CHECK;
/* How much less `b` costs than `a`, in hundredths of a percent of `a`, rounded; negative when it
 * costs more; 0 when `a` is nothing. */
int64_t money_saving_bp(struct money a, struct money b);

/* A price in USD per million tokens, as a JSON number is written ("0.14" gives 140000), to
 * picodollars a token. Refuses what is negative, has an exponent or a digit other than 0 after the
 * sixth decimal, or is above MONEY_PRICE_MAX; `e` then says what is expected. */
int money_parse_price(const char *text, size_t n, uint64_t *picousd, struct err *e) MUST_CHECK;
/* The same backwards: the shortest text that parses to this price. Returns `out`. */
char *money_format_price(char out[MONEY_CHARS], uint64_t picousd);
