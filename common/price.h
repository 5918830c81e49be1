// SPDX-License-Identifier: MIT
/*
 * What tokens cost at a model's prices. Used by the workers for each attempt and by the master for
 * its comparisons. Exact: every price is a whole number of picodollars a token. Pure.
 */
#pragma once

#include "common/config.h"
#include "common/money.h"

/* Tokens by what they are billed as; no token is counted twice. */
struct tokens {
	uint64_t input, cached, cache_write, output;
};

/* Nothing where the config names no price. */
struct money price_cost(const struct config_price *price, const struct tokens *t);
