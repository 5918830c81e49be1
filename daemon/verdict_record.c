// SPDX-License-Identifier: MIT
/*
 * What a verdict follows from, as JSON and back; see verdict.h. Pure. Every leaf is a whole number,
 * as the journal wants it; lists are in the order of symptoms.def and of the structs, which `v`
 * numbers. Distributions are given for the present share only, from their first to their last
 * bucket that is not empty, since no other is looked at.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "daemon/verdict.h"

#define RECORD_VERSION 3 /* 1 had no `before` in `now`; 1 and 2 nothing of stable in a span */
#define NUMBER_MAX     (UINT64_C(1) << 53)

/* ---- writing --------------------------------------------------------------------------------- */

static int
add_numbers(struct buf *out, const uint64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t number = numbers[i] < NUMBER_MAX ? numbers[i] : NUMBER_MAX;

		if (buf_addf(out, "%s%" PRIu64, i > 0 ? "," : "", number) != 0)
			return -1;
	}
	return 0;
}

static int
add_list(struct buf *out, const char *name, const uint64_t *numbers, size_t n)
{
	if (buf_addf(out, ",\"%s\":[", name) != 0 || add_numbers(out, numbers, n) != 0)
		return -1;
	return buf_adds(out, "]");
}

static int
add_rules(struct buf *out, const struct verdict_rules *r)
{
	const uint64_t head[] = { r->alpha, r->breaker_alpha, r->beta, r->split_alpha,
		r->min_requests };

	if (add_list(out, "rules", head, sizeof(head) / sizeof(head[0])) != 0 ||
	    add_list(out, "symptoms", (const uint64_t *)r->symptoms,
		sizeof(r->symptoms) / (sizeof(uint64_t))) != 0)
		return -1;
	return add_list(
	    out, "values", (const uint64_t *)r->values, sizeof(r->values) / (sizeof(uint64_t)));
}

/* [first bucket, count, count ...] */
static int
add_buckets(struct buf *out, const struct evidence_value *v)
{
	size_t first = 0, end = EVIDENCE_BUCKETS;

	while (end > 0 && v->buckets[end - 1] == 0)
		end--;
	while (first < end && v->buckets[first] == 0)
		first++;
	if (buf_addf(out, ",[%zu%s", first, first < end ? "," : "") != 0 ||
	    add_numbers(out, v->buckets + first, end - first) != 0)
		return -1;
	return buf_adds(out, "]");
}

/* What of an arm goes before its values, as one list of numbers. */
#define ARM_HEAD (offsetof(struct evidence_arm, values) / sizeof(uint64_t))

static int
add_arm(struct buf *out, const struct evidence_arm *a, bool present)
{
	if (buf_adds(out, "[[") != 0 || add_numbers(out, (const uint64_t *)a, ARM_HEAD) != 0 ||
	    buf_adds(out, "]") != 0)
		return -1;
	for (unsigned i = 0; present && i < VALUE_COUNT; i++) {
		const struct evidence_value *v = &a->values[i];
		const uint64_t moments[] = { v->n, v->sum, v->squares };

		if (buf_adds(out, ",[") != 0 || add_numbers(out, moments, 3) != 0 ||
		    buf_adds(out, "]") != 0 || add_buckets(out, v) != 0)
			return -1;
	}
	return buf_adds(out, "]");
}

static int
add_shares(struct buf *out, const struct verdict_case *c)
{
	const struct evidence *e = c->evidence;

	if (buf_adds(out, ",\"shares\":[") != 0)
		return -1;
	for (unsigned i = 0; i < e->n_shares; i++) {
		const struct evidence_share *s = &e->shares[i];
		bool present = s->share_bp == c->share_bp;

		if (buf_addf(out, "%s[%" PRIu32 ",", i > 0 ? "," : "", s->share_bp) != 0 ||
		    add_arm(out, &s->arms[ARM_STABLE], present) != 0 || buf_adds(out, ",") != 0 ||
		    add_arm(out, &s->arms[ARM_CANDIDATE], present) != 0 || buf_adds(out, "]") != 0)
			return -1;
	}
	return buf_adds(out, "]");
}

int
verdict_write(struct buf *out, const struct verdict_case *c)
{
	const struct verdict_span *s = c->span;
	const uint64_t span[] = { s->number, s->firsts[ARM_CANDIDATE], s->firsts[ARM_STABLE] };
	const uint64_t now[] = { c->share_bp, c->waived, c->done, c->evidence->insane,
		c->evidence->uncounted, c->before };

	if (buf_addf(out, "{\"v\":%d,\"rollout\":%" PRIu64, RECORD_VERSION,
		c->evidence->rollout_id) != 0 ||
	    add_list(out, "now", now, sizeof(now) / sizeof(now[0])) != 0 ||
	    add_rules(out, c->rules) != 0 || add_list(out, "span", span, 3) != 0 ||
	    add_list(out, "span_bad", s->bad[ARM_CANDIDATE], SYMPTOM_COUNT) != 0 ||
	    add_list(out, "span_stable", s->bad[ARM_STABLE], SYMPTOM_COUNT) != 0 ||
	    add_shares(out, c) != 0)
		return -1;
	return buf_adds(out, "}");
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool
take_number(const cJSON *item, uint64_t *out)
{
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 ||
	    item->valuedouble > (double)NUMBER_MAX)
		return false;
	*out = (uint64_t)item->valuedouble;
	return true;
}

