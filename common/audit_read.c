// SPDX-License-Identifier: MIT
/*
 * Reading records of transitions back; see audit.h. Pure. Members are looked up by name; that there
 * is nothing else, in no other order and no other spelling, follows from writing the record again
 * and comparing.
 */
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/audit_fields.h"
#include "common/clock.h"
#include "common/json.h"

#define HEX_BYTES (2 * AUDIT_HASH_BYTES)

_Static_assert(AUDIT_TAIL_BYTES == sizeof(AUDIT_TAIL) - 1 + HEX_BYTES + 2, "the end of a line");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied byte by byte");

/* ---- the frame ------------------------------------------------------------------------------- */

static int
read_hash(const char *hex, struct audit_hash *out)
{
	char again[HEX_BYTES + 1];
	size_t n;

	if (sodium_hex2bin(out->bytes, sizeof(out->bytes), hex, HEX_BYTES, NULL, &n, NULL) != 0 ||
	    n != sizeof(out->bytes))
		return -1;
	sodium_bin2hex(again, sizeof(again), out->bytes, n);
	return memcmp(again, hex, HEX_BYTES) == 0 ? 0 : -1; /* no capital letters */
}

/* Digits without a leading zero; returns what follows, NULL: none. */
static const char *
read_digits(const char *at, const char *end, uint64_t *out)
{
	const char *begin = at;
	uint64_t value = 0;

	for (; at < end && *at >= '0' && *at <= '9' && value < AUDIT_NUMBER_MAX; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	if (at == begin || value > AUDIT_NUMBER_MAX || (*begin == '0' && at - begin > 1))
		return NULL;
	*out = value;
	return at;
}

static const char *
skip(const char *at, const char *end, const char *expected)
{
	size_t n = strlen(expected);

	if (at == NULL || (size_t)(end - at) < n || memcmp(at, expected, n) != 0)
		return NULL;
	return at + n;
}

static const char *
open_front(const char *line, const char *end, struct audit_seal *out)
{
	const char *at = skip(line, end, AUDIT_HEAD_1);

	if (at != NULL)
		at = skip(read_digits(at, end, &out->sequence), end, AUDIT_HEAD_2);
	if (at == NULL || end - at < HEX_BYTES || read_hash(at, &out->before) != 0)
		return NULL;
	return skip(at + HEX_BYTES, end, "\",");
}

int
audit_open(const char *line, size_t n, struct audit_seal *out, struct err *e)
{
	const char *end = line + n, *tail, *at;
	struct audit_hash hash;

	if (n < AUDIT_TAIL_BYTES || n >= AUDIT_LINE_MAX)
		return err_set(e, "this is no record of the journal");
	tail = end - AUDIT_TAIL_BYTES;
	at = skip(tail, end, AUDIT_TAIL);
	if (open_front(line, tail, out) == NULL || at == NULL || out->sequence == 0 ||
	    read_hash(at, &out->hash) != 0 || skip(at + HEX_BYTES, end, "\"}") != end)
		return err_set(e, "this is no record of the journal");
	crypto_generichash(hash.bytes, sizeof(hash.bytes), (const unsigned char *)line,
	    (size_t)(tail - line), NULL, 0);
	if (memcmp(&hash, &out->hash, sizeof(hash)) != 0)
		return err_set(e, "the record was changed: its hash is another one");
	return 0;
}

int
audit_follow(struct audit_chain *c, const struct audit_seal *s, struct err *e)
{
	if (c->sequence != 0 && s->sequence != c->sequence + 1)
		return err_set(e, "record %llu follows record %llu",
		    (unsigned long long)s->sequence, (unsigned long long)c->sequence);
	if (c->sequence != 0 && memcmp(&s->before, &c->hash, sizeof(c->hash)) != 0)
		return err_set(e, "the record before record %llu is another one",
		    (unsigned long long)s->sequence);
	c->sequence = s->sequence;
	c->hash = s->hash;
	return 0;
}

/* ---- the contents ---------------------------------------------------------------------------- */

static int
read_number(const struct json *j, const cJSON *in, const char *name, uint64_t max, uint64_t *out,
    struct err *e)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(in, name);
	const char *text;
	size_t n;

	if (!cJSON_IsNumber(item))
		return err_set(e, "%s: expected a number", name);
	text = json_text(j, item, &n);
	if (read_digits(text, text + n, out) != text + n || *out > max)
		return err_set(
		    e, "%s: expected a whole number up to %llu", name, (unsigned long long)max);
	return 0;
}

