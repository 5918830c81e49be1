// SPDX-License-Identifier: MIT
/*
 * The slots region, see slot.h. All but slot_map_own(), slot_release_tally() and the sums, which
 * the admin process also makes, runs in the master.
 * No value read from a worker's slot is used as an index, a length or a string before it was
 * bounded; each is read once.
 */
#include "common/slot.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/slot_clients.h"
#include "common/slot_evidence.h"

#define SLOTS_BYTES ((size_t)SLOTS_MAX * sizeof(struct slot))
#define SANE_LIMIT  (1ull << 56)

static struct slot *
map_slots(int fd, struct err *e)
{
	struct slot *all;

	if (ftruncate(fd, (off_t)SLOTS_BYTES) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		err_sys(e, "cannot size the memory of tallies");
		return NULL;
	}
	all = mmap(NULL, SLOTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (all == MAP_FAILED) {
		err_sys(e, "cannot map the memory of tallies");
		return NULL;
	}
	if (madvise(all, SLOTS_BYTES, MADV_DONTFORK) == 0)
		return all;
	err_sys(e, "cannot keep the memory of tallies from children");
	munmap(all, SLOTS_BYTES);
	return NULL;
}

int
slots_create(struct slots *s, struct err *e)
{
	memset(s->used, 0, sizeof(s->used));
	s->all = NULL;
	s->fd = memfd_create("grayd-slots", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0)
		return err_sys(e, "cannot make the memory of tallies");
	s->all = map_slots(s->fd, e);
	if (s->all == NULL) {
		slots_destroy(s);
		return -1;
	}
	return 0;
}

void
slots_destroy(struct slots *s)
{
	if (s->all != NULL)
		munmap(s->all, SLOTS_BYTES);
	if (s->fd >= 0)
		close(s->fd);
	s->all = NULL;
	s->fd = -1;
}

/* How many releases of a slot may be looked at. */
static unsigned
n_releases(const struct slot *slot)
{
	uint32_t n = atomic_load_explicit(&slot->n_releases, memory_order_acquire);

	return n < RELEASES_MAX ? n : RELEASES_MAX;
}

/* The place of a release in a slot; RELEASES_MAX: it is not there. */
static unsigned
find_release(const struct slot *slot, const char *name)
{
	unsigned n = n_releases(slot);

	for (unsigned i = 0; i < n; i++) {
		if (strncmp(slot->releases[i].name, name, NAME_BYTES) == 0)
			return i;
	}
	return RELEASES_MAX;
}

struct slot_release *
slot_release_tally(struct slot *slot, const char *release)
{
	unsigned i = find_release(slot, release), n = n_releases(slot);
	size_t len = strlen(release);

	if (i < RELEASES_MAX)
		return &slot->releases[i];
	if (n == RELEASES_MAX || len >= NAME_BYTES)
		return NULL;
	memcpy(slot->releases[n].name, release, len + 1);
	atomic_store_explicit(&slot->n_releases, n + 1, memory_order_release);
	return &slot->releases[n];
}

int
slots_declare(struct slots *s, const char *release)
{
	return slot_release_tally(&s->all[0], release) != NULL ? 0 : -1;
}

int
slot_claim(struct slots *s, uint64_t generation, uint64_t now_us)
{
	for (unsigned i = 1; i < SLOTS_MAX; i++) {
		struct slot *slot = &s->all[i];

		if (s->used[i])
			continue;
		s->used[i] = true;
		atomic_store_explicit(&slot->generation, generation, memory_order_relaxed);
		atomic_store_explicit(&slot->heartbeat_us, now_us, memory_order_relaxed);
		atomic_store_explicit(&slot->state, SLOT_STARTING, memory_order_release);
		return (int)i;
	}
	return -1;
}

struct slot *
slot_map_own(int fd, unsigned index, struct err *e)
{
	off_t at = (off_t)index * (off_t)sizeof(struct slot);
	struct slot *slot;

	assert(index > 0 && index < SLOTS_MAX);
	slot = mmap(NULL, sizeof(*slot), PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
	if (slot != MAP_FAILED)
		return slot;
	err_sys(e, "cannot map the memory of tallies");
	return NULL;
}

int
slots_map_readonly(struct slots *s, int fd, struct err *e)
{
	char path[64];
	int readonly;

	s->fd = -1;
	s->all = NULL;
	/* Opened anew: a mapping of `fd` itself could be made writable later. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readonly = open(path, O_RDONLY | O_CLOEXEC);
	if (readonly < 0)
		return err_sys(e, "cannot open the memory of tallies for reading");
	s->all = mmap(NULL, SLOTS_BYTES, PROT_READ, MAP_SHARED | MAP_NORESERVE, readonly, 0);
	close(readonly);
	if (s->all == MAP_FAILED) {
		s->all = NULL;
		return err_sys(e, "cannot map the memory of tallies");
	}
	/* Who has which slot is in the master's book only; one that nobody has adds nothing. */
	for (unsigned i = 0; i < SLOTS_MAX; i++)
		s->used[i] = true;
	return 0;
}

uint64_t
slots_read_begin(const struct slots *s)
{
	return atomic_load_explicit(&s->all[0].folds, memory_order_acquire);
}

bool
slots_read_whole(const struct slots *s, uint64_t begun)
{
	atomic_thread_fence(memory_order_acquire);
	return begun % 2 == 0 && tally_get(&s->all[0].folds) == begun;
}

/* ---- is it sane? ----------------------------------------------------------------------------- */

static bool
all_below(const _Atomic uint64_t *figures, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (tally_get(&figures[i]) >= SANE_LIMIT)
			return false;
	}
	return true;
}

static bool
arm_sane(const struct slot_arm *a)
{
	return all_below(a->counters, COUNTER_COUNT) && all_below(a->finished, OUTCOME_COUNT) &&
	       all_below(a->attempts, OUTCOME_COUNT) && all_below(a->fallbacks, OUTCOME_COUNT) &&
	       all_below(&a->window, 1) && all_below(&a->latency_us.count, 1) &&
	       all_below(a->latency_us.buckets, HIST_BUCKETS) &&
	       all_below(&a->first_token_us.count, 1) &&
	       all_below(a->first_token_us.buckets, HIST_BUCKETS);
}

static bool
release_sane(const struct slot_release *r)
{
	return arm_sane(&r->arms[ARM_STABLE]) && arm_sane(&r->arms[ARM_CANDIDATE]);
}

/* Where slot 0 keeps the totals of a worker's release; NULL: it does not know the name. */
static struct slot_release *
retired_release(const struct slots *s, const struct slot_release *r)
{
	char name[NAME_BYTES];
	unsigned at;

	memcpy(name, r->name, sizeof(name));
	name[NAME_BYTES - 1] = '\0';
	at = find_release(&s->all[0], name);
	return at < RELEASES_MAX ? &s->all[0].releases[at] : NULL;
}

/* The figures outside the releases. */
static bool
head_sane(const struct slot *slot)
{
	/* Written last, so read first: a worker in between makes `started` larger only. */
	uint64_t finished = atomic_load_explicit(&slot->finished, memory_order_acquire);
	uint64_t started = tally_get(&slot->started);

	if (atomic_load_explicit(&slot->n_releases, memory_order_relaxed) > RELEASES_MAX)
		return false;
	if (started >= SANE_LIMIT || finished > started)
		return false;
	if (!all_below(&slot->bad_policy, 1) || !all_below(&slot->rejected, 1) ||
	    !all_below(&slot->malformed, 1) || !all_below(&slot->connections, 1) ||
	    !all_below(&slot->open, 1) || !all_below(&slot->log_dropped, 1))
		return false;
	return all_below(&slot->in_flight[0][0], (size_t)n_releases(slot) * ARM_COUNT);
}

bool
slot_sane(const struct slots *s, unsigned index)
{
	const struct slot *slot = &s->all[index];

	if (!head_sane(slot))
		return false;
	for (unsigned i = 0; i < n_releases(slot); i++) {
		if (retired_release(s, &slot->releases[i]) == NULL ||
		    !release_sane(&slot->releases[i]))
			return false;
	}
	return slot_clients_sane(s, slot);
}

/* ---- folding what a dead worker leaves ------------------------------------------------------- */

static void
fold_figures(_Atomic uint64_t *into, const _Atomic uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tally_add(&into[i], tally_get(&from[i]));
}

static void
fold_arm(struct slot_arm *into, const struct slot_arm *from)
{
	fold_figures(into->counters, from->counters, COUNTER_COUNT);
	fold_figures(into->finished, from->finished, OUTCOME_COUNT);
	fold_figures(into->attempts, from->attempts, OUTCOME_COUNT);
	fold_figures(into->fallbacks, from->fallbacks, OUTCOME_COUNT);
	histogram_fold(&into->latency_us, &from->latency_us);
	histogram_fold(&into->first_token_us, &from->first_token_us);
}

/* The split is counted for one revision; a window of an older one says nothing any more. */
static void
fold_window(struct slot_release *into, const struct slot_release *from)
{
	uint64_t revision = tally_get(&from->window_revision);

	if (revision > tally_get(&into->window_revision))
		slot_window_begin(into, revision);
	if (revision != tally_get(&into->window_revision))
		return;
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		tally_add(&into->arms[arm].window, tally_get(&from->arms[arm].window));
}

static void
fold_slot(struct slots *s, const struct slot *from)
{
	struct slot *into = &s->all[0];
	uint64_t finished = tally_get(&from->finished), started = tally_get(&from->started);

	tally_add(&into->lost, started > finished ? started - finished : 0);
	tally_add(&into->started, started);
	tally_add(&into->finished, finished);
	tally_add(&into->rejected, tally_get(&from->rejected));
	tally_add(&into->malformed, tally_get(&from->malformed));
	tally_add(&into->connections, tally_get(&from->connections));
	tally_add(&into->log_dropped, tally_get(&from->log_dropped));
	tally_add(&into->bad_policy, tally_get(&from->bad_policy));
	for (unsigned i = 0; i < n_releases(from); i++) {
		const struct slot_release *r = &from->releases[i];
		struct slot_release *kept = retired_release(s, r);

		if (kept == NULL)
			continue;
		for (unsigned arm = 0; arm < ARM_COUNT; arm++)
			fold_arm(&kept->arms[arm], &r->arms[arm]);
		fold_window(kept, r);
		errring_fold(&kept->errors, &r->errors);
		slot_evidence_fold(&kept->evidence, &r->evidence);
	}
	slot_clients_fold(s, from);
}

/* Between these two a slot's figures stand in two places, or in none. */
void
slots_fold_begin(struct slots *s)
{
	tally_add(&s->all[0].folds, 1);
	atomic_thread_fence(memory_order_release);
}

void
slots_fold_end(struct slots *s)
{
	_Atomic uint64_t *folds = &s->all[0].folds;

	atomic_store_explicit(folds, tally_get(folds) + 1, memory_order_release);
}

bool
slot_retire(struct slots *s, unsigned index)
{
	struct slot *slot = &s->all[index];
	bool sane = slot_sane(s, index);

	assert(index > 0 && index < SLOTS_MAX && s->used[index]);
	slots_fold_begin(s);
	atomic_store_explicit(&slot->state, SLOT_GONE, memory_order_relaxed);
	if (sane)
		fold_slot(s, slot);
	/* Gives the pages back and leaves zeros; SLOT_FREE is zero. */
	if (madvise(slot, sizeof(*slot), MADV_REMOVE) != 0)
		memset(slot, 0, sizeof(*slot));
	slots_fold_end(s);
	s->used[index] = false;
	return sane;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* What a slot says of a release, and where; NULL: nothing, or nothing sane. Slot 0 is ours. */
static const struct slot_release *
release_in(const struct slots *s, unsigned index, const char *name, unsigned *at)
{
	const struct slot *slot = &s->all[index];

	if ((index > 0 && !s->used[index]) || !head_sane(slot))
		return NULL;
	*at = find_release(slot, name);
	if (*at == RELEASES_MAX || !release_sane(&slot->releases[*at]))
		return NULL;
	return &slot->releases[*at];
}

static void
sum_figures(uint64_t *sum, const _Atomic uint64_t *figures, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += tally_get(&figures[i]);
}

static void
sum_arm(struct arm_totals *sum, const struct slot_arm *a)
{
	sum_figures(sum->counters, a->counters, COUNTER_COUNT);
	sum_figures(sum->finished, a->finished, OUTCOME_COUNT);
	sum_figures(sum->attempts, a->attempts, OUTCOME_COUNT);
	sum_figures(sum->fallbacks, a->fallbacks, OUTCOME_COUNT);
	histogram_add(&sum->latency_us, &a->latency_us);
	histogram_add(&sum->first_token_us, &a->first_token_us);
}

void
slots_sum_release(
    const struct slots *s, const char *release, uint64_t revision, struct release_totals *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		unsigned at;
		const struct slot_release *r = release_in(s, i, release, &at);

		if (r == NULL)
			continue;
		for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
			sum_arm(&out->arms[arm], &r->arms[arm]);
			out->arms[arm].in_flight += tally_get(&s->all[i].in_flight[at][arm]);
			if (tally_get(&r->window_revision) == revision)
				out->arms[arm].window += tally_get(&r->arms[arm].window);
		}
	}
}

