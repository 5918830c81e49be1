// SPDX-License-Identifier: MIT
/*
 * What the files behind the one door share: a change on its way, from its plan to its receipt.
 * Included by transition*.c only; master process.
 */
#pragma once

#include "common/policy.h"
#include "daemon/transition.h"

/* A change on its way to being published: the policy as it will be. */
struct plan {
	const struct change *change;
	struct policy next;
	bool changed;
	bool journaled; /* its record is on disk already */
	uint64_t
	    revision; /* that must be acknowledged: the new one, or since when it has been so */
};

struct pending_change {
	struct pending_change *next;
	struct receipt receipt;
	struct policy policy; /* as this change left it; receipt.policy points here */
	uint64_t received_us, published_us;
	bool rollback;
	bool unwritten;		  /* published, but its record is not on disk yet */
	transition_done_fn *done; /* NULL: whoever asked has gone */
	void *arg;
	struct raise *raise; /* transition_raise.c: it waits for the journal */
};

/* The revision that the next change will have. */
uint64_t plan_next_revision(const struct master *m);
/* Judges a change by the policy of now; a command that was carried out already, by its request id,
 * changes nothing. */
enum ctl_code plan_command(const struct master *m, struct plan *p, struct err *e) MUST_CHECK;
/* Publishes it and puts it in line for its receipt. `p` may be NULL: no receipt. Cannot fail. */
void plan_carry_out(struct master *m, struct plan *plan, struct pending_change *p);

/* ---- transition_receipt.c: when a change is finished ----------------------------------------- */

/* Puts a change that was published last in line, so that receipts come in the order of the changes.
 */
void receipt_await(struct master *m, struct pending_change *p);
void receipt_free(struct master *m, struct pending_change *p);
/* Whether changes wait for this child: it routes by the policy. */
struct child;
bool receipt_awaits(const struct child *c);
/* This is the policy that every worker follows by now. Slot 0 says the same to whoever serves
 * figures. */
void receipt_set_acked(struct master *m, const struct policy *p);

/* ---- transition_raise.c: changes that are on disk before they are published ------------------ */

/* Takes the change over until it is journaled, then carries it out. Otherwise than CTL_OK it is not
 * taken over, and `e` says why. */
enum ctl_code raise_begin(
    struct master *m, const struct plan *plan, struct pending_change *p, struct err *e) MUST_CHECK;
/* Something else is about to be published: the raise that is being written now will not be, and
 * whoever asked for it is told. */
void raise_supersede(struct master *m, const struct plan *by);
/* Gives the first one its turn, unless it has it already. */
void raise_move_line(struct master *m);
void raise_forget(struct master *m, const void *arg);
void raise_end(struct master *m);
