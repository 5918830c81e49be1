// SPDX-License-Identifier: MIT
/* Decisions of the guard, computed anew; see journal_replay.h. Writes nothing. */
#include "daemon/journal_replay.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json_escape.h"
#include "daemon/journal_scan.h"
#include "daemon/verdict.h"

struct replay {
	const char *release;
	uint64_t last; /* the sequence after which nothing counts */
	struct audit_record *record;
	struct verdict_record *evidence;
	struct buf *out;
	unsigned decisions, differing;
};

/* What the guard must have thought to give this command. */
static bool
explains(enum verdict_kind kind, const char *command)
{
	if (strcmp(command, "rollback") == 0)
		return kind == VERDICT_ROLLBACK;
	if (strcmp(command, "pause") == 0)
		return kind == VERDICT_HOLD;
	if (strcmp(command, "resume") == 0)
		return kind == VERDICT_WAIT || kind == VERDICT_SAFE;
	return kind == VERDICT_SAFE;
}

static int
add_text(struct buf *out, const char *name, const char *text)
{
	if (buf_addf(out, ",\"%s\":\"", name) != 0 || json_escape(out, text, strlen(text)) != 0)
		return -1;
	return buf_adds(out, "\"");
}

static int
add_decision(struct replay *p, const struct verdict *v, bool same, const char *note)
{
	const struct audit_record *r = p->record;
	char time[CLOCK_ISO_BYTES];

	clock_iso(r->wall_us, time);
	if (buf_addf(p->out, "%s{\"sequence\":%llu,\"time\":\"%s\",\"same\":%s",
		p->decisions > 0 ? "," : "", (unsigned long long)r->sequence, time,
		same ? "true" : "false") != 0 ||
	    add_text(p->out, "command", r->command) != 0 ||
	    add_text(p->out, "reason", r->reason) != 0)
		return -1;
	if (v != NULL && (add_text(p->out, "verdict", verdict_kind_names[v->kind]) != 0 ||
			     add_text(p->out, "test", verdict_test_names[v->test]) != 0 ||
			     add_text(p->out, "computed", v->reason) != 0))
		return -1;
	if (note != NULL && add_text(p->out, "note", note) != 0)
		return -1;
	p->decisions++;
	p->differing += !same;
	return buf_adds(p->out, "}");
}

static int
replay_record(struct replay *p)
{
	const struct audit_record *r = p->record;
	struct verdict v;
	struct err e;
	bool same;

	if (verdict_read(r->evidence, p->evidence, &e) != 0)
		return add_decision(p, NULL, false, e.msg);
	verdict_find(&p->evidence->c, &v);
	same = explains(v.kind, r->command) &&
	       (strcmp(r->command, "resume") == 0 || strcmp(v.reason, r->reason) == 0);
	return add_decision(p, &v, same, NULL);
}

static bool
is_decision(const struct replay *p)
{
	const struct audit_record *r = p->record;

	if (r->sequence > p->last || strcmp(r->actor, "guard") != 0)
		return false;
	for (unsigned i = 0; i < r->n_changes; i++) {
		if (strcmp(r->changes[i].release, p->release) == 0)
			return true;
	}
	return false;
}

static int
replay_file(struct replay *p, int dir, uint64_t first, struct err *e)
{
	size_t n;
	char *text = journal_load(dir, first, &n, e), *at = text, *end;
	struct err ignored;
	int rc = 0;

	if (text == NULL)
		return -1;
	while (rc == 0 && (end = memchr(at, '\n', n - (size_t)(at - text))) != NULL) {
		if (audit_parse(at, (size_t)(end - at), p->record, &ignored) == 0 && is_decision(p))
			rc = replay_record(p);
		at = end + 1;
	}
	free(text);
	return rc == 0 ? 0 : err_set(e, "out of memory");
}

static int
replay_files(struct replay *p, int dir, const struct journal_list *l, struct err *e)
{
	if (buf_adds(p->out, "{\"decisions\":[") != 0)
		return err_set(e, "out of memory");
	for (unsigned i = 0; i < l->n; i++) {
		if (replay_file(p, dir, l->first[i], e) != 0)
			return -1;
	}
	if (buf_addf(p->out, "],\"differing\":%u}", p->differing) != 0)
		return err_set(e, "out of memory");
	return 0;
}

int
journal_replay(
    int dir, const char *release, const struct audit_chain *end, struct buf *out, struct err *e)
{
	struct replay p = { .release = release, .last = end->sequence, .out = out };
	struct journal_list *l = malloc(sizeof(*l));
	int rc = -1;

	p.record = malloc(sizeof(*p.record));
	p.evidence = malloc(sizeof(*p.evidence));
	if (l == NULL || p.record == NULL || p.evidence == NULL)
		err_set(e, "out of memory");
	else if (journal_list(dir, l, e) == 0)
		rc = replay_files(&p, dir, l, e);
	free(p.evidence);
	free(p.record);
	free(l);
	return rc;
}
