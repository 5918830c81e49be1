// SPDX-License-Identifier: MIT
/*
 * Counting for the guard; see witness.h. Most requests cost a dozen stores here; only an answer
 * with tool calls, JSON mode or an unusual script is looked at twice.
 */
#include "worker/witness.h"

#include "common/clock.h"
#include "common/seen.h"
#include "common/slot_evidence.h"
#include "worker/translation.h"

/* Where hardly anybody is left to compare with, a key counts again after so long, for the breaker
 * only: a candidate that breaks for users whom it has served well must be seen. */
#define KEY_SPAN_US (600 * (uint64_t)US_PER_S)

#define SMALL_BYTES  4096
#define MEDIUM_BYTES 65536

static struct slot_evidence *
evidence_of(const struct request *r)
{
	return &r->release->tally->evidence;
}

/* ---- the assignment -------------------------------------------------------------------------- */

static bool
is_split(const struct request *r)
{
	enum route_reason reason = r->decision.reason;

	return !r->incomparable &&
	       (reason == ROUTE_STICKY || reason == ROUTE_RANDOM || reason == ROUTE_PIN_DENIED);
}

/* False: the table is full, and the request must not count. */
static bool
meet_key(struct request *r, uint64_t key_hash)
{
	const struct policy_release *p = r->release->policy;
	struct witness *w = &r->witness;
	enum seen_result met =
	    seen_meet(r->worker->seen, SEEN_KEYS, seen_digest(key_hash, p->rollout_id, 0));
	uint64_t span = 1 + clock_mono_us() / KEY_SPAN_US;

	w->has_key = true;
	w->key = key_hash;
	w->first = met == SEEN_NEW;
	if (met == SEEN_KNOWN && p->share_bp >= EVIDENCE_ALONE_BP)
		w->again = seen_meet(r->worker->seen, SEEN_KEYS,
			       seen_digest(key_hash, p->rollout_id, span)) == SEEN_NEW;
	return met != SEEN_FULL;
}

void
witness_assigned(struct request *r, bool has_key, uint64_t key_hash)
{
	const struct policy_release *p = r->release->policy;
	struct witness *w = &r->witness;
	struct slot_evidence_arm *arm;

	if (r->unjudged || !is_split(r) || p->rollout_id == 0 || p->share_bp == 0 ||
	    r->worker->seen == NULL || r->release->config->guard.mode == GUARD_OFF)
		return;
	arm = slot_evidence_arm(evidence_of(r), p->rollout_id, p->share_bp, r->decision.arm);
	if (arm == NULL)
		return;
	w->first = true;
	if (has_key && !meet_key(r, key_hash)) {
		tally_add(&evidence_of(r)->uncounted, 1);
		return;
	}
	w->counts = true;
	w->share_bp = p->share_bp;
	w->rollout_id = p->rollout_id;
	if (w->first)
		tally_add(&arm->assigned, 1);
}

/* ---- symptoms -------------------------------------------------------------------------------- */

#define BIT(symptom) (UINT32_C(1) << SYMPTOM_##symptom)

/* What an attempt that failed says of its arm; 0: nothing. */
static uint32_t
symptom_of(enum outcome outcome)
{
	switch (outcome_info(outcome)->blame) {
	case BLAME_ERROR: return BIT(ERROR);
	case BLAME_TIMEOUT: return BIT(TIMEOUT);
	case BLAME_EMPTY: return BIT(EMPTY);
	default: return 0;
	}
}

static bool
is_foreign(const struct request *r, const struct script_count *answer)
{
	const uint8_t *body = body_bytes(&r->body);
	struct jspan prompt = r->chat.prompt;
	struct script_count asked = { .bytes = 0 };

	if (prompt.len == 0)
		return false;
	/* Of a long prompt its end, which is the question. */
	if (prompt.len > SCRIPT_PROMPT_BYTES) {
		prompt.off += prompt.len - SCRIPT_BYTES;
		prompt.len = SCRIPT_BYTES;
	}
	if (script_is_latin(answer) && script_is_ascii(body + prompt.off, prompt.len))
		return false;
	if (prompt.off == r->chat.prompt.off)
		script_add_prompt(&asked, body + prompt.off, prompt.len);
	else
		script_add(&asked, body + prompt.off, prompt.len);
	return script_foreign(answer, &asked);
}

/* Whether it calls what nobody has offered, as far as the request tells all that was. A call that
 * is the answer, by a tool that the translation has offered, is no call of the client's. */
static bool
calls_strange(const struct request *r, const struct quality *q)
{
	const struct chat *c = &r->chat;
	const struct translation *t = r->attempt.translation;

	if (q->n_names == 0 || c->far_tools || (c->bound && !c->has_tools))
		return false;
	if (t != NULL && t->retell.call_is_text)
		return false;
	return !quality_offered(q, body_bytes(&r->body) + c->tools.off, c->tools.len);
}

/* The symptoms of an answer that came whole. */
static uint32_t
symptoms_of_answer(struct request *r)
{
	struct facts *f = &r->attempt.facts;
	struct quality *q = &f->quality;
	uint32_t found = 0;

	if (f->finish == FINISH_LENGTH)
		found |= BIT(LENGTH);
	if (f->finish == FINISH_FILTER || q->refused)
		found |= BIT(FILTERED);
	if (is_foreign(r, &q->script))
		found |= BIT(SCRIPT);
	/* What was cut short or filtered cannot be whole. */
	if (found & (BIT(LENGTH) | BIT(FILTERED)) || q->mixed)
		return found;
	quality_end(q);
	if (q->bad_call || calls_strange(r, q))
		found |= BIT(BAD_TOOL);
	if (q->wants_json && q->json.began && !jsonflow_whole(&q->json))
		found |= BIT(BAD_JSON);
	return found;
}

