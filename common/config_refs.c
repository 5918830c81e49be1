// SPDX-License-Identifier: MIT
/*
 * The kinds of config values that are names of something else in the config; see config_fields.h.
 * A reference is resolved at once and never owns: what it points to is read before it, in the
 * order of root's table, and lives as long as the config.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_fields.h"

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
