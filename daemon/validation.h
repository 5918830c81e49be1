// SPDX-License-Identifier: MIT
/*
 * What the providers say of the models in use: asked by the prober, kept and judged here. Each
 * generation has a validation of its own, made before its children are forked; it serves only when
 * all of its models are known, or their time is over. Only models that a release uses are asked
 * for. A finding never changes what is published: it can keep grayd, a config or a rollout from
 * beginning, and take nothing away that serves. Master process.
 */
#pragma once

#include "common/config.h"
#include "common/probe.h"

struct child;
struct master;
struct validation;

/* Makes the validation of a generation; its questions go out when its prober is there. What the one
 * that serves has verified (the same name at the same provider) is taken over and not waited for.
 * -1: out of memory. */
int validation_begin(
    struct master *m, uint64_t generation, const struct config *c, struct err *e) MUST_CHECK;
/* The generation was given up. */
void validation_drop(struct master *m, uint64_t generation);
/* The generation serves now, all others do not; m->config is its config. Says in the log what is
 * amiss. */
void validation_serve(struct master *m, uint64_t generation);
void validation_end(struct master *m);

/* Whether the generation has waited for its providers long enough. */
bool validation_is_settled(const struct master *m, uint64_t generation);
/* -1: a stable model is unknown; `e` names it, what looks like it, and what to do. */
int validation_judge(const struct master *m, uint64_t generation, struct err *e) MUST_CHECK;

/* For the table of roles: the prober was started, has said something, has ended. */
void validation_started(struct child *prober);
void validation_heard(struct child *prober, const void *packet, size_t n);
void validation_ended(struct child *prober);
/* Whether a config gives the prober anything to do. */
bool validation_is_wanted(const struct config *c);
/* Asks again what is old, and ends what nobody answers. For each tick. */
void validation_tick(struct master *m);

/* Asks for the models of one release of the config that serves, or of all (NULL). `done` is called
 * once, from the loop, when what is known is as new as it gets: after PROBE_MS and a little at the
 * latest, maybe before this returns; unless validation_forget(arg) comes first. -1: out of memory.
 */
typedef void validation_done_fn(void *arg);
int validation_ask(struct master *m, const char *release, validation_done_fn *done, void *arg,
    struct err *e) MUST_CHECK;
void validation_forget(struct master *m, const void *arg);

/* What is known of a model of the config that serves; `asked_wall_us` (may be NULL) is when it was
 * found, 0: never. */
const struct finding *validation_find(
    const struct master *m, const struct config_model *model, uint64_t *asked_wall_us);
/* The finding as a sentence: `models.old: provider "x" has no model "y": ...; did you mean ...`. */
void validation_describe(const struct config_model *model, const struct finding *f, struct err *e);
