// SPDX-License-Identifier: MIT
/* The guard's families of /metrics; see metrics_guard.h. Pure. */
#include "worker/metrics_guard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LABELS_BYTES (2 * NAME_BYTES + 64)

static void
label_release(char labels[LABELS_BYTES], const struct metrics_release *r)
{
	char *end = promtext_escape(stpcpy(labels, "release=\""), r->set.name);

	stpcpy(end, "\"");
}

/* Of the present rollout; false: the guard does not watch it. */
static bool
is_guarded(const struct metrics_release *r)
{
	return r->guard != NULL && r->set.rollout_id != 0 &&
	       tally_get(&r->guard->rollout_id) == r->set.rollout_id;
}

static void
put_evidence(struct promtext *p, const char *release, const char *test, const char *which,
    const _Atomic uint64_t *gauge)
{
	char number[PROMTEXT_NUMBER_BYTES], labels[LABELS_BYTES + 64];
	uint64_t bits = tally_get(gauge);
	double log_e;

	memcpy(&log_e, &bits, sizeof(log_e));
	/* A test that is not made, since its symptom is off or has no budget, has no figure. */
	if (isnan(log_e) || log_e == -HUGE_VAL)
		return;
	snprintf(labels, sizeof(labels), "%s,test=\"%s%s\"", release, test, which);
	if (isfinite(log_e))
		snprintf(number, sizeof(number), "%.6g", log_e);
	else
		snprintf(number, sizeof(number), "+Inf");
	promtext_text(p, "", labels, number);
}

void
metrics_guard_evidence(struct promtext *p, const struct metrics *m, size_t at)
{
	static const char *const tests[] = {
#define GAUGE(id, name) [GAUGE_##id] = name,
#include "common/gauges.def"
#undef GAUGE
	};
	static const char *const symptoms[] = {
#define SYMPTOM(id, name, ...) name,
#define VALUE(...)
#include "common/symptoms.def"
#undef SYMPTOM
#undef VALUE
	};
	char labels[LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases; i++) {
		const struct metrics_release *r = &m->releases[i];

		if (!is_guarded(r))
			continue;
		label_release(labels, r);
		for (unsigned k = 0; k < GAUGE_SYMPTOMS; k++)
			put_evidence(p, labels, tests[k], "", &r->guard->logs[k]);
		for (unsigned k = 0; k < 2 * SYMPTOM_COUNT; k++)
			put_evidence(p, labels, symptoms[k / 2], k % 2 == 0 ? "_against" : "_for",
			    &r->guard->logs[GAUGE_SYMPTOMS + k]);
	}
}

void
metrics_guard_verdicts(struct promtext *p, const struct metrics *m, size_t at)
{
	/* In the order of the daemon's enum verdict_kind. */
	static const char *const names[] = { "wait", "safe", "hold", "rollback" };
	char labels[LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases; i++) {
		const struct metrics_release *r = &m->releases[i];

		if (!is_guarded(r))
			continue;
		label_release(labels, r);
		for (unsigned k = 0; k < 4; k++)
			promtext_with(
			    p, labels, "verdict", names[k], tally_get(&r->guard->verdict) == k + 1);
	}
}

void
metrics_guard_uncounted(struct promtext *p, const struct metrics *m, size_t at)
{
	char labels[LABELS_BYTES];

	(void)at;
	for (unsigned i = 0; i < m->n_releases; i++) {
		const struct metrics_release *r = &m->releases[i];

		if (!is_guarded(r))
			continue;
		label_release(labels, r);
		promtext_number(p, "", labels, tally_get(&r->guard->uncounted));
	}
}
