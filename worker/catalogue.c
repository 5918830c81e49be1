// SPDX-License-Identifier: MIT
/*
 * Lists of models, see catalogue.h. Used by the prober. Pure. Kinds differ in a few words only, so
 * they are a table.
 */
#include "worker/catalogue.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "worker/reader.h"

struct shape {
	const char *list_query, *next_query; /* of the first page; what precedes the cursor */
	const char *list, *name;	     /* members: the entries, and the name of one */
	const char *more, *cursor;	     /* members: whether, and where it goes on */
};

/* OpenAI has one page; some who speak like it have more, and say so as its other lists do. */
static const struct shape shapes[PROVIDER_KIND_COUNT] = {
	[PROVIDER_OPENAI] = { "", "?after=", "data", "id", "has_more", "last_id" },
	[PROVIDER_ANTHROPIC] = { "?limit=1000", "&after_id=", "data", "id", "has_more", "last_id" },
	[PROVIDER_GEMINI] = { "?pageSize=1000", "&pageToken=", "models", "name", "",
	    "nextPageToken" },
};

static const struct shape *
shape_of(enum provider_kind kind)
{
	assert((unsigned)kind < PROVIDER_KIND_COUNT);
	return &shapes[kind];
}

/* ---- where to ask ---------------------------------------------------------------------------- */

/* Adds `text` with all but unreserved bytes as %XX, as far as there is room. */
static void
add_escaped(char out[CATALOGUE_PATH_BYTES], const char *text)
{
	static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				   "-._~:@";
	size_t n = strlen(out);

	for (; *text != '\0' && n + 4 < CATALOGUE_PATH_BYTES; text++) {
		if (strchr(kept, *text) != NULL)
			out[n++] = *text;
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X", (unsigned char)*text);
	}
	out[n] = '\0';
}

void
catalogue_list_path(enum provider_kind kind, const char *cursor, char out[CATALOGUE_PATH_BYTES])
{
	const struct shape *s = shape_of(kind);

	snprintf(out, CATALOGUE_PATH_BYTES, "/models%s%s", s->list_query,
	    cursor[0] != '\0' ? s->next_query : "");
	add_escaped(out, cursor);
}

void
catalogue_model_path(const char *name, char out[CATALOGUE_PATH_BYTES])
{
	snprintf(out, CATALOGUE_PATH_BYTES, "/models/");
	add_escaped(out, catalogue_bare(name));
}

const char *
catalogue_bare(const char *name)
{
	static const char prefix[] = "models/";
	size_t n = sizeof(prefix) - 1;

	return strncmp(name, prefix, n) == 0 ? name + n : name;
}

/* ---- what is answered ------------------------------------------------------------------------ */

enum seen { SEEN_LIST = 1, SEEN_NAME = 2 };

struct reading {
	const struct shape *shape;
	catalogue_name_fn *each; /* NULL: nobody wants the names */
	void *arg;
	struct catalogue_page *page;
};

/* Copies a string that fits and has no NUL inside; else `out` is empty. */
static void
copy_string(const struct reader *r, enum jtok tok, char *out, size_t cap)
{
	ptrdiff_t n = -1;

	if (tok == JTOK_STRING)
		n = jscan_unescape(r->scan.text, r->scan.span, (uint8_t *)out, cap - 1);
	if (n < 0 || memchr(out, '\0', (size_t)n) != NULL)
		n = 0;
	out[n] = '\0';
}

static bool
read_name(struct reader *r)
{
	struct reading *reading = r->into;
	char name[NAME_BYTES + sizeof("models/")];
	enum jtok tok = jscan_next(&r->scan);

	copy_string(r, tok, name, sizeof(name));
	if (tok == JTOK_STRING && r->scan.span.len > 0)
		r->seen |= SEEN_NAME;
	if (reading->each != NULL && name[0] != '\0' && strlen(catalogue_bare(name)) < NAME_BYTES)
		reading->each(reading->arg, catalogue_bare(name));
	return reader_skip(r, tok);
}

/* An entry; other values between the entries are none, and no reason to believe nothing. */
static bool
read_entry(struct reader *r, enum jtok first)
{
	const struct reading *reading = r->into;
	enum jtok tok;

	if (first != JTOK_OBJECT)
		return reader_skip(r, first);
	while ((tok = jscan_next(&r->scan)) == JTOK_KEY) {
		bool is_name = jscan_equals(&r->scan, reading->shape->name);

		if (!(is_name ? read_name(r) : reader_skip(r, jscan_next(&r->scan))))
			return false;
	}
	if (reading->page != NULL)
		reading->page->n++;
	return tok == JTOK_OBJECT_END;
}

static bool
read_entries(struct reader *r, enum jtok first)
{
	if (first == JTOK_ARRAY)
		r->seen |= SEEN_LIST;
	return reader_array(r, first, read_entry);
}

static bool
read_member(struct reader *r)
{
	struct reading *reading = r->into;
	const struct shape *s = reading->shape;
	bool is_list = jscan_equals(&r->scan, s->list);
	bool is_more = jscan_equals(&r->scan, s->more);
	bool is_cursor = jscan_equals(&r->scan, s->cursor);
	enum jtok tok = jscan_next(&r->scan);

	if (is_list)
		return read_entries(r, tok);
	if (is_more)
		reading->page->more = tok == JTOK_TRUE;
	if (is_cursor)
		copy_string(r, tok, reading->page->cursor, sizeof(reading->page->cursor));
	/* Where nothing says so, a cursor means that there is more. */
	if (is_cursor && s->more[0] == '\0')
		reading->page->more = tok == JTOK_STRING && r->scan.span.len > 0;
	return reader_skip(r, tok);
}

/* The whole answer: an object with the list in it, or, with some, the bare list. */
static bool
read_page(struct reader *r)
{
	enum jtok tok = jscan_next(&r->scan);

	if (tok == JTOK_ARRAY)
		return read_entries(r, tok);
	if (tok != JTOK_OBJECT)
		return false;
	while ((tok = jscan_next(&r->scan)) == JTOK_KEY) {
		if (!read_member(r))
			return false;
	}
	return tok == JTOK_OBJECT_END;
}

bool
catalogue_read_list(enum provider_kind kind, const uint8_t *bytes, size_t n,
    catalogue_name_fn *each, void *arg, struct catalogue_page *page)
{
	struct reading reading = { shape_of(kind), each, arg, page };
	struct reader r = { .into = &reading };

	memset(page, 0, sizeof(*page));
	jscan_init(&r.scan, bytes, n);
	return read_page(&r) && jscan_next(&r.scan) == JTOK_END && (r.seen & SEEN_LIST);
}

bool
catalogue_read_model(enum provider_kind kind, const uint8_t *bytes, size_t n)
{
	struct reading reading = { .shape = shape_of(kind) };
	struct reader r = { .into = &reading };

	jscan_init(&r.scan, bytes, n);
	return read_entry(&r, jscan_next(&r.scan)) && jscan_next(&r.scan) == JTOK_END &&
	       (r.seen & SEEN_NAME);
}
