// SPDX-License-Identifier: MIT
/*
 * The kinds of config values that are about grayd: references by name, sticky keys, prices, hashes
 * of keys, and where a provider's key comes from; see config_fields.h. References are resolved at
 * once: what they point to is read before them, in the order of root's table.
 */
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_fields.h"
#include "common/money.h"

/* ---- references ------------------------------------------------------------------------------ */

/* What a name can refer to: an array of the config whose items have a name. */
struct pool {
	const char *what;
	size_t items_offset, count_offset, item_size, name_offset;
};

static const struct pool providers = { "provider", offsetof(struct config, providers),
	offsetof(struct config, n_providers), sizeof(struct config_provider),
	offsetof(struct config_provider, name) };
static const struct pool models = { "model", offsetof(struct config, models),
	offsetof(struct config, n_models), sizeof(struct config_model),
	offsetof(struct config_model, id) };
static const struct pool releases = { "release", offsetof(struct config, releases),
	offsetof(struct config, n_releases), sizeof(struct config_release),
	offsetof(struct config_release, name) };

/* The item that a string names. NULL: the error is set. */
static void *
look_up(struct reader *r, const struct pool *p, const cJSON *v)
{
	char *config = (char *)r->config;
	char *item = *(char **)(void *)(config + p->items_offset);
	unsigned n = *(unsigned *)(void *)(config + p->count_offset);
	struct nearest nearest;
	char hint[192];

	if (!cJSON_IsString(v)) {
		reader_fail(
		    r, v, "expected the name of a %s, found %s", p->what, json_kind_name(v));
		return NULL;
	}
	nearest = nearest_begin(v->valuestring);
	for (; n > 0; n--, item += p->item_size) {
		const char *name = *(char **)(void *)(item + p->name_offset);

		if (strcmp(name, v->valuestring) == 0)
			return item;
		nearest_try(&nearest, name);
	}
	reader_fail(r, v, "no %s has the name \"%.128s\"%s", p->what, v->valuestring,
	    nearest_hint(&nearest, hint));
	return NULL;
}

static int
read_provider_ref(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	struct config_provider **to = field_at(f, base);

	*to = look_up(r, &providers, v);
	return *to == NULL ? -1 : 0;
}

static int
print_provider_ref(const struct field *f, const void *base, cJSON *into)
{
	struct config_provider *const *from = field_in(f, base);

	return object_add(into, f->key, cJSON_CreateString((*from)->name));
}

const struct kind kind_provider_ref = { .read = read_provider_ref, .print = print_provider_ref };

/* With `min` 0 an empty string means none. */
static int
read_model_ref(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	struct config_model **to = field_at(f, base);

	*to = NULL;
	if (f->min < 1 && cJSON_IsString(v) && *v->valuestring == '\0')
		return 0;
	*to = look_up(r, &models, v);
	return *to == NULL ? -1 : 0;
}

static int
print_model_ref(const struct field *f, const void *base, cJSON *into)
{
	struct config_model *const *from = field_in(f, base);

	return object_add(into, f->key, cJSON_CreateString(*from == NULL ? "" : (*from)->id));
}

const struct kind kind_model_ref = { .read = read_model_ref, .print = print_model_ref };

static int
take_release(struct reader *r, struct config_client *client, const cJSON *v)
{
	struct config_release *release = look_up(r, &releases, v);

	if (release == NULL)
		return -1;
	for (unsigned i = 0; i < client->n_releases; i++)
		if (client->releases[i] == release)
			return reader_fail(r, v, "the same as item %u of the list", i);
	client->releases[client->n_releases++] = release;
	return 0;
}

static int
read_release_refs(struct reader *r, const struct field *f, void *base, const cJSON *v)
{
	struct config_client *client = base;
	const cJSON *item;
	unsigned i = 0;

	(void)f;
	if (!cJSON_IsArray(v))
		return reader_fail_kind(r, v, "a list");
	free(client->releases);
	client->n_releases = 0;
	/* Each release at most once, so there is always room. */
	client->releases = calloc(r->config->n_releases + 1, sizeof(struct config_release *));
	if (client->releases == NULL)
		return reader_no_memory(r);
	cJSON_ArrayForEach(item, v)
	{
		size_t outer = reader_enter_item(r, i++);

		if (take_release(r, client, item) != 0)
			return -1;
		reader_leave(r, outer);
	}
	return 0;
}

static int
print_release_refs(const struct field *f, const void *base, cJSON *into)
{
	const struct config_client *client = base;
	cJSON *list = cJSON_AddArrayToObject(into, f->key);

	if (list == NULL)
		return -1;
	for (unsigned i = 0; i < client->n_releases; i++)
		if (!cJSON_AddItemToArray(list, cJSON_CreateString(client->releases[i]->name)))
			return -1;
	return 0;
}

static void
free_release_refs(const struct field *f, void *base)
{
	struct config_client *client = base;

	(void)f;
	free(client->releases);
	client->releases = NULL;
	client->n_releases = 0;
}

const struct kind kind_release_refs = {
	.read = read_release_refs, .print = print_release_refs, .free = free_release_refs
};

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
	return reader_fail(
	    r, v, "expected the %zu hexadecimal digits of a key's BLAKE2b-256", f->size * 2);
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
