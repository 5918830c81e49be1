// SPDX-License-Identifier: MIT
/*
 * Which limiter a client or a model has, and where its ring of times stands; see limits.h. Master
 * process, before it forks a generation of workers and when it lets them serve.
 *
 * A limiter keeps its number and its history by its name. A ring that is too small, or far too
 * large, is replaced by another one, into which the times are moved while nobody can be admitted: a
 * matter of microseconds. Cells that had an owner are given to another only once no worker can
 * still look at them.
 */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"

#define RING_STEP 64   /* cells; a small change of the rate needs no other ring */
#define RING_WIDE 1024 /* cells more than twice of what is needed are too many */

/* A piece of `cells`. */
struct extent {
	uint64_t first, end;
};

struct plan {
	struct limits_region *region;
	unsigned n_known;
	uint32_t *known; /* numbers in use, sorted by kind and name */
	unsigned n_taken, at;
	struct extent *taken;  /* that have an owner, sorted; `at`: the next one behind `cells` */
	uint64_t cells;	       /* cells before it are not given out any more */
	uint32_t next_limiter; /* the same of limiters */
};

static uint32_t
state_of(const struct limits_region *region, uint32_t number)
{
	return atomic_load_explicit(&region->limiters[number].state, memory_order_relaxed);
}

static void
set_state(struct limits_region *region, uint32_t number, enum limiter_state state)
{
	atomic_store_explicit(&region->limiters[number].state, state, memory_order_release);
}

static uint32_t
top_of(const struct limits_region *region)
{
	uint32_t top = atomic_load_explicit(&region->limiters_top, memory_order_relaxed);

	return top < 1 ? 1 : top < LIMITERS_MAX ? top : LIMITERS_MAX;
}

static struct limiter_ring *
ring_of(struct limiter *limiter, bool other)
{
	return &limiter->rings[(atomic_load(&limiter->ring) & 1) ^ other];
}

static uint64_t
capacity_for(uint64_t rate)
{
	return (rate + RING_STEP) / RING_STEP * RING_STEP; /* more than `rate` */
}

static bool
fits(uint64_t capacity, uint64_t rate)
{
	if (rate == 0)
		return true;
	return capacity > rate && capacity <= 2 * capacity_for(rate) + RING_WIDE;
}

/* ---- what is there ----------------------------------------------------------------------------
 */

static int
compare_keys(uint32_t kind, const char *name, const struct limiter *b)
{
	uint32_t other = atomic_load_explicit(&b->kind, memory_order_relaxed);

	if (kind != other)
		return kind < other ? -1 : 1;
	return strncmp(name, b->name, NAME_BYTES);
}

static int
compare_known(const void *a, const void *b, void *region)
{
	const struct limiter *all = ((const struct limits_region *)region)->limiters;
	const struct limiter *one = &all[*(const uint32_t *)a];

	return compare_keys(atomic_load(&one->kind), one->name, &all[*(const uint32_t *)b]);
}

static int
compare_extents(const void *a, const void *b)
{
	const struct extent *one = a, *other = b;

	return one->first < other->first ? -1 : one->first > other->first;
}

/* Gives back what no worker can use any more. */
static void
tidy(struct limits_region *region, bool alone)
{
	for (uint32_t n = 1; n < top_of(region); n++) {
		uint32_t state = state_of(region, n);

		if (state == LIMITER_PREPARED || (alone && state == LIMITER_LEFT))
			set_state(region, n, LIMITER_FREE);
	}
}

static void
note_known(struct plan *p, uint32_t number)
{
	struct limiter_ring *ring = ring_of(limiter_at(p->region, number), false);
	uint64_t first = atomic_load(&ring->first), capacity = atomic_load(&ring->capacity);

	p->known[p->n_known++] = number;
	if (capacity > 0 && first < LIMITS_CELLS && capacity <= LIMITS_CELLS - first)
		p->taken[p->n_taken++] = (struct extent){ first, first + capacity };
}

static int
plan_begin(struct plan *p, struct limits_region *region, bool alone, struct err *e)
{
	*p = (struct plan){ .region = region, .next_limiter = 1 };
	p->known = calloc(LIMITERS_MAX, sizeof(*p->known));
	p->taken = calloc(LIMITERS_MAX, sizeof(*p->taken));
	if (p->known == NULL || p->taken == NULL)
		return err_set(e, "out of memory for the limits");
	tidy(region, alone);
	for (uint32_t n = 1; n < top_of(region); n++) {
		if (state_of(region, n) != LIMITER_FREE)
			note_known(p, n);
	}
	qsort_r(p->known, p->n_known, sizeof(*p->known), compare_known, region);
	qsort(p->taken, p->n_taken, sizeof(*p->taken), compare_extents);
	if (!alone) {
		p->cells = atomic_load(&region->cells_top);
		p->at = p->n_taken;
	}
	return 0;
}

static void
plan_end(struct plan *p)
{
	free(p->known);
	free(p->taken);
}

