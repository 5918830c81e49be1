// SPDX-License-Identifier: MIT
/*
 * Records of the journal: what is written is read back to the letter, nothing else is read at all,
 * and no change of a byte, a member, a line or their order goes unnoticed.
 */
#include "common/audit.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void suite_audit(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct audit_hash zero;

/* A record with something in every member. */
static struct audit_record *
sample(void)
{
	struct audit_record *r = calloc(1, sizeof(*r));
	struct policy_release *p;

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	p = &r->policy.releases[0];
	r->wall_us = 1795445721588000;
	r->uid = 1000;
	strcpy(r->actor, "operator");
	strcpy(r->command, "stage");
	strcpy(r->reason, "quality \"looks\" good\\");
	strcpy(r->request, "id-\"7\"");
	strcpy(r->evidence, "{\"n\":[120,-3],\"e\":{\"bad\":0}}");
	r->policy.revision = 17;
	r->policy.n_releases = 2;
	strcpy(p->name, "gpt \xc3\xa9 \"x\"");
	p->rollout_id = 12;
	p->revision = p->share_revision = 17;
	p->changed_wall_us = 1795445721588123;
	p->freeze_until_us = 1795445729000000;
	p->waived = 0xffffffff;
	p->share_bp = 3000;
	p->stage_percent = 30;
	p->state = STATE_HOLD;
	p->held_state = STATE_STEP;
	p->hold = HOLD_COUNT - 1;
	p->frozen = p->cut = 1;
	p->models[ARM_STABLE] = UINT64_MAX;
	p->models[ARM_CANDIDATE] = 1;
	strcpy(r->policy.releases[1].name, "b");
	r->n_changes = 1;
	strcpy(r->changes[0].release, p->name);
	r->changes[0].rollout_id = 12;
	r->changes[0].from = (struct audit_stand){ STATE_STEP, 1000 };
	r->changes[0].to = (struct audit_stand){ STATE_HOLD, 3000 };
	return r;
}

/* The line of a record, without its line end; to be freed. */
static char *
seal(const struct audit_record *r, uint64_t sequence, const struct audit_hash *before,
    struct audit_hash *hash, size_t *n)
{
	struct buf body = { 0 }, line = { 0 };
	char *text;

	CU_ASSERT_EQUAL_FATAL(audit_body(&body, r), 0);
	CU_ASSERT_EQUAL_FATAL(
	    audit_seal(&line, sequence, before, buf_bytes(&body), buf_len(&body), hash), 0);
	*n = buf_len(&line) - 1;
	CU_ASSERT_EQUAL(buf_bytes(&line)[*n], '\n');
	text = strndup((const char *)buf_bytes(&line), *n);
	CU_ASSERT_EQUAL_FATAL(strlen(text), *n);
	buf_free(&body);
	buf_free(&line);
	return text;
}

static void
test_round_trip(void)
{
	struct audit_record *r = sample(), *again = malloc(sizeof(*again));
	struct audit_hash hash;
	struct err e = { "" };
	size_t n;
	char *line = seal(r, 7, &zero, &hash, &n);

	r->sequence = 7;
	CU_ASSERT_EQUAL(audit_parse(line, n, again, &e), 0);
	CU_ASSERT_STRING_EQUAL(e.msg, "");
	CU_ASSERT_EQUAL(memcmp(r, again, sizeof(*r)), 0);
	CU_ASSERT_PTR_NULL(strchr(line, '\n'));
	free(line);
	free(again);
	free(r);
}

/* Whatever somebody gives as a reason stays one line, and readable. */
static void
test_hostile_texts(void)
{
	static const char *const texts[] = { "a\nb", "\x01\x1f", "\xff\xfe", "\xc3", "\"}\n{\"",
		"\xf0\x9f\x98\x80", "\\u0000" };

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct audit_record *r = sample(), *again = malloc(sizeof(*again));
		struct audit_hash hash;
		struct err e;
		size_t n;
		char *line;

		strcpy(r->reason, texts[i]);
		strcpy(r->actor, texts[i]);
		line = seal(r, 1, &zero, &hash, &n);
		CU_ASSERT_PTR_NULL(strchr(line, '\n'));
		if (audit_parse(line, n, again, &e) != 0) {
			fprintf(stderr, "text %zu: %s\n", i, e.msg);
			CU_FAIL("a record with this text cannot be read back");
		}
		free(line);
		free(again);
		free(r);
	}
}

