// SPDX-License-Identifier: MIT
/*
 * The source for answers of Gemini's own API, whole ones and chunks of streams, which look alike;
 * see retell.h. Used by the workers. Calls come whole, so their arguments are told as one value.
 */
#include <string.h>

#include "worker/reader.h"
#include "worker/retell.h"

/* What is looked for in an answer and in a part. */
struct found {
	struct retell *retell;
	struct jspan id, model, candidates;
	/* of a part */
	struct jspan text, call_id, call_name, call_args;
	bool thought, call;
};

static struct found *
found_in(const struct reader *r)
{
	return r->into;
}

static struct inside
inside_of(const struct reader *r, struct jspan span)
{
	return (struct inside){ r->scan.text + span.off, span.len };
}

/* ---- parts -------------------------------------------------------------------------------------
 */

static bool
read_text(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->text);
}

static bool
read_thought(struct reader *r, enum jtok first)
{
	found_in(r)->thought = first == JTOK_TRUE;
	return reader_skip(r, first);
}

static bool
read_call_id(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->call_id);
}

static bool
read_call_name(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->call_name);
}

static bool
read_call_args(struct reader *r, enum jtok first)
{
	struct jspan *into = first == JTOK_OBJECT ? &found_in(r)->call_args : NULL;

	return jscan_skip(&r->scan, first, into);
}

static const struct reader_field call_fields[] = {
	READER_FIELD("id", read_call_id),
	READER_FIELD("name", read_call_name),
	READER_FIELD("args", read_call_args),
	READER_END,
};

static bool
read_call(struct reader *r, enum jtok first)
{
	found_in(r)->call = first == JTOK_OBJECT;
	return reader_object(r, first, call_fields);
}

static const struct reader_field part_fields[] = {
	READER_FIELD("text", read_text),
	READER_FIELD("thought", read_thought),
	READER_FIELD("functionCall", read_call),
	READER_END,
};

static bool
read_part(struct reader *r, enum jtok first)
{
	struct found part = { .retell = found_in(r)->retell }, *outer = found_in(r);
	bool ok;

	r->into = &part;
	ok = reader_object(r, first, part_fields);
	r->into = outer;
	if (!ok)
		return false;
	if (part.thought)
		retell_thought(part.retell, inside_of(r, part.text));
	else
		retell_text(part.retell, inside_of(r, part.text));
	if (!part.call)
		return true;
	retell_call(part.retell, inside_of(r, part.call_id), inside_of(r, part.call_name));
	retell_value(part.retell, r->scan.text + part.call_args.off, part.call_args.len);
	return true;
}

/* ---- answers -----------------------------------------------------------------------------------
 */

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
read_content(struct reader *r, enum jtok first)
{
	return reader_object(r, first, content_fields);
}

static const struct reader_field candidate_fields[] = {
	READER_FIELD("content", read_content),
	READER_END,
};

static bool
read_candidate(struct reader *r, enum jtok first)
{
	return reader_object(r, first, candidate_fields);
}

static bool
note_candidates(struct reader *r, enum jtok first)
{
	return jscan_skip(&r->scan, first, first == JTOK_ARRAY ? &found_in(r)->candidates : NULL);
}

static bool
read_id(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->id);
}

static bool
read_model(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->model);
}

static const struct reader_field answer_fields[] = {
	READER_FIELD("candidates", note_candidates),
	READER_FIELD("responseId", read_id),
	READER_FIELD("modelVersion", read_model),
	READER_END,
};

bool
xlate_from_gemini(struct retell *t, const uint8_t *bytes, size_t n)
{
	struct found found = { .retell = t };
	struct reader r = { .into = &found };
	enum jtok first;

	/* Who answers stands behind what is answered. */
	if (!reader_run(&r, bytes, n, answer_fields))
		return false;
	retell_identify(t, inside_of(&r, found.id), inside_of(&r, found.model));
	if (found.candidates.len > 0) {
		jscan_init(&r.scan, bytes + found.candidates.off, found.candidates.len);
		first = jscan_next(&r.scan);
		if (!reader_array(&r, first, read_candidate))
			return false;
	}
	return !t->bad && !t->out.failed;
}
