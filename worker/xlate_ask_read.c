// SPDX-License-Identifier: MIT
/*
 * Reads requests by tables: the path to the member that is being read, refusals by it, and the
 * kinds of values; see xlate_ask_read.h. Used by the workers. The body has been found to be JSON
 * before, so a value that cannot be read is always one that is refused.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mask.h"
#include "worker/xlate_ask_read.h"

/* ---- the path -------------------------------------------------------------------------------- */

static void
enter(struct ask *a, const uint8_t *name, size_t len, uint32_t index)
{
	if (a->depth < ASK_DEPTH)
		a->path[a->depth] = (struct ask_step){ name, (uint32_t)len, index };
	a->depth++;
}

static void
leave(struct ask *a)
{
	a->depth--;
}

uint32_t
ask_item(const struct ask *a)
{
	return a->path[a->depth - 1].index;
}

static size_t
print_step(const struct ask_step *step, bool first, char *out, size_t cap)
{
	char name[48];
	int n;

	if (step->name == NULL) {
		n = snprintf(out, cap, "[%u]", step->index);
	} else {
		mask_printable(name, sizeof(name), step->name, step->len);
		n = snprintf(out, cap, "%s%s", first ? "" : ".", name);
	}
	return (size_t)n < cap ? (size_t)n : cap - 1;
}

