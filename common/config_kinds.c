// SPDX-License-Identifier: MIT
/*
 * The plain kinds of config values: true or false, numbers, words, strings, and lists of numbers
 * and strings; see config_fields.h. Each knows how it is read, printed and freed.
 */
#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_fields.h"

/* ---- true or false --------------------------------------------------------------------------- */

static int
read_bool(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	if (!cJSON_IsBool(v))
		return reader_fail_kind(r, v, "true or false");
	*(bool *)field_at(f, base) = cJSON_IsTrue(v);
	return 0;
}

static int
print_bool(const struct field *f, const void *base, cJSON *into)
{
	return object_add(into, f->key, cJSON_CreateBool(*(const bool *)field_in(f, base)));
}

const struct kind kind_bool = { .read = read_bool, .print = print_bool };

/* ---- numbers --------------------------------------------------------------------------------- */

static void
store_uint(void *to, size_t size, uint64_t value)
{
	switch (size) {
	case 1: *(uint8_t *)to = (uint8_t)value; break;
	case 2: *(uint16_t *)to = (uint16_t)value; break;
	case 4: *(uint32_t *)to = (uint32_t)value; break;
	default: assert(size == 8); *(uint64_t *)to = value;
	}
}

static uint64_t
load_uint(const void *from, size_t size)
{
	switch (size) {
	case 1: return *(const uint8_t *)from;
	case 2: return *(const uint16_t *)from;
	case 4: return *(const uint32_t *)from;
	default: assert(size == 8); return *(const uint64_t *)from;
	}
}

/* All ranges end below 2^53, where a double still tells whole numbers apart. */
static int
take_uint(struct reader *r, const struct field *f, void *to, size_t size, const cJSON *v)
{
	double value = cJSON_GetNumberValue(v);

	if (cJSON_IsNumber(v) && value >= f->min && value <= f->max && value == floor(value)) {
		store_uint(to, size, (uint64_t)value);
		return 0;
	}
	if (cJSON_IsNumber(v)) {
		size_t n;
		const char *text = json_text(r->json, v, &n);

		return reader_fail(r, v, "expected a whole number from %.0f to %.0f, found %.*s",
		    f->min, f->max, (int)n, text);
	}
	return reader_fail(r, v, "expected a whole number from %.0f to %.0f, found %s", f->min,
	    f->max, json_kind_name(v));
}

static int
read_uint(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	return take_uint(r, f, field_at(f, base), f->size, v);
}

static int
print_uint(const struct field *f, const void *base, cJSON *into)
{
	double value = (double)load_uint(field_in(f, base), f->size);

	return object_add(into, f->key, cJSON_CreateNumber(value));
}

const struct kind kind_uint = { .read = read_uint, .print = print_uint };

static int
read_real(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	double value = cJSON_GetNumberValue(v);

	if (!cJSON_IsNumber(v))
		return reader_fail_kind(r, v, "a number");
	if (!(value >= f->min && value <= f->max))
		return reader_fail(r, v, "expected a number from %g to %g, found %g%s", f->min,
		    f->max, value, f->max <= 1 ? "; it is a fraction: 0.01 is 1 %" : "");
	*(double *)field_at(f, base) = value;
	return 0;
}

static int
print_real(const struct field *f, const void *base, cJSON *into)
{
	return object_add(into, f->key, cJSON_CreateNumber(*(const double *)field_in(f, base)));
}

const struct kind kind_real = { .read = read_real, .print = print_real };

/* ---- words ----------------------------------------------------------------------------------- */

static int
fail_word(struct reader *r, const struct field *f, const cJSON *v)
{
	char list[160] = "", typed[64] = "", hint[192];
	struct nearest near;
	size_t n = 0;

	for (unsigned i = 0; f->words[i] != NULL && n < sizeof(list); i++)
		n += (size_t)snprintf(
		    list + n, sizeof(list) - n, "%s\"%s\"", i == 0 ? "" : ", ", f->words[i]);
	if (!cJSON_IsString(v))
		return reader_fail(r, v, "expected one of %s, found %s", list, json_kind_name(v));
	for (n = 0; v->valuestring[n] != '\0' && n + 1 < sizeof(typed); n++)
		typed[n] = (char)tolower((unsigned char)v->valuestring[n]);
	near = nearest_begin(typed);
	/* Of the shortest words the nearest may mean the opposite: "on", "off". */
	for (unsigned i = 0; f->words[i] != NULL; i++)
		if (n > 3 || strcmp(typed, f->words[i]) == 0)
			nearest_try(&near, f->words[i]);
	return reader_fail(r, v, "expected one of %s, found \"%.64s\"%s", list, v->valuestring,
	    nearest_hint(&near, hint));
}

static int
read_word(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	if (cJSON_IsString(v))
		for (unsigned i = 0; f->words[i] != NULL; i++)
			if (strcmp(v->valuestring, f->words[i]) == 0) {
				store_uint(field_at(f, base), f->size, i);
				return 0;
			}
	return fail_word(r, f, v);
}

static int
print_word(const struct field *f, const void *base, cJSON *into)
{
	const char *word = f->words[load_uint(field_in(f, base), f->size)];

	return object_add(into, f->key, cJSON_CreateString(word));
}