static void
test_every_flipped_byte(void)
{
	static const char masks[] = { 0x01, 0x20, 0x40, (char)0x80, (char)0xff };
	struct audit_record *r = sample();
	struct audit_hash hash;
	struct audit_seal s;
	struct err e;
	size_t n;
	char *line = seal(r, 7, &zero, &hash, &n);
	unsigned missed = 0;

	CU_ASSERT_EQUAL(audit_open(line, n, &s, &e), 0);
	CU_ASSERT_EQUAL(s.sequence, 7);
	CU_ASSERT_EQUAL(memcmp(&s.hash, &hash, sizeof(hash)), 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < COUNT(masks); k++) {
			line[i] ^= masks[k];
			missed += audit_open(line, n, &s, &e) == 0;
			line[i] ^= masks[k];
		}
	}
	for (size_t i = 0; i < n; i++)
		missed += audit_open(line, i, &s, &e) == 0;
	CU_ASSERT_EQUAL(missed, 0);
	free(line);
	free(r);
}

/* Bodies that somebody sealed with a right hash, and that grayd would not have written. */
static void
test_other_spellings(void)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "\"uid\":1000", "\"uid\": 1000" },
		{ "\"uid\":1000", "\"uid\":01000" },
		{ "\"uid\":1000", "\"uid\":1e3" },
		{ "\"uid\":1000", "\"uid\":4294967296" },
		{ "\"uid\":1000", "\"uid\":-1" },
		{ "\"uid\":1000,", "" },
		{ "\"uid\":1000,", "\"uid\":1000,\"uid\":1000," },
		{ "\"uid\":1000,", "\"uid\":1000,\"extra\":1," },
		{ "\"uid\":1000,\"actor\":\"operator\"", "\"actor\":\"operator\",\"uid\":1000" },
		{ "\"share_bp\":3000,\"stage\"", "\"share_bp\":10001,\"stage\"" },
		{ "\"share_bp\":3000,\"stage\"", "\"share_bp\":3000.0,\"stage\"" },
		{ "\"share_bp\":3000,\"stage\"", "\"share_bp\":\"3000\",\"stage\"" },
		{ "\"state\":\"hold\",\"held", "\"state\":\"held\",\"held" },
		{ "2026-11-23T", "2026-11-31T" },
		{ "2026-11-23T", "2026-13-23T" },
		{ "2026-11-23T", "1969-11-23T" },
		{ "ffffffffffffffff", "FFFFFFFFFFFFFFFF" },
		{ "ffffffffffffffff", "-fffffffffffffff" },
		{ "\"evidence\":{\"n\":[120,-3]", "\"evidence\":{\"n\":[120,-3.5]" },
		{ "\"evidence\":{\"n\":[120,-3]", "\"evidence\":{\"n\":[120,true]" },
		{ "\"releases\":[{", "\"releases\":[{},{" },
		{ "]}", "]}]}" },
		{ "]}", "" },
		{ "\"time\"", "}\"time\"" },
	};
	struct audit_record *r = sample(), *again = malloc(sizeof(*again));

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf body = { 0 }, other = { 0 }, line = { 0 };
		struct audit_hash hash;
		struct err e;
		char *at;

		CU_ASSERT_EQUAL_FATAL(audit_body(&body, r), 0);
		CU_ASSERT_EQUAL_FATAL(buf_add(&body, "", 1), 0);
		at = strstr((char *)buf_bytes(&body), cases[i].from);
		CU_ASSERT_PTR_NOT_NULL_FATAL(at);
		CU_ASSERT_EQUAL_FATAL(
		    buf_addf(&other, "%.*s%s%s", (int)(at - (char *)buf_bytes(&body)),
			(char *)buf_bytes(&body), cases[i].to, at + strlen(cases[i].from)),
		    0);
		CU_ASSERT_EQUAL_FATAL(
		    audit_seal(&line, 1, &zero, buf_bytes(&other), buf_len(&other), &hash), 0);
		if (audit_parse((char *)buf_bytes(&line), buf_len(&line) - 1, again, &e) == 0) {
			fprintf(stderr, "case %zu was read: %s\n", i, cases[i].to);
			CU_FAIL("a record that grayd would not write was read");
		}
		buf_free(&body);
		buf_free(&other);
		buf_free(&line);
	}
	free(again);
	free(r);
}

