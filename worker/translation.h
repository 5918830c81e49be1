// SPDX-License-Identifier: MIT
/*
 * The translation that one attempt needs since its provider does not speak the client's API: the
 * body that goes out, and what the client gets of the answer. The client's own body stays as it
 * is, for the other arm. What is translated into what is xlate.h's; this ties it to the attempt.
 */
#pragma once

#include "worker/attempt.h"
#include "worker/xlate.h"

struct translation {
	struct buf body; /* for the provider */
	struct buf path; /* where it depends on the model; empty: it does not */
	struct buf told; /* for the client: events that wait, or the whole answer */
	struct retell retell;
};

/* Whether a client's API and an arm's differ, and if so whether what is asked for can be said to
 * that arm; XLATE_REFUSED: `e` names the member. */
enum xlate_verdict translation_check(
    const struct request *r, enum arm arm, struct xlate_error *e) MUST_CHECK;
/* Makes the body of an attempt that needs a translation. OUTCOME_OK, or how the attempt ends. */
enum outcome translation_begin(struct attempt *a) MUST_CHECK;
/* Replaces the provider's whole answer by the client's. */
enum outcome translation_of_answer(struct attempt *a) MUST_CHECK;
/* Adds to `told` what an event means; `marks`: of provider_ops.read_event. */
enum outcome translation_of_event(
    struct attempt *a, const struct sse_event *ev, unsigned marks) MUST_CHECK;
void translation_free(struct translation *t); /* NULL is fine */
