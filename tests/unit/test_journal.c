// SPDX-License-Identifier: MIT
/*
 * The journal's files under everything that can befall them: cut at every length, flipped at every
 * byte, an unconfirmed end, a rotation. After each the share is that of a record that was written,
 * never more, and a new record can be written.
 */
#include "daemon/journal_file.h"

#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/journal_marks.h"
#include "daemon/journal_read.h"
#include "tests/unit/journal_files.h"

void suite_journal(void);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- sound ----------------------------------------------------------------------------------- */

static void
test_writes_and_reads(void)
{
	struct audit_chain end =
	    files_write_shares(files_rising, FILES_RISING, JOURNAL_ROTATE_BYTES);
	struct journal_scan s;
	struct stat st;

	CU_ASSERT_EQUAL(files_share(&s), 5000);
	CU_ASSERT_EQUAL(s.found, JOURNAL_SOUND);
	CU_ASSERT_TRUE(s.confirmed);
	CU_ASSERT_EQUAL(s.end.sequence, 4);
	CU_ASSERT_EQUAL(memcmp(&s.end, &end, sizeof(end)), 0);
	CU_ASSERT_EQUAL(s.last->policy.revision, 4);
	journal_scan_free(&s);
	CU_ASSERT_EQUAL(fstatat(files_dir, "journal-00000000000000000001.jsonl", &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	files_check_goes_on(false);
}

/* What a writer that died has written and not reported is not written twice. */
static void
test_knows_its_last_record(void)
{
	struct buf last = { 0 }, other = { 0 };
	struct journal_opening found;
	struct journal_file f;
	struct err e;

	files_write_shares(files_rising, FILES_RISING, JOURNAL_ROTATE_BYTES);
	files_encode(&last, 4, 5000);
	files_encode(&other, 3, 3000);
	CU_ASSERT_EQUAL_FATAL(journal_file_open(&f, files_dir, &found, &e), 0);
	CU_ASSERT_TRUE(journal_file_has(&f, buf_bytes(&last), buf_len(&last)));
	CU_ASSERT_FALSE(journal_file_has(&f, buf_bytes(&other), buf_len(&other)));
	CU_ASSERT_FALSE(journal_file_has(&f, buf_bytes(&last), buf_len(&last) - 1));
	journal_file_close(&f);
	buf_free(&last);
	buf_free(&other);
}

static void
test_nothing_there(void)
{
	struct journal_scan s;

	files_empty();
	CU_ASSERT_EQUAL(files_share(&s), 0);
	CU_ASSERT_EQUAL(s.found, JOURNAL_NEW);
	files_check_goes_on(false);
}

static void
test_rotation(void)
{
	struct journal_list *l = malloc(sizeof(*l));
	struct audit_chain end;
	struct journal_file f;
	struct journal_scan s;
	struct buf out = { 0 };
	struct err e = { "" };

	files_begin(&f);
	f.rotate_bytes = 2000;
	f.keep = 3;
	for (unsigned i = 0; i < 40; i++)
		files_append(&f, i + 1, i);
	end = f.end;
	journal_file_close(&f);
	CU_ASSERT_EQUAL(journal_list(files_dir, l, &e), 0);
	CU_ASSERT_EQUAL(l->n, 3);
	for (unsigned i = 0; i < l->n; i++) {
		struct audit_record *first = malloc(sizeof(*first));
		size_t n;
		char *text = journal_load(files_dir, l->first[i], &n, &e);

		CU_ASSERT_PTR_NOT_NULL_FATAL(text);
		CU_ASSERT(n < 3500);
		CU_ASSERT_EQUAL(audit_parse(text, strcspn(text, "\n"), first, &e), 0);
		CU_ASSERT_STRING_EQUAL(first->command, "rotate");
		CU_ASSERT_EQUAL(first->n_changes, 0);
		CU_ASSERT_EQUAL(first->policy.releases[0].share_bp, first->policy.revision - 1);
		free(text);
		free(first);
	}
	CU_ASSERT_EQUAL(files_share(&s), 39);
	journal_scan_free(&s);
	CU_ASSERT_EQUAL(journal_read_verify(files_dir, &end, &out, &e), 0);
	buf_free(&out);
	free(l);
	files_check_goes_on(false);
}

/* ---- cut and flipped ------------------------------------------------------------------------- */

/* The journal as `bytes` say, and what a start makes of it. */
static unsigned
share_of(const struct file_bytes *b, size_t n, const struct file_bytes *head)
{
	struct journal_scan s;
	unsigned share;

	files_store(b->name, b->at, n);
	if (head != NULL)
		files_store(head->name, head->at, head->n);
	share = files_share(&s);
	CU_ASSERT(s.found != JOURNAL_BROKEN || s.broken.msg[0] != '\0');
	journal_scan_free(&s);
	return share;
}

static void
test_cut_at_every_length(void)
{
	struct file_bytes file, head;
	unsigned recovered = 0;
	size_t fourth;

	files_write_shares(files_rising, FILES_RISING, JOURNAL_ROTATE_BYTES);
	file = files_load("journal-00000000000000000001.jsonl");
	head = files_load(HEAD_FILE);
	for (size_t n = 0; n < file.n; n++) {
		/* The head knows of four records, so no shorter journal is believed. */
		CU_ASSERT_EQUAL(share_of(&file, n, &head), 0);
		if (n % 97 == 0)
			files_check_goes_on(true);
		files_empty();
	}
	/* Without its last word the head knows of three; then the fourth is an unfinished one. */
	memset(head.at, 0, HEAD_LINE_BYTES); /* that of even records */
	for (size_t n = 0; n <= file.n; n++) {
		unsigned share = share_of(&file, n, &head);

		CU_ASSERT(share == 0 || share == 3000);
		recovered += share == 3000;
		if (n % 97 == 0)
			files_check_goes_on(share == 0);
		files_empty();
	}
	(void)files_line(&file, 3, &fourth);
	CU_ASSERT_EQUAL(recovered, fourth + 1);
	free(file.at);
	free(head.at);
}

static void
test_flipped_at_every_byte(void)
{
	struct file_bytes file, head;

	files_write_shares(files_rising, FILES_RISING, JOURNAL_ROTATE_BYTES);
	file = files_load("journal-00000000000000000001.jsonl");
	head = files_load(HEAD_FILE);
	for (size_t i = 0; i < file.n; i++) {
		for (unsigned bit = 0; bit < 8; bit += 3) {
			file.at[i] ^= (char)(1 << bit);
			CU_ASSERT_EQUAL(share_of(&file, file.n, &head), 0);
			file.at[i] ^= (char)(1 << bit);
		}
		if (i % 97 == 0) {
			file.at[i] ^= 1;
			share_of(&file, file.n, &head);
			files_check_goes_on(true);
			file.at[i] ^= 1;
		}
		files_empty();
	}
	/* A damaged head costs the end of the journal at most. */
	for (size_t i = 0; i < head.n; i++) {
		unsigned share;

		head.at[i] ^= 1;
		share = share_of(&file, file.n, &head);
		CU_ASSERT(share == 5000 || share == 3000);
		head.at[i] ^= 1;
	}
	for (size_t n = 0; n < head.n; n++) {
		struct file_bytes cut = head;
		unsigned share;

		cut.n = n;
		share = share_of(&file, file.n, &cut);
		CU_ASSERT(share == 0 || share == 5000 || share == 3000);
		CU_ASSERT(n >= HEAD_LINE_BYTES || share == 0);
	}
	free(file.at);
	free(head.at);
}

static void
test_foreign(void)
{
	static const char *const texts[] = { "hello\n", "{}\n", "\n",
		"{\"sequence\":1,\"before\":\"\"}\n" };
	struct journal_scan s;

	for (size_t i = 0; i < COUNT(texts); i++) {
		files_write_shares(files_rising, FILES_RISING, JOURNAL_ROTATE_BYTES);
		files_store("journal-00000000000000000001.jsonl", texts[i], strlen(texts[i]));
		CU_ASSERT_EQUAL(files_share(&s), 0);
		CU_ASSERT_EQUAL(s.found, JOURNAL_BROKEN);
		CU_ASSERT(s.sequence >= 4 && s.revision >= 4);
		files_check_goes_on(true);
	}
	files_write_shares(files_rising, FILES_RISING, JOURNAL_ROTATE_BYTES);
	CU_ASSERT_EQUAL(unlinkat(files_dir, HEAD_FILE, 0), 0);
	CU_ASSERT_EQUAL(files_share(&s), 0);
	CU_ASSERT_EQUAL(s.found, JOURNAL_BROKEN);
	files_check_goes_on(true);
	files_write_shares(files_rising, FILES_RISING, JOURNAL_ROTATE_BYTES);
	CU_ASSERT_EQUAL(unlinkat(files_dir, "journal-00000000000000000001.jsonl", 0), 0);
	CU_ASSERT_EQUAL(files_share(&s), 0);
	CU_ASSERT_EQUAL(s.found, JOURNAL_BROKEN);
	files_check_goes_on(true);
}

/* ---- a record that was written and never confirmed ------------------------------------------- */

/* The last of these records is behind the head. */
static unsigned
share_unconfirmed(const unsigned *shares, unsigned n, uint64_t rotate_bytes)
{
	struct file_bytes before;
	struct journal_file f;
	struct journal_scan s;
	unsigned share;

	files_begin(&f);
	f.rotate_bytes = rotate_bytes;
	for (unsigned i = 0; i + 1 < n; i++)
		files_append(&f, i + 1, shares[i]);
	before = files_load(HEAD_FILE);
	files_append(&f, n, shares[n - 1]);
	journal_file_close(&f);
	files_store(HEAD_FILE, before.at, before.n);
	free(before.at);
	share = files_share(&s);
	CU_ASSERT_EQUAL(s.found, JOURNAL_SOUND);
	journal_scan_free(&s);
	return share;
}

static void
test_unconfirmed(void)
{
	static const unsigned raise[] = { 0, 1000, 3000 }, lower[] = { 0, 3000, 1000 };
	static const unsigned same[] = { 0, 3000, 3000 };

	CU_ASSERT_EQUAL(share_unconfirmed(raise, 3, JOURNAL_ROTATE_BYTES), 1000);
	files_check_goes_on(false);
	CU_ASSERT_EQUAL(share_unconfirmed(lower, 3, JOURNAL_ROTATE_BYTES), 1000);
	files_check_goes_on(false);
	CU_ASSERT_EQUAL(share_unconfirmed(same, 3, JOURNAL_ROTATE_BYTES), 3000);
	files_check_goes_on(false);
	/* Each record in a file of its own, behind a rotation that the head does not know either.
	 */
	CU_ASSERT_EQUAL(share_unconfirmed(raise, 3, 1), 1000);
	files_check_goes_on(false);
	CU_ASSERT_EQUAL(share_unconfirmed(lower, 3, 1), 1000);
	files_check_goes_on(false);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static void
test_marks(void)
{
	struct journal_marks m;
	struct err e;
	bool made;
	char name[16];

	files_empty();
	CU_ASSERT_EQUAL_FATAL(marks_open(&m, files_dir, &made, &e), 0);
	CU_ASSERT_TRUE(made);
	CU_ASSERT_EQUAL(marks_get(&m, "a"), 0);
	CU_ASSERT_EQUAL(marks_set(&m, "a", 7, 0), 0);
	CU_ASSERT_EQUAL(marks_set(&m, "b", 9, 0), 0);
	CU_ASSERT_EQUAL(marks_set(&m, "a", 8, 0), 0);
	marks_close(&m);
	CU_ASSERT_EQUAL_FATAL(marks_open(&m, files_dir, &made, &e), 0);
	CU_ASSERT_FALSE(made);
	CU_ASSERT_EQUAL(marks_get(&m, "a"), 8);
	CU_ASSERT_EQUAL(marks_get(&m, "b"), 9);
	CU_ASSERT_EQUAL(marks_get(&m, "c"), 0);
	CU_ASSERT_EQUAL(marks_highest(&m), 9);
	/* More names than places: only marks that are settled make room. */
	for (unsigned i = 0; i < 126; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		CU_ASSERT_EQUAL(marks_set(&m, name, 20 + i, 0), 0);
	}
	CU_ASSERT_EQUAL(marks_set(&m, "one more", 500, 7), -1);
	CU_ASSERT_EQUAL(marks_set(&m, "one more", 500, 8), 0);
	CU_ASSERT_EQUAL(marks_get(&m, "one more"), 500);
	CU_ASSERT_EQUAL(marks_get(&m, "a"), 0);
	CU_ASSERT_EQUAL(marks_get(&m, "b"), 9);
	marks_close(&m);
	files_store("marks", "too short", 9);
	CU_ASSERT_EQUAL_FATAL(marks_open(&m, files_dir, &made, &e), 0);
	CU_ASSERT_TRUE(made);
	marks_close(&m);
}

void
suite_journal(void)
{
	CU_pSuite s = CU_add_suite("journal", files_init, files_fini);

	CU_add_test(s, "writes and reads", test_writes_and_reads);
	CU_add_test(s, "knows its last record", test_knows_its_last_record);
	CU_add_test(s, "nothing there", test_nothing_there);
	CU_add_test(s, "rotation", test_rotation);
	CU_add_test(s, "cut at every length", test_cut_at_every_length);
	CU_add_test(s, "flipped at every byte", test_flipped_at_every_byte);
	CU_add_test(s, "foreign", test_foreign);
	CU_add_test(s, "unconfirmed", test_unconfirmed);
	CU_add_test(s, "marks", test_marks);
}
