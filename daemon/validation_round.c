// SPDX-License-Identifier: MIT
/*
 * Rounds of questions, see validation_state.h. Master process. A round outlives the prober: its
 * successor is asked the same again. Whatever happens to it, a round ends at its deadline.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/master.h"
#include "daemon/validation_state.h"

/* The prober keeps PROBE_MS itself; this is for one that hangs, or cannot be started. */
#define ROUND_US ((PROBE_MS + 2000) * (uint64_t)US_PER_MS)

void
round_send(const struct validation *v, struct round *r)
{
	struct probe_order order;

	if (r->sent || v->prober == NULL || v->prober->fd < 0)
		return;
	memset(&order, 0, sizeof(order));
	order.kind = PROBE_ORDER;
	order.round = r->number;
	order.n = r->n;
	memcpy(order.models, r->models, sizeof(order.models));
	/* A full queue is tried again at the next tick. */
	r->sent = send(v->prober->fd, &order, sizeof(order), MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

void
round_end(struct validation *v, struct round *r)
{
	struct round **at = &v->rounds;
	validation_done_fn *done = r->done;
	void *arg = r->arg;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	free(r);
	if (done != NULL)
		done(arg);
}

void
round_add(const struct validation *v, struct round *r, unsigned number)
{
	if (!v->models[number].used || !v->models[number].asked)
		return;
	for (unsigned i = 0; i < r->n; i++) {
		if (r->models[i] == number)
			return;
	}
	r->models[r->n++] = (uint16_t)number;
}

struct round *
round_new(validation_done_fn *done, void *arg, struct err *e)
{
	struct round *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		err_set(e, "out of memory");
		return NULL;
	}
	r->done = done;
	r->arg = arg;
	return r;
}

void
round_begin(struct validation *v, struct round *r)
{
	r->next = v->rounds;
	v->rounds = r;
	if (r->n == 0) {
		round_end(v, r);
		return;
	}
	r->number = ++v->last_round;
	r->missing = r->n;
	r->deadline_us = clock_mono_us() + ROUND_US;
	round_send(v, r);
}

/* ---- findings ----------------------------------------------------------------------------------
 */

static void
take_finding(struct validation *v, unsigned model, const struct finding *f)
{
	struct known *known = &v->models[model];
	struct finding before = known->finding;

	known->finding = *f;
	known->wall_us = clock_wall_us();
	if (v->serves) {
		validation_changed(v, model, &before);
		validation_publish(v);
	}
}

static bool
take_answer(struct validation *v, struct round *r, unsigned place, const struct finding *f)
{
	if (r->answered[place])
		return false;
	r->answered[place] = true;
	r->missing--;
	take_finding(v, r->models[place], f);
	return true;
}

static struct round *
find_round(const struct validation *v, uint32_t number)
{
	struct round *r = v->rounds;

	while (r != NULL && r->number != number)
		r = r->next;
	return r;
}

void
validation_heard(struct child *prober, const void *packet, size_t n)
{
	struct validation *v = validation_of(prober->master, prober->generation);
	struct probe_report report;
	struct round *r;

	if (v == NULL || v->prober != prober)
		return;
	if (!probe_report_read(&report, packet, n, v->config->n_models)) {
		log_event(
		    LOG_ERROR, "bad_report", "the prober sent %zu bytes that are no report", n);
		return;
	}
	r = find_round(v, report.round);
	for (unsigned i = 0; r != NULL && i < r->n; i++) {
		if (r->models[i] == report.model && take_answer(v, r, i, &report.finding))
			break;
	}
	if (r != NULL && r->missing == 0)
		round_end(v, r);
}

void
round_give_up(struct validation *v, struct round *r)
{
	static const struct finding silence = { .standing = STANDING_UNREACHABLE,
		.why = "grayd's own prober did not answer; the log tells why" };

	for (unsigned i = 0; i < r->n; i++)
		take_answer(v, r, i, &silence);
	round_end(v, r);
}

/* ---- the prober --------------------------------------------------------------------------------
 */

void
validation_started(struct child *prober)
{
	struct validation *v = validation_of(prober->master, prober->generation);

	if (v == NULL)
		return;
	v->prober = prober;
	for (struct round *r = v->rounds; r != NULL; r = r->next) {
		r->sent = false;
		round_send(v, r);
	}
}

void
validation_ended(struct child *prober)
{
	struct validation *v = validation_of(prober->master, prober->generation);

	if (v != NULL && v->prober == prober)
		v->prober = NULL;
}
