// SPDX-License-Identifier: MIT
/* See inquiry.h. Used by the prober. Pure. */
#include "worker/inquiry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mask.h"
#include "worker/errorbody.h"

int
inquiry_init(struct inquiry *q, enum provider_kind kind)
{
	memset(q, 0, sizeof(*q));
	q->kind = kind;
	q->models = calloc(PROBE_MODELS_MAX, sizeof(*q->models));
	return q->models == NULL ? -1 : 0;
}

void
inquiry_fini(struct inquiry *q)
{
	free(q->models);
	q->models = NULL;
}

void
inquiry_add(struct inquiry *q, uint16_t model, const char *name)
{
	struct inquired *m = &q->models[q->n];

	assert(q->n < PROBE_MODELS_MAX);
	q->n++;
	m->model = model;
	m->name = catalogue_bare(name);
	m->alike.wanted = m->name;
}

/* ---- findings -------------------------------------------------------------------------------- */

#define WHY_BYTES     sizeof(((struct finding *)0)->why)
#define SAY(why, ...) snprintf(why, sizeof(why), __VA_ARGS__)

static void
settle(struct inquired *m, enum standing standing)
{
	m->settled = true;
	m->finding.standing = standing;
}

static void
settle_all(struct inquiry *q, enum standing standing, const char *why)
{
	for (unsigned i = 0; i < q->n; i++) {
		if (q->models[i].settled)
			continue;
		settle(&q->models[i], standing);
		SAY(q->models[i].finding.why, "%s", why);
	}
}

static void
settle_unknown(const struct inquiry *q, struct inquired *m)
{
	settle(m, STANDING_UNKNOWN);
	SAY(m->finding.why,
	    "it is not among the %u model%s that the provider lists, and asking "
	    "for it by its name gives 404",
	    q->listed, q->listed == 1 ? "" : "s");
	m->finding.n_alike = m->alike.n;
	memcpy(m->finding.alike, m->alike.names, sizeof(m->finding.alike));
}

/* Statuses of somebody who does not serve this path. */
static bool
means_not_served(unsigned status)
{
	return status == 404 || status == 405 || status == 410 || status == 501;
}

/* An error answer in words. */
static void
describe(unsigned status, const uint8_t *bytes, size_t n, char out[WHY_BYTES])
{
	struct facts f = { .retry_after_ms = -1 };
	char text[sizeof(f.error_code) + sizeof(f.error_message) + 40];

	errorbody_read(bytes, n, &f);
	if (status >= 300 && status < 400)
		n = (size_t)SAY(text,
		    "it answers with %u, which leads elsewhere and is not followed: correct "
		    "base_url",
		    status);
	else
		n = (size_t)SAY(text, "it answers with %u%s%s%s%s", status,
		    f.error_code[0] != '\0' ? " " : "", f.error_code,
		    f.error_message[0] != '\0' ? ": " : "", f.error_message);
	mask_printable(out, WHY_BYTES, text, n);
}

/* ---- the list -------------------------------------------------------------------------------- */

static void
on_listed(void *arg, const char *name)
{
	struct inquiry *q = arg;

	for (unsigned i = 0; i < q->n; i++)
		q->models[i].listed |= strcmp(q->models[i].name, name) == 0;
}

static void
on_alike(void *arg, const char *name)
{
	struct inquiry *q = arg;

	for (unsigned i = 0; i < q->n; i++) {
		if (!q->models[i].listed)
			alike_try(&q->models[i].alike, name);
	}
}

/* The list is over, at its end or before it. */
static void
end_list(struct inquiry *q)
{
	q->step = INQUIRY_NAMES;
	for (unsigned i = 0; i < q->n; i++) {
		if (q->models[i].listed && !q->models[i].settled)
			settle(&q->models[i], STANDING_VERIFIED);
	}
}

static bool
all_listed(const struct inquiry *q)
{
	for (unsigned i = 0; i < q->n; i++) {
		if (!q->models[i].listed)
			return false;
	}
	return true;
}

