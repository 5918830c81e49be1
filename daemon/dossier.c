// SPDX-License-Identifier: MIT
/* Evidence as bytes and back; see dossier.h. Pure, but for the keys, which it has read. The figures
 * of an arm are words in a fixed order; of their many zeros none is written. */
#include "daemon/dossier.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/json_escape.h"
#include "common/seen.h"
#include "daemon/release.h"

#define ARM_WORDS  (sizeof(struct evidence_arm) / sizeof(uint64_t))
#define SPAN_WORDS (sizeof(struct verdict_span) / sizeof(uint64_t))
#define NUMBER_MAX (UINT64_C(1) << 53)
#define HASH_BYTES 32
#define KEYS_LINE  "keys\n"

/* ---- writing --------------------------------------------------------------------------------- */

static const char *const class_names[CLASS_COUNT] = {
#define CLASS(id, name, ...) [CLASS_##id] = name,
#include "common/classes.def"
#undef CLASS
};

int
dossier_begin(struct buf *out)
{
	int rc = buf_adds(out, DOSSIER_TITLE "\n");

	for (unsigned i = 0; rc == 0 && release_waivable(i) != NULL; i++)
		rc = buf_addf(out, "%s ", release_waivable(i));
	for (unsigned i = 0; rc == 0 && i < CLASS_COUNT; i++)
		rc = buf_addf(out, "%s ", class_names[i]);
	return rc != 0 ? -1
		       : buf_addf(out, "%zu %zu %d %d\n", ARM_WORDS, SPAN_WORDS, EVIDENCE_BUCKETS,
			     EVIDENCE_LOG_UNIT);
}

static bool
is_exact(const struct evidence *e)
{
	for (unsigned i = 0; i < e->n_shares; i++) {
		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			const uint64_t *words = (const uint64_t *)&e->shares[i].arms[arm];

			for (size_t w = 0; w < ARM_WORDS; w++) {
				if (words[w] >= NUMBER_MAX)
					return false;
			}
		}
	}
	return e->uncounted < NUMBER_MAX;
}

/* [place, figure, place, figure, ...] */
static int
add_words(struct buf *out, const uint64_t *words, size_t n)
{
	const char *comma = "";
	int rc = buf_adds(out, "[");

	for (size_t i = 0; i < n && rc == 0; i++) {
		if (words[i] == 0)
			continue;
		rc = buf_addf(out, "%s%zu,%" PRIu64, comma, i, words[i]);
		comma = ",";
	}
	return rc == 0 ? buf_adds(out, "]") : -1;
}

static int
add_share(struct buf *out, const struct evidence_share *s, bool first)
{
	int rc = buf_addf(out, "%s[%" PRIu32, first ? "" : ",", s->share_bp);

	for (unsigned arm = 0; arm < ARM_COUNT && rc == 0; arm++) {
		rc = buf_adds(out, ",");
		if (rc == 0)
			rc = add_words(out, (const uint64_t *)&s->arms[arm], ARM_WORDS);
	}
	return rc == 0 ? buf_adds(out, "]") : -1;
}

static int
add_head(struct buf *out, const struct policy_release *now, const struct evidence *e)
{
	if (buf_adds(out, "{\"name\":\"") != 0 ||
	    json_escape(out, now->name, strlen(now->name)) != 0)
		return -1;
	return buf_addf(out,
	    "\",\"rollout\":%" PRIu64 ",\"models\":[\"%016" PRIx64 "\",\"%016" PRIx64
	    "\"],\"uncounted\":%" PRIu64,
	    now->rollout_id, now->models[ARM_STABLE], now->models[ARM_CANDIDATE], e->uncounted);
}

int
dossier_add(struct buf *out, const struct policy_release *now, const struct verdict_span *span,
    const struct evidence *evidence)
{
	int rc;

	if (!is_exact(evidence))
		return 0;
	rc = add_head(out, now, evidence);
	if (rc == 0)
		rc = buf_adds(out, ",\"span\":");
	if (rc == 0)
		rc = add_words(out, (const uint64_t *)span, SPAN_WORDS);
	if (rc == 0)
		rc = buf_adds(out, ",\"shares\":[");
	for (unsigned i = 0; i < evidence->n_shares && rc == 0; i++)
		rc = add_share(out, &evidence->shares[i], i == 0);
	return rc == 0 ? buf_adds(out, "]}\n") : -1;
}

int
dossier_end(struct buf *out, int seen_fd, struct err *e)
{
	unsigned char hash[HASH_BYTES];

	if (buf_adds(out, KEYS_LINE) != 0)
		return err_set(e, "out of memory for the evidence");
	if (seen_fd >= 0 && seen_save(seen_fd, out, e) != 0)
		return -1;
	crypto_generichash(hash, sizeof(hash), buf_bytes(out), buf_len(out), NULL, 0);
	return buf_add(out, hash, sizeof(hash)) == 0 ? 0
						     : err_set(e, "out of memory for the evidence");
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool
take_number(const cJSON *item, uint64_t max, uint64_t *out)
{
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > (double)max)
		return false;
	*out = (uint64_t)item->valuedouble;
	return (double)*out == item->valuedouble;
}

