// SPDX-License-Identifier: MIT
/*
 * The guard's families of /metrics: what the master has left in slot 0 of its last verdicts. Called
 * by the table in metrics.c; a release that is not watched has no line. Pure.
 */
#pragma once

#include "worker/metrics.h"
#include "worker/promtext.h"

/* `at` means nothing here. */
void metrics_guard_evidence(struct promtext *p, const struct metrics *m, size_t at);
void metrics_guard_verdicts(struct promtext *p, const struct metrics *m, size_t at);
void metrics_guard_uncounted(struct promtext *p, const struct metrics *m, size_t at);
