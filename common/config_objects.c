// SPDX-License-Identifier: MIT
/*
 * The walk over the tables of fields: objects, maps (objects whose keys are names) and lists of
 * objects; see config_fields.h. It owns nothing; what it fills in belongs to the struct config,
 * which can be freed after a failure at any point.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_fields.h"

/* ---- defaults -------------------------------------------------------------------------------- */

/* A default is JSON text that goes the same way as what a user writes. */
static int
apply_preset(struct reader *r, const struct field *f, void *base)
{
	struct json preset, *given = r->json;
	int rc;

	if (json_parse(&preset, f->preset, strlen(f->preset), false, NULL, r->e) != 0)
		return -1;
	r->json = &preset;
	rc = f->kind->read(r, f, base, preset.root);
	r->json = given;
	json_free(&preset);
	return rc;
}

static int
object_preset(struct reader *r, const struct object *o, void *base)
{
	for (const struct field *f = o->fields; f->key != NULL; f++) {
		if (f->kind->embedded && object_preset(r, f->object, field_at(f, base)) != 0)
			return -1;
		if (f->preset != NULL && *f->preset != '\0' && apply_preset(r, f, base) != 0)
			return -1;
	}
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct field *
find_field(const struct object *o, const char *key)
{
	const struct field *f = o->fields;

	while (f->key != NULL && strcmp(f->key, key) != 0)
		f++;
	return f->key == NULL ? NULL : f;
}

/* The field for which somebody has written another key; NULL: none. */
static const struct field *
find_mistaken(const struct object *o, const char *key)
{
	for (const struct field *f = o->fields; f->key != NULL; f++)
		for (unsigned i = 0; f->mistaken != NULL && f->mistaken[i] != NULL; i++)
			if (strcmp(f->mistaken[i], key) == 0)
				return f;
	return NULL;
}

static int
fail_unknown(struct reader *r, const struct object *o, const cJSON *item)
{
	const struct field *meant = find_mistaken(o, item->string);
	struct nearest nearest = nearest_begin(item->string);
	char hint[192];

	for (const struct field *f = o->fields; f->key != NULL; f++)
		nearest_try(&nearest, f->key);
	reader_enter(r, item->string);
	if (meant != NULL)
		return reader_fail(
		    r, item, "unknown key; it is \"%s\": %s", meant->key, meant->advice);
	return reader_fail(r, item, "unknown key%s", nearest_hint(&nearest, hint));
}

static int
fail_twice(struct reader *r, const cJSON *item)
{
	reader_enter(r, item->string);
	return reader_fail(r, item, "this key stands here twice");
}

static int
check_keys(struct reader *r, const struct object *o, const cJSON *v)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, v)
	{
		if (find_field(o, item->string) == NULL)
			return fail_unknown(r, o, item);
		/* The look-up finds the first of a name. */
		if (cJSON_GetObjectItemCaseSensitive(v, item->string) != item)
			return fail_twice(r, item);
	}
	return 0;
}

/* Reads what is given and leaves the rest as it is. */
static int
object_overlay(struct reader *r, const struct object *o, void *base, const cJSON *v)
{
	if (!cJSON_IsObject(v))
		return reader_fail_kind(r, v, "an object");
	if (check_keys(r, o, v) != 0)
		return -1;
	for (const struct field *f = o->fields; f->key != NULL; f++) {
		const cJSON *given = cJSON_GetObjectItemCaseSensitive(v, f->key);
		size_t outer;

		if (given == NULL && f->preset == NULL)
			return reader_fail(r, v, "the key \"%s\" is missing%s%s", f->key,
			    f->advice != NULL ? ": " : "", f->advice != NULL ? f->advice : "");
		if (given == NULL)
			continue;
		outer = reader_enter(r, f->key);
		if (f->kind->read(r, f, base, given) != 0)
			return -1;
		reader_leave(r, outer);
	}
	return o->finish == NULL ? 0 : o->finish(r, base, v);
}

int
object_read(struct reader *r, const struct object *o, void *base, const cJSON *v)
{
	if (object_preset(r, o, base) != 0)
		return -1;
	return object_overlay(r, o, base, v);
}

/* ---- printing and freeing -------------------------------------------------------------------- */

int
object_add(cJSON *into, const char *key, cJSON *item)
{
	if (item != NULL && into != NULL && cJSON_AddItemToObject(into, key, item))
		return 0;
	cJSON_Delete(item);
	return -1;
}

int
object_print(const struct object *o, const void *base, cJSON *into)
{
	for (const struct field *f = o->fields; f->key != NULL; f++)
		if (f->kind->print(f, base, into) != 0)
			return -1;
	return 0;
}

void
object_free(const struct object *o, void *base)
{
	for (const struct field *f = o->fields; f->key != NULL; f++)
		if (f->kind->free != NULL)
			f->kind->free(f, base);
}

/* ---- an object inside an object -------------------------------------------------------------- */

