// SPDX-License-Identifier: MIT
/*
 * Reading the journal; see journal_scan.h. Writes nothing. A record that the head does not know was
 * never confirmed to anybody: it counts if it exposes no more than the one before, else it is as if
 * it had never been written.
 */
#include "daemon/journal_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_FORMAT "journal-%020llu.jsonl"

/* ---- files ----------------------------------------------------------------------------------- */

void
journal_file_name(char out[JOURNAL_NAME_BYTES], uint64_t first)
{
	snprintf(out, JOURNAL_NAME_BYTES, NAME_FORMAT, (unsigned long long)first);
}

/* 0: not a name of ours. */
static uint64_t
number_of(const char *name)
{
	char again[JOURNAL_NAME_BYTES];
	unsigned long long first;

	if (sscanf(name, "journal-%20llu.jsonl", &first) != 1)
		return 0;
	journal_file_name(again, first);
	return strcmp(again, name) == 0 ? first : 0;
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int
journal_list(int dir, struct journal_list *out, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	out->n = 0;
	if (d == NULL) {
		err_sys(e, "the folder cannot be listed");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	errno = 0;
	while ((entry = readdir(d)) != NULL) {
		uint64_t first = number_of(entry->d_name);

		if (first != 0 && out->n < JOURNAL_FILES_MAX)
			out->first[out->n++] = first;
		errno = 0;
	}
	if (errno != 0) {
		err_sys(e, "the folder cannot be listed");
		closedir(d);
		return -1;
	}
	closedir(d);
	qsort(out->first, out->n, sizeof(out->first[0]), compare_numbers);
	return 0;
}

static char *
read_all(int fd, size_t n, size_t *got, struct err *e)
{
	char *text = malloc(n + 1);

	if (text == NULL) {
		err_set(e, "out of memory");
		return NULL;
	}
	for (*got = 0; *got < n;) {
		ssize_t r = pread(fd, text + *got, n - *got, (off_t)*got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			err_sys(e, "cannot be read");
			free(text);
			return NULL;
		}
		if (r == 0)
			break;
		*got += (size_t)r;
	}
	return text;
}

char *
journal_load(int dir, uint64_t first, size_t *n, struct err *e)
{
	char name[JOURNAL_NAME_BYTES], *text = NULL;
	struct stat st;
	int fd;

	journal_file_name(name, first);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0)
		err_sys(e, "cannot be opened");
	else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)JOURNAL_FILE_MAX)
		err_set(e, "is no file of the journal");
	else
		text = read_all(fd, (size_t)st.st_size, n, e);
	if (fd >= 0)
		close(fd);
	if (text == NULL)
		err_prefix(e, "%s", name);
	return text;
}

/* ---- the head -------------------------------------------------------------------------------- */

#define HEX_BYTES   (2 * AUDIT_HASH_BYTES)
#define CHECK_AT    (HEAD_LINE_BYTES - HEX_BYTES - 1)
#define HEAD_FORMAT "%020llu %020llu %s "

void
journal_head_line(const struct journal_head *h, char out[HEAD_LINE_BYTES + 1])
{
	char hex[HEX_BYTES + 1];
	struct audit_hash check;
	int n;

	sodium_bin2hex(hex, sizeof(hex), h->hash.bytes, sizeof(h->hash.bytes));
	n = snprintf(out, HEAD_LINE_BYTES + 1, HEAD_FORMAT, (unsigned long long)h->sequence,
	    (unsigned long long)h->revision, hex);
	crypto_generichash(
	    check.bytes, sizeof(check.bytes), (const unsigned char *)out, (size_t)n, NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), check.bytes, sizeof(check.bytes));
	snprintf(out + n, HEAD_LINE_BYTES + 1 - (size_t)n, "%s\n", hex);
}

static bool
parse_head_line(const char *line, struct journal_head *out)
{
	char again[HEAD_LINE_BYTES + 1], hex[HEX_BYTES + 1];
	unsigned long long sequence, revision;

	if (sscanf(line, "%20llu %20llu %64[0-9a-f]", &sequence, &revision, hex) != 3 ||
	    strlen(hex) != HEX_BYTES)
		return false;
	out->sequence = sequence;
	out->revision = revision;
	sodium_hex2bin(out->hash.bytes, sizeof(out->hash.bytes), hex, HEX_BYTES, NULL, NULL, NULL);
	journal_head_line(out, again);
	return memcmp(line, again, HEAD_LINE_BYTES) == 0;
}