static uint32_t
find(const struct plan *p, enum limiter_kind kind, const char *name)
{
	unsigned low = 0, high = p->n_known;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int side = compare_keys(kind, name, &p->region->limiters[p->known[middle]]);

		if (side == 0)
			return p->known[middle];
		if (side < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return 0;
}

/* ---- giving out -------------------------------------------------------------------------------
 */

/* Cells that nobody has, all zero. -1: there are none. */
static int
give_cells(struct plan *p, uint64_t n, uint64_t *first)
{
	uint64_t used = atomic_load(&p->region->cells_top);

	for (; p->at < p->n_taken && p->taken[p->at].first < p->cells + n; p->at++) {
		if (p->taken[p->at].end > p->cells)
			p->cells = p->taken[p->at].end;
	}
	if (p->cells > LIMITS_CELLS || n > LIMITS_CELLS - p->cells)
		return -1;
	*first = p->cells;
	p->cells += n;
	for (uint64_t i = *first; i < p->cells && i < used; i++)
		atomic_store_explicit(&p->region->cells[i], 0, memory_order_relaxed);
	if (p->cells > used)
		atomic_store(&p->region->cells_top, p->cells);
	return 0;
}

static void
reset(struct limiter *limiter, enum limiter_kind kind, const char *name)
{
	strncpy(limiter->name, name, sizeof(limiter->name) - 1);
	limiter->name[sizeof(limiter->name) - 1] = '\0';
	atomic_store(&limiter->kind, kind);
	atomic_store(&limiter->rate, 0);
	atomic_store(&limiter->max_in_flight, 0);
	for (unsigned i = 0; i < 2; i++)
		atomic_store(&limiter->rings[i].capacity, 0);
	atomic_store(&limiter->cooling, 0);
}

static uint32_t
give_limiter(struct plan *p, enum limiter_kind kind, const char *name)
{
	while (p->next_limiter < top_of(p->region) &&
	       state_of(p->region, p->next_limiter) != LIMITER_FREE)
		p->next_limiter++;
	if (p->next_limiter >= LIMITERS_MAX)
		return 0;
	reset(&p->region->limiters[p->next_limiter], kind, name);
	set_state(p->region, p->next_limiter, LIMITER_PREPARED);
	if (p->next_limiter >= top_of(p->region))
		atomic_store(&p->region->limiters_top, p->next_limiter + 1);
	return p->next_limiter;
}

/* The limiter of a name, with a ring that is large enough, or one beside it that will be. */
static int
prepare_one(
    struct plan *p, enum limiter_kind kind, const char *name, uint64_t rate, uint32_t *number)
{
	struct limiter_ring *ring;
	uint64_t first;

	*number = find(p, kind, name);
	if (*number == 0)
		*number = give_limiter(p, kind, name);
	if (*number == 0)
		return -1;
	ring = ring_of(&p->region->limiters[*number], false);
	if (fits(atomic_load(&ring->capacity), rate))
		return 0;
	if (give_cells(p, capacity_for(rate), &first) != 0)
		return -1;
	ring = ring_of(&p->region->limiters[*number], true);
	atomic_store(&ring->first, first);
	atomic_store(&ring->capacity, capacity_for(rate));
	atomic_store(&ring->admitted, 0);
	return 0;
}

int
limits_prepare(struct limits *l, struct config *config, bool alone, struct err *e)
{
	struct plan p;
	int rc = plan_begin(&p, l->region, alone, e);

	if (rc != 0) {
		plan_end(&p);
		return rc;
	}
	for (unsigned i = 0; i < config->n_clients && rc == 0; i++) {
		struct config_client *c = &config->clients[i];

		rc = prepare_one(&p, LIMITER_CLIENT, c->name, c->rate_per_minute, &c->limiter);
	}
	for (unsigned i = 0; i < config->n_models && rc == 0; i++) {
		struct config_model *m = &config->models[i];

		rc = prepare_one(&p, LIMITER_MODEL, m->id, m->rate_per_minute, &m->limiter);
	}
	plan_end(&p);
	if (rc == 0)
		return 0;
	return err_set(e,
	    "no room for the limits of this config beside those that workers of earlier ones still "
	    "use: try again when they have left (grayctl workers)");
}

/* ---- taking effect ----------------------------------------------------------------------------
 */

/* From the ring that holds to the one that was prepared beside it. */
static void
move(struct limits_region *region, struct limiter *limiter, uint64_t rate, uint64_t now_us)
{
	struct window from, into;

	if (limiter_ring_window(region, ring_of(limiter, false), rate, &from) &&
	    limiter_ring_window(region, ring_of(limiter, true), rate, &into)) {
		window_close(&from, now_us);
		window_continue(&into, &from, now_us);
	}
	atomic_store_explicit(
	    &limiter->ring, (atomic_load(&limiter->ring) & 1) ^ 1, memory_order_release);
}

static void
commit_one(struct limits_region *region, uint32_t number, uint64_t rate, uint64_t max_in_flight,
    uint64_t now_us)
{
	struct limiter *limiter = limiter_at(region, number);

	if (!fits(atomic_load(&ring_of(limiter, false)->capacity), rate))
		move(region, limiter, rate, now_us);
	else if (rate == 0)
		atomic_store(&ring_of(limiter, false)->capacity, 0);
	atomic_store_explicit(&limiter->rate, rate, memory_order_release);
	atomic_store_explicit(&limiter->max_in_flight, max_in_flight, memory_order_relaxed);
	set_state(region, number, LIMITER_PREPARED);
}

void
limits_commit(struct limits *l, const struct config *config, uint64_t now_us)
{
	struct limits_region *region = l->region;

	for (unsigned i = 0; i < config->n_clients; i++)
		commit_one(region, config->clients[i].limiter, config->clients[i].rate_per_minute,
		    0, now_us);
	for (unsigned i = 0; i < config->n_models; i++)
		commit_one(region, config->models[i].limiter, config->models[i].rate_per_minute,
		    config->models[i].max_in_flight, now_us);
	/* Those of this config are marked now; the others have lost theirs. */
	for (uint32_t n = 1; n < top_of(region); n++) {
		if (state_of(region, n) == LIMITER_PREPARED)
			set_state(region, n, LIMITER_USED);
		else if (state_of(region, n) == LIMITER_USED)
			set_state(region, n, LIMITER_LEFT);
	}
}
