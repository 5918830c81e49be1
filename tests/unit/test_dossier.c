// SPDX-License-Identifier: MIT
/* Evidence for a later master: what was written is read back, and what is cut, changed, or counted
 * by somebody who watches something else is no evidence. */
#include "daemon/dossier.h"

#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/seen.h"
#include "daemon/journal_kept.h"
#include "tests/unit/journal_files.h"

void suite_dossier(void);

static struct dossier wrote, back;

/* Figures that differ in each place. */
static void
fill(struct dossier_release *r, unsigned number, unsigned n_shares)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->name, sizeof(r->name), "a \"%u\"\n", number);
	r->models[ARM_STABLE] = UINT64_MAX - number;
	r->models[ARM_CANDIDATE] = number;
	r->span = (struct verdict_span){
		.number = 3, .firsts = { 5000, 600 }, .bad = { { 3 }, { 1, 0, 2 } }
	};
	r->evidence.rollout_id = 40 + number;
	r->evidence.uncounted = 7;
	for (unsigned i = 0; i < n_shares; i++) {
		struct evidence_share *s = evidence_share(&r->evidence, 100 * (i + 1));
		uint64_t *words = (uint64_t *)s->arms;

		for (size_t w = 0; w < sizeof(s->arms) / (sizeof(*words)); w++)
			words[w] = w % 3 == 0 ? 0 : 1000 * number + 10 * w + i;
	}
}

static struct buf
print(int seen_fd)
{
	struct buf out = { 0 };
	struct err e;

	CU_ASSERT_EQUAL_FATAL(dossier_begin(&out), 0);
	for (unsigned i = 0; i < wrote.n; i++) {
		const struct dossier_release *r = &wrote.all[i];
		struct policy_release now = { .rollout_id = r->evidence.rollout_id };

		memcpy(now.name, r->name, sizeof(now.name));
		memcpy(now.models, r->models, sizeof(now.models));
		CU_ASSERT_EQUAL_FATAL(dossier_add(&out, &now, &r->span, &r->evidence), 0);
	}
	CU_ASSERT_EQUAL_FATAL(dossier_end(&out, seen_fd, &e), 0);
	return out;
}

static bool
reads(const void *bytes, size_t n, struct err *e)
{
	memset(&back, 0, sizeof(back));
	return dossier_read(&back, bytes, n, e) == 0;
}

static void
test_round_trip(void)
{
	struct err e = { "" };

	for (wrote.n = 0; wrote.n <= 3; wrote.n++) {
		struct buf out;

		for (unsigned i = 0; i < wrote.n; i++)
			fill(&wrote.all[i], i, i == 2 ? EVIDENCE_SHARES : i);
		out = print(-1);
		CU_ASSERT_TRUE(reads(buf_bytes(&out), buf_len(&out), &e));
		CU_ASSERT_EQUAL(back.n, wrote.n);
		CU_ASSERT_EQUAL(back.keys_n, 0);
		CU_ASSERT_EQUAL(memcmp(back.all, wrote.all, sizeof(back.all)), 0);
		buf_free(&out);
	}
	CU_ASSERT_STRING_EQUAL(e.msg, "");
}

