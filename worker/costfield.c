// SPDX-License-Identifier: MIT
/* The cost field in streams; see costfield.h. */
#include "worker/costfield.h"

#include <stdio.h>
#include <string.h>

#include "worker/jscan.h"

/* Goes on to the value of a member of the object that has been entered; false: there is none. */
static bool
enter_member(struct jscan *s, const char *name, enum jtok *tok)
{
	while ((*tok = jscan_next(s)) == JTOK_KEY) {
		bool found = jscan_equals(s, name);

		*tok = jscan_next(s);
		if (found)
			return true;
		if (!jscan_skip(s, *tok, NULL))
			return false;
	}
	return false;
}

static bool
usage_in(const uint8_t *data, size_t n, const char *outer, struct jspan *usage)
{
	struct jscan s;
	enum jtok tok;

	jscan_init(&s, data, n);
	tok = jscan_next(&s);
	if (tok == JTOK_OBJECT && outer != NULL && !enter_member(&s, outer, &tok))
		return false;
	return tok == JTOK_OBJECT && enter_member(&s, "usage", &tok) && tok == JTOK_OBJECT &&
	       jscan_skip(&s, tok, usage);
}

bool
costfield_place(const uint8_t *data, size_t n, size_t *at, bool *empty)
{
	struct jspan usage;

	if (!usage_in(data, n, NULL, &usage) && !usage_in(data, n, "response", &usage))
		return false;
	*at = usage.off + usage.len - 1;
	*empty = memchr(data + usage.off, '"', usage.len) == NULL;
	return true;
}

size_t
costfield_write(char out[COSTFIELD_BYTES], struct money cost, struct money estimated, bool first)
{
	char digits[MONEY_CHARS];
	int n = snprintf(out, COSTFIELD_BYTES, "%s\"cost_usd\":%s", first ? "" : ",",
	    money_format(digits, cost, PICOUSD_DECIMALS));

	if (estimated.usd > 0 || estimated.picousd > 0)
		n += snprintf(out + n, COSTFIELD_BYTES - (size_t)n, ",\"estimated_cost_usd\":%s",
		    money_format(digits, estimated, PICOUSD_DECIMALS));
	return (size_t)n;
}
