// SPDX-License-Identifier: MIT
/*
 * Error bodies; see errorbody.h. Used by the workers. A text is read on two levels: the outermost
 * object, and what stands in its "error"; whatever the inner one says goes before the outer.
 */
#include "worker/errorbody.h"

#include <ctype.h>
#include <string.h>

#include "common/mask.h"
#include "worker/reader.h"
#include "worker/retryafter.h"

#define PLAIN_BYTES 200 /* of a text that is not JSON */

struct level {
	char message[sizeof(((struct facts *)0)->error_message)];
	char code[64], type[64], status[64];
	int64_t retry_after_ms; /* -1: none */
	bool bad_key;
};

struct parts {
	struct level outer, inner;
	struct level *now;				       /* the one that is being read */
	char text[sizeof(((struct facts *)0)->error_message)]; /* "error" as a string */
};

static struct parts *
parts_of(const struct reader *r)
{
	return r->into;
}

/* ---- members --------------------------------------------------------------------------------- */

static bool
read_code_into(struct reader *r, enum jtok first, char *out, size_t cap)
{
	if (first == JTOK_STRING || first == JTOK_NUMBER)
		reader_text(r, r->scan.span, out, cap);
	return reader_skip(r, first);
}

static bool
read_code(struct reader *r, enum jtok first)
{
	return read_code_into(r, first, parts_of(r)->now->code, sizeof(parts_of(r)->now->code));
}

static bool
read_type(struct reader *r, enum jtok first)
{
	if (reader_is(r, first, "error"))
		return true; /* says nothing: it is the type of the whole */
	return read_code_into(r, first, parts_of(r)->now->type, sizeof(parts_of(r)->now->type));
}

static bool
read_status(struct reader *r, enum jtok first)
{
	return read_code_into(r, first, parts_of(r)->now->status, sizeof(parts_of(r)->now->status));
}

/* A message that is an object or a list is better shown as it is than not at all. */
static bool
read_message(struct reader *r, enum jtok first)
{
	struct jspan span = r->scan.span;
	bool whole = first == JTOK_OBJECT || first == JTOK_ARRAY;

	if (!jscan_skip(&r->scan, first, whole ? &span : NULL))
		return false;
	if (whole || first == JTOK_STRING)
		reader_text(r, span, parts_of(r)->now->message, sizeof(parts_of(r)->now->message));
	return true;
}

static bool
read_retry_after(struct reader *r, enum jtok first)
{
	const char *text = (const char *)r->scan.text + r->scan.span.off;
	struct level *now = parts_of(r)->now;

	/* A number only: a date would need a clock. */
	if ((first == JTOK_STRING || first == JTOK_NUMBER) && r->scan.span.len > 0 &&
	    isdigit((unsigned char)text[0]))
		now->retry_after_ms = retryafter_parse(text, r->scan.span.len, 0);
	return reader_skip(r, first);
}

static const struct reader_field metadata_fields[] = {
	READER_FIELD("retry_after", read_retry_after),
	READER_END,
};

static bool
read_metadata(struct reader *r, enum jtok first)
{
	return reader_object(r, first, metadata_fields);
}

/* ---- Google's "details" ---------------------------------------------------------------------- */

/* A bad key is a 400 there, like any bad request. */
static bool
read_reason(struct reader *r, enum jtok first)
{
	parts_of(r)->now->bad_key |= reader_is(r, first, "API_KEY_INVALID");
	return reader_skip(r, first);
}

/* "3s", "3.21s" */
static bool
read_retry_delay(struct reader *r, enum jtok first)
{
	const char *text = (const char *)r->scan.text + r->scan.span.off;
	size_t n = r->scan.span.len;

	if (first == JTOK_STRING && n > 1 && text[n - 1] == 's' && isdigit((unsigned char)text[0]))
		parts_of(r)->now->retry_after_ms = retryafter_parse(text, n - 1, 0);
	return reader_skip(r, first);
}

static const struct reader_field detail_fields[] = {
	READER_FIELD("reason", read_reason),
	READER_FIELD("retryDelay", read_retry_delay),
	READER_END,
};

static bool
read_detail(struct reader *r, enum jtok first)
{
	return reader_object(r, first, detail_fields);
}

static bool
read_details(struct reader *r, enum jtok first)
{
	return reader_array(r, first, read_detail);
}

/* ---- levels ---------------------------------------------------------------------------------- */

static bool read_error(struct reader *r, enum jtok first);

static const struct reader_field level_fields[] = {
	READER_FIELD("error", read_error),
	READER_FIELD("message", read_message),
	READER_FIELD("detail", read_message),
	READER_FIELD("code", read_code),
	READER_FIELD("type", read_type),
	READER_FIELD("status", read_status),
	READER_FIELD("retry_after", read_retry_after),
	READER_FIELD("metadata", read_metadata),
	READER_FIELD("details", read_details),
	READER_END,
};