static int
read_embedded(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	const struct field *mode = find_field(f->object, "mode");

	/* "guard": "off" */
	if (cJSON_IsString(v) && mode != NULL)
		return reader_fail(r, v,
		    "expected an object, found a string: write { \"mode\": \"%.64s\" }",
		    v->valuestring);
	return object_overlay(r, f->object, field_at(f, base), v);
}

static int
print_embedded(const struct field *f, const void *base, cJSON *into)
{
	cJSON *object = cJSON_AddObjectToObject(into, f->key);

	return object == NULL ? -1 : object_print(f->object, field_in(f, base), object);
}

static void
free_embedded(const struct field *f, void *base)
{
	object_free(f->object, field_at(f, base));
}

const struct kind kind_object = { .read = read_embedded,
	.print = print_embedded,
	.free = free_embedded,
	.step = ".",
	.embedded = true };

/* ---- many objects ---------------------------------------------------------------------------- */

static char *
items_in(const struct field *f, const void *base)
{
	return *(char *const *)field_in(f, base);
}

static void
free_items(const struct field *f, void *base)
{
	char *items = items_in(f, base);

	for (unsigned i = 0; i < count_in(f, base); i++) {
		char *item = items + i * f->item_size;

		object_free(f->object, item);
		if (f->key_offset != NO_NAME)
			free(*(char **)(void *)(item + f->key_offset));
	}
	free(items);
	*(char **)field_at(f, base) = NULL;
	*count_at(f, base) = 0;
}

/* Zeroed room for all, counted at once: what is not filled in is still safe to free. */
static int
make_items(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	unsigned n = (unsigned)cJSON_GetArraySize(v);
	char *items;

	if (n < f->items_min || n > f->items_max)
		return reader_fail(
		    r, v, "expected %u to %u entries, found %u", f->items_min, f->items_max, n);
	free_items(f, base);
	items = calloc(n > 0 ? n : 1, f->item_size);
	if (items == NULL)
		return reader_no_memory(r);
	*(char **)field_at(f, base) = items;
	*count_at(f, base) = n;
	return 0;
}

static int
take_name(struct reader *r, const cJSON *map, const cJSON *v, char **to)
{
	const char *expected = check_name(v->string);

	if (expected != NULL)
		return reader_fail(r, v, "expected %s as its name", expected);
	if (cJSON_GetObjectItemCaseSensitive(map, v->string) != v)
		return reader_fail(r, v, "this key stands here twice");
	*to = strdup(v->string);
	return *to == NULL ? reader_no_memory(r) : 0;
}

static int
read_map(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	const cJSON *given;
	char *item;

	if (!cJSON_IsObject(v))
		return reader_fail_kind(r, v, "an object");
	if (make_items(r, f, base, v) != 0)
		return -1;
	item = items_in(f, base);
	cJSON_ArrayForEach(given, v)
	{
		size_t outer = reader_enter(r, given->string);

		if (take_name(r, v, given, (char **)(void *)(item + f->key_offset)) != 0 ||
		    object_read(r, f->object, item, given) != 0)
			return -1;
		reader_leave(r, outer);
		item += f->item_size;
	}
	return 0;
}

static int
print_map(const struct field *f, const void *base, cJSON *into)
{
	cJSON *map = cJSON_AddObjectToObject(into, f->key);

	for (unsigned i = 0; i < count_in(f, base); i++) {
		const char *item = items_in(f, base) + i * f->item_size;
		const char *name = *(char *const *)(const void *)(item + f->key_offset);
		cJSON *object = cJSON_AddObjectToObject(map, name);

		if (object == NULL || object_print(f->object, item, object) != 0)
			return -1;
	}
	return map == NULL ? -1 : 0;
}

const struct kind kind_map = {
	.read = read_map, .print = print_map, .free = free_items, .step = ".NAME."
};

static int
read_array(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	const cJSON *given;
	unsigned i = 0;

	if (!cJSON_IsArray(v))
		return reader_fail_kind(r, v, "a list");
	if (make_items(r, f, base, v) != 0)
		return -1;
	cJSON_ArrayForEach(given, v)
	{
		size_t outer = reader_enter_item(r, i);

		if (object_read(r, f->object, items_in(f, base) + i * f->item_size, given) != 0)
			return -1;
		reader_leave(r, outer);
		i++;
	}
	return 0;
}

static int
print_array(const struct field *f, const void *base, cJSON *into)
{
	cJSON *list = cJSON_AddArrayToObject(into, f->key);

	for (unsigned i = 0; i < count_in(f, base); i++) {
		cJSON *object = cJSON_CreateObject();

		if (!cJSON_AddItemToArray(list, object)) {
			cJSON_Delete(object);
			return -1;
		}
		if (object_print(f->object, items_in(f, base) + i * f->item_size, object) != 0)
			return -1;
	}
	return list == NULL ? -1 : 0;
}

const struct kind kind_array = {
	.read = read_array, .print = print_array, .free = free_items, .step = "[]."
};
