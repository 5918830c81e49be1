// SPDX-License-Identifier: MIT
/*
 * The guard's second, see guard.h. Master process. For each release with candidate traffic: sum,
 * verdict, act. What it remembers between seconds is little; of that, only the breaker's span goes
 * to the next master (guard_keep.c), and there nothing is safe before the first verdict.
 */
#include "daemon/guard_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/audit.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/master.h"
#include "daemon/notes.h"
#include "daemon/plan.h"

#define FRESH_US   (3 * (uint64_t)US_PER_S) /* an older verdict is none */
#define RETRY_US   (1 * (uint64_t)US_PER_S) /* after a refusal */
#define SPAN_US	   (10 * (uint64_t)US_PER_S)
#define TURNS	   10 /* of a second: each release has one, so that many do not stall the loop */
#define DOUBTS_MAX 3  /* seconds in which figures may be odd: a worker was read while it wrote */

struct watched *
guard_find(struct guard *g, const char *name)
{
	return notes_find(g->all, sizeof(g->all[0]), name);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

/* Allowed, and told once with each config: most of what goes wrong is an error. */
static void
warn_of_blindness(const struct watched *w)
{
	if (w->config->plan.mode == PLAN_AUTO &&
	    w->config->guard.symptoms[SYMPTOM_ERROR].action > ACTION_HOLD)
		log_event(LOG_WARN, "guard_blind",
		    "%s: its plan is auto, and errors of the candidate neither roll back nor hold: "
		    "see guard.symptoms.error.action",
		    w->name);
}

void
guard_keep_up(const struct master *m, struct watched *w, const struct policy_release *now,
    const struct config_release *config)
{
	bool same_config = w->config == config && w->generation == m->generation;

	if (w->rollout_id != now->rollout_id) {
		w->rollout_id = now->rollout_id;
		w->before = UINT64_MAX;
		w->span = (struct verdict_span){ 0 };
		w->warns = w->doubts = 0;
		w->kind = VERDICT_WAIT;
		w->test = TEST_NONE;
		w->seconds = 0;
	}
	if (w->share_revision != now->share_revision)
		w->before = UINT64_MAX;
	if (w->share_revision != now->share_revision || !same_config)
		w->judged_us = 0;
	w->share_revision = now->share_revision;
	if (same_config)
		return;
	w->config = config;
	w->generation = m->generation;
	verdict_rules_init(&w->rules, config);
	warn_of_blindness(w);
}

/* A share that comes back brings its old evidence along, which proves as much as ever but is not
 * fresh. A worker that was left out for good must not keep the count from ever being reached. */
static void
note_begin(struct watched *w, const struct evidence *e, uint32_t share_bp)
{
	const struct evidence_share *share = evidence_find(e, share_bp);
	uint64_t n = share != NULL ? share->arms[ARM_CANDIDATE].requests : 0;

	/* While a worker's figures are left out the sum is too small, and what is old would be
	 * fresh. */
	if (e->insane == 0 && (w->before == UINT64_MAX || n < w->before))
		w->before = n;
}

void
guard_make_case(
    struct master *m, struct watched *w, const struct policy_release *now, struct verdict_case *c)
{
	struct evidence *e = &m->guard->evidence;

	slots_sum_evidence(&m->slots, w->name, now->rollout_id, e);
	note_begin(w, e, now->share_bp);
	m->guard->left_out = e->insane > 0;
	if (w->doubts < DOUBTS_MAX)
		e->insane = 0;
	*c = (struct verdict_case){
		.rules = &w->rules,
		.evidence = e,
		.span = &w->span,
		.share_bp = now->share_bp,
		.before = w->before,
		.waived = now->waived,
		.done = now->state == STATE_DONE,
	};
}

static void
note_candidate(struct watched *w, const struct evidence *e)
{
	unsigned place = w->seconds++ % RATE_SECONDS;

	w->answered[place] = w->met[place] = 0;
	for (unsigned i = 0; i < e->n_shares; i++) {
		w->answered[place] += e->shares[i].arms[ARM_CANDIDATE].requests;
		w->met[place] += e->shares[i].arms[ARM_CANDIDATE].firsts;
	}
}

/* What a second brings, whatever the verdict. */
static void
let_a_second_pass(
    struct master *m, struct watched *w, const struct policy_release *now, uint64_t mono_us)
{
	struct evidence *e = &m->guard->evidence;
	uint64_t number = w->span.number;

	slots_sum_evidence(&m->slots, w->name, now->rollout_id, e);
	w->doubts = e->insane > 0 ? w->doubts + 1 : 0;
	verdict_span_move(&w->span, e, mono_us - w->span_us >= SPAN_US);
	if (w->span.number != number)
		w->span_us = mono_us;
	note_candidate(w, e);
}

static void
put_log(_Atomic uint64_t *gauge, double log_e)
{
	uint64_t bits;

	memcpy(&bits, &log_e, sizeof(bits));
	atomic_store_explicit(gauge, bits, memory_order_relaxed);
}

static double
more(double a, double b)
{
	return a > b ? a : b;
}

/* For /metrics. */
static void
put_gauges(struct master *m, const struct watched *w, const struct verdict *v)
{
	struct slot_release *r = slot_release_tally(&m->slots.all[0], w->name);

	if (r == NULL)
		return;
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++) {
		const struct verdict_symptom *s = &v->symptoms[i];
		_Atomic uint64_t *gauges = &r->guard.logs[GAUGE_SYMPTOMS + 2 * i];

		put_log(&gauges[0], s->on ? more(s->harm, s->breaker) : -HUGE_VAL);
		put_log(&gauges[1], s->on ? more(s->better, s->below) : -HUGE_VAL);
	}
	put_log(&r->guard.logs[GAUGE_BREAKER], v->breaker);
	put_log(&r->guard.logs[GAUGE_HARM], v->harm);
	put_log(&r->guard.logs[GAUGE_SPLIT], v->split);
	atomic_store_explicit(&r->guard.verdict, 1 + (uint64_t)v->kind, memory_order_relaxed);
	atomic_store_explicit(
	    &r->guard.uncounted, m->guard->evidence.uncounted, memory_order_relaxed);
	atomic_store_explicit(&r->guard.rollout_id, w->rollout_id, memory_order_relaxed);
}