static void
test_keys(void)
{
	struct err e;
	int fd, other_fd;
	struct seen_region *s = seen_create(&fd, &e), *other = seen_create(&other_fd, &e);
	struct buf out;

	CU_ASSERT_FATAL(s != NULL && other != NULL);
	for (uint64_t i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(seen_meet(s, SEEN_KEYS, seen_digest(i, 1, 0)), SEEN_NEW);
	CU_ASSERT_EQUAL(seen_meet(s, SEEN_FAILED, seen_digest(5, 1, 0)), SEEN_NEW);
	wrote.n = 1;
	fill(&wrote.all[0], 1, 2);
	out = print(fd);
	CU_ASSERT_TRUE_FATAL(reads(buf_bytes(&out), buf_len(&out), &e));
	CU_ASSERT_EQUAL(back.keys_n, 2 * sizeof(uint64_t) + 1001 * sizeof(uint64_t));
	CU_ASSERT_EQUAL(seen_load(other, back.keys, back.keys_n), 0);
	for (uint64_t i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(seen_meet(other, SEEN_KEYS, seen_digest(i, 1, 0)), SEEN_KNOWN);
	CU_ASSERT_EQUAL(seen_meet(other, SEEN_FAILED, seen_digest(5, 1, 0)), SEEN_KNOWN);
	CU_ASSERT_EQUAL(seen_meet(other, SEEN_FAILED, seen_digest(6, 1, 0)), SEEN_NEW);
	for (size_t n = 0; n < back.keys_n; n += 100)
		CU_ASSERT_EQUAL(seen_load(other, back.keys, n), -1);
	buf_free(&out);
	seen_destroy(s, fd);
	seen_destroy(other, other_fd);
}

/* Each proper beginning, and each change of a byte. */
static void
test_damaged(void)
{
	struct buf out;
	struct err e;

	wrote.n = 1;
	fill(&wrote.all[0], 1, 1);
	out = print(-1);
	for (size_t n = 0; n < buf_len(&out); n += 7)
		CU_ASSERT_FALSE(reads(buf_bytes(&out), n, &e));
	for (size_t i = 0; i < buf_len(&out); i += 5) {
		buf_bytes(&out)[i] ^= 1;
		CU_ASSERT_FALSE(reads(buf_bytes(&out), buf_len(&out), &e));
		buf_bytes(&out)[i] ^= 1;
	}
	CU_ASSERT_TRUE(reads(buf_bytes(&out), buf_len(&out), &e));
	buf_free(&out);
}

/* With a hash that is right. */
static bool
sealed_reads(const char *lines, struct err *e)
{
	struct buf out = { 0 };
	unsigned char hash[32];
	bool good;

	CU_ASSERT_EQUAL_FATAL(dossier_begin(&out), 0);
	if (strncmp(lines, "grayd", 5) == 0)
		buf_consume(&out, buf_len(&out));
	CU_ASSERT_EQUAL_FATAL(buf_adds(&out, lines), 0);
	crypto_generichash(hash, sizeof(hash), buf_bytes(&out), buf_len(&out), NULL, 0);
	CU_ASSERT_EQUAL_FATAL(buf_add(&out, hash, sizeof(hash)), 0);
	good = reads(buf_bytes(&out), buf_len(&out), e);
	buf_free(&out);
	return good;
}

#define HEAD "{\"name\":\"r\",\"rollout\":1,\"models\":[\"00000000000000aa\",\"00000000000000bb\"],"
#define REST "\"uncounted\":0,\"span\":[],"

static void
test_strange(void)
{
	static const char *const strange[] = {
		"",
		HEAD REST "\"shares\":[]}\n",
		"grayd-evidence 2\nkeys\n",
		"grayd-evidence 1\nerror timeout 335 68 256\nkeys\n",
		"{}\nkeys\n",
		HEAD "\"shares\":[]}\nkeys\n",
		HEAD REST "\"shares\":[[1000,[],[]],[1000,[],[]]]}\nkeys\n",
		HEAD REST "\"shares\":[[10001,[],[]]]}\nkeys\n",
		HEAD REST "\"shares\":[[1000,[]]]}\nkeys\n",
		HEAD REST "\"shares\":[[1000,[],[1]]]}\nkeys\n",
		HEAD REST "\"shares\":[[1000,[],[1,-1]]]}\nkeys\n",
		HEAD REST "\"shares\":[[1000,[],[1,1.5]]]}\nkeys\n",
		HEAD REST "\"shares\":[[1000,[],[100000,1]]]}\nkeys\n",
		HEAD REST "\"shares\":[]}\n" HEAD REST "\"shares\":[]}\nkeys\n",
	};
	struct err e;

	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		bool good = sealed_reads(strange[i], &e);

		if (good)
			fprintf(stderr, "\n%zu was believed\n", i);
		CU_ASSERT_FALSE(good);
	}
	CU_ASSERT_TRUE(sealed_reads(HEAD REST "\"shares\":[[1000,[],[1,2]]]}\nkeys\n", &e));
	CU_ASSERT_EQUAL(back.all[0].evidence.shares[0].arms[ARM_CANDIDATE].requests, 2);
}

/* What is too large to be told exactly is not told. */
static void
test_too_large(void)
{
	struct buf out;
	struct err e;

	wrote.n = 2;
	fill(&wrote.all[0], 0, 1);
	fill(&wrote.all[1], 1, 1);
	wrote.all[0].evidence.shares[0].arms[ARM_STABLE].values[0].squares = UINT64_C(1) << 53;
	out = print(-1);
	CU_ASSERT_TRUE(reads(buf_bytes(&out), buf_len(&out), &e));
	CU_ASSERT_EQUAL(back.n, 1);
	CU_ASSERT_PTR_NULL(dossier_find(&back, wrote.all[0].name));
	CU_ASSERT_PTR_NOT_NULL(dossier_find(&back, wrote.all[1].name));
	buf_free(&out);
}

/* ---- the file -------------------------------------------------------------------------------- */

static void
test_file(void)
{
	struct err e;
	size_t n = 0;
	char *bytes;

	files_empty();
	CU_ASSERT_PTR_NULL(journal_kept_read(files_dir, &n, &e));
	CU_ASSERT_STRING_EQUAL(e.msg, "");
	CU_ASSERT_EQUAL(journal_kept_write(files_dir, "longer one", 10, &e), 0);
	CU_ASSERT_EQUAL(journal_kept_write(files_dir, "one", 3, &e), 0);
	bytes = journal_kept_read(files_dir, &n, &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_EQUAL(memcmp(bytes, "one", 3), 0);
	free(bytes);
	journal_kept_remove(files_dir);
	CU_ASSERT_PTR_NULL(journal_kept_read(files_dir, &n, &e));
	CU_ASSERT_EQUAL_FATAL(symlinkat("/etc/passwd", files_dir, "evidence"), 0);
	CU_ASSERT_PTR_NULL(journal_kept_read(files_dir, &n, &e));
	CU_ASSERT_STRING_NOT_EQUAL(e.msg, "");
	journal_kept_remove(files_dir);
}

void
suite_dossier(void)
{
	CU_pSuite s = CU_add_suite("dossier", files_init, files_fini);

	CU_add_test(s, "round trip", test_round_trip);
	CU_add_test(s, "keys", test_keys);
	CU_add_test(s, "damaged", test_damaged);
	CU_add_test(s, "strange", test_strange);
	CU_add_test(s, "too large", test_too_large);
	CU_add_test(s, "file", test_file);
}
