// SPDX-License-Identifier: MIT
/*
 * The table of faults and the choice among those that a script gives. Each fault of the list takes
 * exactly one draw from the dice, whether it applies or not, so that runs repeat.
 */
#include "tests/simprovider/fault.h"

#include <stdio.h>

static const struct fault_kind kinds[] = {
#define FAULT(id, name, point, then, keys, variants, help) \
	{ FAULT_##id, name, POINT_##point, THEN_##then, keys, variants, help },
#include "tests/simprovider/faults.def"
#undef FAULT
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const struct fault_kind *
fault_kind_find(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

const char *
fault_name(enum fault_id id)
{
	return id == FAULT_NONE ? "" : kinds[id - 1].name;
}

static bool
applies(const struct fault *fault, struct fault_scene scene)
{
	if (fault->reused && !scene.reused)
		return false;
	return fault->only == ONLY_ANY || (fault->only == ONLY_STREAM) == scene.stream;
}

/* The fault's turn has come; false: it lets this one pass. */
static bool
strikes(struct fault *fault, double draw)
{
	fault->seen++;
	if (fault->seen <= fault->skip || (fault->count > 0 && fault->used >= fault->count) ||
	    draw >= fault->probability)
		return false;
	fault->used++;
	return true;
}

const struct fault *
fault_pick(struct fault *faults, size_t count, struct dice *dice, struct fault_scene scene)
{
	const struct fault *picked = NULL;

	for (size_t i = 0; i < count; i++) {
		double draw = dice_unit(dice);

		if (picked == NULL && applies(&faults[i], scene) && strikes(&faults[i], draw))
			picked = &faults[i];
	}
	return picked;
}

void
fault_list(void)
{
	for (size_t i = 0; i < KINDS; i++) {
		printf("%-15s %s\n", kinds[i].name, kinds[i].help);
		if (kinds[i].keys[0] != '\0')
			printf("%-15s   keys: %s\n", "", kinds[i].keys);
		if (kinds[i].variants[0] != '\0')
			printf("%-15s   variant: %s\n", "", kinds[i].variants);
	}
}
