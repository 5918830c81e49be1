// SPDX-License-Identifier: MIT
/*
 * Sums that another master has made, added to slot 0 of this one; see slot.h. Master process. The
 * other one tells its sums again and again while its last workers finish; what is added is what has
 * come since the time before.
 */
#include <string.h>

#include "common/slot.h"

static uint64_t
more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static void
add_figures(_Atomic uint64_t *into, const uint64_t *now, const uint64_t *before, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tally_add(&into[i], more(now[i], before[i]));
}

static void
add_histogram(
    struct histogram *into, const struct histogram_sum *now, const struct histogram_sum *before)
{
	add_figures(into->buckets, now->buckets, before->buckets, HIST_BUCKETS);
	tally_add(&into->sum_us, more(now->sum_us, before->sum_us));
	tally_add(&into->count, more(now->count, before->count));
}

static void
add_arm(struct slot_arm *into, const struct arm_totals *now, const struct arm_totals *before)
{
	add_figures(into->counters, now->counters, before->counters, COUNTER_COUNT);
	add_figures(into->finished, now->finished, before->finished, OUTCOME_COUNT);
	add_figures(into->attempts, now->attempts, before->attempts, OUTCOME_COUNT);
	add_figures(into->fallbacks, now->fallbacks, before->fallbacks, OUTCOME_COUNT);
	add_histogram(&into->latency_us, &now->latency_us, &before->latency_us);
	add_histogram(&into->first_token_us, &now->first_token_us, &before->first_token_us);
}

/* A window counts for one revision; both sums are of this one. */
static void
add_window(struct slot_release *into, uint64_t revision, const struct release_totals *now,
    const struct release_totals *before)
{
	if (revision > tally_get(&into->window_revision))
		slot_window_begin(into, revision);
	if (revision != tally_get(&into->window_revision))
		return;
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		tally_add(
		    &into->arms[arm].window, more(now->arms[arm].window, before->arms[arm].window));
}

int
slots_add_release(struct slots *s, const char *release, uint64_t window_revision,
    const struct release_totals *now, const struct release_totals *before)
{
	struct slot_release *into = slot_release_tally(&s->all[0], release);

	if (into == NULL)
		return -1;
	slots_fold_begin(s);
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		add_arm(&into->arms[arm], &now->arms[arm], &before->arms[arm]);
	add_window(into, window_revision, now, before);
	slots_fold_end(s);
	return 0;
}

int
slots_add_client(
    struct slots *s, const struct client_totals *now, const struct client_totals *before)
{
	struct slot_client *into = slot_client_tally(&s->all[0], now->name);

	if (into == NULL)
		return -1;
	slots_fold_begin(s);
	add_figures(into->counters, now->counters, before->counters, CLIENT_COUNTER_COUNT);
	slots_fold_end(s);
	return 0;
}

void
slots_add_errors(
    struct slots *s, const char *release, const struct error_list *list, uint64_t after_us)
{
	struct slot_release *into = slot_release_tally(&s->all[0], release);

	for (unsigned i = 0; into != NULL && i < list->n; i++) {
		if (list->notes[i].wall_us > after_us)
			errring_write(&into->errors, &list->notes[i]);
	}
}

void
slots_add_overall(
    struct slots *s, const struct overall_totals *now, const struct overall_totals *before)
{
	struct slot *into = &s->all[0];

	slots_fold_begin(s);
	tally_add(&into->started, more(now->started, before->started));
	tally_add(&into->finished, more(now->finished, before->finished));
	tally_add(&into->rejected, more(now->rejected, before->rejected));
	tally_add(&into->malformed, more(now->malformed, before->malformed));
	tally_add(&into->connections, more(now->connections, before->connections));
	tally_add(&into->log_dropped, more(now->log_dropped, before->log_dropped));
	tally_add(&into->bad_policy, more(now->bad_policy, before->bad_policy));
	tally_add(&into->lost, more(now->lost, before->lost));
	tally_add(&into->restarts, more(now->restarts, before->restarts));
	slots_fold_end(s);
}