static bool
take_words(const cJSON *list, uint64_t *words, size_t n)
{
	uint64_t place;

	if (!cJSON_IsArray(list))
		return false;
	for (const cJSON *item = list->child; item != NULL; item = item->next->next) {
		if (!take_number(item, n - 1, &place) || item->next == NULL ||
		    !take_number(item->next, NUMBER_MAX - 1, &words[place]))
			return false;
	}
	return true;
}

static bool
take_share(const cJSON *item, struct evidence *e)
{
	const cJSON *at = cJSON_IsArray(item) ? item->child : NULL;
	struct evidence_share *s;
	uint64_t share_bp;

	if (cJSON_GetArraySize(item) != 1 + ARM_COUNT || !take_number(at, 10000, &share_bp) ||
	    evidence_find(e, (uint32_t)share_bp) != NULL)
		return false;
	s = evidence_share(e, (uint32_t)share_bp);
	for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
		at = at->next;
		if (s == NULL || !take_words(at, (uint64_t *)&s->arms[arm], ARM_WORDS))
			return false;
	}
	return true;
}

static bool
take_model(const cJSON *item, uint64_t *out)
{
	const char *text = cJSON_GetStringValue(item);
	char *end;

	if (text == NULL || strlen(text) != 16)
		return false;
	*out = strtoull(text, &end, 16);
	return *end == '\0';
}

static bool
take_head(const cJSON *in, struct dossier_release *r)
{
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(in, "name"));
	const cJSON *models = cJSON_GetObjectItemCaseSensitive(in, "models");

	if (name == NULL || name[0] == '\0' || strlen(name) >= sizeof(r->name) ||
	    cJSON_GetArraySize(models) != ARM_COUNT || !cJSON_IsArray(models) ||
	    !take_model(models->child, &r->models[ARM_STABLE]) ||
	    !take_model(models->child->next, &r->models[ARM_CANDIDATE]))
		return false;
	snprintf(r->name, sizeof(r->name), "%s", name);
	return take_number(cJSON_GetObjectItemCaseSensitive(in, "rollout"), NUMBER_MAX - 1,
		   &r->evidence.rollout_id) &&
	       take_number(cJSON_GetObjectItemCaseSensitive(in, "uncounted"), NUMBER_MAX - 1,
		   &r->evidence.uncounted);
}

static bool
take_release(const cJSON *in, struct dossier_release *r)
{
	const cJSON *shares = cJSON_GetObjectItemCaseSensitive(in, "shares"), *share;

	if (!take_head(in, r) ||
	    !take_words(
		cJSON_GetObjectItemCaseSensitive(in, "span"), (uint64_t *)&r->span, SPAN_WORDS) ||
	    !cJSON_IsArray(shares))
		return false;
	cJSON_ArrayForEach(share, shares)
	{
		if (!take_share(share, &r->evidence))
			return false;
	}
	return true;
}

static int
read_line(struct dossier *d, const char *line, size_t n, struct err *e)
{
	struct json j;
	bool good;

	if (d->n == RELEASES_MAX)
		return err_set(e, "it has more than %d releases", RELEASES_MAX);
	if (json_parse(&j, line, n, false, NULL, e) != 0)
		return -1;
	good = take_release(j.root, &d->all[d->n]);
	json_free(&j);
	if (!good || dossier_find(d, d->all[d->n].name) != NULL)
		return err_set(e, "its release %u makes no sense", d->n + 1);
	d->n++;
	return 0;
}

static int
read_lines(struct dossier *d, const char *at, size_t n, struct err *e)
{
	const char *end;

	while ((end = memchr(at, '\n', n)) != NULL) {
		size_t line_n = (size_t)(end - at) + 1;

		if (line_n == strlen(KEYS_LINE) && memcmp(at, KEYS_LINE, line_n) == 0) {
			d->keys = at + line_n;
			d->keys_n = n - line_n;
			return 0;
		}
		if (read_line(d, at, line_n - 1, e) != 0)
			return -1;
		at += line_n;
		n -= line_n;
	}
	return err_set(e, "it is not whole");
}

/* What follows the two lines that must be our own. NULL: they are not. */
static const char *
check_head(const char *bytes, size_t n, size_t *left, struct err *e)
{
	struct buf own = { 0 };
	size_t own_n = 0;

	if (dossier_begin(&own) != 0)
		err_set(e, "out of memory");
	else if (n < buf_len(&own) || memcmp(bytes, buf_bytes(&own), buf_len(&own)) != 0)
		err_set(e, "another version of grayd has counted it");
	else
		own_n = buf_len(&own);
	buf_free(&own);
	*left = n - own_n;
	return own_n > 0 ? bytes + own_n : NULL;
}

int
dossier_read(struct dossier *d, const void *bytes, size_t n, struct err *e)
{
	const char *at;
	unsigned char hash[HASH_BYTES];
	size_t left;

	if (n < sizeof(hash))
		return err_set(e, "it is not whole");
	n -= sizeof(hash);
	crypto_generichash(hash, sizeof(hash), bytes, n, NULL, 0);
	if (memcmp(hash, (const char *)bytes + n, sizeof(hash)) != 0)
		return err_set(e, "it is not whole, or was changed");
	at = check_head(bytes, n, &left, e);
	return at == NULL ? -1 : read_lines(d, at, left, e);
}

struct dossier_release *
dossier_find(struct dossier *d, const char *name)
{
	for (unsigned i = 0; i < d->n; i++) {
		if (strcmp(d->all[i].name, name) == 0)
			return &d->all[i];
	}
	return NULL;
}
