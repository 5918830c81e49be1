// SPDX-License-Identifier: MIT
/*
 * What the files behind verdict.h share: sums over the shares of a rollout, as the tests want them,
 * and the looks at one symptom or value. For verdict*.c only. Pure.
 */
#pragma once

#include "daemon/evidence.h"
#include "daemon/verdict.h"

static inline double
parts_fraction(uint64_t parts_per_billion)
{
	return (double)parts_per_billion / PPB;
}

/* All tests of values, under all shares there can be, have one alpha together. */
#define VALUE_TESTS (2.0 * VALUE_COUNT * EVIDENCE_SHARES)

/* verdict_look.c: fills v->symptoms[i], v->values[i]. */
void verdict_look_at_symptom(const struct verdict_case *c, unsigned i, struct verdict *v);
void verdict_look_at_value(const struct verdict_case *c, unsigned i, struct verdict *v);

/* Where both arms are asked, and what they have in bad keys of a symptom; fills the counts of `s`.
 * Returns the number of steps, which need EVIDENCE_SHARES places. */
unsigned parts_bad(const struct evidence *e, unsigned symptom, struct evidence_step *steps,
    struct verdict_symptom *s);
/* The same of what the split has assigned. */
unsigned parts_split(const struct evidence *e, struct evidence_step *steps);
void parts_assigned(const struct evidence *e, uint64_t seen[ARM_COUNT]);
/* First requests of an arm under all shares, those that count again included, and how many of them
 * were bad. */
uint64_t parts_of(const struct evidence *e, enum arm arm, uint64_t bad[SYMPTOM_COUNT]);
/* Whether an outside judge has said anything. */
bool parts_judged(const struct evidence *e);
/* Candidate's mean of logarithms minus stable's, and its standard error. Both have at least two. */
double parts_difference(
    const struct evidence_value *candidate, const struct evidence_value *stable, double *se);
/* The largest gap of the distributions, once the candidate's values are divided by at least
 * 1 + margin. */
double parts_gap(
    const struct evidence_value *stable, const struct evidence_value *candidate, double margin);
