// SPDX-License-Identifier: MIT
/*
 * The request ids of the commands that the journal has last: known again after a restart or an
 * upgrade, so that a command whose answer was lost with a master can still be sent again. Master
 * process, before it serves.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/journal_scan.h"
#include "daemon/journal_state.h"
#include "daemon/master.h"

#define FILES_READ 2 /* the newest ones; the last may have been begun just now */
#define LINES_READ (2 * REMEMBERED_IDS)

/* The newest lines of them. */
struct lines {
	struct line {
		const char *at;
		size_t n;
	} all[LINES_READ];
	unsigned n; /* ever found */
};

static void
find_lines(struct lines *l, const char *text, size_t n)
{
	const char *end;

	while ((end = memchr(text, '\n', n)) != NULL) {
		l->all[l->n++ % LINES_READ] =
		    (struct line){ .at = text, .n = (size_t)(end - text) };
		n -= (size_t)(end - text) + 1;
		text = end + 1;
	}
}

/* What can be repeated without harm anyway, or was asked of all releases, is not looked for. */
static bool
find_command(const struct audit_record *r, enum release_command *out)
{
	for (unsigned c = 0; c < COMMAND_COUNT; c++) {
		if (strcmp(r->command, release_command_names[c]) == 0) {
			*out = (enum release_command)c;
			return !release_takes_all(*out);
		}
	}
	return false;
}

/* Whether a record came into force: a raise that was superseded has one too, and the next one goes
 * on from what was before it. */
static bool
held(const struct audit_record *r, const struct audit_record *next)
{
	const struct audit_change *c = &r->changes[0];
	const struct policy_release *then = policy_find(&next->policy, c->release);

	for (unsigned i = 0; i < next->n_changes; i++) {
		if (strcmp(next->changes[i].release, c->release) == 0)
			return next->changes[i].from.state == c->to.state &&
			       next->changes[i].from.share_bp == c->to.share_bp;
	}
	return then != NULL && then->revision == r->policy.revision;
}

/* `next` is NULL for the last record, which is what holds now. */
static void
recall(struct master *m, const struct audit_record *r, const struct audit_record *next)
{
	struct remembered_id id = { .uid = r->uid, .from_journal = true };

	if (r->request[0] == '\0' || r->n_changes != 1 || !find_command(r, &id.command) ||
	    (next != NULL && !held(r, next)))
		return;
	if (id.command == COMMAND_STAGE || id.command == COMMAND_WEIGHT)
		id.share_bp = r->changes[0].to.share_bp;
	id.revision = r->policy.revision;
	memcpy(id.id, r->request, sizeof(id.id));
	memcpy(id.release, r->changes[0].release, sizeof(id.release));
	transition_remember(m, &id);
}

static void
recall_all(struct master *m, const struct lines *l, uint64_t last)
{
	struct audit_record *r = calloc(2, sizeof(*r));
	unsigned i = l->n > LINES_READ ? l->n - LINES_READ : 0, n = 0;
	struct err e;

	for (; r != NULL && i < l->n; i++) {
		const struct line *line = &l->all[i % LINES_READ];

		if (audit_parse(line->at, line->n, &r[n % 2], &e) != 0 || r[n % 2].sequence > last)
			break;
		if (n > 0)
			recall(m, &r[(n - 1) % 2], &r[n % 2]);
		n++;
	}
	if (n > 0)
		recall(m, &r[(n - 1) % 2], NULL);
	free(r);
}

void
journal_recall_ids(struct master *m, uint64_t last)
{
	struct journal_list *files = malloc(sizeof(*files));
	char *texts[FILES_READ] = { NULL };
	struct lines lines = { .n = 0 };
	unsigned n_texts = 0;
	struct err e;

	if (files != NULL && journal_list(m->journal->dir, files, &e) == 0) {
		unsigned i = files->n > FILES_READ ? files->n - FILES_READ : 0;

		for (; i < files->n; i++) {
			size_t n = 0;
			char *text = journal_load(m->journal->dir, files->first[i], &n, &e);

			if (text != NULL)
				find_lines(&lines, texts[n_texts++] = text, n);
		}
		recall_all(m, &lines, last);
	}
	for (unsigned i = 0; i < n_texts; i++)
		free(texts[i]);
	free(files);
}
