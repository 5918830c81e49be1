// SPDX-License-Identifier: MIT
/*
 * The limits region (common/shm.h): how many requests a client and how many attempts a model may
 * still have, over all workers; which model cools down. The master makes it, gives clients and
 * models of its config their limiters, and workers their seats; at an upgrade the next master goes
 * on with it. A process reads here what others wrote, so what is read is bounded before it is used:
 * whatever a worker scribbles costs at most exact limits.
 */
#pragma once

#include <sys/types.h>

#include "common/config.h"
#include "common/err.h"
#include "common/shm.h"
#include "common/window.h"

/* The master's end; or that of a child that only looks, with `fd` -1. */
struct limits {
	int fd; /* close-on-exec; children map it and close it */
	struct limits_region *region;
};

/* Makes an empty region. On -1 nothing is left behind. */
int limits_create(struct limits *l, struct err *e) MUST_CHECK;
/* Goes on with the region of another master, whose descriptor it takes over in any case. -1: it has
 * another layout, or is no such region. */
int limits_adopt(struct limits *l, int fd, struct err *e) MUST_CHECK;
void limits_destroy(struct limits *l);
/* In a child: maps the region for its worker; NULL and `e` on failure. */
struct limits_region *limits_map(int fd, struct err *e) MUST_CHECK;
/* In a child that only looks: in a way that can never be made writable. */
int limits_map_readonly(struct limits *l, int fd, struct err *e) MUST_CHECK;

/* ---- limiters of a config; limits_plan.c ------------------------------------------------------
 */

/* Gives each client and each model of a config its limiter (its member `limiter`), under
 * its name the one that it had. What changes takes effect with limits_commit(); a config that is
 * given up needs nothing. `alone`: no worker of another config lives, so what those had can be
 * given to others. -1: no room for so much beside what older workers still have. */
int limits_prepare(struct limits *l, struct config *config, bool alone, struct err *e) MUST_CHECK;
/* From now on these limits hold, for workers of older configs too. A client's and a model's history
 * goes on. Cannot fail. */
void limits_commit(struct limits *l, const struct config *config, uint64_t now_us);

/* ---- seats ------------------------------------------------------------------------------------
 */

/* A place for a worker that is to be forked; 0: none is free. */
unsigned limits_seat_take(struct limits *l) MUST_CHECK;
/* Who has it. */
void limits_seat_name(struct limits *l, unsigned seat, pid_t pid);
/* Its worker is gone: what it had in flight and in line is no more. */
void limits_seat_free(struct limits *l, unsigned seat);
/* How many are taken. */
unsigned limits_seats_used(const struct limits *l);
/* Frees the seats of processes that do not exist any more, whoever started them. */
void limits_seats_sweep(struct limits *l);

/* ---- one limiter; limiter.c -------------------------------------------------------------------
 */

/* What a model cools down for. */
enum limiter_cause { CAUSE_RATE_LIMITED, CAUSE_OVERLOADED, CAUSE_UNAVAILABLE, CAUSE_COUNT };
extern const char *const limiter_cause_names[CAUSE_COUNT];

/* A provider's wish is followed for so long at most; then the model is tried again. */
#define COOLING_MAX_MS 600000
/* For a provider that says 529 and not how long. */
#define COOLING_DEFAULT_MS 1000

/* The limiter of this number. Never NULL: a number out of bounds gives number 0. */
struct limiter *limiter_at(struct limits_region *region, uint32_t number);

/* A ring as a window; false: what stands there is no ring. */
bool limiter_ring_window(struct limits_region *region, struct limiter_ring *ring, uint64_t limit,
    struct window *w) MUST_CHECK;
/* Its window, as it holds now. False: it has no rate. */
bool limiter_window(struct limits_region *region, uint32_t number, struct window *w) MUST_CHECK;

/* Takes a place of max_in_flight for the worker of a seat; false: none is free. The limit is never
 * passed; of several workers that want the last place at the same moment all may get none. */
bool limiter_begin(struct limits_region *region, uint32_t number, unsigned seat) MUST_CHECK;
void limiter_end(struct limits_region *region, uint32_t number, unsigned seat);
/* Attempts in flight, as far as they are counted. */
uint64_t limiter_in_flight(const struct limits_region *region, uint32_t number);

/* Lets a model cool down until then, unless it does so for longer already. Returns whether that
 * began a cool-down; of several workers at once that is told to one. */
bool limiter_cool(
    struct limiter *limiter, uint64_t now_us, uint64_t until_us, enum limiter_cause cause);
/* Until when; 0: it does not cool down. */
uint64_t limiter_cooling_us(
    const struct limiter *limiter, uint64_t now_us, enum limiter_cause *cause);

/* The queue of a worker at a limiter: how many stand in it and since when the first one does; 0:
 * nobody. Others see it in limiter_line(). */
void limiter_queue(struct limits_region *region, uint32_t number, unsigned seat, uint64_t since_us,
    uint64_t waiting);
struct limiter_line {
	uint64_t waiting;	  /* in the queues of all other seats */
	uint64_t oldest_since_us; /* of the first in them; UINT64_MAX: nobody stands there */
};
struct limiter_line limiter_line(
    const struct limits_region *region, uint32_t number, unsigned own_seat);
