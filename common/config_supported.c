// SPDX-License-Identifier: MIT
/*
 * What is a good config but is not done by this version of grayd: refused, rather than accepted
 * and quietly not done. Whoever builds one of these deletes its lines here.
 */
#include "common/config_fields.h"

/* One key of one entry of a map or list of the root. */
struct spot {
	const char *collection;
	const char *name; /* of the entry; NULL: the collection is a list */
	unsigned index;
	const char *object; /* inside the entry; NULL: the key is in the entry itself */
	const char *key;
};

static int
refuse(struct reader *r, const cJSON *root, struct spot at, const char *what)
{
	const cJSON *entry = cJSON_GetObjectItemCaseSensitive(root, at.collection)->child;

	for (unsigned i = 0; i < at.index; i++)
		entry = entry->next;
	reader_enter(r, at.collection);
	if (at.name != NULL)
		reader_enter(r, at.name);
	else
		reader_enter_item(r, at.index);
	if (at.object != NULL) {
		entry = cJSON_GetObjectItemCaseSensitive(entry, at.object);
		reader_enter(r, at.object);
	}
	return reader_fail_key(r, entry, at.key, "%s is not supported by this version", what);
}

static int
check_model(struct reader *r, const struct config *c, const cJSON *root, unsigned i)
{
	const struct config_model *m = &c->models[i];
	struct spot at = { "models", m->id, i, NULL, "rate_per_minute" };

	if (m->rate_per_minute != 0)
		return refuse(r, root, at, "a value other than 0");
	at.key = "max_in_flight";
	return m->max_in_flight == 0 ? 0 : refuse(r, root, at, "a value other than 0");
}

static int
check_client(struct reader *r, const struct config *c, const cJSON *root, unsigned i)
{
	const struct config_client *client = &c->clients[i];
	struct spot at = { "clients", NULL, i, NULL, "rate_per_minute" };

	if (client->rate_per_minute != 0)
		return refuse(r, root, at, "a value other than 0");
	at.key = "queue_ms";
	return client->queue_ms == 0 ? 0 : refuse(r, root, at, "a value other than 0");
}

int
config_check_supported(struct reader *r, const struct config *c, const cJSON *root)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < c->n_models; i++)
		rc = check_model(r, c, root, i);
	for (unsigned i = 0; rc == 0 && i < c->n_clients; i++)
		rc = check_client(r, c, root, i);
	return rc;
}
