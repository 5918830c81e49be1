// SPDX-License-Identifier: MIT
/*
 * Translation of one attempt; see translation.h. Used by the workers. Invariant: `told` holds whole
 * events only, and the request's body is never changed here.
 */
#include "worker/translation.h"

#include <stdlib.h>

#include "common/clock.h"
#include "worker/request.h"

void
translation_free(struct translation *t)
{
	if (t == NULL)
		return;
	buf_free(&t->body);
	buf_free(&t->path);
	buf_free(&t->told);
	retell_free(&t->retell);
	free(t);
}

static struct xlate_order
order_of(const struct request *r, const struct config_model *model)
{
	return (struct xlate_order){
		.asked = r->endpoint->api,
		.body = body_bytes(&r->body),
		.n = r->body.len,
		.stream = r->chat.stream,
		.model = model,
	};
}

enum xlate_verdict
translation_check(const struct request *r, enum arm arm, struct xlate_error *e)
{
	const struct config_model *model = r->release->config->arms[arm];
	struct xlate_order order = order_of(r, model);

	if (xlate_api(order.asked, model->provider->kind) == order.asked)
		return XLATE_OK;
	return xlate_request(&order, NULL, e);
}

static void
init_answer(struct attempt *a, struct translation *t)
{
	const struct request *r = a->request;
	struct xlate_traits traits = {
		.usage_asked = r->usage_asked,
		.stream = r->chat.stream,
		.schema = r->chat.wants_json,
	};

	xlate_answer_init(&t->retell, r->endpoint->api, a->model->provider->kind, &traits);
	t->retell.out.buf = &t->told;
	t->retell.max_bytes = r->worker->config->limits.max_answer_bytes;
	t->retell.fallback_id = r->id;
	t->retell.fallback_model = a->model->name;
	t->retell.created_s = clock_wall_us() / US_PER_S;
	t->retell.seed = worker_random(r->worker);
}

enum outcome
translation_begin(struct attempt *a)
{
	const struct provider_ops *ops = upstream_ops(a->upstream);
	struct xlate_order order = order_of(a->request, a->model);
	struct xlate_error e;

	a->translation = calloc(1, sizeof(*a->translation));
	if (a->translation == NULL)
		return OUTCOME_NO_MEMORY;
	init_answer(a, a->translation);
	if (ops->model_path != NULL &&
	    ops->model_path(a->model->name, order.stream, &a->translation->path) != 0)
		return OUTCOME_NO_MEMORY;
	switch (xlate_request(&order, &a->translation->body, &e)) {
	case XLATE_OK: return OUTCOME_OK;
	case XLATE_NO_MEMORY: return OUTCOME_NO_MEMORY;
	case XLATE_REFUSED: break; /* it was checked before an arm was chosen */
	}
	return OUTCOME_INTERNAL;
}

static enum outcome
failure_of(const struct retell *t)
{
	if (t->out.failed)
		return OUTCOME_NO_MEMORY;
	return t->too_large ? OUTCOME_TOO_LARGE : OUTCOME_GARBAGE;
}

enum outcome
translation_of_answer(struct attempt *a)
{
	struct translation *t = a->translation;

	if (!xlate_answer(&t->retell, a->model->provider->kind, buf_bytes(&a->bytes),
		buf_len(&a->bytes), &a->facts))
		return failure_of(&t->retell);
	buf_free(&a->bytes);
	a->bytes = t->told;
	t->told = (struct buf){ 0 };
	return OUTCOME_OK;
}

enum outcome
translation_of_event(struct attempt *a, const struct sse_event *ev, unsigned marks)
{
	struct translation *t = a->translation;
	size_t n;
	const uint8_t *data = sse_data(ev, a->request->worker->scratch, &n);

	if (xlate_event(&t->retell, a->model->provider->kind, marks, data, n, &a->facts))
		return OUTCOME_OK;
	return failure_of(&t->retell);
}
