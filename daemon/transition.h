// SPDX-License-Identifier: MIT
/*
 * The one door for change: legal? -> publish -> wake the workers -> wait until each of them has
 * acknowledged. Only transition.c publishes policies; whoever wants a change (operator, guard,
 * plan) calls transition_apply(). Master process, main loop.
 */
#pragma once

#include "common/ctlproto.h"
#include "common/err.h"
#include "daemon/release.h"

struct master;

struct actor {
	uint32_t uid;
	char name[64]; /* user name, or "guard", "plan", ... */
};

/* What somebody asks for. All strings are borrowed for the call only. */
struct change {
	enum release_command command;
	const char *release; /* its public name; NULL: every release (rollback only) */
	uint32_t share_bp;   /* for stage and weight: 0..10000 */
	struct actor actor;
	const char *reason;   /* NULL: none given */
	uint64_t if_revision; /* only if the release still has this revision; 0: whatever it has */
	const char *request_id; /* the same id again repeats nothing and gets the same revision;
				   NULL: none */
	uint64_t received_us;	/* clock_mono_us() when the command was read; for the receipt */
};

/* Proof that a change holds in every worker. */
struct receipt {
	uint64_t revision;	 /* of the release; of a repeated request id the one it had then */
	bool changed;		 /* false: it was so already, nothing was published */
	uint64_t publish_us;	 /* from the command to the publish */
	uint64_t acknowledge_us; /* from the publish to the last acknowledgement */
	unsigned acknowledged;	 /* workers that did */
	unsigned killed;	 /* workers killed since they did not, in time */
	uint64_t candidate_in_flight; /* requests on the candidate at the moment of the publish */
};

/* Called once, from the loop, when no live worker acts on an older policy any more. It may even be
 * called before transition_apply() returns, when there is no worker to wait for. */
typedef void transition_done_fn(const struct receipt *receipt, void *arg);

/*
 * CTL_OK: the change is published (or holds already) and `done` will be called, unless
 * transition_forget(arg) comes first. Otherwise nothing has changed, `done` is never called and `e`
 * is a sentence for the caller: CTL_REFUSED (the rules; an unknown release), CTL_CONFLICT (another
 * revision), CTL_USAGE (a share out of range), CTL_INTERNAL (out of memory; a rollback needs none
 * to take hold, but then no receipt can follow).
 */
enum ctl_code transition_apply(struct master *m, const struct change *c, transition_done_fn *done,
    void *arg, struct err *e) MUST_CHECK;
/* The caller that gave this `arg` has gone: its `done` is not called any more. */
void transition_forget(struct master *m, const void *arg);

/* Publishes the first policy: every release of the config at share 0, idle. */
void transition_begin(struct master *m);
/* Looks who has acknowledged, finishes what is complete, kills who held a rollback up. Called for
 * each MSG_ACK, each dead worker, and each tick. */
void transition_check(struct master *m);
/* Drops all that wait; at the end of the master. */
void transition_end(struct master *m);