static void
on_page(struct inquiry *q, const uint8_t *bytes, size_t n)
{
	struct catalogue_page page;
	char before[CATALOGUE_CURSOR_BYTES];

	if (!catalogue_read_list(q->kind, bytes, n, on_listed, q, &page)) {
		SAY(q->no_list, "what it answers to /models is no list of models");
		end_list(q);
		return;
	}
	/* Names that look alike are worth their time for those only that are missing. */
	if (!all_listed(q) && !catalogue_read_list(q->kind, bytes, n, on_alike, q, &page))
		page.more = false;
	memcpy(before, q->page.cursor, sizeof(before));
	q->page = page;
	q->pages++;
	q->listed += page.n;
	q->whole = !page.more;
	/* One who sends the same page for ever is not asked for ever. */
	if (!page.more || all_listed(q) || q->pages >= INQUIRY_PAGES_MAX ||
	    page.cursor[0] == '\0' || strcmp(before, page.cursor) == 0)
		end_list(q);
}

static void
on_list(struct inquiry *q, unsigned status, const uint8_t *bytes, size_t n)
{
	char why[WHY_BYTES];

	if (status >= 200 && status < 300) {
		on_page(q, bytes, n);
	} else if (means_not_served(status)) {
		SAY(q->no_list, "it has no list of models (%u)", status);
		end_list(q);
	} else {
		describe(status, bytes, n, why);
		inquiry_failed(q, why);
	}
}

/* ---- one by its name ------------------------------------------------------------------------- */

static void
on_missing(struct inquiry *q, struct inquired *m, unsigned status)
{
	if (q->no_list[0] != '\0') {
		settle(m, STANDING_UNVERIFIED);
		SAY(m->finding.why, "%s", q->no_list);
	} else if (!q->whole) {
		settle(m, STANDING_UNVERIFIED);
		SAY(m->finding.why,
		    "its list of models has no end, and asking for it by its name "
		    "gives %u",
		    status);
	} else if (status == 404 || status == 410) {
		settle_unknown(q, m);
	} else {
		settle(m, STANDING_UNVERIFIED);
		SAY(m->finding.why,
		    "the provider does not list it, and cannot be asked for one "
		    "model by its name (%u)",
		    status);
	}
}

static void
on_named(struct inquiry *q, unsigned status, const uint8_t *bytes, size_t n)
{
	struct inquired *m = &q->models[q->at];

	if (status >= 200 && status < 300 && catalogue_read_model(q->kind, bytes, n)) {
		settle(m, STANDING_VERIFIED);
	} else if (status >= 200 && status < 300) {
		settle(m, STANDING_UNVERIFIED);
		SAY(m->finding.why, "what it answers to /models/NAME is no model");
	} else if (means_not_served(status)) {
		on_missing(q, m, status);
	} else {
		settle(m, STANDING_UNREACHABLE);
		describe(status, bytes, n, m->finding.why);
	}
}

/* ---- from outside ---------------------------------------------------------------------------- */

bool
inquiry_next(struct inquiry *q, char path[CATALOGUE_PATH_BYTES])
{
	for (q->at = 0; q->at < q->n && q->models[q->at].settled; q->at++)
		;
	if (q->at == q->n) {
		q->step = INQUIRY_OVER;
		return false;
	}
	if (q->step == INQUIRY_LIST)
		catalogue_list_path(q->kind, q->page.cursor, path);
	else
		catalogue_model_path(q->models[q->at].name, path);
	return true;
}

void
inquiry_answered(struct inquiry *q, unsigned status, const uint8_t *bytes, size_t n)
{
	if (q->step == INQUIRY_LIST)
		on_list(q, status, bytes, n);
	else if (q->step == INQUIRY_NAMES)
		on_named(q, status, bytes, n);
}

void
inquiry_failed(struct inquiry *q, const char *why)
{
	/* What the pages so far have named is there. */
	end_list(q);
	settle_all(q, STANDING_UNREACHABLE, why);
}
