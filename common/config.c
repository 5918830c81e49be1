// SPDX-License-Identifier: MIT
/*
 * Loading, printing and freeing a config; see config.h. Runs in the master before anything else,
 * at a reload, and for `grayd -t` and `-T`. What is wrong in a file is found here or nowhere: a
 * config that this returns needs no further check.
 */
#include "common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/config_fields.h"

/* ---- keys of providers ----------------------------------------------------------------------- */

static int
fetch_keys(struct reader *r, struct config *c, const cJSON *root)
{
	const cJSON *entry = cJSON_GetObjectItemCaseSensitive(root, "providers")->child;

	for (unsigned i = 0; i < c->n_providers; i++, entry = entry->next) {
		struct config_provider *p = &c->providers[i];
		struct err why;

		if (p->api_key_source == NULL)
			continue;
		if (keys_fetch(&p->key, c->env_file, &p->api_key, &why) != 0) {
			reader_enter(r, "providers");
			reader_enter(r, p->name);
			return reader_fail_key(r, entry, "api_key", "%s", why.msg);
		}
	}
	return 0;
}

/* ---- loading --------------------------------------------------------------------------------- */

static int
read_config(struct reader *r, struct config *c, unsigned flags)
{
	const cJSON *root = r->json->root;

	if (object_read(r, &root_object, c, root) != 0)
		return -1;
	return (flags & CONFIG_NO_SECRETS) != 0 ? 0 : fetch_keys(r, c, root);
}

static struct config *
parse(const char *path, const char *text, size_t n, unsigned flags, struct err *e)
{
	struct config *c = calloc(1, sizeof(*c));
	struct json json;
	struct err why;
	unsigned line;
	struct reader r = { .file = path, .config = c, .json = &json, .e = e };

	if (c == NULL || (c->path = strdup(path)) == NULL) {
		reader_no_memory(&r);
		config_free(c);
		return NULL;
	}
	if (json_parse(&json, text, n, true, &line, &why) != 0) {
		err_set(e, "%s:%u: %s", path, line, why.msg);
		config_free(c);
		return NULL;
	}
	if (read_config(&r, c, flags) != 0) {
		config_free(c);
		c = NULL;
	}
	json_free(&json);
	return c;
}

struct config *
config_parse(const char *path, const char *text, unsigned flags, struct err *e)
{
	return parse(path, text, strlen(text), flags, e);
}

/* Reads a file into `text`. */
static int
read_file(const char *path, struct buf *text, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t got;

	if (fd < 0)
		return err_sys(e, "%s", path);
	do {
		got = -1;
		if (buf_reserve(text, 65536) != 0)
			err_set(e, "%s: out of memory", path);
		else if ((got = read(fd, text->data + text->tail, 65536)) < 0)
			err_sys(e, "%s", path);
		else
			text->tail += (size_t)got;
	} while (got > 0 && buf_len(text) <= CONFIG_BYTES_MAX);
	close(fd);
	if (got > 0)
		return err_set(e, "%s: longer than %u bytes", path, CONFIG_BYTES_MAX);
	return got < 0 ? -1 : 0;
}

struct config *
config_load(const char *path, unsigned flags, struct err *e)
{
	struct buf text = { 0 };
	struct config *c = NULL;

	if (read_file(path, &text, e) == 0)
		c = parse(path, (const char *)buf_bytes(&text), buf_len(&text), flags, e);
	buf_free(&text);
	return c;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < c->n_providers; i++) {
		secret_free(c->providers[i].api_key);
		free(c->providers[i].api_key_source);
	}
	object_free(&root_object, c);
	free(c->path);
	free(c);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* cJSON puts a tab behind each colon. Strings hold no bare tab, so only that is changed. */
static void
narrow_colons(char *text)
{
	for (; *text != '\0'; text++)
		if (text[0] == ':' && text[1] == '\t')
			text[1] = ' ';
}

char *
config_print(const struct config *c)
{
	cJSON *root = cJSON_CreateObject();
	char *text = NULL;

	if (root != NULL && object_print(&root_object, c, root) == 0)
		text = cJSON_Print(root);
	if (text != NULL)
		narrow_colons(text);
	cJSON_Delete(root);
	return text;
}

struct config_release *
config_find_release(const struct config *c, const char *name, size_t len)
{
	for (unsigned i = 0; i < c->n_releases; i++)
		if (strlen(c->releases[i].name) == len &&
		    memcmp(c->releases[i].name, name, len) == 0)
			return &c->releases[i];
	return NULL;
}

bool
config_sticky_equal(const struct config_sticky *a, const struct config_sticky *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->child == NULL ? "" : a->child, b->child == NULL ? "" : b->child) == 0;
}

struct walk {
	void (*each)(void *arg, const char *path, const char *preset);
	void *arg;
};

static void
each_key(const struct walk *w, const struct object *o, const char *prefix)
{
	for (const struct field *f = o->fields; f->key != NULL; f++) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s", prefix, f->key);
		w->each(w->arg, path, f->preset);
		if (f->object == NULL)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", prefix, f->key, f->kind->step);
		each_key(w, f->object, path);
	}
}

void
config_each_key(void (*each)(void *arg, const char *path, const char *preset), void *arg)
{
	each_key(&(struct walk){ each, arg }, &root_object, "");
}
