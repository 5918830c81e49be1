// SPDX-License-Identifier: MIT
/*
 * The `openai` kind: OpenAI itself and all who speak like it (HolySheep, DeepSeek, Gemini's
 * compatible endpoint). Used by the workers. Pure: bytes in, facts out.
 */
#include <assert.h>
#include <string.h>

#include "worker/errorbody.h"
#include "worker/openai.h"

/* ---- request --------------------------------------------------------------------------------- */

static const char *
request_path(enum api api)
{
	static const char *const paths[API_COUNT] = {
		[API_CHAT] = "/chat/completions",
		[API_COMPLETIONS] = "/completions",
		[API_EMBEDDINGS] = "/embeddings",
		[API_RESPONSES] = "/responses",
	};

	assert((unsigned)api < API_COUNT);
	return paths[api];
}

static int
request_headers(const struct config_provider *p, struct buf *out)
{
	const char *key = p->api_key != NULL ? secret_text(p->api_key) : "";

	if (provider_begin_head(out, strlen(key) + strlen(p->organization) + strlen(p->project)) !=
		0 ||
	    provider_add_line(out, "Authorization: Bearer ", key) != 0 ||
	    provider_add_line(out, "OpenAI-Organization: ", p->organization) != 0)
		return -1;
	return provider_add_line(out, "OpenAI-Project: ", p->project);
}

static int
request_encode(enum api api, const char *model, struct chat *c, struct body *b)
{
	if (chat_set_model(c, b, model) != 0)
		return -1;
	if (c->stream && (api == API_CHAT || api == API_COMPLETIONS))
		return chat_ask_usage(c, b);
	return 0;
}

/* ---- answer ---------------------------------------------------------------------------------- */

static bool
read_vector(struct reader *r, enum jtok first)
{
	r->seen |= OPENAI_ITEM;
	facts_note_content(r);
	return reader_skip(r, first);
}

static bool
read_vectors(struct reader *r, enum jtok first)
{
	return facts_list(r, first, read_vector);
}

static const struct reader_field embeddings_fields[] = {
	READER_FIELD("data", read_vectors),
	READER_FIELD("usage", openai_usage),
	READER_FIELD("error", openai_error),
	READER_END,
};

static const struct reader_field *const answer_fields[API_COUNT] = {
	[API_CHAT] = openai_choices_fields,
	[API_COMPLETIONS] = openai_choices_fields,
	[API_EMBEDDINGS] = embeddings_fields,
	[API_RESPONSES] = openai_response_fields,
};

static bool
read_answer(enum api api, const uint8_t *bytes, size_t n, struct facts *f)
{
	struct openai_spans spans = { 0 };
	struct reader r = { .facts = f, .into = &spans };

	assert((unsigned)api < API_COUNT && answer_fields[api] != NULL);
	if (!reader_run(&r, bytes, n, answer_fields[api]))
		return false;
	if ((r.seen & OPENAI_FAILED) || ((r.seen & FACTS_ERROR) && !(r.seen & OPENAI_ITEM))) {
		facts_failed(bytes, n, f);
		return true;
	}
	if (r.seen & OPENAI_PENDING)
		f->content = true; /* the ticket for an answer that is made in the background */
	return r.seen & FACTS_LIST;
}

const struct provider_ops provider_openai = {
	.name = "openai",
	.path = request_path,
	.headers = request_headers,
	.encode = request_encode,
	.read_answer = read_answer,
	.read_event = openai_read_event,
	.read_error = errorbody_read,
};
