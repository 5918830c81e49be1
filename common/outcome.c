// SPDX-License-Identifier: MIT
/* The outcome table, unfolded; see outcomes.def. */
#include "common/outcome.h"

#include <assert.h>
#include <stddef.h>

static const struct outcome_info table[OUTCOME_COUNT] = {
#define OUTCOME(id, name, status, code, blame, retry, fall_back, text) \
	[OUTCOME_##id] = { name, status, code, BLAME_##blame, retry, fall_back, text },
#include "common/outcomes.def"
#undef OUTCOME
};

const struct outcome_info *
outcome_info(enum outcome o)
{
	assert((unsigned)o < OUTCOME_COUNT);
	return &table[o];
}

const char *
outcome_name(enum outcome o)
{
	return outcome_info(o)->name;
}

static const struct {
	uint16_t status;
	enum outcome outcome;
} by_status[] = {
	{ 400, OUTCOME_BAD_REQUEST },
	{ 401, OUTCOME_UNAUTHORIZED },
	{ 402, OUTCOME_NO_BALANCE },
	{ 403, OUTCOME_UNAUTHORIZED },
	{ 404, OUTCOME_NOT_FOUND },
	{ 408, OUTCOME_SERVER_ERROR },
	{ 409, OUTCOME_SERVER_ERROR },
	{ 413, OUTCOME_TOO_LONG },
	{ 422, OUTCOME_BAD_REQUEST },
	{ 425, OUTCOME_SERVER_ERROR },
	{ 429, OUTCOME_RATE_LIMITED },
	{ 503, OUTCOME_OVERLOADED },
	{ 529, OUTCOME_OVERLOADED },
};

enum outcome
outcome_of_status(unsigned status, bool no_quota)
{
	if (no_quota && (status == 429 || status == 403))
		return OUTCOME_NO_QUOTA;
	for (size_t i = 0; i < sizeof(by_status) / sizeof(by_status[0]); i++)
		if (by_status[i].status == status)
			return by_status[i].outcome;
	if (status >= 500 && status <= 599)
		return OUTCOME_SERVER_ERROR;
	return OUTCOME_BAD_STATUS;
}
