// SPDX-License-Identifier: MIT
/*
 * The `gemini` kind: Gemini's own API. Used by the workers. No client speaks it, so whatever goes
 * out and comes back is translated. Its streams have no end marker: once a candidate has said why
 * it finished they end by closing, and what comes until then, usage above all, is still read. Pure:
 * bytes in, facts out.
 */
#include <string.h>

#include "worker/errorbody.h"
#include "worker/facts.h"

/* Bits of reader.seen. */
enum seen { SEEN_CALL = FACTS_OWN };

/* ---- request --------------------------------------------------------------------------------- */

/* The path holds the model's name: see model_path(). */
static const char *
request_path(enum api api)
{
	(void)api;
	return NULL;
}

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~/", c) != NULL);
}

/* Names may come with the collection that they are in. */
static int
model_path(const char *model, bool stream, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	if (buf_adds(out, strchr(model, '/') != NULL ? "/" : "/models/") != 0)
		return -1;
	for (const char *c = model; *c != '\0'; c++) {
		char escape[3] = { '%', hex[(uint8_t)*c >> 4], hex[*c & 15] };

		if (is_unreserved(*c) ? buf_add(out, c, 1) != 0
				      : buf_add(out, escape, sizeof(escape)) != 0)
			return -1;
	}
	if (buf_adds(out, stream ? ":streamGenerateContent?alt=sse" : ":generateContent") != 0)
		return -1;
	return buf_add(out, "", 1); /* the NUL */
}

static int
request_headers(const struct config_provider *p, struct buf *out)
{
	const char *key = p->api_key != NULL ? secret_text(p->api_key) : "";

	if (provider_begin_head(out, strlen(key)) != 0)
		return -1;
	return provider_add_line(out, "x-goog-api-key: ", key);
}

/* ---- content --------------------------------------------------------------------------------- */

/* Its arguments are an object, so JSON. */
static const struct reader_field call_fields[] = {
	READER_FIELD("name", facts_call_name),
	READER_END,
};

static bool
read_call(struct reader *r, enum jtok first)
{
	if (first == JTOK_OBJECT) {
		r->seen |= SEEN_CALL;
		facts_note_content(r);
	}
	return reader_object(r, first, call_fields);
}

static const struct reader_field part_fields[] = {
	READER_FIELD("text", facts_text),
	READER_FIELD("functionCall", read_call),
	READER_FIELD("inlineData", facts_content), /* an image that was made */
	READER_END,
};

static bool
read_part(struct reader *r, enum jtok first)
{
	return reader_object(r, first, part_fields);
}

static bool
read_parts(struct reader *r, enum jtok first)
{
	return reader_array(r, first, read_part);
}

static const struct reader_field content_fields[] = {
	READER_FIELD("parts", read_parts),
	READER_END,
};

static bool
read_content_object(struct reader *r, enum jtok first)
{
	return reader_object(r, first, content_fields);
}

/* ---- finish ---------------------------------------------------------------------------------- */

static const struct facts_finish finish_reasons[] = {
	{ "STOP", FINISH_STOP },
	{ "MAX_TOKENS", FINISH_LENGTH },
	{ "SAFETY", FINISH_FILTER },
	{ "RECITATION", FINISH_FILTER },
	{ "LANGUAGE", FINISH_FILTER },
	{ "BLOCKLIST", FINISH_FILTER },
	{ "PROHIBITED_CONTENT", FINISH_FILTER },
	{ "SPII", FINISH_FILTER },
	{ "IMAGE_SAFETY", FINISH_FILTER },
	{ NULL, FINISH_OTHER },
};

static bool
read_finish(struct reader *r, enum jtok first)
{
	if (reader_is(r, first, "FINISH_REASON_UNSPECIFIED"))
		return true;
	return facts_finish(r, first, finish_reasons);
}

static const struct reader_field candidate_fields[] = {
	READER_FIELD("content", read_content_object),
	READER_FIELD("finishReason", read_finish),
	READER_END,
};

static bool
read_candidate(struct reader *r, enum jtok first)
{
	return reader_object(r, first, candidate_fields);
}

static bool
read_candidates(struct reader *r, enum jtok first)
{
	return facts_list(r, first, read_candidate);
}

/* The prompt itself was refused: there will be no candidate. */
static bool
read_block_reason(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING) {
		r->seen |= FACTS_FINISH | FACTS_LIST;
		r->facts->finish = FINISH_FILTER;
	}
	return reader_skip(r, first);
}

static const struct reader_field feedback_fields[] = {
	READER_FIELD("blockReason", read_block_reason),
	READER_END,
};

static bool
read_feedback(struct reader *r, enum jtok first)
{
	return reader_object(r, first, feedback_fields);
}

/* ---- usage ----------------------------------------------------------------------------------- */

struct counts {
	uint64_t prompt, tool_prompt, cached, generated, thoughts;
	bool present;
};

