// SPDX-License-Identifier: MIT
/*
 * The source for answers of OpenAI's chat API, whole ones and chunks of streams; see retell.h. Used
 * by the workers. A message is read whole before anything of it is told, since its members come in
 * any order.
 */
#include <string.h>

#include "worker/reader.h"
#include "worker/retell.h"

/* A text, or a list of parts with texts. */
struct value {
	enum jtok tok;	   /* JTOK_ERROR: there is none */
	struct jspan span; /* the inside of a string, or the whole list */
};

struct found {
	struct retell *retell;
	struct jspan id, model, choices;
	/* of a choice */
	uint64_t index;
	bool whole; /* "message", not "delta" */
	struct value content, thought, refusal;
	struct jspan calls;
	/* of a call */
	bool has_index;
	struct jspan call_id, name, arguments;
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

/* ---- calls -------------------------------------------------------------------------------------
 */

static bool
read_index(struct reader *r, enum jtok first)
{
	return reader_uint(r, first, &found_in(r)->index, &found_in(r)->has_index);
}

static bool
read_call_id(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->call_id);
}

static bool
read_name(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->name);
}

static bool
read_arguments(struct reader *r, enum jtok first)
{
	return reader_string(r, first, &found_in(r)->arguments);
}

static const struct reader_field function_fields[] = {
	READER_FIELD("name", read_name),
	READER_FIELD("arguments", read_arguments),
	READER_END,
};

static bool
read_function(struct reader *r, enum jtok first)
{
	return reader_object(r, first, function_fields);
}

static const struct reader_field call_fields[] = {
	READER_FIELD("index", read_index),
	READER_FIELD("id", read_call_id),
	READER_FIELD("function", read_function),
	READER_END,
};

static bool
is_same_id(const struct retell *t, struct inside id)
{
	return id.n == t->source_id_len && memcmp(id.bytes, t->source_id, id.n) == 0;
}

/* Some give all calls of a stream the index 0; then the id tells them apart. */
static bool
is_new_call(const struct retell *t, const struct found *call, struct inside id)
{
	if (call->whole || !t->source_open)
		return true;
	if (call->has_index && call->index != t->source_index)
		return true;
	return id.n > 0 && call->name.len > 0 && !is_same_id(t, id);
}

static void
remember_call(struct retell *t, const struct found *call, struct inside id)
{
	t->source_open = true;
	t->source_index = call->index;
	t->source_id_len = id.n <= sizeof(t->source_id) ? id.n : 0;
	if (t->source_id_len > 0)
		memcpy(t->source_id, id.bytes, t->source_id_len);
}

static bool
read_call(struct reader *r, enum jtok first)
{
	struct found call = { .whole = found_in(r)->whole }, *outer = found_in(r);
	struct retell *t = outer->retell;
	struct inside id;
	bool ok;

	r->into = &call;
	ok = reader_object(r, first, call_fields);
	r->into = outer;
	if (!ok)
		return false;
	id = inside_of(r, call.call_id);
	if (is_new_call(t, &call, id)) {
		retell_call(t, id, inside_of(r, call.name));
		remember_call(t, &call, id);
	}
	retell_arguments(t, inside_of(r, call.arguments));
	return true;
}

static bool
read_calls(struct reader *r, enum jtok first)
{
	return reader_array(r, first, read_call);
}

/* ---- texts -------------------------------------------------------------------------------------
 */

static bool
note_value(struct reader *r, enum jtok first, struct value *into)
{
	struct jspan whole, inside = r->scan.span;

	if (!jscan_skip(&r->scan, first, &whole))
		return false;
	if (first == JTOK_STRING)
		*into = (struct value){ first, inside };
	else if (first == JTOK_ARRAY)
		*into = (struct value){ first, whole };
	return true;
}

static bool
read_part_text(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING)
		retell_text(found_in(r)->retell, inside_of(r, r->scan.span));
	return reader_skip(r, first);
}

static const struct reader_field part_fields[] = {
	READER_FIELD("text", read_part_text),
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

static bool
tell_content(struct reader *r, const struct value *content)
{
	if (content->tok == JTOK_ARRAY)
		return reader_again(r, content->span, read_parts);
	retell_text(found_in(r)->retell, inside_of(r, content->span));
	return true;
}

/* ---- choices -----------------------------------------------------------------------------------
 */

static bool
read_content(struct reader *r, enum jtok first)
{
	return note_value(r, first, &found_in(r)->content);
}

static bool
read_thought(struct reader *r, enum jtok first)
{
	return note_value(r, first, &found_in(r)->thought);
}

static bool
read_refusal(struct reader *r, enum jtok first)
{
	return note_value(r, first, &found_in(r)->refusal);
}

static bool
note_calls(struct reader *r, enum jtok first)
{
	return jscan_skip(&r->scan, first, first == JTOK_ARRAY ? &found_in(r)->calls : NULL);
}

static const struct reader_field message_fields[] = {
	READER_FIELD("content", read_content),
	READER_FIELD("reasoning_content", read_thought),
	READER_FIELD("reasoning", read_thought),
	READER_FIELD("refusal", read_refusal),
	READER_FIELD("tool_calls", note_calls),
	READER_END,
};

static bool
read_delta(struct reader *r, enum jtok first)
{
	return reader_object(r, first, message_fields);
}

static bool
read_message(struct reader *r, enum jtok first)
{
	found_in(r)->whole = true;
	return reader_object(r, first, message_fields);
}

static const struct reader_field choice_fields[] = {
	READER_FIELD("index", read_index),
	READER_FIELD("delta", read_delta),
	READER_FIELD("message", read_message),
	READER_END,
};

static bool
tell_choice(struct reader *r, struct found *choice)
{
	struct retell *t = choice->retell;

	if (choice->index != 0)
		return true; /* nobody has asked for more than one */
	if (choice->thought.tok == JTOK_STRING)
		retell_thought(t, inside_of(r, choice->thought.span));
	if (choice->content.tok != JTOK_ERROR && !tell_content(r, &choice->content))
		return false;
	if (choice->refusal.tok == JTOK_STRING && choice->refusal.span.len > 0) {
		t->refused = true;
		retell_text(t, inside_of(r, choice->refusal.span));
	}
	return choice->calls.len == 0 || reader_again(r, choice->calls, read_calls);
}

static bool
read_choice(struct reader *r, enum jtok first)
{
	struct found choice = { .retell = found_in(r)->retell }, *outer = found_in(r);
	bool ok;

	r->into = &choice;
	ok = reader_object(r, first, choice_fields) && tell_choice(r, &choice);
	r->into = outer;
	return ok;
}

/* ---- answers -----------------------------------------------------------------------------------
 */

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

static bool
note_choices(struct reader *r, enum jtok first)
{
	return jscan_skip(&r->scan, first, first == JTOK_ARRAY ? &found_in(r)->choices : NULL);
}

static const struct reader_field answer_fields[] = {
	READER_FIELD("id", read_id),
	READER_FIELD("model", read_model),
	READER_FIELD("choices", note_choices),
	READER_END,
};

static bool
read_choices(struct reader *r, enum jtok first)
{
	return reader_array(r, first, read_choice);
}

bool
xlate_from_openai(struct retell *t, const uint8_t *bytes, size_t n)
{
	struct found found = { .retell = t };
	struct reader r = { .into = &found };

	if (!reader_run(&r, bytes, n, answer_fields))
		return false;
	retell_identify(t, inside_of(&r, found.id), inside_of(&r, found.model));
	if (found.choices.len > 0 && !reader_again(&r, found.choices, read_choices))
		return false;
	return !t->bad && !t->out.failed;
}
