// SPDX-License-Identifier: MIT
/*
 * What is read of the journal for people: every record that was edited, dropped, repeated or moved
 * is found, whichever it is, and history is the newest part of the truth.
 */
#include "daemon/journal_read.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/journal_files.h"

void suite_journal_read(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- tampering ------------------------------------------------------------------------------- */

static unsigned
count_lines(const struct file_bytes *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->at[i] == '\n';
	return n;
}

static bool
verifies(const struct audit_chain *end)
{
	struct buf out = { 0 };
	struct err e = { "" };
	bool good = journal_read_verify(files_dir, end, &out, &e) == 0;

	CU_ASSERT_EQUAL(good, e.msg[0] == '\0');
	buf_free(&out);
	return good;
}

/* Line `number` replaced by another share, with a hash that is right for it. */
static void
forge(const struct file_bytes *b, unsigned number)
{
	struct audit_record *r = malloc(sizeof(*r));
	struct buf body = { 0 }, out = { 0 };
	struct audit_hash hash;
	struct err e;
	size_t n;
	char *at = files_line(b, number, &n);

	CU_ASSERT_EQUAL_FATAL(audit_parse(at, n - 1, r, &e), 0);
	r->policy.releases[0].share_bp = 9999;
	CU_ASSERT_EQUAL_FATAL(audit_body(&body, r), 0);
	CU_ASSERT_EQUAL_FATAL(buf_add(&out, b->at, (size_t)(at - b->at)), 0);
	CU_ASSERT_EQUAL_FATAL(
	    audit_seal(&out, r->sequence, &r->before, buf_bytes(&body), buf_len(&body), &hash), 0);
	CU_ASSERT_EQUAL_FATAL(buf_add(&out, at + n, b->n - (size_t)(at - b->at) - n), 0);
	files_store(b->name, buf_bytes(&out), buf_len(&out));
	buf_free(&body);
	buf_free(&out);
	free(r);
}

static void
drop(const struct file_bytes *b, unsigned number)
{
	char *copy = malloc(b->n);
	size_t n, before;
	const char *at = files_line(b, number, &n);

	before = (size_t)(at - b->at);
	memcpy(copy, b->at, before);
	memcpy(copy + before, at + n, b->n - before - n);
	files_store(b->name, copy, b->n - n);
	free(copy);
}

static void
move_to_front(const struct file_bytes *b, unsigned number)
{
	char *copy = malloc(b->n);
	size_t n, before;
	const char *at = files_line(b, number, &n);

	before = (size_t)(at - b->at);
	memcpy(copy, at, n);
	memcpy(copy + n, b->at, before);
	memcpy(copy + n + before, at + n, b->n - before - n);
	files_store(b->name, copy, b->n);
	free(copy);
}

static void
repeat(const struct file_bytes *b, unsigned number)
{
	size_t n, upto;
	const char *at = files_line(b, number, &n);
	char *copy = malloc(b->n + n);

	upto = (size_t)(at - b->at) + n;
	memcpy(copy, b->at, upto);
	memcpy(copy + upto, at, n);
	memcpy(copy + upto + n, at + n, b->n - upto);
	files_store(b->name, copy, b->n + n);
	free(copy);
}

static void
tamper_with(const struct file_bytes *b, const struct audit_chain *end)
{
	unsigned lines = count_lines(b);

	for (unsigned i = 0; i < lines; i++) {
		forge(b, i);
		CU_ASSERT_FALSE(verifies(end));
		drop(b, i);
		CU_ASSERT_FALSE(verifies(end));
		repeat(b, i);
		/* A second copy of the very last record is no change of what was written. */
		CU_ASSERT(!verifies(end) || i + 1 == lines);
		if (i > 0) {
			move_to_front(b, i);
			CU_ASSERT_FALSE(verifies(end));
		}
		files_store(b->name, b->at, b->n);
		CU_ASSERT_TRUE(verifies(end));
	}
}

static void
test_tampering_is_found(void)
{
	struct journal_list *l = malloc(sizeof(*l));
	unsigned shares[12];
	struct audit_chain end;
	struct err e;

	for (unsigned i = 0; i < COUNT(shares); i++)
		shares[i] = i * 100;
	end = files_write_shares(shares, COUNT(shares), 2500);
	CU_ASSERT_EQUAL(journal_list(files_dir, l, &e), 0);
	CU_ASSERT(l->n >= 3);
	CU_ASSERT_TRUE(verifies(&end));
	for (unsigned i = 0; i < l->n; i++) {
		char name[JOURNAL_NAME_BYTES];
		struct file_bytes b;

		journal_file_name(name, l->first[i]);
		b = files_load(name);
		tamper_with(&b, &end);
		/* A whole file gone: of the oldest, it may have been rotated away. */
		unlinkat(files_dir, name, 0);
		CU_ASSERT_EQUAL(verifies(&end), i == 0);
		files_store(name, b.at, b.n);
		free(b.at);
	}
	unlinkat(files_dir, HEAD_FILE, 0);
	CU_ASSERT_FALSE(verifies(&end));
	free(l);
}

/* ---- history --------------------------------------------------------------------------------- */

static void
test_history(void)
{
	static const struct {
		const char *release;
		unsigned limit, entries;
		const char *first; /* of the entries */
	} cases[] = {
		{ "a", 3, 3, "\"revision\":10" },
		{ "a", 1000, 12, "\"revision\":1," },
		{ "nobody", 5, 0, NULL },
		{ "", 1, 1, "\"revision\":12" },
	};
	unsigned shares[12];
	struct audit_chain end;

	for (unsigned i = 0; i < COUNT(shares); i++)
		shares[i] = i * 100;
	end = files_write_shares(shares, COUNT(shares), 2500);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out = { 0 };
		struct err e = { "" };
		unsigned entries = 0;
		char *text;

		CU_ASSERT_EQUAL(journal_read_history(
				    files_dir, cases[i].release, cases[i].limit, &end, &out, &e),
		    0);
		CU_ASSERT_EQUAL_FATAL(buf_add(&out, "", 1), 0);
		text = (char *)buf_bytes(&out);
		if (cases[i].first != NULL) {
			char *first = strstr(text, "\"revision\":");

			CU_ASSERT_PTR_NOT_NULL_FATAL(first);
			CU_ASSERT_EQUAL(strncmp(first, cases[i].first, strlen(cases[i].first)), 0);
		}
		for (const char *at = text; (at = strstr(at, "\"sequence\"")) != NULL; at++)
			entries++;
		CU_ASSERT_EQUAL(entries, cases[i].entries);
		buf_free(&out);
	}
}

void
suite_journal_read(void)
{
	CU_pSuite s = CU_add_suite("journal read", files_init, files_fini);

	CU_add_test(s, "tampering is found", test_tampering_is_found);
	CU_add_test(s, "history", test_history);
}
