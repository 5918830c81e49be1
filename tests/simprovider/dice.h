// SPDX-License-Identifier: MIT
/*
 * Seeded chance. Each attempt has dice of its own, made from the seed and its number, so what one
 * attempt draws never depends on how others were interleaved with it.
 */
#pragma once

#include <stdint.h>

struct dice {
	uint64_t state;
};

enum dist_shape { DIST_FIXED, DIST_NORMAL, DIST_UNIFORM, DIST_EXP };

/* A number or a distribution of it. FIXED and EXP use `a`, NORMAL mean and deviation, UNIFORM its
 * two ends. */
struct dist {
	enum dist_shape shape;
	double a, b;
};

struct dice dice_make(uint64_t seed, uint64_t number);
uint64_t dice_u64(struct dice *dice);
double dice_unit(struct dice *dice);			      /* 0 <= x < 1 */
double dist_draw(const struct dist *dist, struct dice *dice); /* never below 0 */
uint64_t dice_mix(uint64_t x);				      /* one number well stirred */