bool
journal_head_read(int dir, struct journal_head *out)
{
	char text[2 * HEAD_LINE_BYTES + 1] = "", line[HEAD_LINE_BYTES + 1];
	int fd = openat(dir, HEAD_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool found = false;

	if (fd < 0)
		return false;
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		text[0] = '\0';
	close(fd);
	for (unsigned i = 0; i < 2; i++) {
		struct journal_head one;

		memcpy(line, text + i * HEAD_LINE_BYTES, HEAD_LINE_BYTES);
		line[HEAD_LINE_BYTES] = '\0';
		if (parse_head_line(line, &one) && (!found || one.sequence > out->sequence)) {
			*out = one;
			found = true;
		}
	}
	return found;
}

/* ---- lines ----------------------------------------------------------------------------------- */

enum walk_step
journal_walk(struct journal_walk *w, struct err *e)
{
	const char *begin = w->text + w->next, *end;

	end = memchr(begin, '\n', w->n - w->next);
	if (end == NULL)
		return WALK_END;
	w->line = begin;
	w->line_n = (size_t)(end - begin);
	w->number++;
	if (audit_open(begin, w->line_n, &w->seal, e) != 0 ||
	    audit_follow(&w->chain, &w->seal, e) != 0) {
		err_prefix(e, "line %u", w->number);
		return WALK_BROKEN;
	}
	w->next += w->line_n + 1;
	return WALK_LINE;
}

/* ---- the verdict ----------------------------------------------------------------------------- */

/* One file, walked to its end. */
struct walked {
	char *text;
	struct journal_walk walk;
	struct audit_seal first;
	bool found_head; /* the record that the head names is in it */
	size_t head_at, head_n, head_end;
};

static void
walked_free(struct walked *f)
{
	free(f->text);
	*f = (struct walked){ 0 };
}

static int
visit(struct walked *f, uint64_t first, const struct journal_head *h, struct err *e)
{
	const struct journal_walk *w = &f->walk;

	if (w->number == 1)
		f->first = w->seal;
	if (w->number == 1 && w->seal.sequence != first)
		return err_set(e, "line 1: the name of the file says record %llu, it is %llu",
		    (unsigned long long)first, (unsigned long long)w->seal.sequence);
	if (h == NULL || w->seal.sequence != h->sequence)
		return 0;
	if (memcmp(&w->seal.hash, &h->hash, sizeof(h->hash)) != 0)
		return err_set(e, "line %u: the head file knows another record", w->number);
	f->found_head = true;
	f->head_at = (size_t)(w->line - w->text);
	f->head_n = w->line_n;
	f->head_end = w->next;
	return 0;
}

static int
walk_file(int dir, uint64_t first, const struct journal_head *h, struct walked *f, struct err *e)
{
	char name[JOURNAL_NAME_BYTES];
	enum walk_step step;
	size_t n = 0;

	*f = (struct walked){ 0 };
	f->text = journal_load(dir, first, &n, e);
	if (f->text == NULL)
		return -1;
	f->walk = (struct journal_walk){ .text = f->text, .n = n };
	while ((step = journal_walk(&f->walk, e)) == WALK_LINE) {
		if (visit(f, first, h, e) != 0) {
			step = WALK_BROKEN;
			break;
		}
	}
	if (step == WALK_END)
		return 0;
	journal_file_name(name, first);
	walked_free(f);
	return err_prefix(e, "%s", name);
}

static int broken(struct journal_scan *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int
broken(struct journal_scan *s, const char *fmt, ...)
{
	va_list ap;

	s->found = JOURNAL_BROKEN;
	va_start(ap, fmt);
	vsnprintf(s->broken.msg, sizeof(s->broken.msg), fmt, ap);
	va_end(ap);
	return -1;
}

static void
note(struct journal_scan *s, const char *what, uint64_t file)
{
	char name[JOURNAL_NAME_BYTES];

	journal_file_name(name, file);
	snprintf(s->note, sizeof(s->note), "%s: %s", name, what);
}

static struct audit_record *
parse_line(const char *line, size_t n, struct err *e)
{
	struct audit_record *r = malloc(sizeof(*r));

	if (r == NULL) {
		err_set(e, "out of memory");
		return NULL;
	}
	if (audit_parse(line, n, r, e) == 0)
		return r;
	free(r);
	return NULL;
}

/* Takes the last record of the walked file as the journal's end. */
static int
take_end(struct journal_scan *s, uint64_t first, const struct walked *f)
{
	const struct journal_walk *w = &f->walk;
	struct err e;

	s->file = first;
	s->size = w->next;
	s->end = w->chain;
	s->last = parse_line(w->line, w->line_n, &e);
	if (s->last == NULL)
		return broken(s, "record %llu: %s", (unsigned long long)w->chain.sequence, e.msg);
	return 0;
}

/* Behind the record of the head stands another that raises: ends with the head's. */
static int
cut_to_head(struct journal_scan *s, const struct walked *f, struct audit_record *at_head,
    const struct journal_head *h)
{
	note(s, "its last record was never confirmed and raises a share", s->file);
	free(s->last);
	s->last = at_head;
	s->size = f->head_end;
	s->end = (struct audit_chain){ .sequence = h->sequence, .hash = h->hash };
	s->confirmed = true;
	return 0;
}

/* The file holds the head's record and more. */
static int
judge_rest(struct journal_scan *s, const struct walked *f, const struct journal_head *h)
{
	struct audit_record *at_head;
	struct err e;

	if (s->end.sequence == h->sequence) {
		s->confirmed = true;
		return 0;
	}
	at_head = parse_line(f->text + f->head_at, f->head_n, &e);
	if (at_head == NULL)
		return broken(s, "record %llu: %s", (unsigned long long)h->sequence, e.msg);
	if (audit_raises(&at_head->policy, &s->last->policy))
		return cut_to_head(s, f, at_head, h);
	free(at_head);
	return 0;
}

static int judge(struct journal_scan *s, int dir, const struct journal_list *l, unsigned n,
    const struct journal_head *h);

/* The head's record is the last one of the file before this one, which begins with `first`. */
static int
judge_first(struct journal_scan *s, int dir, const struct journal_list *l, unsigned i,
    const struct audit_seal *first, const struct journal_head *h)
{
	struct journal_scan before = { .found = JOURNAL_NEW };
	struct audit_record *last = s->last;
	bool keeps;

	if (first->sequence != h->sequence + 1 ||
	    (h->sequence != 0 && memcmp(&first->before, &h->hash, sizeof(h->hash)) != 0))
		return broken(s, "the head file names record %llu, which is missing",
		    (unsigned long long)h->sequence);
	if (judge(&before, dir, l, i, h) != 0) {
		s->broken = before.broken;
		s->found = JOURNAL_BROKEN;
		return -1;
	}
	keeps = !audit_raises(before.last != NULL ? &before.last->policy : NULL, &last->policy);
	if (keeps) {
		journal_scan_free(&before);
		return 0;
	}
	note(s, "its records were never confirmed and raise a share", s->file);
	memcpy(before.note, s->note, sizeof(before.note));
	free(last);
	*s = before;
	return 0;
}

/* Judges the first `n` files of the list. */
static int
judge(struct journal_scan *s, int dir, const struct journal_list *l, unsigned n,
    const struct journal_head *h)
{
	struct walked f = { 0 };
	struct err e;
	int rc;

	s->found = JOURNAL_SOUND;
	while (n > 0) {
		if (walk_file(dir, l->first[n - 1], h, &f, &e) != 0)
			return broken(s, "%s", e.msg);
		if (f.walk.next < f.walk.n)
			note(s, "an unfinished line at its end", l->first[n - 1]);
		if (f.walk.number > 0)
			break;
		note(s, "a file without a whole line", l->first[n - 1]);
		walked_free(&f);
		n--;
	}
	if (n == 0) {
		s->found = JOURNAL_NEW;
		return h->sequence == 0 ? 0 : broken(s, "all files of the journal are missing");
	}
	rc = take_end(s, l->first[n - 1], &f);
	if (rc == 0 && h->sequence > s->end.sequence)
		rc = broken(s, "it ends with record %llu, but the head file names record %llu",
		    (unsigned long long)s->end.sequence, (unsigned long long)h->sequence);
	else if (rc == 0)
		rc = f.found_head ? judge_rest(s, &f, h)
				  : judge_first(s, dir, l, n - 1, &f.first, h);
	walked_free(&f);
	return rc;
}

/* The best that can still be known of a broken journal, so that no number is used twice. */
static void
find_highest(
    struct journal_scan *s, int dir, const struct journal_list *l, const struct journal_head *h)
{
	struct audit_record *r = NULL;
	struct walked f;
	struct err e;

	s->sequence = h->sequence;
	s->revision = h->revision;
	if (l->n > 0 && l->first[l->n - 1] > s->sequence)
		s->sequence = l->first[l->n - 1];
	if (l->n == 0 || walk_file(dir, l->first[l->n - 1], NULL, &f, &e) != 0)
		return;
	if (f.walk.number > 0)
		r = parse_line(f.walk.line, f.walk.line_n, &e);
	if (r != NULL && r->sequence > s->sequence)
		s->sequence = r->sequence;
	if (r != NULL && r->policy.revision > s->revision)
		s->revision = r->policy.revision;
	free(r);
	walked_free(&f);
}

int
journal_scan(int dir, struct journal_scan *out, struct err *e)
{
	struct journal_list *l = malloc(sizeof(*l));
	struct journal_head h = { 0 };
	bool has_head = journal_head_read(dir, &h);
	struct err why;

	memset(out, 0, sizeof(*out));
	if (l == NULL)
		return err_set(e, "out of memory");
	if (journal_list(dir, l, &why) != 0)
		(void)broken(out, "%s", why.msg);
	else if (l->n > 0 && !has_head)
		(void)broken(out, "the head file is missing or unreadable");
	else
		(void)judge(out, dir, l, l->n, &h);
	find_highest(out, dir, l, &h);
	if (out->found != JOURNAL_SOUND) {
		free(out->last);
		out->last = NULL;
	}
	free(l);
	return 0;
}

void
journal_scan_free(struct journal_scan *s)
{
	free(s->last);
	s->last = NULL;
}
