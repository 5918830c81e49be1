// SPDX-License-Identifier: MIT
/*
 * Records of transitions; see audit.h. Pure. Members of a release are rows of two tables, which the
 * writer and the reader (audit_read.c) both go by: a new member of struct policy_release is a row
 * here.
 */
#include "common/audit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/audit_fields.h"
#include "common/clock.h"
#include "common/json_escape.h"

static const char *const state_words[STATE_COUNT] = {
#define STATE(id, name, ...) [STATE_##id] = name,
#include "common/states.def"
#undef STATE
};
static const char *const hold_words[HOLD_COUNT] = {
#define HOLD(id, name, ...) [HOLD_##id] = name,
#include "common/holds.def"
#undef HOLD
};

#define WORD(name, member, words, count)                                    \
	{                                                                   \
		name, offsetof(struct policy_release, member), words, count \
	}
const struct audit_word audit_words[] = {
	WORD("state", state, state_words, STATE_COUNT),
	WORD("held_state", held_state, state_words, STATE_COUNT),
	WORD("hold", hold, hold_words, HOLD_COUNT),
};
const unsigned audit_n_words = sizeof(audit_words) / sizeof(audit_words[0]);

#define NUMBER(name, member, max)                                        \
	{                                                                \
		name, offsetof(struct policy_release, member),           \
		    sizeof(((struct policy_release *)NULL)->member), max \
	}
const struct audit_number audit_numbers[] = {
	NUMBER("share_bp", share_bp, 10000),
	NUMBER("stage", stage_percent, 100),
	NUMBER("rollout", rollout_id, AUDIT_NUMBER_MAX),
	NUMBER("revision", revision, AUDIT_NUMBER_MAX),
	NUMBER("share_revision", share_revision, AUDIT_NUMBER_MAX),
	NUMBER("changed_us", changed_wall_us, AUDIT_NUMBER_MAX),
	NUMBER("frozen", frozen, 1),
	NUMBER("freeze_until_us", freeze_until_us, AUDIT_NUMBER_MAX),
	NUMBER("waived", waived, UINT32_MAX),
	NUMBER("cut", cut, 1),
};
const unsigned audit_n_numbers = sizeof(audit_numbers) / sizeof(audit_numbers[0]);

const char *const audit_models[ARM_COUNT] = {
	[ARM_STABLE] = "stable_id",
	[ARM_CANDIDATE] = "candidate_id",
};

/* ---- writing --------------------------------------------------------------------------------- */

static int
add_text(struct buf *out, const char *name, const char *text)
{
	if (buf_addf(out, "\"%s\":\"", name) != 0 || json_escape(out, text, strlen(text)) != 0)
		return -1;
	return buf_adds(out, "\",");
}

static int
add_word(struct buf *out, const struct audit_word *w, const struct policy_release *r)
{
	uint8_t value = *((const uint8_t *)r + w->offset);

	return buf_addf(out, "\"%s\":\"%s\",", w->name, value < w->count ? w->words[value] : "?");
}

static uint64_t
get_number(const struct audit_number *f, const struct policy_release *r)
{
	const uint8_t *at = (const uint8_t *)r + f->offset;
	uint64_t value = 0;

	for (unsigned i = f->size; i-- > 0;)
		value = value << 8 | at[i];
	return value;
}

static int
add_release(struct buf *out, const struct policy_release *r, bool first)
{
	if (buf_adds(out, first ? "{" : ",{") != 0 || add_text(out, "name", r->name) != 0)
		return -1;
	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		/* As text: JSON numbers are not that long. */
		if (buf_addf(out, "\"%s\":\"%016llx\",", audit_models[arm],
			(unsigned long long)r->models[arm]) != 0)
			return -1;
	}
	for (unsigned i = 0; i < audit_n_words; i++) {
		if (add_word(out, &audit_words[i], r) != 0)
			return -1;
	}
	for (unsigned i = 0; i < audit_n_numbers; i++) {
		if (buf_addf(out, "%s\"%s\":%llu", i > 0 ? "," : "", audit_numbers[i].name,
			(unsigned long long)get_number(&audit_numbers[i], r)) != 0)
			return -1;
	}
	return buf_adds(out, "}");
}

