// SPDX-License-Identifier: MIT
/*
 * Where the reader of a config is, and how it says what is wrong there; see config_fields.h. Part
 * of the master's start and reload, and of `grayd -t`. No message holds a control byte: names and
 * values in it are a stranger's words.
 */
#include <stdio.h>
#include <string.h>

#include "common/alike.h"
#include "common/config_fields.h"
#include "common/printable.h"

static void
append(struct reader *r, const char *text)
{
	size_t n = strnlen(text, sizeof(r->path) - 1 - r->path_len);

	memcpy(r->path + r->path_len, text, n);
	r->path_len += n;
	r->path[r->path_len] = '\0';
}

size_t
reader_enter(struct reader *r, const char *key)
{
	size_t before = r->path_len;

	if (before > 0)
		append(r, ".");
	append(r, key);
	return before;
}

size_t
reader_enter_item(struct reader *r, unsigned index)
{
	size_t before = r->path_len;
	char text[16];

	snprintf(text, sizeof(text), "[%u]", index);
	append(r, text);
	return before;
}

void
reader_leave(struct reader *r, size_t length)
{
	r->path_len = length;
	r->path[length] = '\0';
}

static int fail(struct reader *r, const cJSON *v, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);

static int
fail(struct reader *r, const cJSON *v, const char *fmt, va_list ap)
{
	char what[sizeof(r->e->msg)];

	vsnprintf(what, sizeof(what), fmt, ap);
	err_set(r->e, "%s:%u: %s%s%s", r->file, json_place(r->json, v)->line, r->path,
	    r->path_len > 0 ? ": " : "", what);
	if (r->e != NULL)
		printable_clean(r->e->msg);
	return -1;
}

int
reader_fail(struct reader *r, const cJSON *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(r, v, fmt, ap);
	va_end(ap);
	return -1;
}

int
reader_fail_key(struct reader *r, const cJSON *object, const char *key, const char *fmt, ...)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
	va_list ap;

	reader_enter(r, key);
	va_start(ap, fmt);
	fail(r, v != NULL ? v : object, fmt, ap);
	va_end(ap);
	return -1;
}

int
reader_fail_kind(struct reader *r, const cJSON *v, const char *wanted)
{
	return reader_fail(r, v, "expected %s, found %s", wanted, json_kind_name(v));
}

int
reader_no_memory(struct reader *r)
{
	return err_set(r->e, "%s: out of memory", r->file);
}

struct nearest
nearest_begin(const char *typed)
{
	/* A third of the word may be wrong, or two letters. */
	unsigned limit = (unsigned)strnlen(typed, 63) / 3;

	return (struct nearest){ typed, NULL, (limit < 2 ? 2 : limit) + 1 };
}

void
nearest_try(struct nearest *n, const char *known)
{
	size_t typed = strlen(n->typed);
	/* "dwell" is "dwell_ms" without its unit. */
	bool unit = typed > 2 && strncmp(n->typed, known, typed) == 0 && known[typed] == '_';
	unsigned distance = unit ? 1 : alike_distance(n->typed, known);

	if (distance < n->distance && distance < strlen(known)) {
		n->best = known;
		n->distance = distance;
	}
}

char *
nearest_hint(const struct nearest *n, char out[192])
{
	if (n->best == NULL)
		out[0] = '\0';
	else
		snprintf(out, 192, "; did you mean \"%s\"?", n->best);
	return out;
}
