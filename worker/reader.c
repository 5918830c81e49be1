// SPDX-License-Identifier: MIT
/*
 * Table-driven reading of answers; see reader.h. Used by the workers. Invariant: every function
 * leaves the scan behind exactly one value, or has returned false.
 */
#include "worker/reader.h"

#include <string.h>

#include "common/mask.h"

#define TEXT_BYTES 1024 /* as much of a text is looked at before it is cut */

static inline const struct reader_field *
find(const struct reader *r, const struct reader_field *fields)
{
	while (fields->name != NULL && !reader_is_named(r, fields->name, fields->name_len))
		fields++;
	return fields->name != NULL ? fields : NULL;
}

bool
reader_skip(struct reader *r, enum jtok first)
{
	return jscan_skip(&r->scan, first, NULL);
}

bool
reader_string(struct reader *r, enum jtok first, struct jspan *into)
{
	if (first == JTOK_STRING)
		*into = r->scan.span;
	return reader_skip(r, first);
}

bool
reader_again(struct reader *r, struct jspan value, reader_fn *read)
{
	struct jscan before = r->scan;
	bool ok;

	jscan_init(&r->scan, before.text, value.off + value.len);
	r->scan.pos = value.off;
	ok = read(r, jscan_next(&r->scan));
	r->scan = before;
	return ok;
}

bool
reader_object(struct reader *r, enum jtok first, const struct reader_field *fields)
{
	enum jtok tok;

	if (first != JTOK_OBJECT)
		return reader_skip(r, first);
	while ((tok = jscan_next(&r->scan)) == JTOK_KEY) {
		const struct reader_field *field = find(r, fields);

		tok = jscan_next(&r->scan);
		if (!(field != NULL ? field->read(r, tok) : reader_skip(r, tok)))
			return false;
	}
	return tok == JTOK_OBJECT_END;
}

bool
reader_array(struct reader *r, enum jtok first, reader_fn *element)
{
	enum jtok tok;

	if (first != JTOK_ARRAY)
		return reader_skip(r, first);
	while ((tok = jscan_next(&r->scan)) != JTOK_ARRAY_END)
		if (!element(r, tok))
			return false;
	return true;
}

bool
reader_some(struct reader *r, enum jtok first, bool *some)
{
	unsigned depth = r->scan.depth;
	enum jtok tok;

	*some = first == JTOK_STRING && r->scan.span.len > 0;
	if (*some)
		r->facts->content_bytes += r->scan.span.len;
	if (first != JTOK_ARRAY && first != JTOK_OBJECT)
		return reader_skip(r, first);
	tok = jscan_next(&r->scan);
	*some = tok != JTOK_ARRAY_END && tok != JTOK_OBJECT_END;
	while (tok != JTOK_ERROR && r->scan.depth >= depth) {
		if (tok == JTOK_STRING)
			r->facts->content_bytes += r->scan.span.len;
		tok = jscan_next(&r->scan);
	}
	return tok != JTOK_ERROR;
}

bool
reader_uint(struct reader *r, enum jtok first, uint64_t *out, bool *ok)
{
	*ok = first == JTOK_NUMBER && jscan_uint(r->scan.text, r->scan.span, out);
	return reader_skip(r, first);
}

void
reader_text(const struct reader *r, struct jspan span, char *out, size_t cap)
{
	char plain[TEXT_BYTES], line[TEXT_BYTES];
	size_t n = jscan_unescape_part(r->scan.text, &span, (uint8_t *)plain, sizeof(plain));

	n = mask_printable(line, sizeof(line), plain, n);
	n = mask_secrets(line, n);
	mask_printable(out, cap, line, n);
}

bool
reader_is(const struct reader *r, enum jtok tok, const char *text)
{
	return tok == JTOK_STRING && jscan_equals(&r->scan, text);
}

bool
reader_run(struct reader *r, const void *text, size_t n, const struct reader_field *fields)
{
	enum jtok tok;

	jscan_init(&r->scan, text, n);
	tok = jscan_next(&r->scan);
	return tok == JTOK_OBJECT && reader_object(r, tok, fields) &&
	       jscan_next(&r->scan) == JTOK_END;
}
