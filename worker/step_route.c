// SPDX-License-Identifier: MIT
/*
 * From a body to a decision: the few members that matter, the release they name, the sticky key,
 * and the arm. Every decision is made under the newest policy.
 */
#include "worker/step.h"

#include "common/clock.h"
#include "worker/auth.h"
#include "worker/tally.h"
#include "worker/witness.h"

static struct live_release *
find_release(struct request *r)
{
	const uint8_t *body = body_bytes(&r->body);
	uint8_t name[NAME_BYTES];
	const char *text = (const char *)body + r->chat.model.off;
	size_t n = r->chat.model.len;
	const struct config_release *found;

	if (r->chat.model_escaped) {
		ptrdiff_t len = jscan_unescape(body, r->chat.model, name, sizeof(name));

		if (len < 0)
			return NULL;
		text = (const char *)name;
		n = (size_t)len;
	}
	found = config_find_release(r->worker->config, text, n);
	return found == NULL ? NULL : &r->worker->releases[found->index];
}

enum step_result
step_chat(struct request *r)
{
	struct chat_error error;
	struct reply_error e = { .status = 400, .code = "invalid_request", .retry_after_ms = -1 };

	if (chat_scan(&r->chat, &r->worker->chat_keys, body_bytes(&r->body), r->body.len, &error) <
	    0) {
		e.message = error.message;
		e.param = error.param[0] != '\0' ? error.param : NULL;
		return step_refuse_as(r, &e);
	}
	r->usage_asked = r->chat.usage_asked || r->cost_asked;
	r->release = find_release(r);
	if (r->release == NULL)
		return step_refuse_model(r);
	if (!auth_may_use(r->client, r->release->config)) {
		r->release = NULL;
		return step_deny_model(r);
	}
	return step_serve(r, ARM_STABLE);
}

static uint64_t
hash_body_key(struct request *r, unsigned k)
{
	const uint8_t *body = body_bytes(&r->body);
	struct jspan span = r->chat.keys[k];
	struct buf *out = &r->worker->text;
	ptrdiff_t n;

	if (!r->chat.keys_escaped[k])
		return hash64(&r->release->key, body + span.off, span.len);
	buf_consume(out, buf_len(out));
	if (buf_reserve(out, span.len) < 0)
		return hash64(&r->release->key, body + span.off, span.len);
	n = jscan_unescape(body, span, buf_bytes(out), span.len);
	return hash64(&r->release->key, buf_bytes(out), n > 0 ? (size_t)n : 0);
}

/* The first sticky source that the request has decides. */
static bool
find_key(struct request *r, uint64_t *hash)
{
	const struct config_release *config = r->release->config;

	for (unsigned i = 0; i < config->n_sticky; i++) {
		unsigned k = r->release->key_index[i];

		if (config->sticky[i].kind == STICKY_HEADER && r->header_key[k].len > 0) {
			*hash = hash64(&r->release->key,
			    buf_bytes(&r->header_keys) + r->header_key[k].off,
			    r->header_key[k].len);
			return true;
		}
		if (config->sticky[i].kind == STICKY_BODY && r->chat.keys[k].len > 0) {
			*hash = hash_body_key(r, k);
			return true;
		}
	}
	return false;
}

/* Vectors of two models do not mix, and a conversation kept by a provider is known to it alone. */
static bool
is_stable_only(const struct request *r)
{
	const struct config_release *config = r->release->config;
	const struct config_model *stable = config->arms[ARM_STABLE];
	const struct config_model *candidate = config->arms[ARM_CANDIDATE];

	if (r->endpoint->api == API_EMBEDDINGS)
		return config->embeddings == EMBEDDINGS_STABLE;
	return r->endpoint->api == API_RESPONSES && r->chat.bound && candidate != NULL &&
	       candidate->provider != stable->provider;
}

/* Whether a request may go to the candidate at all, share and key aside. */
static bool
is_candidate_possible(const struct route_input *in)
{
	bool pinned = in->pin == ROUTE_PIN_CANDIDATE && in->may_pin;

	return in->has_candidate && !in->stable_only && !in->rolled_back &&
	       (pinned || in->share_bp > 0);
}

/* The place at the candidate is taken here, before the request is counted for an arm. */
static void
decide(struct request *r, struct route_input *in)
{
	const struct config_model *candidate = r->release->config->arms[ARM_CANDIDATE];

	r->decision = route_decide(in);
	if (r->decision.pinned || !is_candidate_possible(in))
		return;
	if (r->decision.arm == ARM_STABLE) {
		r->incomparable = gate_is_closed(gate_of_model(r->worker, candidate));
		return;
	}
	in->candidate_closed = !step_gate_open(r);
	r->decision = route_decide(in);
	r->diverted = r->incomparable = r->decision.diverted;
}

/* Every request of the split is looked at, whatever its bucket: what the candidate cannot be asked
 * for must be missing on both sides. STEP_END: answered; only for a test of the candidate, which
 * stable's answer would not be. */
static enum step_result
look_at_candidate(struct request *r, struct route_input *in)
{
	if (!is_candidate_possible(in))
		return STEP_NEXT;
	if (in->pin == ROUTE_PIN_CANDIDATE && in->may_pin)
		return step_serve(r, ARM_CANDIDATE);
	in->stable_only = !serve_possible(r, ARM_CANDIDATE);
	return STEP_NEXT;
}

enum step_result
step_route(struct request *r)
{
	struct live_release *release = r->release;
	const struct policy_release *policy;
	struct route_input in = {
		.has_candidate = release->config->arms[ARM_CANDIDATE] != NULL,
		.stable_only = is_stable_only(r),
		.pin = r->pin,
		.may_pin = auth_may_pin(r->client),
		.random = worker_random(r->worker),
	};

	worker_look_at_policy(r->worker);
	policy = release->policy;
	in.share_bp = policy->share_bp;
	in.rolled_back = policy->state == STATE_ROLLED_BACK;
	if (look_at_candidate(r, &in) != STEP_NEXT)
		return STEP_END;
	in.has_key = find_key(r, &in.key_hash);
	decide(r, &in);
	r->stable_only = in.stable_only;
	r->arm = r->decision.arm;
	r->stage_percent = policy->stage_percent;
	r->revision = policy->revision;
	r->deadline_us = r->started_us + release->config->deadline_ms * US_PER_MS;
	r->listed = true;
	LIST_INSERT_HEAD(&r->worker->requests, r, link);
	tally_assigned(r);
	witness_assigned(r, in.has_key, in.key_hash);
	return STEP_NEXT;
}
