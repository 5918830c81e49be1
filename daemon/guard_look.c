// SPDX-License-Identifier: MIT
/* What the guard is asked and told by people; see guard.h. Master process. */
#include <string.h>

#include "common/clock.h"
#include "daemon/guard_state.h"
#include "daemon/master.h"

/* ---- for people ------------------------------------------------------------------------------ */

/* Over the last RATE_SECONDS, or since the first second. */
static double
rate_per_minute(const struct watched *w, const uint64_t ring[RATE_SECONDS])
{
	unsigned n = w->seconds < RATE_SECONDS ? w->seconds : RATE_SECONDS;
	uint64_t newest, oldest;

	if (n < 2)
		return 0;
	newest = ring[(w->seconds - 1) % RATE_SECONDS];
	oldest = ring[(w->seconds - n) % RATE_SECONDS];
	return newest > oldest ? (double)(newest - oldest) * 60 / ((n - 1) * GUARD_TICK_S) : 0;
}

static void
forecast(struct watched *w, struct guard_view *out)
{
	uint64_t now_us = clock_mono_us();

	if (w->judged_us == 0 || now_us - w->missing_us >= GUARD_TICK_S * (uint64_t)US_PER_S) {
		w->missing = verdict_missing(&out->c, &out->verdict, &w->missing_what);
		w->missing_us = now_us;
	}
	out->missing = w->missing;
	out->missing_what = w->missing_what;
}

void
guard_look(struct master *m, const struct policy_release *now, const struct config_release *config,
    struct guard_view *out)
{
	struct watched *w = m->guard != NULL ? guard_find(m->guard, now->name) : NULL;

	memset(out, 0, sizeof(*out));
	out->mode = config->guard.mode;
	out->age_ms = UINT64_MAX;
	if (w == NULL || now->rollout_id == 0)
		return;
	guard_keep_up(m, w, now, config);
	out->on = config->guard.mode != GUARD_OFF;
	guard_make_case(m, w, now, &out->c);
	verdict_find(&out->c, &out->verdict);
	if (w->judged_us != 0)
		out->age_ms = (clock_mono_us() - w->judged_us) / US_PER_MS;
	out->per_minute = rate_per_minute(w, w->answered);
	out->firsts_per_minute = rate_per_minute(w, w->met);
	forecast(w, out);
}

int
guard_judge(struct master *m, const struct policy_release *now, const char *request_id, bool good,
    struct err *e)
{
	struct slot_release *r = slot_release_tally(&m->slots.all[0], now->name);
	struct slot_evidence_arm *arm;
	struct seen_facts facts;
	uint64_t tag = seen_answer_tag(seen_rollout_tag(now->name, now->rollout_id), request_id);

	if (now->rollout_id == 0 || !seen_answer_take(m->seen, tag, &facts)) {
		if (now->rollout_id != 0 && seen_answer_taken(m->seen, tag)) {
			err_set(e, "the answer with the request id \"%s\" was judged already",
			    request_id);
			return 1;
		}
		return err_set(e,
		    "no answer of this rollout with the request id \"%s\" waits to be judged: it "
		    "is "
		    "not known, too old, or was not in the statistics (a fallback, a pinned or a "
		    "stress request)",
		    request_id);
	}
	arm = r != NULL
		  ? slot_evidence_arm(&r->evidence, now->rollout_id, facts.share_bp, facts.arm)
		  : NULL;
	if (arm == NULL)
		return err_set(e, "the rollout has had too many shares for this one to be counted");
	if (good) {
		if (facts.first)
			tally_add(&arm->praised, 1);
		return 0;
	}
	tally_add(&arm->bad[SYMPTOM_JUDGED], 1);
	if (facts.first)
		tally_add(&arm->bad_firsts[SYMPTOM_JUDGED], 1);
	if (facts.key == 0 ||
	    seen_meet(m->seen, SEEN_FAILED,
		seen_digest(facts.key, now->rollout_id, SYMPTOM_JUDGED)) == SEEN_NEW)
		tally_add(&arm->bad_keys[SYMPTOM_JUDGED], 1);
	return 0;
}
