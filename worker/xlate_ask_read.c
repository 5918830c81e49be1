// SPDX-License-Identifier: MIT
/*
 * What the readers of requests share: the path to the member that is being read, refusals by it,
 * and values of one kind; see xlate_ask.h. Used by the workers. The body has been found to be JSON
 * before, so a value that cannot be read is always one that is refused.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mask.h"
#include "worker/xlate_ask.h"

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

void
ask_enter(struct ask *a, const char *name)
{
	enter(a, (const uint8_t *)name, strlen(name), 0);
}

void
ask_leave(struct ask *a)
{
	leave(a);
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

/* ---- objects and arrays ---------------------------------------------------------------------- */

static bool
read_member(struct reader *r, const struct reader_field *fields)
{
	const struct reader_field *field = reader_find(r, fields);
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
		ok = field->read(r, tok);
	leave(a);
	return ok;
}

bool
ask_members(struct reader *r, enum jtok first, const struct reader_field *fields)
{
	enum jtok tok;

	if (first != JTOK_OBJECT)
		return ask_refuse(ask_of(r), "must be an object");
	while ((tok = jscan_next(&r->scan)) == JTOK_KEY)
		if (!read_member(r, fields))
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

/* ---- values ---------------------------------------------------------------------------------- */

bool
ask_string(struct reader *r, enum jtok first, struct jspan *into)
{
	if (first != JTOK_STRING)
		return ask_refuse(ask_of(r), "must be a string");
	*into = r->scan.span;
	return true;
}

bool
ask_number(struct reader *r, enum jtok first, struct jspan *into)
{
	if (first != JTOK_NUMBER)
		return ask_refuse(ask_of(r), "must be a number");
	*into = r->scan.span;
	return true;
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
ask_value(struct reader *r, enum jtok first, struct jspan *into)
{
	return jscan_skip(&r->scan, first, into);
}

bool
ask_drop(struct reader *r, enum jtok first)
{
	return reader_skip(r, first);
}
