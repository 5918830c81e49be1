// SPDX-License-Identifier: MIT
/*
 * Retry and fallback; see retry.h. The same arm is asked again as long as nothing speaks against
 * it; when something does, a candidate that failed falls back to stable at once. A fallback asks
 * for nothing but time: it needs neither an attempt left nor the retry budget.
 */
#include "worker/retry.h"

#include <assert.h>

#define BACKOFF_DOUBLINGS_MAX 16
#define BACKOFF_MAX_MS	      (60u * 60 * 1000) /* longer than any deadline; keeps the sums small */

static const char *const why_names[RETRY_WHY_COUNT] = {
	[RETRY_WHY_NONE] = "",
	[RETRY_WHY_OUTCOME] = "outcome",
	[RETRY_WHY_DEADLINE] = "deadline",
	[RETRY_WHY_RETRY_AFTER] = "retry_after",
	[RETRY_WHY_ATTEMPTS] = "attempts",
	[RETRY_WHY_SENT] = "sent",
	[RETRY_WHY_BUDGET] = "retry_budget",
};

const char *
retry_why_name(enum retry_why why)
{
	assert((unsigned)why < RETRY_WHY_COUNT);
	return why_names[why];
}

/* Equal jitter: between half and all of backoff * 2^(n-1). */
static uint32_t
backoff_with_jitter_ms(const struct retry_state *s)
{
	unsigned doublings = s->arm_attempts_done - 1u;
	uint64_t full, half;

	if (doublings > BACKOFF_DOUBLINGS_MAX)
		doublings = BACKOFF_DOUBLINGS_MAX;
	full = (uint64_t)s->backoff_ms << doublings;
	if (full > BACKOFF_MAX_MS)
		full = BACKOFF_MAX_MS;
	half = full / 2;
	return (uint32_t)(full - half + s->random % (half + 1));
}

static uint64_t
time_left_ms(const struct retry_state *s)
{
	return s->deadline_ms > s->now_ms ? s->deadline_ms - s->now_ms : 0;
}

static bool
attempts_left(const struct retry_state *s)
{
	if (s->arm == ARM_CANDIDATE && s->arm_attempts_done >= s->candidate_attempts_max)
		return false;
	return s->attempts_done < s->attempts_max;
}

/* A connection that died may have carried the request to a model that still works on it. After a
 * timeout the model has been cut off by us, and timeouts that grow are there to be tried. */
static bool
would_run_twice(const struct retry_state *s)
{
	return s->sent && !s->retry_sent && outcome_info(s->outcome)->blame != BLAME_TIMEOUT;
}

/* What speaks against the same arm once more after `delay_ms`. */
static enum retry_why
against_same(const struct retry_state *s, uint32_t backoff_ms)
{
	uint64_t left_ms = time_left_ms(s);

	if (left_ms == 0)
		return RETRY_WHY_DEADLINE;
	if (!outcome_info(s->outcome)->retry)
		return RETRY_WHY_OUTCOME;
	if (would_run_twice(s))
		return RETRY_WHY_SENT;
	if (!attempts_left(s))
		return RETRY_WHY_ATTEMPTS;
	if (s->retry_after_ms >= 0 && (uint64_t)s->retry_after_ms >= left_ms)
		return RETRY_WHY_RETRY_AFTER;
	if (backoff_ms >= left_ms)
		return RETRY_WHY_DEADLINE;
	return s->retry_budget_ok ? RETRY_WHY_NONE : RETRY_WHY_BUDGET;
}

static bool
may_fall_back(const struct retry_state *s)
{
	return s->arm == ARM_CANDIDATE && s->fallback_enabled && !s->pinned && !s->fallback_used &&
	       outcome_info(s->outcome)->fall_back && time_left_ms(s) > 0;
}

struct retry_verdict
retry_decide(const struct retry_state *s)
{
	uint32_t backoff_ms;
	struct retry_verdict v = { .action = RETRY_GIVE_UP };

	assert(s->attempts_done >= s->arm_attempts_done && s->arm_attempts_done > 0);
	backoff_ms = backoff_with_jitter_ms(s);
	v.why = against_same(s, backoff_ms);
	if (v.why == RETRY_WHY_NONE) {
		v.action = RETRY_SAME;
		v.delay_ms = backoff_ms;
		v.uses_budget = true;
		if (s->retry_after_ms > (int64_t)backoff_ms)
			v.delay_ms = (uint32_t)s->retry_after_ms;
	} else if (may_fall_back(s)) {
		v.action = RETRY_FALLBACK;
	}
	return v;
}

uint32_t
retry_timeout_ms(const uint32_t *list, unsigned n, unsigned attempt)
{
	assert(n > 0 && attempt > 0);
	return list[(attempt < n ? attempt : n) - 1];
}

bool
retry_budget_has(const struct retry_budget *b, uint32_t active, uint32_t percent)
{
	uint64_t allowed = (uint64_t)active * percent / 100;

	if (allowed < RETRY_BUDGET_LEAST)
		allowed = RETRY_BUDGET_LEAST;
	return b->taken < allowed;
}

void
retry_budget_take(struct retry_budget *b)
{
	b->taken++;
}

void
retry_budget_release(struct retry_budget *b)
{
	assert(b->taken > 0);
	b->taken--;
}
