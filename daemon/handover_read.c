// SPDX-License-Identifier: MIT
/* The text of a hand-over, read; see handover.h. A table has one function for each kind of line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/handover.h"
#include "daemon/handover_lines.h"

struct reading {
	struct handover *h; /* NULL: only a policy is read */
	struct policy *policy;
	struct handover_release *release; /* that the lines belong to */
	char *at;			  /* the rest of the line; NULL: nothing is left */
	bool ended;
	struct err *e;
};

/* ---- words ----------------------------------------------------------------------------------- */

/* Undoes \t, \n and \\ in place. False: another escape. */
static bool
unescape(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++, to++) {
		*to = *text;
		if (*text != '\\')
			continue;
		text++;
		if (*text != 't' && *text != 'n' && *text != '\\')
			return false;
		*to = *text == 't' ? '\t' : *text == 'n' ? '\n' : '\\';
	}
	*to = '\0';
	return true;
}

/* The next word of the line; NULL: there is none, or it is malformed. */
static char *
next_word(struct reading *r)
{
	char *word = r->at;

	if (word == NULL)
		return NULL;
	r->at = strchr(word, '\t');
	if (r->at != NULL)
		*r->at++ = '\0';
	return unescape(word) ? word : NULL;
}

static int
next_number(struct reading *r, uint64_t most, uint64_t *out)
{
	const char *word = next_word(r);
	char *end;

	if (word == NULL || *word < '0' || *word > '9')
		return -1;
	errno = 0;
	*out = strtoull(word, &end, 10);
	return *end == '\0' && errno == 0 && *out <= most ? 0 : -1;
}

static int
next_text(struct reading *r, char *out, size_t size)
{
	const char *word = next_word(r);

	if (word == NULL || strlen(word) >= size)
		return -1;
	strcpy(out, word);
	return 0;
}

static int
next_bool(struct reading *r, bool *out)
{
	uint64_t value = 0;
	int rc = next_number(r, 1, &value);

	*out = value != 0;
	return rc;
}

/* The place of a word among n names; n: it is none of them. */
static unsigned
place_of(const char *word, unsigned n, const char *(*name)(unsigned i))
{
	unsigned i = 0;

	while (i < n && (word == NULL || strcmp(word, name(i)) != 0))
		i++;
	return i;
}

static const char *
arm_name(unsigned i)
{
	return arm_names[i];
}

static const char *
result_name(unsigned i)
{
	return outcome_name(i);
}

static int
next_arm(struct reading *r, enum arm *arm)
{
	unsigned i = place_of(next_word(r), ARM_COUNT, arm_name);

	*arm = i < ARM_COUNT ? i : ARM_STABLE;
	return i < ARM_COUNT ? 0 : -1;
}

/* ---- fields ---------------------------------------------------------------------------------- */

static int
read_field(struct reading *r, const struct handover_field *f, void *object)
{
	uint64_t most = f->size == 8 ? UINT64_MAX : (1ull << (8 * f->size)) - 1, value = 0;

	if (f->word != NULL) {
		value = place_of(next_word(r), f->n_words, f->word);
		if (value == f->n_words)
			return -1;
	} else if (next_number(r, most, &value) != 0) {
		return -1;
	}
	memcpy((char *)object + f->offset, &value, f->size);
	return 0;
}