/* ---- the chain ------------------------------------------------------------------------------- */

#define LINKS 5

struct link {
	char *line;
	size_t n;
	struct audit_hash hash;
};

static void
make_chain(struct link links[LINKS])
{
	struct audit_record *r = sample();
	const struct audit_hash *before = &zero;

	for (unsigned i = 0; i < LINKS; i++) {
		r->uid = i;
		links[i].line = seal(r, i + 1, before, &links[i].hash, &links[i].n);
		before = &links[i].hash;
	}
	free(r);
}

/* Whether these links, in this order, are a chain that ends as the whole one does. */
static bool
is_chain(const struct link *const order[], unsigned n, const struct audit_hash *end)
{
	struct audit_chain chain = { 0 };
	struct audit_seal s;
	struct err e;

	for (unsigned i = 0; i < n; i++) {
		if (audit_open(order[i]->line, order[i]->n, &s, &e) != 0 ||
		    audit_follow(&chain, &s, &e) != 0)
			return false;
	}
	return memcmp(&chain.hash, end, sizeof(*end)) == 0;
}

static void
test_chain(void)
{
	struct link links[LINKS], forged;
	const struct link *order[LINKS + 1];
	struct audit_record *r = sample();

	make_chain(links);
	for (unsigned i = 0; i < LINKS; i++)
		order[i] = &links[i];
	CU_ASSERT_TRUE(is_chain(order, LINKS, &links[LINKS - 1].hash));
	/* Each pair swapped, each one dropped, but for the first: what was before the chain nobody
	 * knows. */
	for (unsigned i = 0; i < LINKS; i++) {
		for (unsigned k = i + 1; k < LINKS; k++) {
			order[i] = &links[k];
			order[k] = &links[i];
			CU_ASSERT_FALSE(is_chain(order, LINKS, &links[LINKS - 1].hash));
			order[i] = &links[i];
			order[k] = &links[k];
		}
		if (i > 0) {
			memmove(&order[i], &order[i + 1], (LINKS - i - 1) * sizeof(order[0]));
			CU_ASSERT_FALSE(is_chain(order, LINKS - 1, &links[LINKS - 1].hash));
		}
		for (unsigned k = 0; k < LINKS; k++)
			order[k] = &links[k];
	}
	/* Each one edited and sealed again, with all that can be copied copied. */
	for (unsigned i = 0; i < LINKS; i++) {
		r->uid = 99;
		forged.line =
		    seal(r, i + 1, i > 0 ? &links[i - 1].hash : &zero, &forged.hash, &forged.n);
		order[i] = &forged;
		CU_ASSERT_FALSE(is_chain(order, LINKS, &links[LINKS - 1].hash));
		order[i] = &links[i];
		free(forged.line);
	}
	for (unsigned i = 0; i < LINKS; i++)
		free(links[i].line);
	free(r);
}

/* ---- judgements ------------------------------------------------------------------------------ */

