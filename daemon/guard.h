// SPDX-License-Identifier: MIT
/*
 * The guard: each second it adds up what the workers have seen of each rollout, asks what that
 * means (verdict.h), and acts through the one door, as the actor `guard`, with the whole numbers
 * that decided. It rolls back and holds by itself; whether a release advances is the plan's to say,
 * which asks the guard. Master process. A guard that has no verdict never promotes: an old one
 * counts as none.
 */
#pragma once

#include "common/buf.h"
#include "daemon/verdict.h"

struct master;

int guard_start(struct master *m, struct err *e) MUST_CHECK;
void guard_stop(struct master *m);

/* Whether the last verdict on this step was that it is safe, and is fresh. Cheap. */
bool guard_safe(const struct master *m, const struct policy_release *now);
/* Whether its last verdict on this rollout was to hold or roll back, and it may do so. Cheap. */
bool guard_opposes(const struct master *m, const struct policy_release *now);
/* Asks once more, of what is known at this moment: 0 if it is safe, with the numbers in `evidence`
 * (a JSON object, terminated) and the reason; else -1. */
int guard_confirm(struct master *m, const struct policy_release *now, struct buf *evidence,
    char *reason, size_t reason_size) MUST_CHECK;

/* ---- guard_keep.c: evidence for a master that comes later -------------------------------------
 */

struct dossier;
/* Gives the evidence to the journal's writer if it is time and something has changed; `last`: the
 * time does not matter, grayd leaves. */
void guard_keep(struct master *m, bool last);
/* Adds a dossier, to which only the end is missing. -1: out of memory. */
int guard_print_evidence(struct master *m, struct buf *out) MUST_CHECK;
/* Goes on with what another master has counted, as far as it is of rollouts that go on. `told`:
 * what was taken already, zeros before the first time; it is brought up to date. -1: `e`, nothing
 * of it counts. */
int guard_take_evidence(
    struct master *m, const void *bytes, size_t n, struct dossier *told, struct err *e) MUST_CHECK;
/* The same with what was kept on disk. Before anybody counts. */
void guard_recall_evidence(struct master *m);

/* What a release's guard thinks, for people. `evidence` is borrowed until the next call. */
struct guard_view {
	bool on; /* there is a verdict on the present rollout */
	enum guard_mode mode;
	struct verdict verdict;
	struct verdict_case c;	  /* what it followed from */
	uint64_t age_ms;	  /* of the last regular verdict; UINT64_MAX: none */
	double per_minute;	  /* requests of the candidate, lately */
	double firsts_per_minute; /* those of them that were the first of their key, or had none */
	uint64_t missing;	  /* see verdict_missing() */
	unsigned missing_what;	  /* what needs most of them: see verdict_missing() */
};
void guard_look(struct master *m, const struct policy_release *now,
    const struct config_release *config, struct guard_view *out);

/* What an outside judge says of an answer. -1: `e` says why it does not count; 1: since it was
 * judged already. */
int guard_judge(struct master *m, const struct policy_release *now, const char *request_id,
    bool good, struct err *e) MUST_CHECK;
