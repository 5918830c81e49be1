// SPDX-License-Identifier: MIT
/*
 * Chance by splitmix64 (Steele, Lea, Flood 2014), distributions by inversion and Box-Muller. Pure:
 * the same seed and number give the same draws on every host.
 */
#include "tests/simprovider/dice.h"

#include <math.h>

#define GOLDEN 0x9e3779b97f4a7c15u

uint64_t
dice_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

struct dice
dice_make(uint64_t seed, uint64_t number)
{
	return (struct dice){ dice_mix(seed + GOLDEN) ^ dice_mix(number * GOLDEN + 1) };
}

uint64_t
dice_u64(struct dice *dice)
{
	dice->state += GOLDEN;
	return dice_mix(dice->state);
}

double
dice_unit(struct dice *dice)
{
	return (double)(dice_u64(dice) >> 11) * 0x1p-53;
}

double
dist_draw(const struct dist *dist, struct dice *dice)
{
	double value = dist->a;

	switch (dist->shape) {
	case DIST_FIXED: break;
	case DIST_UNIFORM: value = dist->a + (dist->b - dist->a) * dice_unit(dice); break;
	case DIST_EXP: value = -dist->a * log(1.0 - dice_unit(dice)); break;
	case DIST_NORMAL: {
		double radius = sqrt(-2.0 * log(1.0 - dice_unit(dice)));

		value += dist->b * radius * cos(2.0 * M_PI * dice_unit(dice));
		break;
	}
	}
	return value > 0.0 ? value : 0.0;
}