/* ---- acting ---------------------------------------------------------------------------------- */

static void
refused(struct watched *w, const char *why)
{
	w->retry_us = clock_mono_us() + RETRY_US;
	if (strcmp(w->refusal.msg, why) == 0)
		return;
	snprintf(w->refusal.msg, sizeof(w->refusal.msg), "%s", why);
	log_event(LOG_WARN, "guard_refused", "%s: the guard cannot act: %s", w->name, why);
}

static void
on_receipt(const struct receipt *r, void *arg)
{
	struct watched *w = arg;

	w->waiting = false;
	if (r->code != CTL_OK)
		refused(w, r->error.msg);
	else
		w->refusal.msg[0] = '\0';
}

/* As the journal takes it; what does not fit is left out, since nothing may stop a rollback. */
static int
write_evidence(struct buf *out, const struct verdict_case *c)
{
	if (verdict_write(out, c) != 0 || buf_add(out, "", 1) != 0)
		return -1;
	if (buf_len(out) <= AUDIT_EVIDENCE_BYTES)
		return 0;
	buf_consume(out, buf_len(out));
	return buf_addf(out, "{\"left_out\":1}") != 0 ? -1 : buf_add(out, "", 1);
}

static void
command(struct master *m, struct watched *w, const struct verdict_case *c, struct change change,
    const char *reason)
{
	struct buf evidence = { 0 };
	struct err e = { "" };

	/* A rollback waits for no receipt: a slow disk or worker may keep a hold's. */
	if (change.command != COMMAND_ROLLBACK && (w->waiting || clock_mono_us() < w->retry_us))
		return;
	change.release = w->name;
	change.actor = (struct actor){ .uid = (uint32_t)geteuid(), .name = "guard" };
	change.reason = reason;
	if (write_evidence(&evidence, c) == 0)
		change.evidence = (const char *)buf_bytes(&evidence);
	w->waiting = true; /* the receipt may come before this returns */
	if (transition_apply(m, &change, on_receipt, w, &e) != CTL_OK) {
		w->waiting = false;
		refused(w, e.msg);
	}
	buf_free(&evidence);
}

