// SPDX-License-Identifier: MIT
/*
 * Readers of script values over cJSON. Everything they keep is copied into the arena of the script;
 * nothing points into the cJSON tree afterwards.
 */
#include "tests/simprovider/fields.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/simprovider/dice.h"

size_t
fields_enter(struct reading *r, const char *name)
{
	size_t length = strlen(r->path);

	snprintf(r->path + length, sizeof(r->path) - length, "%s%s", length > 0 ? "." : "", name);
	return length;
}

size_t
fields_enter_index(struct reading *r, size_t index)
{
	size_t length = strlen(r->path);

	snprintf(r->path + length, sizeof(r->path) - length, "[%zu]", index);
	return length;
}

void
fields_leave(struct reading *r, size_t length)
{
	r->path[length] = '\0';
}

int
fields_refuse(struct reading *r, const char *expected)
{
	return err_set(
	    r->err, "%s: expected %s", r->path[0] != '\0' ? r->path : "script", expected);
}

int
fields_memory(struct reading *r)
{
	return err_set(r->err, "out of memory");
}

static const struct field *
find_field(const struct field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

int
fields_read(
    struct reading *r, const cJSON *object, const struct field *fields, size_t count, void *into)
{
	const cJSON *member;

	if (!cJSON_IsObject(object))
		return fields_refuse(r, "an object");
	cJSON_ArrayForEach(member, object)
	{
		size_t length = fields_enter(r, member->string);
		const struct field *field = find_field(fields, count, member->string);

		if (field == NULL)
			return err_set(r->err, "%s: unknown key", r->path);
		if (field->read(r, member, field, (char *)into + field->offset) != 0)
			return -1;
		fields_leave(r, length);
	}
	return 0;
}

int
field_bool(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	(void)field;
	if (!cJSON_IsBool(json))
		return fields_refuse(r, "true or false");
	*(bool *)into = cJSON_IsTrue(json);
	return 0;
}

int
field_double(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	char expected[64];

	/* Written so that a NaN is refused too. */
	if (cJSON_IsNumber(json) && json->valuedouble >= field->min &&
	    json->valuedouble <= field->max) {
		*(double *)into = json->valuedouble;
		return 0;
	}
	snprintf(
	    expected, sizeof(expected), "a number from %.15g to %.15g", field->min, field->max);
	return fields_refuse(r, expected);
}

int
field_u64(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	double value;

	if (field_double(r, json, field, &value) != 0)
		return -1;
	if (floor(value) != value)
		return fields_refuse(r, "a whole number");
	*(uint64_t *)into = (uint64_t)value;
	return 0;
}

static const struct {
	const char *name;
	enum dist_shape shape;
	int numbers;
} shapes[] = {
	{ "normal", DIST_NORMAL, 2 },
	{ "uniform", DIST_UNIFORM, 2 },
	{ "exp", DIST_EXP, 1 },
};

static int
read_shape(struct reading *r, const cJSON *json, const struct field *field, struct dist *dist)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, shapes[i].name);

		if (value == NULL)
			continue;
		dist->shape = shapes[i].shape;
		if (shapes[i].numbers == 1)
			return field_double(r, value, field, &dist->a);
		if (cJSON_GetArraySize(value) != 2)
			break;
		return field_double(r, cJSON_GetArrayItem(value, 0), field, &dist->a) != 0
			   ? -1
			   : field_double(r, cJSON_GetArrayItem(value, 1), field, &dist->b);
	}
	return fields_refuse(r, "{\"normal\": [mean, deviation]}, {\"uniform\": [from, to]} or "
				"{\"exp\": mean}");
}

int
field_dist(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct dist dist = { DIST_FIXED, 0.0, 0.0 };
	int rc;

	if (cJSON_IsObject(json) && cJSON_GetArraySize(json) == 1)
		rc = read_shape(r, json, field, &dist);
	else
		rc = field_double(r, json, field, &dist.a);
	if (rc == 0)
		*(struct dist *)into = dist;
	return rc;
}

int
fields_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (int at = 0; *words != '\0'; at++) {
		size_t n = strcspn(words, " ");

		if (n == length && memcmp(words, word, n) == 0)
			return at;
		words += n + (words[n] == ' ');
	}
	return -1;
}

int
field_word(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	int at = cJSON_IsString(json) ? fields_word(field->words, json->valuestring) : -1;
	char expected[256];

	if (at >= 0) {
		*(int *)into = at;
		return 0;
	}
	snprintf(expected, sizeof(expected), "one of: %s", field->words);
	return fields_refuse(r, expected);
}

static int
keep(struct reading *r, struct str s, void *into)
{
	struct str kept = { arena_copy(r->arena, s.bytes, s.len), s.len };

	if (kept.bytes == NULL)
		return fields_memory(r);
	*(struct str *)into = kept;
	return 0;
}

int
field_raw(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	(void)field;
	if (!cJSON_IsString(json))
		return fields_refuse(r, "a string");
	return keep(r, (struct str){ json->valuestring, strlen(json->valuestring) }, into);
}

struct str
fields_escape(struct arena *arena, struct str s)
{
	struct text t = { 0 };
	struct str escaped = { NULL, 0 };

	text_json(&t, s);
	if (!t.failed) {
		escaped.len = text_len(&t);
		escaped.bytes = arena_copy(arena, t.buf.data, escaped.len);
	}
	text_free(&t);
	return escaped;
}

int
field_escaped(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	(void)field;
	if (!cJSON_IsString(json))
		return fields_refuse(r, "a string");
	struct str s = { json->valuestring, strlen(json->valuestring) };
	struct str escaped = fields_escape(r->arena, s);

	if (escaped.bytes == NULL)
		return fields_memory(r);
	*(struct str *)into = escaped;
	return 0;
}

int
field_any(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	if (cJSON_IsString(json))
		return field_raw(r, json, field, into);
	char *printed = cJSON_PrintUnformatted(json);

	if (printed == NULL)
		return fields_memory(r);
	int rc = keep(r, (struct str){ printed, strlen(printed) }, into);

	cJSON_free(printed);
	return rc;
}

int
field_hex(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct str text;
	size_t len;
	const char *end;

	if (field_raw(r, json, field, &text) != 0)
		return -1;
	unsigned char *bytes = arena_alloc(r->arena, text.len / 2 + 1);

	if (bytes == NULL)
		return fields_memory(r);
	if (sodium_hex2bin(bytes, text.len / 2 + 1, text.bytes, text.len, " ", &len, &end) != 0 ||
	    end != text.bytes + text.len)
		return fields_refuse(r, "hexadecimal digits");
	*(struct str *)into = (struct str){ (const char *)bytes, len };
	return 0;
}

int
field_headers(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct text lines = { 0 };
	const cJSON *member;

	(void)field;
	if (!cJSON_IsObject(json))
		return fields_refuse(r, "an object of header names and values");
	cJSON_ArrayForEach(member, json)
	{
		text_str(&lines, member->string);
		text_lit(&lines, ": ");
		if (cJSON_IsNumber(member))
			text_format(&lines, "%.15g", member->valuedouble);
		else
			text_str(&lines, cJSON_IsString(member) ? member->valuestring : "");
		text_lit(&lines, "\r\n");
	}
	int rc = lines.failed
		     ? fields_memory(r)
		     : keep(r, (struct str){ (char *)lines.buf.data, text_len(&lines) }, into);

	text_free(&lines);
	return rc;
}
