// SPDX-License-Identifier: MIT
/* What tokens cost; see price.h. The prices of a model without any are zero. */
#include "common/price.h"

struct money
price_cost(const struct config_price *price, const struct tokens *t)
{
	struct money in = money_sum(
	    money_cost(t->input, price->input), money_cost(t->cached, price->cached_input));
	struct money out = money_sum(
	    money_cost(t->cache_write, price->cache_write), money_cost(t->output, price->output));

	return money_sum(in, out);
}