static enum hold_reason
hold_of(enum verdict_test test)
{
	if (test == TEST_SPLIT)
		return HOLD_SPLIT;
	return test == TEST_DOUBT ? HOLD_DOUBT : HOLD_SYMPTOM;
}

static void
hold(struct master *m, struct watched *w, const struct verdict_case *c,
    const struct policy_release *now, const struct verdict *v)
{
	if (w->config->plan.mode == PLAN_MANUAL ||
	    (now->state != STATE_STEP && now->state != STATE_BAKE))
		return;
	command(m, w, c,
	    (struct change){
		.command = COMMAND_PAUSE, .hold = hold_of(v->test), .if_revision = now->revision },
	    v->reason);
}

static void
end_hold(struct master *m, struct watched *w, const struct verdict_case *c,
    const struct policy_release *now)
{
	if (now->state == STATE_HOLD && now->hold == HOLD_DOUBT)
		command(m, w, c,
		    (struct change){ .command = COMMAND_RESUME, .if_revision = now->revision },
		    "what the workers say makes sense again");
}

/* Whether something is done upon such a verdict, or nobody wants it done. */
static bool
goes_by_it(const struct config_release *config, enum verdict_kind kind)
{
	bool manual = config->plan.mode == PLAN_MANUAL;

	if (kind == VERDICT_SAFE)
		return config->plan.mode != PLAN_AUTO || config->guard.mode != GUARD_WATCH;
	return config->guard.mode == GUARD_ROLLBACK && (kind == VERDICT_ROLLBACK || !manual);
}

/* What changes is said once. */
static void
tell(struct watched *w, const struct verdict *v)
{
	static const char *const would[VERDICT_KINDS] = { [VERDICT_SAFE] = "would promote",
		[VERDICT_HOLD] = "would hold",
		[VERDICT_ROLLBACK] = "would roll back" };
	bool changed = w->kind != v->kind || w->test != v->test || w->what != v->what;

	if (would[v->kind] != NULL && changed && !goes_by_it(w->config, v->kind))
		log_event(v->kind == VERDICT_SAFE ? LOG_INFO : LOG_WARN, "guard_would",
		    "%s: the guard %s: %s", w->name, would[v->kind], v->reason);
	for (unsigned i = 0; release_waivable(i) != NULL; i++) {
		if (v->warns & ~w->warns & UINT32_C(1) << i)
			log_event(LOG_WARN, "guard_warns", "%s: %s is worse than it should be",
			    w->name, release_waivable(i));
	}
	w->kind = v->kind;
	w->test = v->test;
	w->what = v->what;
	w->warns |= v->warns;
}

static void
act(struct master *m, struct watched *w, const struct verdict_case *c,
    const struct policy_release *now, const struct verdict *v)
{
	if (w->config->guard.mode != GUARD_ROLLBACK)
		return;
	if (v->kind == VERDICT_ROLLBACK)
		command(m, w, c, (struct change){ .command = COMMAND_ROLLBACK }, v->reason);
	else if (v->kind == VERDICT_HOLD)
		hold(m, w, c, now, v);
	else
		end_hold(m, w, c, now);
}

/* ---- the second ------------------------------------------------------------------------------ */

static bool
is_watched(const struct policy_release *now, const struct config_release *config)
{
	return config != NULL && config->guard.mode != GUARD_OFF && release_exposed(now->state) &&
	       now->rollout_id != 0;
}

static void
watch_release(struct master *m, const struct policy_release *now, uint64_t mono_us)
{
	const struct config_release *config =
	    config_find_release(m->config, now->name, strlen(now->name));
	struct watched *w = guard_find(m->guard, now->name);
	struct verdict_case c;
	struct verdict v;

	if (w == NULL || !is_watched(now, config))
		return;
	guard_keep_up(m, w, now, config);
	let_a_second_pass(m, w, now, mono_us);
	guard_make_case(m, w, now, &c);
	verdict_find(&c, &v);
	tell(w, &v);
	put_gauges(m, w, &v);
	w->judged_us = mono_us;
	act(m, w, &c, now, &v);
}