/* The failure with which a request of the candidate would have gone to stable, though a later
 * attempt may have answered this one: stable has more of them, and like must be compared with like.
 * NULL: there is none. */
static const struct failure *
used_up(const struct request *r)
{
	uint32_t allowed = r->release->config->candidate_attempts;

	return !r->fell_back && r->n_failures >= allowed ? &r->failures[allowed - 1] : NULL;
}

/* False: the request says nothing about its arm. */
static bool
find_symptoms(struct request *r, const struct failure *failed, uint32_t *found)
{
	enum outcome outcome = r->fell_back ? r->fallback_reason : r->outcome;

	*found = 0;
	if (r->rescued)
		return false;
	if (failed != NULL) {
		*found = symptom_of(failed->outcome);
		return *found != 0;
	}
	if (r->outcome == OUTCOME_OK) {
		*found = symptoms_of_answer(r);
		return true;
	}
	if (outcome == OUTCOME_CANCELLED) {
		*found = BIT(LEFT);
		return true;
	}
	*found = symptom_of(outcome);
	/* It refused the request, and stable took it. */
	if (r->outcome == OUTCOME_FALLBACK && outcome_info(outcome)->blame == BLAME_CALLER)
		*found = BIT(ERROR);
	return *found != 0;
}

/* ---- counting -------------------------------------------------------------------------------- */

static void
count_bad(struct request *r, struct slot_evidence_arm *arm, uint32_t found)
{
	const struct witness *w = &r->witness;

	for (unsigned i = 0; found != 0; i++, found >>= 1) {
		enum seen_result met = SEEN_NEW;

		if (!(found & 1))
			continue;
		tally_add(&arm->bad[i], 1);
		if (w->first)
			tally_add(&arm->bad_firsts[i], 1);
		if (w->has_key)
			met = seen_meet(
			    r->worker->seen, SEEN_FAILED, seen_digest(w->key, w->rollout_id, i));
		if (met == SEEN_NEW)
			tally_add(&arm->bad_keys[i], 1);
		if (met == SEEN_NEW && w->again)
			tally_add(&arm->bad_again[i], 1);
		if (met == SEEN_FULL)
			tally_add(&evidence_of(r)->uncounted, 1);
	}
}

static void
count_classes(const struct request *r, struct slot_evidence_arm *arm)
{
	size_t n = r->body.len;

	if (r->chat.stream)
		tally_add(&arm->classes[CLASS_STREAM], 1);
	if (r->chat.has_tools)
		tally_add(&arm->classes[CLASS_TOOLS], 1);
	if (r->chat.wants_json)
		tally_add(&arm->classes[CLASS_JSON], 1);
	tally_add(&arm->classes[n < SMALL_BYTES	   ? CLASS_SMALL
				: n < MEDIUM_BYTES ? CLASS_MEDIUM
						   : CLASS_LARGE],
	    1);
}

#define PICO_PER_NANO  1000
#define PICO_PER_MICRO 1000000

static void
count_values(const struct request *r, struct slot_evidence_arm *arm, uint64_t now_us)
{
	const struct attempt *a = &r->attempt;
	uint64_t all_us = now_us - r->started_us;

	slot_value_record(&arm->values[VALUE_LATENCY], all_us, all_us / US_PER_MS);
	if (r->chat.stream && a->first_token_us != 0) {
		uint64_t first_us = a->first_token_us - r->started_us;

		slot_value_record(&arm->values[VALUE_FIRST_TOKEN], first_us, first_us / US_PER_MS);
	}
	if (!a->facts.usage.present)
		return;
	slot_value_record(&arm->values[VALUE_OUTPUT], a->facts.usage.output, a->facts.usage.output);
	if (a->model->price.known && r->cost.usd == 0)
		slot_value_record(&arm->values[VALUE_COST], r->cost.picousd / PICO_PER_NANO,
		    r->cost.picousd / PICO_PER_MICRO);
}

/* So that somebody may judge it later. */
static void
remember_answer(const struct request *r)
{
	const struct witness *w = &r->witness;
	const struct seen_facts facts = { .share_bp = w->share_bp,
		.arm = r->decision.arm,
		.first = w->first,
		.key = w->has_key ? w->key : 0 };

	if (r->release->config->guard.symptoms[SYMPTOM_JUDGED].action != ACTION_OFF)
		seen_answer_put(
		    r->worker->seen, seen_answer_tag(r->release->rollout_tag, r->id), &facts);
}

void
witness_finished(struct request *r, uint64_t now_us)
{
	const struct witness *w = &r->witness;
	const struct failure *failed = used_up(r);
	struct slot_evidence_arm *arm;
	uint32_t found;

	/* A rollout that is over meanwhile is not counted any more. */
	if (!w->counts || w->rollout_id != r->release->policy->rollout_id ||
	    !find_symptoms(r, failed, &found))
		return;
	arm = slot_evidence_arm(evidence_of(r), w->rollout_id, w->share_bp, r->decision.arm);
	if (arm == NULL)
		return;
	tally_add(&arm->requests, 1);
	if (w->first)
		tally_add(&arm->firsts, 1);
	if (w->again)
		tally_add(&arm->again, 1);
	count_bad(r, arm, found);
	count_classes(r, arm);
	/* Where a candidate would have fallen back, there is nothing to compare the answer with. */
	if (r->outcome != OUTCOME_OK || failed != NULL)
		return;
	if (w->first)
		count_values(r, arm, now_us);
	remember_answer(r);
}
