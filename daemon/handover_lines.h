// SPDX-License-Identifier: MIT
/* The tables that writing and reading a hand-over share. Included by handover*.c only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A number in a struct, or an enumerator that is written as its name. */
struct handover_field {
	const char *name; /* NULL ends the table */
	size_t offset;
	unsigned size; /* bytes */
	unsigned n_words;
	const char *(*word)(unsigned value); /* NULL: a number */
};
extern const struct handover_field handover_release_fields[]; /* of struct policy_release */
extern const struct handover_field handover_overall_fields[]; /* of struct overall_totals */

/* An array of figures of struct arm_totals, each with a name. */
struct handover_figures {
	const char *kind; /* NULL ends the table */
	size_t offset;
	unsigned n;
	const char *(*name)(unsigned i);
};
extern const struct handover_figures handover_figures[];

/* A histogram of struct arm_totals. */
struct handover_times {
	const char *name; /* NULL ends the table */
	size_t offset;
};
extern const struct handover_times handover_times[];

const char *handover_state_name(unsigned i);
const char *handover_hold_name(unsigned i);
