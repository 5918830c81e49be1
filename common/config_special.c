// SPDX-License-Identifier: MIT
/*
 * The kinds of config values that are about grayd: sticky keys, prices, hashes of client keys, and
 * where a provider's key comes from; see config_fields.h. What they read into belongs to the
 * config. A message about a provider's key never shows what was found.
 */
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_fields.h"
#include "common/money.h"

/* ---- sticky keys ----------------------------------------------------------------------------- */

static const char *const sticky_words[] = { "header:", "body:" };

static void
free_sticky(const struct field *f, void *base)
{
	struct config_release *release = base;

	(void)f;
	for (unsigned i = 0; i < STICKY_MAX; i++) {
		free(release->sticky[i].name);
		free(release->sticky[i].child);
		release->sticky[i].name = release->sticky[i].child = NULL;
	}
	release->n_sticky = 0;
}

/* A token of HTTP, made lower case in place. */
static bool
make_header_name(char *start)
{
	for (char *c = start; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
		else if ((*c < 'a' || *c > 'z') && (*c < '0' || *c > '9') &&
			 strchr("!#$%&'*+-.^_`|~", *c) == NULL)
			return false;
	}
	return *start != '\0' && strlen(start) < NAME_BYTES;
}

/* "name" or "name.child", cut in place. */
static bool
split_member(struct config_sticky *s, bool *no_memory)
{
	char *dot = strchr(s->name, '.');

	if (dot != NULL) {
		s->child = strdup(dot + 1);
		*no_memory = s->child == NULL;
		*dot = '\0';
		if (*no_memory || check_name(s->child) != NULL || strchr(s->child, '.') != NULL)
			return false;
	}
	return check_name(s->name) == NULL;
}

static int
take_sticky(struct reader *r, struct config_sticky *s, const cJSON *v)
{
	bool no_memory = false, good = false;

	if (!cJSON_IsString(v))
		return reader_fail_kind(r, v, "a string");
	for (unsigned kind = STICKY_HEADER; kind <= STICKY_BODY; kind++) {
		size_t n = strlen(sticky_words[kind]);

		if (strncmp(v->valuestring, sticky_words[kind], n) != 0)
			continue;
		s->kind = kind;
		s->name = strdup(v->valuestring + n);
		no_memory = s->name == NULL;
		if (!no_memory)
			good = kind == STICKY_HEADER ? make_header_name(s->name)
						     : split_member(s, &no_memory);
	}
	if (no_memory)
		return reader_no_memory(r);
	return good ? 0
		    : reader_fail(r, v,
			  "expected \"header:NAME\", \"body:MEMBER\" or "
			  "\"body:MEMBER.CHILD\"");
}

static int
read_sticky(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	struct config_release *release = base;
	const cJSON *item;

	if (!cJSON_IsArray(v))
		return reader_fail_kind(r, v, "a list");
	if (cJSON_GetArraySize(v) > STICKY_MAX)
		return reader_fail(r, v, "expected at most %d items", STICKY_MAX);
	free_sticky(f, base);
	cJSON_ArrayForEach(item, v)
	{
		size_t outer = reader_enter_item(r, release->n_sticky);

		if (take_sticky(r, &release->sticky[release->n_sticky], item) != 0)
			return -1;
		reader_leave(r, outer);
		release->n_sticky++;
	}
	return 0;
}

static int
print_sticky(const struct field *f, const void *base, cJSON *into)
{
	const struct config_release *release = base;
	cJSON *list = cJSON_AddArrayToObject(into, f->key);

	for (unsigned i = 0; i < release->n_sticky; i++) {
		const struct config_sticky *s = &release->sticky[i];
		char text[300];

		snprintf(text, sizeof(text), "%s%s%s%s", sticky_words[s->kind], s->name,
		    s->child == NULL ? "" : ".", s->child == NULL ? "" : s->child);
		if (!cJSON_AddItemToArray(list, cJSON_CreateString(text)))
			return -1;
	}
	return list == NULL ? -1 : 0;
}

const struct kind kind_sticky = { .read = read_sticky, .print = print_sticky, .free = free_sticky };