/* Exactly `n` numbers. */
static bool
take_numbers(const cJSON *list, uint64_t *out, size_t n)
{
	const cJSON *item = cJSON_IsArray(list) ? list->child : NULL;

	for (size_t i = 0; i < n; i++, item = item->next) {
		if (item == NULL || !take_number(item, &out[i]))
			return false;
	}
	return item == NULL;
}

static bool
take_list(const cJSON *in, const char *name, void *out, size_t bytes)
{
	return take_numbers(
	    cJSON_GetObjectItemCaseSensitive(in, name), out, bytes / sizeof(uint64_t));
}

static bool
take_buckets(const cJSON *list, struct evidence_value *v)
{
	const cJSON *item = cJSON_IsArray(list) ? list->child : NULL;
	uint64_t first;

	if (item == NULL || !take_number(item, &first) || first > EVIDENCE_BUCKETS)
		return false;
	for (item = item->next; item != NULL; item = item->next, first++) {
		if (first >= EVIDENCE_BUCKETS || !take_number(item, &v->buckets[first]))
			return false;
	}
	return true;
}

static bool
take_arm(const cJSON *list, struct evidence_arm *a)
{
	const cJSON *item = cJSON_IsArray(list) ? list->child : NULL;
	uint64_t moments[3];

	if (!take_numbers(item, (uint64_t *)a, ARM_HEAD))
		return false;
	item = item->next;
	for (unsigned i = 0; item != NULL && i < VALUE_COUNT; i++, item = item->next->next) {
		struct evidence_value *v = &a->values[i];

		if (!take_numbers(item, moments, 3) || !take_buckets(item->next, v))
			return false;
		v->n = moments[0];
		v->sum = moments[1];
		v->squares = moments[2];
	}
	return item == NULL;
}

static bool
take_shares(const cJSON *list, struct evidence *e)
{
	const cJSON *share;

	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > EVIDENCE_SHARES)
		return false;
	cJSON_ArrayForEach(share, list)
	{
		struct evidence_share *s = &e->shares[e->n_shares++];
		uint64_t share_bp;

		if (cJSON_GetArraySize(share) != 3 || !take_number(share->child, &share_bp) ||
		    share_bp > 10000 || !take_arm(share->child->next, &s->arms[ARM_STABLE]) ||
		    !take_arm(share->child->next->next, &s->arms[ARM_CANDIDATE]))
			return false;
		s->share_bp = (uint32_t)share_bp;
	}
	return true;
}

static bool
take_rules(const cJSON *in, struct verdict_rules *r)
{
	uint64_t head[5];

	if (!take_list(in, "rules", head, sizeof(head)) ||
	    !take_list(in, "symptoms", r->symptoms, sizeof(r->symptoms)) ||
	    !take_list(in, "values", r->values, sizeof(r->values)))
		return false;
	r->alpha = head[0];
	r->breaker_alpha = head[1];
	r->beta = head[2];
	r->split_alpha = head[3];
	r->min_requests = head[4];
	/* Nothing else makes a logarithm that is none. */
	return r->alpha > 0 && r->alpha < PPB / 4 && r->breaker_alpha > 0 && r->beta > 0 &&
	       r->beta < PPB / 2 && r->split_alpha > 0;
}

static bool
take_span(const cJSON *in, uint64_t version, struct verdict_span *s)
{
	uint64_t span[3] = { 0 };

	if (!take_list(in, "span", span, (version < 3 ? 2 : 3) * sizeof(span[0])) ||
	    !take_list(in, "span_bad", s->bad[ARM_CANDIDATE], sizeof(s->bad[ARM_CANDIDATE])) ||
	    (version >= 3 &&
		!take_list(in, "span_stable", s->bad[ARM_STABLE], sizeof(s->bad[ARM_STABLE]))))
		return false;
	s->number = span[0];
	s->firsts[ARM_CANDIDATE] = span[1];
	s->firsts[ARM_STABLE] = span[2];
	return true;
}

static bool
take_all(const cJSON *in, struct verdict_record *out)
{
	uint64_t now[6] = { 0 }, version;

	if (!take_number(cJSON_GetObjectItemCaseSensitive(in, "v"), &version) || version < 1 ||
	    version > RECORD_VERSION || !take_rules(in, &out->rules) ||
	    !take_number(
		cJSON_GetObjectItemCaseSensitive(in, "rollout"), &out->evidence.rollout_id) ||
	    !take_list(in, "now", now, (version == 1 ? 5 : 6) * sizeof(now[0])) ||
	    !take_span(in, version, &out->span) ||
	    !take_shares(cJSON_GetObjectItemCaseSensitive(in, "shares"), &out->evidence))
		return false;
	out->c.share_bp = (uint32_t)now[0];
	out->c.waived = (uint32_t)now[1];
	out->c.done = now[2] != 0;
	out->c.before = now[5];
	out->evidence.insane = (unsigned)now[3];
	out->evidence.uncounted = now[4];
	out->c.alone = version < 3;
	return true;
}

int
verdict_read(const char *text, struct verdict_record *out, struct err *e)
{
	struct json j;
	bool good;

	memset(out, 0, sizeof(*out));
	if (json_parse(&j, text, strlen(text), false, NULL, e) != 0)
		return -1;
	good = take_all(j.root, out);
	json_free(&j);
	if (!good)
		return err_set(e, "it is no evidence of this version's guard");
	verdict_rules_derive(&out->rules);
	out->c.rules = &out->rules;
	out->c.evidence = &out->evidence;
	out->c.span = &out->span;
	return 0;
}
