// SPDX-License-Identifier: MIT
/*
 * Loading, sharing and searching of scripts. Runs at start and for POST /sim/script. A script that
 * has been handed out never changes, but for the counts in its faults and limits.
 */
#include "tests/simprovider/script.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/simprovider/script_fields.h"

const char script_builtin[] = "{\"models\": {\"*\": {}}}\n";

/* Puts spaces in the place of // comments, so that every place keeps its line and column. */
static void
blank_comments(char *text)
{
	bool in_string = false;

	for (char *p = text; *p != '\0'; p++) {
		if (in_string) {
			if (*p == '\\' && p[1] != '\0')
				p++;
			else if (*p == '"')
				in_string = false;
		} else if (*p == '"') {
			in_string = true;
		} else if (p[0] == '/' && p[1] == '/') {
			while (*p != '\0' && *p != '\n')
				*p++ = ' ';
			if (*p == '\0')
				return;
		}
	}
}

static int
refuse_syntax(struct err *err, const char *text, const char *place)
{
	unsigned line = 1, column = 1;

	for (const char *p = text; p < place && *p != '\0'; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	return err_set(err, "line %u, column %u: not valid JSON", line, column);
}

static int
parse_into(struct script *script, struct err *err)
{
	struct reading reading = { .arena = &script->arena, .err = err };
	char *text = arena_copy(&script->arena, script->source.bytes, script->source.len);
	const char *end = NULL;

	if (text == NULL)
		return err_set(err, "out of memory");
	blank_comments(text);
	cJSON *json = cJSON_ParseWithOpts(text, &end, 1);

	if (json == NULL)
		return refuse_syntax(err, text, end);
	int rc = script_fields_read(&reading, json, script);

	cJSON_Delete(json);
	return rc;
}

struct script *
script_parse(struct str source, struct err *err)
{
	struct script *script = calloc(1, sizeof(*script));

	if (script == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	script->refs = 1;
	script->accept_probability = 1.0;
	script->source.len = source.len;
	script->source.bytes = arena_copy(&script->arena, source.bytes, source.len);
	if (script->source.bytes == NULL)
		err_set(err, "out of memory");
	else if (memchr(source.bytes, '\0', source.len) != NULL)
		err_set(err, "a NUL byte in the script");
	else if (parse_into(script, err) == 0)
		return script;
	script_unref(script);
	return NULL;
}

static int
read_file(const char *file, struct text *into, struct err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd < 0)
		return err_sys(err, "%s", file);
	while (buf_reserve(&into->buf, 65536) == 0) {
		n = read(fd, into->buf.data + into->buf.tail, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		into->buf.tail += (size_t)n;
	}
	int rc = n == 0 ? 0 : err_sys(err, "%s", file);

	close(fd);
	return rc;
}

struct script *
script_load(const char *file, struct err *err)
{
	struct text text = { 0 };
	struct script *script = NULL;

	if (read_file(file, &text, err) == 0) {
		script = script_parse(
		    (struct str){ (const char *)buf_bytes(&text.buf), text_len(&text) }, err);
		if (script == NULL)
			err_prefix(err, "%s", file);
	}
	text_free(&text);
	return script;
}

struct script *
script_ref(struct script *script)
{
	script->refs++;
	return script;
}

void
script_unref(struct script *script)
{
	if (script == NULL || --script->refs > 0)
		return;
	arena_free(&script->arena);
	free(script);
}

static bool
same(struct str a, struct str b)
{
	return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
}

struct behaviour *
script_find(const struct script *script, struct str model)
{
	for (size_t i = 0; i < script->count; i++) {
		struct behaviour *b = &script->behaviours[i];

		if (same(b->name, model) || (b->id.bytes != NULL && same(b->id, model)))
			return b;
	}
	return script->any;
}

static bool
contains(struct str hay, struct str needle)
{
	return needle.bytes == NULL || memmem(hay.bytes, hay.len, needle.bytes, needle.len) != NULL;
}

struct behaviour *
script_match(struct behaviour *b, struct str body, struct str request_id)
{
	for (size_t i = 0; i < b->rule_count; i++) {
		struct rule *rule = &b->rules[i];

		if (contains(body, rule->body_contains) &&
		    contains(request_id, rule->request_id_contains))
			return &rule->behaviour;
	}
	return b;
}