static int
add_change(struct buf *out, const struct audit_change *c, bool first)
{
	if (buf_adds(out, first ? "{" : ",{") != 0 || add_text(out, "release", c->release) != 0)
		return -1;
	return buf_addf(out,
	    "\"rollout\":%llu,\"from\":{\"state\":\"%s\",\"share_bp\":%u},"
	    "\"to\":{\"state\":\"%s\",\"share_bp\":%u}}",
	    (unsigned long long)c->rollout_id, state_words[c->from.state], c->from.share_bp,
	    state_words[c->to.state], c->to.share_bp);
}

static int
add_who_and_why(struct buf *out, const struct audit_record *r)
{
	char time[CLOCK_ISO_BYTES];

	clock_iso(r->wall_us, time);
	if (buf_addf(out, "\"time\":\"%s\",\"uid\":%u,", time, r->uid) != 0 ||
	    add_text(out, "actor", r->actor) != 0 || add_text(out, "command", r->command) != 0)
		return -1;
	if (r->reason[0] != '\0' && add_text(out, "reason", r->reason) != 0)
		return -1;
	if (r->request[0] != '\0' && add_text(out, "request", r->request) != 0)
		return -1;
	return r->evidence[0] == '\0' ? 0 : buf_addf(out, "\"evidence\":%s,", r->evidence);
}

int
audit_body(struct buf *out, const struct audit_record *r)
{
	if (add_who_and_why(out, r) != 0 || buf_adds(out, "\"changes\":[") != 0)
		return -1;
	for (unsigned i = 0; i < r->n_changes; i++) {
		if (add_change(out, &r->changes[i], i == 0) != 0)
			return -1;
	}
	if (buf_addf(out, "],\"policy\":{\"revision\":%llu,\"releases\":[",
		(unsigned long long)r->policy.revision) != 0)
		return -1;
	for (unsigned i = 0; i < r->policy.n_releases; i++) {
		if (add_release(out, &r->policy.releases[i], i == 0) != 0)
			return -1;
	}
	return buf_adds(out, "]}");
}

int
audit_seal(struct buf *out, uint64_t sequence, const struct audit_hash *before, const void *body,
    size_t n, struct audit_hash *hash)
{
	char hex[2 * AUDIT_HASH_BYTES + 1];
	size_t start = buf_len(out);

	sodium_bin2hex(hex, sizeof(hex), before->bytes, sizeof(before->bytes));
	if (buf_addf(out, AUDIT_HEAD_1 "%llu" AUDIT_HEAD_2 "%s\",", (unsigned long long)sequence,
		hex) != 0 ||
	    buf_add(out, body, n) != 0)
		goto fail;
	crypto_generichash(hash->bytes, sizeof(hash->bytes), buf_bytes(out) + start,
	    buf_len(out) - start, NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash->bytes, sizeof(hash->bytes));
	if (buf_addf(out, AUDIT_TAIL "%s\"}\n", hex) == 0)
		return 0;
fail:
	out->tail = out->head + start;
	return -1;
}

/* ---- what has changed ------------------------------------------------------------------------ */

static struct audit_stand
stand_of(const struct policy_release *r)
{
	struct audit_stand stand = { .state = STATE_IDLE };

	if (r != NULL) {
		stand.state = r->state;
		stand.share_bp = r->share_bp;
	}
	return stand;
}

static const struct policy_release *
find_release(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; p != NULL && i < p->n_releases; i++) {
		if (strcmp(p->releases[i].name, name) == 0)
			return &p->releases[i];
	}
	return NULL;
}

void
audit_compare(struct audit_record *r, const struct policy *before, const struct policy *after)
{
	r->n_changes = 0;
	for (uint32_t i = 0; i < after->n_releases; i++) {
		const struct policy_release *new = &after->releases[i];
		const struct policy_release *old = find_release(before, new->name);
		struct audit_change *c = &r->changes[r->n_changes];

		if (old != NULL && old->revision == new->revision)
			continue;
		r->n_changes++;
		snprintf(c->release, sizeof(c->release), "%s", new->name);
		c->rollout_id = new->rollout_id;
		c->from = stand_of(old);
		c->to = stand_of(new);
	}
}

bool
audit_raises(const struct policy *before, const struct policy *after)
{
	for (uint32_t i = 0; i < after->n_releases; i++) {
		const struct policy_release *new = &after->releases[i];
		const struct policy_release *old = find_release(before, new->name);

		if (new->share_bp > (old != NULL ? old->share_bp : 0))
			return true;
		if (old != NULL && old->state == STATE_ROLLED_BACK &&
		    new->state != STATE_ROLLED_BACK)
			return true;
	}
	return false;
}
