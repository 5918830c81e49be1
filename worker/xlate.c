// SPDX-License-Identifier: MIT
/*
 * Which translation is whose; see xlate.h. Used by the workers. The tables are the only place that
 * knows all APIs at once.
 */
#include "worker/xlate.h"

#include <assert.h>
#include <string.h>

enum api
xlate_api(enum api asked, enum provider_kind kind)
{
	static const enum api own[PROVIDER_KIND_COUNT] = {
		[PROVIDER_OPENAI] = API_CHAT,
		[PROVIDER_ANTHROPIC] = API_MESSAGES,
		[PROVIDER_GEMINI] = API_GENERATE,
	};

	assert((unsigned)asked < API_COUNT && (unsigned)kind < PROVIDER_KIND_COUNT);
	if (asked == API_CHAT || asked == API_MESSAGES)
		return own[kind];
	return kind == PROVIDER_OPENAI ? asked : API_COUNT;
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static bool (*const readers[API_COUNT])(struct ask *a, const uint8_t *body, size_t n) = {
	[API_CHAT] = xlate_read_chat,
	[API_MESSAGES] = xlate_read_messages,
};

static bool (*const writers[PROVIDER_KIND_COUNT])(
    struct ask *a, const struct xlate_target *t, struct jout *o) = {
	[PROVIDER_OPENAI] = xlate_write_chat,
	[PROVIDER_ANTHROPIC] = xlate_write_messages,
	[PROVIDER_GEMINI] = xlate_write_gemini,
};

/* OpenAI's newer models refuse the old name of the limit; many who speak like it do not know the
 * new one. */
static bool
is_openai_itself(const struct config_provider *p)
{
	return strstr(p->base_url, "//api.openai.com") != NULL;
}

enum xlate_verdict
xlate_request(const struct xlate_order *order, struct buf *out, struct xlate_error *e)
{
	const struct config_model *model = order->model;
	struct xlate_target target = {
		.model = model->name,
		.max_tokens = model->max_tokens,
		.completion_tokens = is_openai_itself(model->provider),
	};
	struct ask a = { .stream = order->stream };
	struct jout o = { .buf = out };
	bool ok = readers[order->asked](&a, order->body, order->n) &&
		  writers[model->provider->kind](&a, &target, &o);
	enum xlate_verdict verdict = XLATE_OK;

	if (!ok)
		verdict = a.refused && !a.no_memory ? XLATE_REFUSED : XLATE_NO_MEMORY;
	*e = a.error;
	ask_free(&a);
	return verdict;
}

/* ---- answers -----------------------------------------------------------------------------------
 */

static const struct retell_sink *
sink_for(enum api asked, bool stream)
{
	if (asked == API_MESSAGES)
		return stream ? &retell_messages_stream : &retell_messages_whole;
	return stream ? &retell_chat_stream : &retell_chat_whole;
}

void
xlate_answer_init(
    struct retell *t, enum api asked, enum provider_kind kind, const struct xlate_traits *traits)
{
	*t = (struct retell){
		.sink = sink_for(asked, traits->stream),
		.usage_asked = traits->usage_asked,
		.call_is_text = traits->schema && kind == PROVIDER_ANTHROPIC,
	};
}

static bool (*const answers[PROVIDER_KIND_COUNT])(struct retell *t, const uint8_t *b, size_t n) = {
	[PROVIDER_OPENAI] = xlate_from_openai,
	[PROVIDER_ANTHROPIC] = xlate_answer_from_anthropic,
	[PROVIDER_GEMINI] = xlate_from_gemini,
};

static bool (*const events[PROVIDER_KIND_COUNT])(struct retell *t, const uint8_t *b, size_t n) = {
	[PROVIDER_OPENAI] = xlate_from_openai,
	[PROVIDER_ANTHROPIC] = xlate_event_from_anthropic,
	[PROVIDER_GEMINI] = xlate_from_gemini,
};

bool
xlate_answer(struct retell *t, enum provider_kind kind, const uint8_t *bytes, size_t n,
    const struct facts *f)
{
	if (!answers[kind](t, bytes, n))
		return false;
	retell_end(t, f);
	return !t->bad && !t->out.failed;
}

bool
xlate_event(struct retell *t, enum provider_kind kind, unsigned marks, const uint8_t *data,
    size_t n, const struct facts *f)
{
	if (marks & EVENT_KEEPALIVE)
		retell_alive(t);
	else if (!(marks & EVENT_END))
		if (!events[kind](t, data, n))
			return false;
	if (f->ended)
		retell_end(t, f);
	return !t->bad && !t->out.failed;
}
