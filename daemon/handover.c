// SPDX-License-Identifier: MIT
/* The text of a hand-over, written; see handover.h. Reading it: handover_read.c. */
#include "daemon/handover.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/handover_lines.h"
#include "daemon/release.h"

const char *
handover_state_name(unsigned i)
{
	return release_state_name(i);
}

const char *
handover_hold_name(unsigned i)
{
	return release_hold_name(i);
}

static const char *
counter_name(unsigned i)
{
	return counter_info(i)->name;
}

static const char *
result_name(unsigned i)
{
	return outcome_name(i);
}

#define NUMBER(member)                                                    \
	{                                                                 \
#member, offsetof(struct policy_release, member),         \
		    sizeof(((struct policy_release *)0)->member), 0, NULL \
	}
#define WORD(member, n, name)                                                \
	{                                                                    \
#member, offsetof(struct policy_release, member), 1, n, name \
	}
const struct handover_field handover_release_fields[] = {
	NUMBER(rollout_id),
	NUMBER(revision),
	NUMBER(share_revision),
	NUMBER(changed_wall_us),
	NUMBER(freeze_until_us),
	NUMBER(waived),
	NUMBER(share_bp),
	NUMBER(stage_percent),
	WORD(state, STATE_COUNT, handover_state_name),
	WORD(held_state, STATE_COUNT, handover_state_name),
	WORD(hold, HOLD_COUNT, handover_hold_name),
	NUMBER(frozen),
	NUMBER(cut),
	NUMBER(models[ARM_STABLE]),
	NUMBER(models[ARM_CANDIDATE]),
	{ NULL, 0, 0, 0, NULL },
};
#undef NUMBER
#undef WORD

#define TOTAL(member)                                                                       \
	{                                                                                   \
#member, offsetof(struct overall_totals, member), sizeof(uint64_t), 0, NULL \
	}
const struct handover_field handover_overall_fields[] = {
	TOTAL(started),
	TOTAL(finished),
	TOTAL(rejected),
	TOTAL(malformed),
	TOTAL(connections),
	TOTAL(log_dropped),
	TOTAL(bad_policy),
	TOTAL(lost),
	TOTAL(restarts),
	{ NULL, 0, 0, 0, NULL },
};
#undef TOTAL

const struct handover_figures handover_figures[] = {
	{ "counter", offsetof(struct arm_totals, counters), COUNTER_COUNT, counter_name },
	{ "finished", offsetof(struct arm_totals, finished), OUTCOME_COUNT, result_name },
	{ "attempts", offsetof(struct arm_totals, attempts), OUTCOME_COUNT, result_name },
	{ "fallbacks", offsetof(struct arm_totals, fallbacks), OUTCOME_COUNT, result_name },
	{ NULL, 0, 0, NULL },
};

const struct handover_times handover_times[] = {
	{ "latency_us", offsetof(struct arm_totals, latency_us) },
	{ "first_token_us", offsetof(struct arm_totals, first_token_us) },
	{ NULL, 0 },
};

/* ---- lines ----------------------------------------------------------------------------------- */

/* A word of any bytes: tabs, line ends and backslashes are written as \t, \n and \\. */
static int
add_text(struct buf *out, const char *text)
{
	int rc = buf_adds(out, "\t");

	for (; *text != '\0' && rc == 0; text++) {
		switch (*text) {
		case '\t': rc = buf_adds(out, "\\t"); break;
		case '\n': rc = buf_adds(out, "\\n"); break;
		case '\\': rc = buf_adds(out, "\\\\"); break;
		default: rc = buf_add(out, text, 1);
		}
	}
	return rc;
}

static int
add_number(struct buf *out, uint64_t value)
{
	return buf_addf(out, "\t%" PRIu64, value);
}

static uint64_t
number_at(const void *at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, at, size); /* the processor is little-endian, as shm.h expects */
	return value;
}

static int
add_fields(struct buf *out, const struct handover_field *fields, const void *object)
{
	int rc = 0;

	for (const struct handover_field *f = fields; f->name != NULL && rc == 0; f++) {
		uint64_t value = number_at((const char *)object + f->offset, f->size);

		rc = add_text(out, f->name);
		if (rc == 0 && f->word != NULL)
			rc = add_text(out, f->word((unsigned)value));
		else if (rc == 0)
			rc = add_number(out, value);
	}
	return rc == 0 ? buf_adds(out, "\n") : -1;
}

/* ---- parts ----------------------------------------------------------------------------------- */

int
handover_print_policy(struct buf *out, const struct policy *p)
{
	int rc = buf_addf(out, "policy\t%" PRIu64 "\n", p->revision);

	for (uint32_t i = 0; i < p->n_releases && rc == 0; i++) {
		rc = buf_adds(out, "release");
		if (rc == 0)
			rc = add_text(out, p->releases[i].name);
		if (rc == 0)
			rc = add_fields(out, handover_release_fields, &p->releases[i]);
	}
	return rc;
}