void
slots_standing(const struct slots *s, const char *release, enum arm arm, uint32_t *standing,
    uint64_t *asked_wall_us)
{
	unsigned at = find_release(&s->all[0], release);
	const struct slot_arm *a = at < RELEASES_MAX ? &s->all[0].releases[at].arms[arm] : NULL;

	*standing = a != NULL ? atomic_load_explicit(&a->standing, memory_order_relaxed) : 0;
	*asked_wall_us = a != NULL ? tally_get(&a->asked_wall_us) : 0;
}

uint64_t
slots_in_flight(const struct slots *s, const char *release, enum arm arm)
{
	uint64_t sum = 0;

	for (unsigned i = 1; i < SLOTS_MAX; i++) {
		unsigned at;

		if (!s->used[i])
			continue;
		at = find_release(&s->all[i], release);
		if (at < RELEASES_MAX && all_below(&s->all[i].in_flight[at][arm], 1))
			sum += tally_get(&s->all[i].in_flight[at][arm]);
	}
	return sum;
}

/* What a slot in use says of a release, unchecked; NULL: nothing. */
static const struct slot_release *
raw_release_in(const struct slots *s, unsigned index, const char *name, unsigned *at)
{
	if (index >= SLOTS_MAX || (index > 0 && !s->used[index]))
		return NULL;
	*at = find_release(&s->all[index], name);
	return *at < RELEASES_MAX ? &s->all[index].releases[*at] : NULL;
}