/* Pairs of a name and a value until the line ends; each name must be there. */
static int
read_fields(struct reading *r, const struct handover_field *fields, void *object)
{
	unsigned seen = 0, wanted = 0;

	for (const struct handover_field *f = fields; f->name != NULL; f++)
		wanted++;
	while (r->at != NULL) {
		const char *name = next_word(r);
		const struct handover_field *f = fields;

		while (f->name != NULL && (name == NULL || strcmp(f->name, name) != 0))
			f++;
		if (f->name == NULL || read_field(r, f, object) != 0)
			return -1;
		seen++;
	}
	return seen == wanted ? 0 : -1;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static int
read_generation(struct reading *r)
{
	return next_number(r, UINT64_MAX, &r->h->generation);
}

static int
read_control_socket(struct reading *r)
{
	return next_text(r, r->h->control_socket, sizeof(r->h->control_socket));
}

static int
read_state_dir(struct reading *r)
{
	return next_text(r, r->h->state_dir, sizeof(r->h->state_dir));
}

static int
read_policy(struct reading *r)
{
	return next_number(r, UINT64_MAX - 1, &r->policy->revision);
}

static int
read_release(struct reading *r)
{
	struct policy_release *release = &r->policy->releases[r->policy->n_releases];

	if (r->policy->n_releases == RELEASES_MAX ||
	    next_text(r, release->name, sizeof(release->name)) != 0)
		return -1;
	r->policy->n_releases++;
	if (read_fields(r, handover_release_fields, release) != 0)
		return -1;
	return release->share_bp <= 10000 ? 0 : -1;
}

static int
read_socket(struct reading *r)
{
	struct handover_socket *s = &r->h->sockets[r->h->n_sockets];

	if (r->h->n_sockets++ == LISTEN_MAX + 1)
		return -1;
	if (next_text(r, s->configured, sizeof(s->configured)) != 0)
		return -1;
	return next_bool(r, &s->own_file) == 0 && next_bool(r, &s->admin) == 0 ? 0 : -1;
}

static int
read_overall(struct reading *r)
{
	return read_fields(r, handover_overall_fields, &r->h->overall);
}

static int
read_totals(struct reading *r)
{
	if (r->h->n_releases == RELEASES_MAX)
		return -1;
	r->release = &r->h->releases[r->h->n_releases++];
	if (next_text(r, r->release->name, sizeof(r->release->name)) != 0)
		return -1;
	return next_number(r, UINT64_MAX, &r->release->window_revision);
}

static int
read_sum(struct reading *r)
{
	const struct handover_figures *f = handover_figures;
	const char *kind;
	uint64_t value;
	unsigned place;
	enum arm arm;

	if (r->release == NULL || next_arm(r, &arm) != 0 || (kind = next_word(r)) == NULL)
		return -1;
	while (f->kind != NULL && strcmp(f->kind, kind) != 0)
		f++;
	if (f->kind == NULL)
		return -1;
	place = place_of(next_word(r), f->n, f->name);
	if (next_number(r, UINT64_MAX, &value) != 0)
		return -1;
	if (place < f->n)
		memcpy((char *)&r->release->totals.arms[arm] + f->offset + place * sizeof(value),
		    &value, sizeof(value));
	return 0;
}

static int
read_window(struct reading *r)
{
	enum arm arm;

	if (r->release == NULL || next_arm(r, &arm) != 0)
		return -1;
	return next_number(r, UINT64_MAX, &r->release->totals.arms[arm].window);
}

static int
read_times(struct reading *r)
{
	const struct handover_times *t = handover_times;
	struct histogram_sum *h;
	const char *name;
	enum arm arm;

	if (r->release == NULL || next_arm(r, &arm) != 0 || (name = next_word(r)) == NULL)
		return -1;
	while (t->name != NULL && strcmp(t->name, name) != 0)
		t++;
	if (t->name == NULL)
		return -1;
	h = (struct histogram_sum *)(void *)((char *)&r->release->totals.arms[arm] + t->offset);
	if (next_number(r, UINT64_MAX, &h->sum_us) != 0)
		return -1;
	while (r->at != NULL) {
		uint64_t low_us, n;

		if (next_number(r, UINT64_MAX, &low_us) != 0 || next_number(r, UINT64_MAX, &n) != 0)
			return -1;
		h->buckets[histogram_bucket(low_us)] += n;
		h->count += n;
	}
	return 0;
}

static const char *
saved_name(unsigned i)
{
	return error_saved_names[i];
}

/* An error whose outcome this version does not know is passed over. */
static int
read_error(struct reading *r)
{
	struct error_note note = { 0 };
	uint64_t status, attempt;
	unsigned outcome, saved;

	if (r->release == NULL || next_number(r, UINT64_MAX, &note.wall_us) != 0 ||
	    next_arm(r, &note.arm) != 0)
		return -1;
	outcome = place_of(next_word(r), OUTCOME_COUNT, result_name);
	if (next_number(r, UINT16_MAX, &status) != 0 || next_number(r, UINT8_MAX, &attempt) != 0)
		return -1;
	saved = place_of(next_word(r), SAVED_COUNT, saved_name);
	if (saved == SAVED_COUNT || next_text(r, note.request_id, sizeof(note.request_id)) != 0 ||
	    next_text(r, note.model, sizeof(note.model)) != 0 ||
	    next_text(r, note.provider, sizeof(note.provider)) != 0 ||
	    next_text(r, note.code, sizeof(note.code)) != 0 ||
	    next_text(r, note.message, sizeof(note.message)) != 0)
		return -1;
	if (outcome == OUTCOME_COUNT || r->release->errors.n == ERRORS_KEPT)
		return 0;
	note.outcome = outcome;
	note.saved = saved;
	note.status = (uint16_t)status;
	note.attempt = (uint8_t)attempt;
	r->release->errors.notes[r->release->errors.n++] = note;
	return 0;
}

static const char *
client_counter_name(unsigned i)
{
	return client_counter_info(i)->name;
}

/* Pairs of a counter and its value; counters that this version does not have are passed over. */
static int
read_client(struct reading *r)
{
	struct client_totals *c = &r->h->clients[r->h->n_clients];

	if (r->h->n_clients == CLIENTS_MAX || next_text(r, c->name, sizeof(c->name)) != 0)
		return -1;
	r->h->n_clients++;
	while (r->at != NULL) {
		unsigned place = place_of(next_word(r), CLIENT_COUNTER_COUNT, client_counter_name);
		uint64_t value;

		if (next_number(r, UINT64_MAX, &value) != 0)
			return -1;
		if (place < CLIENT_COUNTER_COUNT)
			c->counters[place] = value;
	}
	return 0;
}

static int
read_end(struct reading *r)
{
	r->ended = true;
	return 0;
}

static const struct {
	const char *kind;
	bool in_policy; /* may stand in a policy that comes alone */
	int (*read)(struct reading *r);
} lines[] = {
	{ "policy", true, read_policy },
	{ "release", true, read_release },
	{ "generation", false, read_generation },
	{ "control_socket", false, read_control_socket },
	{ "state_dir", false, read_state_dir },
	{ "socket", false, read_socket },
	{ "overall", false, read_overall },
	{ "totals", false, read_totals },
	{ "sum", false, read_sum },
	{ "window", false, read_window },
	{ "times", false, read_times },
	{ "error", false, read_error },
	{ "client", false, read_client },
	{ "end", false, read_end },
};
#define N_LINES (sizeof(lines) / sizeof(lines[0]))

static int
read_line(struct reading *r, char *line, unsigned number)
{
	char shown[24];
	const char *kind;

	snprintf(shown, sizeof(shown), "%s", line);
	r->at = line;
	kind = next_word(r);
	for (size_t i = 0; i < N_LINES; i++) {
		if (kind == NULL || strcmp(kind, lines[i].kind) != 0 || r->ended ||
		    (r->h == NULL && !lines[i].in_policy))
			continue;
		if (lines[i].read(r) == 0 && r->at == NULL)
			return 0;
		break;
	}
	return err_set(r->e, "line %u of the hand-over makes no sense: \"%s\"", number, shown);
}

static int
read_lines(struct reading *r, char *text, unsigned number)
{
	while (*text != '\0') {
		char *end = strchr(text, '\n');

		if (end == NULL)
			return err_set(r->e, "the hand-over ends in the middle of line %u", number);
		*end = '\0';
		if (read_line(r, text, number++) != 0)
			return -1;
		text = end + 1;
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

int
handover_parse_policy(struct policy *p, const char *text, size_t n, struct err *e)
{
	struct reading r = { .policy = p, .e = e };
	char *copy = strndup(text, n);
	int rc;

	memset(p, 0, sizeof(*p));
	if (copy == NULL)
		return err_set(e, "out of memory");
	rc = read_lines(&r, copy, 1);
	if (rc == 0 && p->revision == 0)
		rc = err_set(e, "the policy has no revision");
	free(copy);
	return rc;
}

/* The first line: whether the rest can be understood. NULL: it cannot. */
static char *
check_title(char *text, struct err *e)
{
	char *end = strchr(text, '\n');

	if (end != NULL)
		*end = '\0';
	if (end != NULL && strcmp(text, HANDOVER_TITLE) == 0)
		return end + 1;
	err_set(e, "this version understands \"%s\", and got \"%.40s\"", HANDOVER_TITLE, text);
	return NULL;
}

int
handover_parse(struct handover *h, const char *text, size_t n, struct err *e)
{
	struct reading r = { .h = h, .policy = &h->policy, .e = e };
	char *copy = strndup(text, n), *body;
	int rc = -1;

	memset(h, 0, sizeof(*h));
	if (copy == NULL)
		return err_set(e, "out of memory");
	body = check_title(copy, e);
	if (body != NULL)
		rc = read_lines(&r, body, 2);
	if (rc == 0 && (!r.ended || h->policy.revision == 0))
		rc = err_set(e, "the hand-over is not whole");
	free(copy);
	return rc;
}