static struct counts *
counts_of(const struct reader *r)
{
	return r->into;
}

static bool
read_count(struct reader *r, enum jtok first, uint64_t *into)
{
	bool ok;

	if (!reader_uint(r, first, into, &ok))
		return false;
	counts_of(r)->present |= ok;
	return true;
}

static bool
read_prompt(struct reader *r, enum jtok first)
{
	return read_count(r, first, &counts_of(r)->prompt);
}

static bool
read_tool_prompt(struct reader *r, enum jtok first)
{
	return read_count(r, first, &counts_of(r)->tool_prompt);
}

static bool
read_cached(struct reader *r, enum jtok first)
{
	return read_count(r, first, &counts_of(r)->cached);
}

static bool
read_generated(struct reader *r, enum jtok first)
{
	return read_count(r, first, &counts_of(r)->generated);
}

static bool
read_thoughts(struct reader *r, enum jtok first)
{
	return read_count(r, first, &counts_of(r)->thoughts);
}

static const struct reader_field usage_fields[] = {
	READER_FIELD("promptTokenCount", read_prompt),
	READER_FIELD("toolUsePromptTokenCount", read_tool_prompt),
	READER_FIELD("cachedContentTokenCount", read_cached),
	READER_FIELD("candidatesTokenCount", read_generated),
	READER_FIELD("thoughtsTokenCount", read_thoughts),
	READER_END,
};

/* What the chunks before have told. */
static struct counts
counts_so_far(const struct usage *u)
{
	return (struct counts){
		.prompt = u->input - u->tool_input + u->cached,
		.tool_prompt = u->tool_input,
		.cached = u->cached,
		.generated = u->output - u->reasoning,
		.thoughts = u->reasoning,
	};
}

/* Each chunk of a stream tells the totals so far, and not always all of them again. */
static bool
read_usage(struct reader *r, enum jtok first)
{
	struct usage *usage = &r->facts->usage;
	struct counts counts = counts_so_far(usage);

	r->into = &counts;
	if (!reader_object(r, first, usage_fields))
		return false;
	if (!counts.present)
		return true;
	if (counts.cached > counts.prompt)
		counts.cached = counts.prompt;
	*usage = (struct usage){
		.present = true,
		.input = counts.prompt - counts.cached + counts.tool_prompt,
		.cached = counts.cached,
		.output = counts.generated + counts.thoughts,
		.reasoning = counts.thoughts,
		.tool_input = counts.tool_prompt,
	};
	return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool
read_error(struct reader *r, enum jtok first)
{
	if (first == JTOK_OBJECT || (first == JTOK_STRING && r->scan.span.len > 0))
		r->seen |= FACTS_ERROR;
	return reader_skip(r, first);
}

static const struct reader_field answer_fields[] = {
	READER_FIELD("candidates", read_candidates),
	READER_FIELD("promptFeedback", read_feedback),
	READER_FIELD("usageMetadata", read_usage),
	READER_FIELD("error", read_error),
	READER_END,
};

static bool
read_response(struct reader *r, const uint8_t *bytes, size_t n)
{
	struct facts *f = r->facts;

	if (!reader_run(r, bytes, n, answer_fields))
		return false;
	if (r->seen & FACTS_ERROR)
		facts_failed(bytes, n, f);
	else if ((r->seen & SEEN_CALL) && f->finish == FINISH_STOP)
		f->finish = FINISH_TOOL;
	return true;
}

static bool
read_answer(enum api api, const uint8_t *bytes, size_t n, struct facts *f)
{
	struct reader r = { .facts = f };

	(void)api;
	return read_response(&r, bytes, n) && (f->failed || (r.seen & FACTS_LIST));
}

/* Some models, and some gateways before them, give a finish reason with each event: then only the
 * close is the end. */
static void
note_end(struct facts *f, bool content, bool finish)
{
	f->end_is_unsure |= f->may_end && content;
	f->end_is_bare = !content;
	f->may_end |= finish;
}

static unsigned
read_event(enum api api, const struct sse_event *ev, uint8_t *scratch, struct facts *f)
{
	struct reader r = { .facts = f };
	size_t n;
	const uint8_t *data = sse_data(ev, scratch, &n);

	(void)api;
	if (n == 0)
		return EVENT_KEEPALIVE;
	if (!read_response(&r, data, n))
		return EVENT_GARBAGE;
	if (f->failed)
		return EVENT_ERROR;
	note_end(f, (r.seen & FACTS_CONTENT) != 0, (r.seen & FACTS_FINISH) != 0);
	return r.seen & (FACTS_CONTENT | FACTS_FINISH) ? EVENT_COMMIT : 0;
}

const struct provider_ops provider_gemini = {
	.name = "gemini",
	.path = request_path,
	.model_path = model_path,
	.headers = request_headers,
	.read_answer = read_answer,
	.read_event = read_event,
	.read_error = errorbody_read,
};