static void
print_path(const struct ask *a, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < a->depth && i < ASK_DEPTH; i++)
		n += print_step(&a->path[i], i == 0, out + n, cap - n);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void refuse(struct ask *a, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static void
refuse(struct ask *a, const char *fmt, va_list ap)
{
	struct xlate_error *e = &a->error;
	int n = snprintf(e->message, sizeof(e->message), "'%s' ", e->param);

	vsnprintf(e->message + n, sizeof(e->message) - (size_t)n, fmt, ap);
	a->refused = true;
}

bool
ask_refuse(struct ask *a, const char *fmt, ...)
{
	va_list ap;

	print_path(a, a->error.param, sizeof(a->error.param));
	va_start(ap, fmt);
	refuse(a, fmt, ap);
	va_end(ap);
	return false;
}

bool
ask_refuse_member(struct ask *a, const char *param, const char *fmt, ...)
{
	va_list ap;

	snprintf(a->error.param, sizeof(a->error.param), "%s", param);
	va_start(ap, fmt);
	refuse(a, fmt, ap);
	va_end(ap);
	return false;
}

bool
ask_refuse_part(
    struct ask *a, const struct ask_part *part, const char *member, const char *fmt, ...)
{
	const char *list = part->kind == ASK_CALL && !part->value ? "tool_calls" : "content";
	char *param = a->error.param;
	size_t cap = sizeof(a->error.param);
	va_list ap;

	if (part->item == ASK_WHOLE)
		snprintf(param, cap, "messages[%u]%s", part->message, member);
	else
		snprintf(
		    param, cap, "messages[%u].%s[%u]%s", part->message, list, part->item, member);
	va_start(ap, fmt);
	refuse(a, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A value that is one token, as it is written. */
static bool
read_token(struct reader *r, bool ok, const char *kind, struct jspan *into)
{
	if (!ok)
		return ask_refuse(ask_of(r), "must be %s", kind);
	*into = r->scan.span;
	return true;
}

bool
ask_string(struct reader *r, enum jtok first, struct jspan *into)
{
	return read_token(r, first == JTOK_STRING, "a string", into);
}

bool
ask_bool(struct reader *r, enum jtok first, bool *into)
{
	if (first != JTOK_TRUE && first != JTOK_FALSE)
		return ask_refuse(ask_of(r), "must be true or false");
	*into = first == JTOK_TRUE;
	return true;
}

bool
ask_word(struct reader *r, enum jtok first, const struct ask_words *words, unsigned *into)
{
	for (size_t i = 0; words->of[i].word != NULL; i++)
		if (reader_is(r, first, words->of[i].word)) {
			*into = words->of[i].value;
			return true;
		}
	return ask_refuse(ask_of(r), "%s", words->otherwise);
}

static bool
read_object(struct reader *r, enum jtok first, struct jspan *into)
{
	if (first != JTOK_OBJECT)
		return ask_refuse(ask_of(r), "must be an object");
	return jscan_skip(&r->scan, first, into);
}

static bool
read_only(struct reader *r, enum jtok first, const char *word)
{
	return reader_is(r, first, word) ||
	       ask_refuse(ask_of(r), "other than \"%s\" cannot be translated", word);
}

/* ---- objects and arrays ---------------------------------------------------------------------- */

static const struct ask_field *
find(const struct reader *r, const struct ask_field *fields)
{
	while (fields->name != NULL && !reader_is_named(r, fields->name, fields->name_len))
		fields++;
	return fields->name != NULL ? fields : NULL;
}

static bool
read_value(struct reader *r, enum jtok first, const struct ask_field *field, void *base)
{
	void *into = (uint8_t *)base + field->at;

	switch (field->value) {
	case ASK_VALUE_DROPPED: return reader_skip(r, first);
	case ASK_VALUE_STRING: return ask_string(r, first, into);
	case ASK_VALUE_NUMBER: return read_token(r, first == JTOK_NUMBER, "a number", into);
	case ASK_VALUE_BOOL: return ask_bool(r, first, into);
	case ASK_VALUE_OBJECT: return read_object(r, first, into);
	case ASK_VALUE_ANY: return jscan_skip(&r->scan, first, into);
	case ASK_VALUE_WORD: return ask_word(r, first, field->words, into);
	case ASK_VALUE_ONLY: return read_only(r, first, field->only);
	case ASK_VALUE_MEMBERS: return ask_members(r, first, field->members, base);
	case ASK_VALUE_LIST: return ask_each(r, first, field->read);
	case ASK_VALUE_OWN: return field->read(r, first);
	}
	return false;
}

static bool
read_member(struct reader *r, const struct ask_field *fields, void *base)
{
	const struct ask_field *field = find(r, fields);
	struct ask *a = ask_of(r);
	struct jspan name = r->scan.span;
	enum jtok tok;
	bool ok;

	if (field != NULL)
		enter(a, (const uint8_t *)field->name, field->name_len, 0);
	else
		enter(a, r->scan.text + name.off, name.len, 0);
	tok = jscan_next(&r->scan);
	if (tok == JTOK_NULL)
		ok = true;
	else if (field == NULL)
		ok = ask_refuse(a, "is not known here and cannot be translated");
	else
		ok = read_value(r, tok, field, base);
	leave(a);
	return ok;
}

bool
ask_members(struct reader *r, enum jtok first, const struct ask_field *fields, void *into)
{
	enum jtok tok;

	if (first != JTOK_OBJECT)
		return ask_refuse(ask_of(r), "must be an object");
	while ((tok = jscan_next(&r->scan)) == JTOK_KEY)
		if (!read_member(r, fields, into))
			return false;
	return tok == JTOK_OBJECT_END;
}

bool
ask_each(struct reader *r, enum jtok first, reader_fn *element)
{
	struct ask *a = ask_of(r);
	enum jtok tok;

	if (first != JTOK_ARRAY)
		return ask_refuse(a, "must be a list");
	for (uint32_t i = 0; (tok = jscan_next(&r->scan)) != JTOK_ARRAY_END; i++) {
		bool ok;

		enter(a, NULL, 0, i);
		ok = tok != JTOK_ERROR && element(r, tok);
		leave(a);
		if (!ok)
			return false;
	}
	return true;
}

bool
ask_noted(struct reader *r, struct jspan value, const char *name, reader_fn *read)
{
	struct ask *a = ask_of(r);
	bool ok;

	if (value.len == 0)
		return true;
	enter(a, (const uint8_t *)name, strlen(name), 0);
	ok = reader_again(r, value, read);
	leave(a);
	return ok;
}

bool
ask_read(struct ask *a, const uint8_t *body, size_t n, const struct ask_field *fields)
{
	struct reader r = { .into = a };

	a->body = body;
	jscan_init(&r.scan, body, n);
	return ask_members(&r, jscan_next(&r.scan), fields, a);
}

/* ---- what both APIs have --------------------------------------------------------------------- */

bool
ask_content(struct reader *r, enum jtok first, reader_fn *part)
{
	if (first == JTOK_STRING)
		return ask_add_text(ask_of(r), r->scan.span, ASK_WHOLE);
	return ask_each(r, first, part);
}

bool
ask_stop(struct reader *r, enum jtok first)
{
	struct jspan text;

	return ask_string(r, first, &text) && ask_add_stop(ask_of(r), text);
}

bool
ask_result(struct reader *r, const struct ask_part *result, struct jspan content, reader_fn *read)
{
	struct ask *a = ask_of(r);
	uint32_t place = a->parts.n;
	struct ask_part *part = ask_add_part(a, ASK_RESULT, result->item);

	if (part == NULL)
		return false;
	part->id = result->id;
	part->is_error = result->is_error;
	if (!ask_noted(r, content, "content", read))
		return false;
	ask_parts(a)[place].n_texts = a->parts.n - place - 1;
	return true;
}