static int
print_figures(struct buf *out, enum arm arm, const struct arm_totals *totals)
{
	int rc = 0;

	for (const struct handover_figures *f = handover_figures; f->kind != NULL; f++) {
		const uint64_t *values =
		    (const uint64_t *)(const void *)((const char *)totals + f->offset);

		for (unsigned i = 0; i < f->n && rc == 0; i++) {
			if (values[i] != 0)
				rc = buf_addf(out, "sum\t%s\t%s\t%s\t%" PRIu64 "\n", arm_names[arm],
				    f->kind, f->name(i), values[i]);
		}
	}
	return rc;
}

/* A bucket is written as the smallest value that falls into it. */
static int
print_times(struct buf *out, enum arm arm, const char *name, const struct histogram_sum *h)
{
	int rc = buf_addf(out, "times\t%s\t%s\t%" PRIu64, arm_names[arm], name, h->sum_us);

	for (unsigned i = 0; i < HIST_BUCKETS && rc == 0; i++) {
		if (h->buckets[i] != 0)
			rc = buf_addf(
			    out, "\t%" PRIu64 "\t%" PRIu64, histogram_low_us(i), h->buckets[i]);
	}
	return rc == 0 ? buf_adds(out, "\n") : -1;
}

static int
print_arm(struct buf *out, enum arm arm, const struct arm_totals *totals)
{
	int rc = print_figures(out, arm, totals);

	if (rc == 0)
		rc = buf_addf(out, "window\t%s\t%" PRIu64 "\n", arm_names[arm], totals->window);
	for (const struct handover_times *t = handover_times; t->name != NULL && rc == 0; t++)
		rc = print_times(out, arm, t->name,
		    (const struct histogram_sum *)(const void *)((const char *)totals + t->offset));
	return rc;
}

static int
print_error(struct buf *out, const struct error_note *note)
{
	int rc = buf_addf(out, "error\t%" PRIu64 "\t%s\t%s\t%u\t%u\t%s", note->wall_us,
	    arm_names[note->arm], outcome_name(note->outcome), note->status, note->attempt,
	    error_saved_names[note->saved]);
	const char *texts[] = { note->request_id, note->model, note->provider, note->code,
		note->message };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && rc == 0; i++)
		rc = add_text(out, texts[i]);
	return rc == 0 ? buf_adds(out, "\n") : -1;
}

static int
print_release(struct buf *out, const struct handover_release *r)
{
	int rc = buf_adds(out, "totals");

	if (rc == 0)
		rc = add_text(out, r->name);
	if (rc == 0)
		rc = buf_addf(out, "\t%" PRIu64 "\n", r->window_revision);
	for (unsigned arm = 0; arm < ARM_COUNT && rc == 0; arm++)
		rc = print_arm(out, arm, &r->totals.arms[arm]);
	for (unsigned i = 0; i < r->errors.n && rc == 0; i++)
		rc = print_error(out, &r->errors.notes[i]);
	return rc;
}

static int
print_client(struct buf *out, const struct client_totals *c)
{
	int rc = buf_adds(out, "client");

	if (rc == 0)
		rc = add_text(out, c->name);
	for (unsigned i = 0; i < CLIENT_COUNTER_COUNT && rc == 0; i++) {
		if (c->counters[i] != 0)
			rc = buf_addf(out, "\t%s\t%" PRIu64,
			    client_counter_info((enum client_counter)i)->name, c->counters[i]);
	}
	return rc == 0 ? buf_adds(out, "\n") : -1;
}

static int
print_sockets(struct buf *out, const struct handover *h)
{
	int rc = 0;

	for (unsigned i = 0; i < h->n_sockets && rc == 0; i++) {
		const struct handover_socket *s = &h->sockets[i];

		rc = buf_adds(out, "socket");
		if (rc == 0)
			rc = add_text(out, s->configured);
		if (rc == 0)
			rc = buf_addf(out, "\t%u\t%u\n", s->own_file, s->admin);
	}
	return rc;
}

static int
print_places(struct buf *out, const struct handover *h)
{
	int rc = buf_adds(out, "control_socket");

	if (rc == 0)
		rc = add_text(out, h->control_socket);
	if (rc == 0)
		rc = buf_adds(out, "\nstate_dir");
	if (rc == 0)
		rc = add_text(out, h->state_dir);
	return rc == 0 ? buf_adds(out, "\n") : -1;
}

int
handover_print(struct buf *out, const struct handover *h)
{
	int rc = buf_addf(out, "%s\ngeneration\t%" PRIu64 "\n", HANDOVER_TITLE, h->generation);

	if (rc == 0)
		rc = print_places(out, h);
	if (rc == 0)
		rc = handover_print_policy(out, &h->policy);
	if (rc == 0)
		rc = print_sockets(out, h);
	if (rc == 0)
		rc = buf_adds(out, "overall");
	if (rc == 0)
		rc = add_fields(out, handover_overall_fields, &h->overall);
	for (unsigned i = 0; i < h->n_releases && rc == 0; i++)
		rc = print_release(out, &h->releases[i]);
	for (unsigned i = 0; i < h->n_clients && rc == 0; i++)
		rc = print_client(out, &h->clients[i]);
	return rc == 0 ? buf_adds(out, "end\n") : -1;
}