static bool
read_error(struct reader *r, enum jtok first)
{
	struct parts *parts = parts_of(r);
	struct level *outer = parts->now;
	bool ok;

	if (first == JTOK_STRING)
		reader_text(r, r->scan.span, parts->text, sizeof(parts->text));
	parts->now = &parts->inner;
	ok = reader_object(r, first, level_fields);
	parts->now = outer;
	return ok;
}

static bool
read_level(struct reader *r, enum jtok first)
{
	return reader_object(r, first, level_fields);
}

/* ---- verdict --------------------------------------------------------------------------------- */

static bool
means_no_quota(const struct level *level)
{
	static const char *const codes[] = { "insufficient_quota", "billing_hard_limit_reached",
		"billing_not_active" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(level->code, codes[i]) == 0 || strcmp(level->type, codes[i]) == 0)
			return true;
	return strcasestr(level->message, "spending cap") != NULL ||
	       strcasestr(level->message, "spending limit") != NULL;
}

/* Copies the first text that is not empty. */
static void
choose(char *out, size_t cap, const char *const *texts, size_t n)
{
	out[0] = '\0';
	for (size_t i = 0; i < n && out[0] == '\0'; i++)
		mask_printable(out, cap, texts[i], strlen(texts[i]));
}

/* Google's code is but the HTTP status again. */
static void
drop_number(struct level *level)
{
	if (isalpha((unsigned char)level->status[0]) &&
	    strspn(level->code, "0123456789") == strlen(level->code))
		level->code[0] = '\0';
}

static void
conclude(struct parts *parts, struct facts *f)
{
	struct level *in = &parts->inner, *out = &parts->outer;
	const char *const codes[] = { in->code, in->type, in->status, out->code, out->type,
		out->status };
	const char *const messages[] = { in->message, out->message, parts->text };

	drop_number(in);
	choose(f->error_code, sizeof(f->error_code), codes, sizeof(codes) / sizeof(codes[0]));
	choose(f->error_message, sizeof(f->error_message), messages,
	    sizeof(messages) / sizeof(messages[0]));
	f->no_quota = means_no_quota(in) || means_no_quota(out);
	f->bad_key = in->bad_key;
	if (in->retry_after_ms >= 0)
		f->retry_after_ms = in->retry_after_ms;
	else if (out->retry_after_ms >= 0)
		f->retry_after_ms = out->retry_after_ms;
}

static void
read_plain(const uint8_t *bytes, size_t n, struct facts *f)
{
	char line[PLAIN_BYTES * 4];

	n = mask_printable(line, sizeof(line), bytes, n);
	n = mask_secrets(line, n);
	mask_printable(f->error_message, PLAIN_BYTES + 1, line, n);
}

void
errorbody_read(const uint8_t *bytes, size_t n, struct facts *f)
{
	struct parts parts = { .outer.retry_after_ms = -1, .inner.retry_after_ms = -1 };
	struct reader r = { .into = &parts };
	enum jtok tok;

	parts.now = &parts.outer;
	jscan_init(&r.scan, bytes, n);
	tok = jscan_next(&r.scan);
	/* What was read before the text broke off is as good as the rest. */
	if (tok == JTOK_ARRAY)
		reader_array(&r, tok, read_level);
	else if (tok == JTOK_OBJECT)
		read_level(&r, tok);
	else if (tok == JTOK_STRING)
		read_error(&r, tok);
	conclude(&parts, f);
	if (f->error_message[0] == '\0')
		read_plain(bytes, n, f);
}

/* ---- shape ----------------------------------------------------------------------------------- */

static bool
note_error(struct reader *r, enum jtok first)
{
	r->seen |= first == JTOK_OBJECT;
	return reader_skip(r, first);
}

static const struct reader_field shape_fields[] = {
	READER_FIELD("error", note_error),
	READER_END,
};

static bool
note_element(struct reader *r, enum jtok first)
{
	return reader_object(r, first, shape_fields);
}

bool
errorbody_is_list(const uint8_t *bytes, size_t n)
{
	struct reader r = { .seen = 0 };

	jscan_init(&r.scan, bytes, n);
	return reader_array(&r, jscan_next(&r.scan), note_element) &&
	       jscan_next(&r.scan) == JTOK_END && r.seen != 0;
}

bool
errorbody_is_plain(const uint8_t *bytes, size_t n)
{
	struct reader r = { .seen = 0 };

	return reader_run(&r, bytes, n, shape_fields) && r.seen != 0;
}