const struct slot_release *
slots_find_release(const struct slots *s, unsigned index, const char *name)
{
	unsigned at;

	return raw_release_in(s, index, name, &at);
}

const struct slot_guard *
slots_guard(const struct slots *s, const char *release)
{
	const struct slot_release *r = slots_find_release(s, 0, release);

	return r != NULL ? &r->guard : NULL;
}

static void
add_sane(uint64_t *sum, const _Atomic uint64_t *figures, size_t n)
{
	if (all_below(figures, n))
		sum_figures(sum, figures, n);
}

void
slots_add_rollback(
    const struct slots *s, const char *release, uint64_t revision, struct rollback_sum *sum)
{
	for (unsigned i = 1; i < SLOTS_MAX; i++) {
		unsigned at;
		const struct slot_release *r = raw_release_in(s, i, release, &at);
		uint64_t began;

		if (r == NULL)
			continue;
		began = tally_get(&r->candidate_at_us);
		if (began > sum->candidate_at_us && began < SANE_LIMIT)
			sum->candidate_at_us = began;
		if (tally_get(&r->rolled_back_revision) != revision)
			continue;
		add_sane(&sum->rescued, &r->rescued, 1);
		add_sane(&sum->streaming, &r->streaming, 1);
	}
}

void
slots_activity(const struct slots *s, const char *release, struct slot_activity *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		unsigned at;
		const struct slot_release *r = raw_release_in(s, i, release, &at);

		for (unsigned arm = 0; r != NULL && arm < ARM_COUNT; arm++) {
			const struct slot_arm *a = &r->arms[arm];

			add_sane(&out->requests, &a->counters[COUNTER_REQUESTS], 1);
			add_sane(&out->requests, &a->counters[COUNTER_PINNED], 1);
			for (unsigned o = 0; o < OUTCOME_COUNT; o++)
				add_sane(&out->finished[arm], &a->finished[o], 1);
			add_sane(&out->in_flight, &s->all[i].in_flight[at][arm], 1);
		}
	}
}