static int
read_text(const cJSON *in, const char *name, char *out, size_t size, struct err *e)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(in, name));

	if (text == NULL || strlen(text) >= size)
		return err_set(e, "%s: expected a string of up to %zu bytes", name, size - 1);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int
read_word(const cJSON *in, const struct audit_word *w, uint8_t *out, struct err *e)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(in, w->name));

	for (unsigned i = 0; text != NULL && i < w->count; i++) {
		if (strcmp(text, w->words[i]) == 0) {
			*out = (uint8_t)i;
			return 0;
		}
	}
	return err_set(e, "%s: not a word that this version knows", w->name);
}

static int
read_stand(
    const struct json *j, const cJSON *in, const char *name, struct audit_stand *out, struct err *e)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(in, name);
	uint64_t share;

	if (read_word(item, &audit_words[0], &out->state, e) != 0 ||
	    read_number(j, item, "share_bp", 10000, &share, e) != 0)
		return err_prefix(e, "%s", name);
	out->share_bp = (uint16_t)share;
	return 0;
}

static int
read_changes(const struct json *j, struct audit_record *out, struct err *e)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(j->root, "changes"), *item;

	if (!cJSON_IsArray(list))
		return err_set(e, "changes: expected a list");
	cJSON_ArrayForEach(item, list)
	{
		struct audit_change *c = &out->changes[out->n_changes];

		if (out->n_changes++ == RELEASES_MAX)
			return err_set(e, "changes: too many");
		if (read_text(item, "release", c->release, sizeof(c->release), e) != 0 ||
		    read_number(j, item, "rollout", AUDIT_NUMBER_MAX, &c->rollout_id, e) != 0 ||
		    read_stand(j, item, "from", &c->from, e) != 0 ||
		    read_stand(j, item, "to", &c->to, e) != 0)
			return err_prefix(e, "changes[%u]", out->n_changes - 1);
	}
	return 0;
}

static int
read_model(const cJSON *in, const char *name, uint64_t *out, struct err *e)
{
	char text[17], *end;

	if (read_text(in, name, text, sizeof(text), e) != 0)
		return -1;
	*out = strtoull(text, &end, 16);
	return *end == '\0' ? 0 : err_set(e, "%s: expected 16 hexadecimal digits", name);
}

static int
read_release(const struct json *j, const cJSON *in, struct policy_release *r, struct err *e)
{
	uint64_t value;

	if (read_text(in, "name", r->name, sizeof(r->name), e) != 0)
		return -1;
	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		if (read_model(in, audit_models[arm], &r->models[arm], e) != 0)
			return -1;
	}
	for (unsigned i = 0; i < audit_n_words; i++) {
		if (read_word(in, &audit_words[i], (uint8_t *)r + audit_words[i].offset, e) != 0)
			return -1;
	}
	for (unsigned i = 0; i < audit_n_numbers; i++) {
		const struct audit_number *f = &audit_numbers[i];

		if (read_number(j, in, f->name, f->max, &value, e) != 0)
			return -1;
		memcpy((uint8_t *)r + f->offset, &value, f->size);
	}
	return 0;
}

static int
read_policy(const struct json *j, struct audit_record *out, struct err *e)
{
	const cJSON *policy = cJSON_GetObjectItemCaseSensitive(j->root, "policy"), *item;
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(policy, "releases");
	struct policy *p = &out->policy;

	if (!cJSON_IsArray(list))
		return err_set(e, "policy.releases: expected a list");
	if (read_number(j, policy, "revision", AUDIT_NUMBER_MAX, &p->revision, e) != 0)
		return err_prefix(e, "policy");
	cJSON_ArrayForEach(item, list)
	{
		uint32_t i = p->n_releases++;

		if (i == RELEASES_MAX)
			return err_set(e, "policy.releases: too many");
		if (read_release(j, item, &p->releases[i], e) != 0)
			return err_prefix(e, "policy.releases[%u]", (unsigned)i);
	}
	return 0;
}