/* ---- hashes of client keys ------------------------------------------------------------------- */

static int
read_hash(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	size_t n = 0;

	if (cJSON_IsString(v) && strlen(v->valuestring) == f->size * 2 &&
	    sodium_hex2bin(
		field_at(f, base), f->size, v->valuestring, f->size * 2, NULL, &n, NULL) == 0 &&
	    n == f->size)
		return 0;
	return reader_fail(r, v,
	    "expected the %zu hexadecimal digits of a key's BLAKE2b-256, as grayctl key new NAME "
	    "prints it",
	    f->size * 2);
}

static int
print_hash(const struct field *f, const void *base, cJSON *into)
{
	char text[2 * 32 + 1];

	sodium_bin2hex(text, sizeof(text), field_in(f, base), f->size);
	return object_add(into, f->key, cJSON_CreateString(text));
}

const struct kind kind_hash = { .read = read_hash, .print = print_hash };

/* ---- prices ---------------------------------------------------------------------------------- */

/* Read from the number's own text: the double that is nearest to 0.14 is not 0.14. */
static int
read_price_amount(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	struct err why;
	size_t n;
	const char *text = json_text(r->json, v, &n);

	if (!cJSON_IsNumber(v))
		return reader_fail_kind(r, v, "USD per million tokens, a number");
	if (money_parse_price(text, n, field_at(f, base), &why) != 0)
		return reader_fail(r, v, "%s (USD per million tokens)", why.msg);
	return 0;
}

static int
print_price_amount(const struct field *f, const void *base, cJSON *into)
{
	const uint64_t *picousd = field_in(f, base);
	char text[MONEY_CHARS];

	return object_add(into, f->key, cJSON_CreateRaw(money_format_price(text, *picousd)));
}

const struct kind kind_price_amount = { .read = read_price_amount, .print = print_price_amount };

static int
read_price(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	struct config_price *price = field_at(f, base);

	if (kind_object.read(r, f, base, v) != 0)
		return -1;
	price->known = true;
	if (cJSON_GetObjectItemCaseSensitive(v, "cached_input") == NULL)
		price->cached_input = price->input;
	if (cJSON_GetObjectItemCaseSensitive(v, "cache_write") == NULL)
		price->cache_write = price->input;
	return 0;
}

static int
print_price(const struct field *f, const void *base, cJSON *into)
{
	const struct config_price *price = field_in(f, base);

	return price->known ? kind_object.print(f, base, into) : 0;
}

const struct kind kind_price = {
	.read = read_price, .print = print_price, .step = ".", .embedded = true
};

/* ---- where a provider's key comes from ------------------------------------------------------- */

static unsigned
sources(const struct key_source *s)
{
	return (*s->env != '\0') + (*s->file != '\0') + (*s->credential != '\0');
}

static int
read_api_key(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	const struct key_source *source = field_at(f, base);

	/* Never shows what was found: it may be the key itself. */
	if (!cJSON_IsObject(v))
		return reader_fail(r, v,
		    "expected where the key comes from, such as {\"env\": \"NAME\"}; the key "
		    "itself "
		    "does not belong in this file");
	if (kind_object.read(r, f, base, v) != 0)
		return -1;
	if (sources(source) != 1)
		return reader_fail(
		    r, v, "expected exactly one of \"env\", \"file\", \"credential\"");
	return 0;
}

static int
print_api_key(const struct field *f, const void *base, cJSON *into)
{
	const struct key_source *source = field_in(f, base);
	cJSON *object;

	if (sources(source) == 0)
		return 0;
	object = cJSON_AddObjectToObject(into, f->key);
	for (const struct field *part = f->object->fields; part->key != NULL; part++) {
		const char *text = *(char *const *)field_in(part, source);

		if (*text != '\0' && object_add(object, part->key, cJSON_CreateString(text)) != 0)
			return -1;
	}
	return object == NULL ? -1 : 0;
}

static void
free_api_key(const struct field *f, void *base)
{
	object_free(f->object, field_at(f, base));
}

const struct kind kind_api_key = { .read = read_api_key,
	.print = print_api_key,
	.free = free_api_key,
	.step = ".",
	.embedded = true };
