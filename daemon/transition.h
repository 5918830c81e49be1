// SPDX-License-Identifier: MIT
/*
 * The one door for change: legal? -> publish, which wakes the workers -> wait until each of them
 * has acknowledged. Only transition.c publishes policies; whoever wants a change (operator, guard,
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
	const char *release; /* its public name; NULL: every release (rollback, freeze, unfreeze) */
	uint32_t share_bp;   /* for stage and weight: 0..10000 */
	enum hold_reason hold; /* for pause */
	uint32_t waive;	       /* for resume: bits, see release_waivable() */
	uint64_t until_us;     /* for freeze: wall clock; 0: until it is ended */
	bool cut;	       /* for rollback: end streams too */
	struct actor actor;
	const char *reason;   /* NULL: none given */
	uint64_t if_revision; /* only if the release still has this revision; 0: whatever it has */
	const char *evidence; /* a JSON object of integers: what an actor decided on; NULL: none */
	const char *request_id; /* the same id again repeats nothing and gets the same revision;
				   NULL: none */
	uint64_t received_us;	/* clock_mono_us() when the command was read; for the receipt */
};

/* Proof that a change holds in every worker. */
struct receipt {
	enum ctl_code
	    code; /* CTL_OK; else it never came into force, and only `error` has a meaning */
	struct err error;
	const struct policy *policy; /* as this change left it; valid during the callback */
	uint64_t revision;	 /* of the release; of a repeated request id the one it had then */
	bool changed;		 /* false: it was so already, nothing was published */
	uint64_t publish_us;	 /* from the command to the publish */
	uint64_t acknowledge_us; /* from the publish to the last acknowledgement */
	uint64_t journal_us;   /* from the command until its record was on disk; 0: it is not yet */
	unsigned acknowledged; /* workers that did */
	unsigned killed;       /* workers killed since they did not, in time */
	uint64_t candidate_in_flight; /* requests on the candidate at the moment of the publish */
	/* Of a rollback, by what the workers have told that acknowledged it: */
	uint64_t rescued;   /* requests that had no answer yet and were sent to stable */
	uint64_t streaming; /* answers of the candidate that had begun */
	uint64_t
	    candidate_at_us; /* clock_mono_us() when the last candidate attempt began; 0: none */
};

/* Called once, from the loop, when no live worker acts on an older policy any more, or when a
 * change that waited for the journal was refused after all. It may even be called before
 * transition_apply() returns, when there is nothing to wait for. */
typedef void transition_done_fn(const struct receipt *receipt, void *arg);

/*
 * CTL_OK: the change is published (or holds already), or will be once its record is on disk; `done`
 * will be called, unless transition_forget(arg) comes first. Otherwise nothing has changed, `done`
 * is never called and `e` is a sentence for the caller: CTL_REFUSED (the rules; an unknown
 * release), CTL_CONFLICT (another revision), CTL_USAGE (a share out of range), CTL_INTERNAL (out of
 * memory; a rollback needs none to take hold, but then no receipt can follow).
 */
enum ctl_code transition_apply(struct master *m, const struct change *c, transition_done_fn *done,
    void *arg, struct err *e) MUST_CHECK;
/* Whether this change, as things stand, would begin a rollout: give a candidate its first traffic.
 */
bool transition_would_begin(const struct master *m, const struct change *c);
/* For the journal: a command that was carried out by another master, the newest last. */
struct remembered_id;
void transition_remember(struct master *m, const struct remembered_id *id);
/* The caller that gave this `arg` has gone: its `done` is not called any more. */
void transition_forget(struct master *m, const void *arg);

/* Publishes the first policy: the releases of the config as the journal has them, else idle. */
void transition_begin(struct master *m);
/* Whether this config may come: -1 when it would send a release that is done back to its old stable
 * model. */
int transition_check_config(
    const struct master *m, const struct config *next, struct err *e) MUST_CHECK;
/* Publishes what the releases are under another config, which then must become m->config in the
 * same turn. `reason` may be NULL. */
void transition_use_config(
    struct master *m, const struct config *next, const struct actor *actor, const char *reason);
/* The policy of the master before an upgrade becomes this one's, as far as the config allows; what
 * the config changes is journaled if there is a journal. -1: as transition_check_config(). */
int transition_take_over(struct master *m, const struct policy *p, struct err *e) MUST_CHECK;
/* In a master that was replaced: publishes what the new one has decided. */
void transition_follow(
    struct master *m, const struct policy *next, transition_done_fn *done, void *arg);
/* The same when nobody decides any more: every share becomes 0. */
void transition_lower_all(struct master *m);
/* Looks who has acknowledged, finishes what is complete, kills who held a rollback up. Called for
 * each MSG_ACK, each dead worker, and each tick. */
void transition_check(struct master *m);
/* Drops all that wait; at the end of the master. */
void transition_end(struct master *m);