/* Milliseconds of "2026-11-23T13:11:09.123Z"; the comparison at the end sees to its form. */
static int
read_time(const cJSON *in, uint64_t *out, struct err *e)
{
	char text[CLOCK_ISO_BYTES];
	struct tm t = { 0 };
	unsigned ms = 0;

	if (read_text(in, "time", text, sizeof(text), e) != 0)
		return -1;
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3uZ", &t.tm_year, &t.tm_mon, &t.tm_mday,
		&t.tm_hour, &t.tm_min, &t.tm_sec, &ms) != 7 ||
	    t.tm_year < 1970)
		return err_set(e, "time: expected one such as 2026-11-23T13:11:09.123Z");
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	*out = (uint64_t)timegm(&t) * US_PER_S + (uint64_t)ms * US_PER_MS;
	return 0;
}

/* Whether every leaf is an integer; depth is bounded by the scanner. */
static bool
has_integers_only(const struct json *j, const cJSON *item)
{
	const char *text;
	size_t n;

	if (cJSON_IsObject(item) || cJSON_IsArray(item)) {
		for (const cJSON *c = item->child; c != NULL; c = c->next) {
			if (!has_integers_only(j, c))
				return false;
		}
		return true;
	}
	if (!cJSON_IsNumber(item))
		return false;
	text = json_text(j, item, &n);
	return strspn(text, "-0123456789") >= n;
}

int
audit_check_evidence(const char *text, struct err *e)
{
	struct json j;
	bool sound;

	if (strlen(text) >= AUDIT_EVIDENCE_BYTES)
		return err_set(e, "evidence: longer than %d bytes", AUDIT_EVIDENCE_BYTES - 1);
	if (json_parse(&j, text, strlen(text), false, NULL, e) != 0)
		return err_prefix(e, "evidence");
	sound =
	    cJSON_IsObject(j.root) && has_integers_only(&j, j.root) && strchr(text, '\n') == NULL;
	json_free(&j);
	return sound ? 0 : err_set(e, "evidence: expected a JSON object of integers on one line");
}

static int
read_evidence(const struct json *j, char *out, struct err *e)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(j->root, "evidence");
	const char *text;
	size_t n;

	if (item == NULL)
		return 0;
	text = json_text(j, item, &n);
	if (n >= AUDIT_EVIDENCE_BYTES)
		return err_set(e, "evidence: too long");
	memcpy(out, text, n);
	out[n] = '\0';
	return audit_check_evidence(out, e);
}

static int
read_record(const struct json *j, struct audit_record *out, struct err *e)
{
	uint64_t uid;

	if (read_time(j->root, &out->wall_us, e) != 0 ||
	    read_number(j, j->root, "uid", UINT32_MAX, &uid, e) != 0 ||
	    read_text(j->root, "actor", out->actor, sizeof(out->actor), e) != 0 ||
	    read_text(j->root, "command", out->command, sizeof(out->command), e) != 0 ||
	    read_evidence(j, out->evidence, e) != 0 || read_changes(j, out, e) != 0)
		return -1;
	out->uid = (uint32_t)uid;
	if (cJSON_HasObjectItem(j->root, "reason") &&
	    read_text(j->root, "reason", out->reason, sizeof(out->reason), e) != 0)
		return -1;
	if (cJSON_HasObjectItem(j->root, "request") &&
	    read_text(j->root, "request", out->request, sizeof(out->request), e) != 0)
		return -1;
	return read_policy(j, out, e);
}

static int
compare_with_line(const struct audit_record *r, const char *line, size_t n, struct err *e)
{
	struct buf body = { 0 }, again = { 0 };
	struct audit_hash hash;
	int rc = 0;

	if (audit_body(&body, r) != 0 || audit_seal(&again, r->sequence, &r->before,
					     buf_bytes(&body), buf_len(&body), &hash) != 0)
		rc = err_set(e, "out of memory");
	else if (buf_len(&again) != n + 1 || memcmp(buf_bytes(&again), line, n) != 0)
		rc = err_set(e, "the record is not as grayd writes it");
	buf_free(&body);
	buf_free(&again);
	return rc;
}

int
audit_parse(const char *line, size_t n, struct audit_record *out, struct err *e)
{
	struct audit_seal seal;
	struct json j;
	int rc;

	memset(out, 0, sizeof(*out));
	if (audit_open(line, n, &seal, e) != 0 || json_parse(&j, line, n, false, NULL, e) != 0)
		return -1;
	out->sequence = seal.sequence;
	out->before = seal.before;
	rc = read_record(&j, out, e);
	json_free(&j);
	return rc == 0 ? compare_with_line(out, line, n, e) : -1;
}