const struct kind kind_word = { .read = read_word, .print = print_word };

/* ---- strings --------------------------------------------------------------------------------- */

static int
take_string(struct reader *r, const struct field *f, char **to, const cJSON *v)
{
	size_t n;
	const char *expected;

	if (!cJSON_IsString(v))
		return reader_fail_kind(r, v, "a string");
	n = strlen(v->valuestring);
	if (n < f->min)
		return reader_fail(r, v, "expected a string that is not empty");
	if (n > f->max)
		return reader_fail(r, v, "expected at most %.0f bytes, found %zu", f->max, n);
	expected = f->check == NULL ? NULL : f->check(v->valuestring);
	if (expected != NULL)
		return reader_fail(r, v, "expected %s", expected);
	free(*to);
	*to = strdup(v->valuestring);
	return *to == NULL ? reader_no_memory(r) : 0;
}

static int
read_string(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	return take_string(r, f, field_at(f, base), v);
}

static int
print_string(const struct field *f, const void *base, cJSON *into)
{
	return object_add(into, f->key, cJSON_CreateString(*(char *const *)field_in(f, base)));
}

static void
free_string(const struct field *f, void *base)
{
	char **text = field_at(f, base);

	free(*text);
	*text = NULL;
}

const struct kind kind_string = { .read = read_string, .print = print_string, .free = free_string };

/* ---- lists ----------------------------------------------------------------------------------- */

static int
check_list(struct reader *r, const struct field *f, const cJSON *v)
{
	int n = cJSON_GetArraySize(v);

	if (!cJSON_IsArray(v))
		return reader_fail_kind(r, v, "a list");
	if (n < (int)f->items_min || n > (int)f->items_max)
		return reader_fail(
		    r, v, "expected %u to %u items, found %d", f->items_min, f->items_max, n);
	return 0;
}

/* The i-th number of a list, in place. */
static char *
slot(const struct field *f, void *base, unsigned i)
{
	return (char *)field_at(f, base) + i * (f->size / f->items_max);
}

static int
check_rising(struct reader *r, const struct field *f, void *base, unsigned i, const cJSON *v)
{
	size_t size = f->size / f->items_max;
	uint64_t before;

	if (!f->rising || i == 0)
		return 0;
	before = load_uint(slot(f, base, i - 1), size);
	if (load_uint(slot(f, base, i), size) > before)
		return 0;
	return reader_fail(r, v, "expected more than the item before it (%u)", (unsigned)before);
}

static int
read_uints(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	const cJSON *item;
	unsigned i = 0;

	if (check_list(r, f, v) != 0)
		return -1;
	cJSON_ArrayForEach(item, v)
	{
		size_t outer = reader_enter_item(r, i);

		if (take_uint(r, f, slot(f, base, i), f->size / f->items_max, item) != 0 ||
		    check_rising(r, f, base, i, item) != 0)
			return -1;
		reader_leave(r, outer);
		i++;
	}
	*count_at(f, base) = i;
	return 0;
}

static int
print_uints(const struct field *f, const void *base, cJSON *into)
{
	cJSON *list = cJSON_AddArrayToObject(into, f->key);
	size_t size = f->size / f->items_max;

	if (list == NULL)
		return -1;
	for (unsigned i = 0; i < count_in(f, base); i++) {
		const char *at = (const char *)field_in(f, base) + i * size;

		if (!cJSON_AddItemToArray(list, cJSON_CreateNumber((double)load_uint(at, size))))
			return -1;
	}
	return 0;
}

const struct kind kind_uints = { .read = read_uints, .print = print_uints };

static void
free_strings(const struct field *f, void *base)
{
	char **items = field_at(f, base);

	for (unsigned i = 0; i < f->items_max; i++) {
		free(items[i]);
		items[i] = NULL;
	}
	*count_at(f, base) = 0;
}

static int
check_new(struct reader *r, char **items, unsigned n, const cJSON *v)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(items[i], items[n]) == 0)
			return reader_fail(r, v, "the same as item %u of the list", i);
	return 0;
}

static int
read_strings(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	char **items = field_at(f, base);
	const cJSON *item;
	unsigned i = 0;

	if (check_list(r, f, v) != 0)
		return -1;
	free_strings(f, base);
	cJSON_ArrayForEach(item, v)
	{
		size_t outer = reader_enter_item(r, i);

		if (take_string(r, f, &items[i], item) != 0 || check_new(r, items, i, item) != 0)
			return -1;
		reader_leave(r, outer);
		*count_at(f, base) = ++i;
	}
	return 0;
}

static int
print_strings(const struct field *f, const void *base, cJSON *into)
{
	char *const *items = field_in(f, base);
	cJSON *list = cJSON_AddArrayToObject(into, f->key);

	if (list == NULL)
		return -1;
	for (unsigned i = 0; i < count_in(f, base); i++)
		if (!cJSON_AddItemToArray(list, cJSON_CreateString(items[i])))
			return -1;
	return 0;
}

const struct kind kind_strings = {
	.read = read_strings, .print = print_strings, .free = free_strings
};
