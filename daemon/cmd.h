// SPDX-License-Identifier: MIT
/*
 * A command that somebody sent, from its line to its answer. Each verb of commands.def has one
 * function here, named by its `handler` column; it ends, now or later, in exactly one cmd_answer()
 * or cmd_fail(), after which the command is gone. Master process.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ctlproto.h"
#include "common/err.h"
#include "common/money.h"
#include "daemon/transition.h"

struct master;
struct caller;

struct cmd {
	struct master *master;
	struct caller *caller;
	struct ctl_request request;
	struct actor actor;
	pid_t pid;	      /* the caller's */
	uint64_t received_us; /* clock_mono_us() when the line was whole */
	bool no_memory;	      /* a cmd_put_ function had none: the answer is not whole */
};

/* Sends `answer` and takes it and the command over; without memory it says so instead. */
void cmd_answer(struct cmd *cmd, cJSON *answer);
void cmd_fail(struct cmd *cmd, enum ctl_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Ends the command: the config has no such release, and which it has. */
void cmd_no_such_release(struct cmd *cmd, const char *name);

/* Logs a command that changes something, or tried to: who, what, why, and how it ended. */
void cmd_log(const struct cmd *cmd, bool done, const char *result);

/* ---- building an answer: all take NULL for an object that there was no memory for ------------ */

cJSON *cmd_begin(struct cmd *cmd); /* {"ok":true} */
cJSON *cmd_put_object(struct cmd *cmd, cJSON *in, const char *name);
cJSON *cmd_put_array(struct cmd *cmd, cJSON *in, const char *name);
cJSON *cmd_put_element(struct cmd *cmd, cJSON *array); /* an object */
void cmd_put_number(struct cmd *cmd, cJSON *in, const char *name, double value);
void cmd_put_digits(struct cmd *cmd, cJSON *in, const char *name, const char *digits);
/* A count of any size, with all its digits. */
void cmd_put_count(struct cmd *cmd, cJSON *in, const char *name, uint64_t count);
/* An exact amount: a string with twelve decimals, since a JSON number is a double to most who read
 * it. NULL gives null. */
void cmd_put_usd(struct cmd *cmd, cJSON *in, const char *name, const struct money *amount);
/* How much less `to` is than `from`: "saving_usd" and "saving_percent", negative where it is more;
 * null where one of them is NULL. */
void cmd_put_saving(struct cmd *cmd, cJSON *in, const struct money *from, const struct money *to);
void cmd_put_text(struct cmd *cmd, cJSON *in, const char *name, const char *text);
void cmd_put_bool(struct cmd *cmd, cJSON *in, const char *name, bool value);
void cmd_put_null(struct cmd *cmd, cJSON *in, const char *name);
void cmd_put_time(struct cmd *cmd, cJSON *in, const char *name, uint64_t wall_us);
/* Hundredths of a percent, as percent. */
void cmd_put_percent(struct cmd *cmd, cJSON *in, const char *name, uint64_t bp);
/* Where a release stands: release, state, why it is on hold, stage, set and published share,
 * revision, whether it is frozen. */
void cmd_put_standing(
    struct cmd *cmd, cJSON *in, const struct policy_release *set, uint32_t published_bp);
/* The same as it is now; returns what is set. */
const struct policy_release *cmd_put_current(struct cmd *cmd, cJSON *in, const char *release);
/* The candidate's share of the requests since the share last changed; null before the first. */
struct release_totals;
void cmd_put_measured(struct cmd *cmd, cJSON *in, const struct release_totals *totals);

/* Counts by outcome, {"ok":17,"refused":2}; what never happened is left out. */
void cmd_put_outcomes(
    struct cmd *cmd, cJSON *in, const char *name, const uint64_t counts[OUTCOME_COUNT]);

/* cmd_limits.c: "limits": clients and models with limits, or with something to tell; `all`: also
 * those that are far from their limits. */
void cmd_put_limits(struct cmd *cmd, cJSON *in, bool all);

/* Whether the journal can be written: "journal". */
void cmd_put_journal(struct cmd *cmd, cJSON *in);

/* Calls `each` for the release that the command names, or for all of the config, with an object of
 * its own under "releases". False: the command was ended, there is no such release. */
struct config_release;
typedef void cmd_release_fn(struct cmd *cmd, cJSON *object, const struct config_release *release);
bool cmd_each_release(struct cmd *cmd, cJSON *answer, cmd_release_fn *each) MUST_CHECK;

/* ---- the verbs ------------------------------------------------------------------------------- */

/* cmd_show.c: what runs */
void cmd_status(struct cmd *cmd);
void cmd_workers(struct cmd *cmd);

/* cmd_rollout.c: how a rollout stands */
void cmd_route(struct cmd *cmd);
/* What `status` says of a release beyond its shares. */
void cmd_put_rollout(struct cmd *cmd, cJSON *in, const struct policy_release *set,
    const struct config_release *release);

/* cmd_check.c: what the providers say */
void cmd_check(struct cmd *cmd);
/* What is known of a model: "standing", "asked", and in words what is amiss. */
struct config_model;
void cmd_put_model_standing(struct cmd *cmd, cJSON *in, const struct config_model *model);

/* cmd_stats.c: what was counted */
void cmd_stats(struct cmd *cmd);

/* cmd_errors.c: what went wrong */
void cmd_errors(struct cmd *cmd);

/* cmd_cost.c: what it cost */
void cmd_cost(struct cmd *cmd);

/* cmd_compare.c: what something would cost, by the prices alone */
void cmd_compare(struct cmd *cmd);

/* cmd_journal.c: what was */
void cmd_history(struct cmd *cmd);
void cmd_verify(struct cmd *cmd);

/* cmd_why.c: why a rollout stands where it stands */
#define CMD_WHY_BYTES 1024
struct guard_view;
struct plan_view;
struct verdict;
/* "cause": who led to a hold, a rollback or the end, when and why; null where nobody knows. */
void cmd_put_cause(struct cmd *cmd, cJSON *in, const struct policy_release *set);
/* What keeps requests from a candidate that answers none. False: nothing that is known. */
bool cmd_say_silence(const struct cmd *cmd, const struct policy_release *set,
    const struct config_release *release, char out[CMD_WHY_BYTES]);
/* Whether the evidence is plainly against this symptom, for itself. */
bool cmd_is_worse(const struct verdict *v, unsigned symptom);
/* A list of what the bits mean, see release_waivable(). */
void cmd_put_names(struct cmd *cmd, cJSON *in, const char *name, uint32_t bits);
/* "worse": the symptoms and values that stand in the way, and that a waiver would have to name. */
void cmd_put_worse(
    struct cmd *cmd, cJSON *in, const struct policy_release *set, const struct guard_view *view);
/* After a resume: that the guard will hold it again, as its evidence stands, and what to do. False:
 * it will not. */
bool cmd_say_held_again(const struct cmd *cmd, const struct policy_release *set,
    const struct config_release *release, char out[CMD_WHY_BYTES]);
/* What stands in the way of the next stage, the first of all that has to go. */
void cmd_say_why(const struct cmd *cmd, const struct policy_release *set,
    const struct config_release *release, const struct plan_view *plan,
    const struct guard_view *guard, char out[CMD_WHY_BYTES]);

/* cmd_guard.c: what the guard thinks */
void cmd_explain(struct cmd *cmd);
void cmd_replay(struct cmd *cmd);
void cmd_judge(struct cmd *cmd);
/* What `status` says of a release's guard. */
void cmd_put_guard(struct cmd *cmd, cJSON *in, const struct policy_release *set,
    const struct config_release *release);

/* cmd_change.c: what is to be */
void cmd_start(struct cmd *cmd);
void cmd_stage(struct cmd *cmd);
void cmd_weight(struct cmd *cmd);
void cmd_promote(struct cmd *cmd);
void cmd_rollback(struct cmd *cmd);
void cmd_pause(struct cmd *cmd);
void cmd_resume(struct cmd *cmd);
void cmd_freeze(struct cmd *cmd);
void cmd_unfreeze(struct cmd *cmd);
void cmd_restart(struct cmd *cmd);
void cmd_reload(struct cmd *cmd);
void cmd_upgrade(struct cmd *cmd);
void cmd_reopen(struct cmd *cmd);
void cmd_stop(struct cmd *cmd);
