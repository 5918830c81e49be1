// SPDX-License-Identifier: MIT
/* The split between the arms; see route.h. */
#include "worker/route.h"

#include <assert.h>

#include "common/hash.h"

static const char *const reason_names[ROUTE_REASON_COUNT] = {
	[ROUTE_STICKY] = "sticky",
	[ROUTE_RANDOM] = "random",
	[ROUTE_PINNED] = "pinned",
	[ROUTE_PIN_REFUSED] = "pin_refused",
	[ROUTE_PIN_DENIED] = "pin_denied",
	[ROUTE_NO_CANDIDATE] = "no_candidate",
	[ROUTE_STABLE_ONLY] = "stable_only",
};

const char *
route_reason_name(enum route_reason reason)
{
	assert((unsigned)reason < ROUTE_REASON_COUNT);
	return reason_names[reason];
}

/* Multiply and shift instead of a remainder: each bucket gets the same number of the 2^64 values,
 * but for one. */
static uint16_t
random_bucket(uint64_t random)
{
	return (uint16_t)((unsigned __int128)random * HASH_BUCKETS >> 64);
}

/* Where the request may go only one way whatever its bucket. */
static bool
decide_fixed(const struct route_input *in, struct route_decision *d)
{
	bool candidate_open = in->has_candidate && !in->rolled_back && !in->stable_only;

	d->arm = ARM_STABLE;
	if (in->pin != ROUTE_PIN_NONE && in->may_pin) {
		d->pinned = in->pin == ROUTE_PIN_STABLE || candidate_open;
		d->reason = d->pinned ? ROUTE_PINNED : ROUTE_PIN_REFUSED;
		if (d->pinned && in->pin == ROUTE_PIN_CANDIDATE)
			d->arm = ARM_CANDIDATE;
		return true;
	}
	if (!in->has_candidate)
		d->reason = ROUTE_NO_CANDIDATE;
	else if (in->stable_only)
		d->reason = ROUTE_STABLE_ONLY;
	return !in->has_candidate || in->stable_only;
}

struct route_decision
route_decide(const struct route_input *in)
{
	uint16_t share_bp = in->rolled_back ? 0 : in->share_bp;
	struct route_decision d = { .pinned = false };

	d.bucket = in->has_key ? hash_bucket(in->key_hash) : random_bucket(in->random);
	if (decide_fixed(in, &d))
		return d;
	d.diverted = d.bucket < share_bp && in->candidate_closed;
	d.arm = d.bucket < share_bp && !d.diverted ? ARM_CANDIDATE : ARM_STABLE;
	d.reason = in->has_key ? ROUTE_STICKY : ROUTE_RANDOM;
	if (in->pin != ROUTE_PIN_NONE)
		d.reason = ROUTE_PIN_DENIED;
	return d;
}