/* Keys of rollouts that are over need no room: they are forgotten when no rollout is left, not when
 * another has begun, whose first keys would count twice. Only where one follows the other at once
 * and the table is rather full that must be. Where nothing is compared any more, since all are
 * done, a key may count again: the breaker looks at nothing else. What is there at the first tick
 * was met just now, or is of a master before this one, and belongs to what goes on. */
static void
forget_old_keys(struct master *m, const struct policy *policy)
{
	struct guard *g = m->guard;
	bool began = false, others = false, all_done = true;

	for (uint32_t i = 0; i < policy->n_releases; i++) {
		const struct policy_release *now = &policy->releases[i];
		struct watched *w = guard_find(g, now->name);

		if (w == NULL || !release_exposed(now->state))
			continue;
		began |= g->ticked && w->keys_of != now->rollout_id;
		others |= !g->ticked || w->keys_of == now->rollout_id;
		all_done &= now->state == STATE_DONE;
		w->keys_of = now->rollout_id;
	}
	if (began || others ? (!others || all_done) && seen_crowded(m->seen) : g->keys_used)
		seen_forget(m->seen);
	g->keys_used = began || others;
	g->ticked = true;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;
	uint64_t now_us = clock_mono_us();
	struct policy policy = m->policy; /* commands change it */

	(void)fd;
	(void)what;
	if (m->stopping)
		return;
	notes_forget_the_gone(m, m->guard->all, sizeof(m->guard->all[0]));
	forget_old_keys(m, &policy);
	for (uint32_t i = m->guard->turn++ % TURNS; i < policy.n_releases; i += TURNS)
		watch_release(m, &policy.releases[i], now_us);
	guard_keep(m, false);
}

int
guard_start(struct master *m, struct err *e)
{
	static const struct timeval tick = { .tv_usec = GUARD_TICK_S * 1000000 / TURNS };
	struct guard *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return err_set(e, "out of memory");
	m->guard = g;
	g->keys_used = true; /* by a master before this one, perhaps */
	if (m->predecessor == NULL)
		guard_recall_evidence(m);
	event_assign(&g->tick, m->base, -1, EV_PERSIST, on_tick, m);
	return event_add(&g->tick, &tick) == 0 ? 0 : err_set(e, "out of memory");
}

void
guard_stop(struct master *m)
{
	struct guard *g = m->guard;

	if (g == NULL)
		return;
	m->guard = NULL;
	event_del(&g->tick);
	for (unsigned i = 0; i < RELEASES_MAX; i++)
		transition_forget(m, &g->all[i]);
	free(g);
}

/* ---- for the plan ---------------------------------------------------------------------------- */

bool
guard_safe(const struct master *m, const struct policy_release *now)
{
	const struct watched *w = m->guard != NULL ? guard_find(m->guard, now->name) : NULL;

	return w != NULL && w->kind == VERDICT_SAFE && w->judged_us != 0 &&
	       clock_mono_us() - w->judged_us <= FRESH_US && w->rollout_id == now->rollout_id &&
	       w->share_revision == now->share_revision;
}

bool
guard_opposes(const struct master *m, const struct policy_release *now)
{
	const struct watched *w = m->guard != NULL ? guard_find(m->guard, now->name) : NULL;

	return w != NULL && w->rollout_id == now->rollout_id && w->config != NULL &&
	       w->generation == m->generation && w->config->guard.mode == GUARD_ROLLBACK &&
	       (w->kind == VERDICT_HOLD || w->kind == VERDICT_ROLLBACK);
}

int
guard_confirm(struct master *m, const struct policy_release *now, struct buf *evidence,
    char *reason, size_t reason_size)
{
	struct watched *w = guard_find(m->guard, now->name);
	struct verdict_case c;
	struct verdict v;

	if (w == NULL || !guard_safe(m, now))
		return -1;
	guard_make_case(m, w, now, &c);
	/* Too short for a doubt to hold, but who knows what that worker has seen? */
	if (m->guard->left_out)
		return -1;
	verdict_find(&c, &v);
	snprintf(reason, reason_size, "%s", v.reason);
	return v.kind == VERDICT_SAFE ? write_evidence(evidence, &c) : -1;
}