void
slots_sum_attempts(
    const struct slots *s, const char *release, uint64_t out[ARM_COUNT][OUTCOME_COUNT])
{
	memset(out, 0, ARM_COUNT * sizeof(out[0]));
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		unsigned at;
		const struct slot_release *r = raw_release_in(s, i, release, &at);

		for (unsigned arm = 0; r != NULL && arm < ARM_COUNT; arm++)
			if (all_below(r->arms[arm].attempts, OUTCOME_COUNT))
				sum_figures(out[arm], r->arms[arm].attempts, OUTCOME_COUNT);
	}
}

void
slots_errors(const struct slots *s, const char *release, struct error_list *out)
{
	out->n = 0;
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		unsigned at;
		const struct slot_release *r = release_in(s, i, release, &at);

		if (r != NULL)
			errring_collect(&r->errors, out);
	}
}

void
slots_sum_overall(const struct slots *s, struct overall_totals *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		const struct slot *slot = &s->all[i];

		if (i > 0 && !s->used[i])
			continue;
		if (!head_sane(slot)) {
			out->insane++;
			continue;
		}
		out->finished += atomic_load_explicit(&slot->finished, memory_order_acquire);
		out->started += tally_get(&slot->started);
		out->rejected += tally_get(&slot->rejected);
		out->malformed += tally_get(&slot->malformed);
		out->connections += tally_get(&slot->connections);
		out->log_dropped += tally_get(&slot->log_dropped);
		out->bad_policy += tally_get(&slot->bad_policy);
		out->open += tally_get(&slot->open);
	}
	out->lost = tally_get(&s->all[0].lost);
	out->restarts = tally_get(&s->all[0].restarts);
	out->journal_errors = tally_get(&s->all[0].journal_errors);
	out->journal_failing = tally_get(&s->all[0].journal_failing);
	out->stall_us = tally_get(&s->all[0].stall_us);
}