static void
test_raises(void)
{
	static const struct {
		struct audit_stand before, after;
		bool raises;
	} cases[] = {
		{ { STATE_IDLE, 0 }, { STATE_STEP, 1 }, true },
		{ { STATE_STEP, 1000 }, { STATE_STEP, 1001 }, true },
		{ { STATE_STEP, 1000 }, { STATE_STEP, 1000 }, false },
		{ { STATE_STEP, 1000 }, { STATE_HOLD, 1000 }, false },
		{ { STATE_STEP, 1000 }, { STATE_STEP, 999 }, false },
		{ { STATE_STEP, 1000 }, { STATE_ROLLED_BACK, 0 }, false },
		{ { STATE_ROLLED_BACK, 0 }, { STATE_ROLLED_BACK, 0 }, false },
		/* Test requests may ask for the candidate again. */
		{ { STATE_ROLLED_BACK, 0 }, { STATE_IDLE, 0 }, true },
		{ { STATE_IDLE, 0 }, { STATE_PREFLIGHT, 0 }, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy before = { .n_releases = 1 }, after = { .n_releases = 2 };

		strcpy(before.releases[0].name, "a");
		before.releases[0].state = cases[i].before.state;
		before.releases[0].share_bp = cases[i].before.share_bp;
		/* Found by name, not by place. */
		strcpy(after.releases[0].name, "new");
		strcpy(after.releases[1].name, "a");
		after.releases[1].state = cases[i].after.state;
		after.releases[1].share_bp = cases[i].after.share_bp;
		CU_ASSERT_EQUAL(audit_raises(&before, &after), cases[i].raises);
		CU_ASSERT_EQUAL(audit_raises(NULL, &after), cases[i].after.share_bp > 0);
	}
}

static void
test_compare(void)
{
	struct audit_record *r = sample();
	struct policy before = { .n_releases = 2 }, after = { .n_releases = 3 };

	strcpy(before.releases[0].name, "same");
	strcpy(before.releases[1].name, "a");
	before.releases[1].share_bp = 5;
	strcpy(after.releases[0].name, "a");
	after.releases[0].revision = 9;
	after.releases[0].rollout_id = 4;
	after.releases[0].share_bp = 7;
	after.releases[0].state = STATE_STEP;
	strcpy(after.releases[1].name, "same");
	strcpy(after.releases[2].name, "new");
	audit_compare(r, &before, &after);
	CU_ASSERT_EQUAL(r->n_changes, 2);
	CU_ASSERT_STRING_EQUAL(r->changes[0].release, "a");
	CU_ASSERT_EQUAL(r->changes[0].rollout_id, 4);
	CU_ASSERT_EQUAL(r->changes[0].from.share_bp, 5);
	CU_ASSERT_EQUAL(r->changes[0].to.share_bp, 7);
	CU_ASSERT_EQUAL(r->changes[0].to.state, STATE_STEP);
	CU_ASSERT_STRING_EQUAL(r->changes[1].release, "new");
	free(r);
}

static void
test_evidence(void)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "{}", true },
		{ "{\"a\":1,\"b\":[-2,{\"c\":0}]}", true },
		{ "[1]", false },
		{ "1", false },
		{ "{\"a\":1.5}", false },
		{ "{\"a\":1e3}", false },
		{ "{\"a\":\"1\"}", false },
		{ "{\"a\":null}", false },
		{ "{\"a\":1\n}", false },
		{ "{\"a\":1", false },
		{ "", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e;

		CU_ASSERT_EQUAL(audit_check_evidence(cases[i].text, &e) == 0, cases[i].good);
	}
}

void
suite_audit(void)
{
	CU_pSuite s = CU_add_suite("audit", NULL, NULL);

	CU_add_test(s, "round trip", test_round_trip);
	CU_add_test(s, "hostile texts", test_hostile_texts);
	CU_add_test(s, "every flipped byte", test_every_flipped_byte);
	CU_add_test(s, "other spellings", test_other_spellings);
	CU_add_test(s, "chain", test_chain);
	CU_add_test(s, "raises", test_raises);
	CU_add_test(s, "compare", test_compare);
	CU_add_test(s, "evidence", test_evidence);
}
