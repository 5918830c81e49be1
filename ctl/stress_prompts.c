// SPDX-License-Identifier: MIT
/* Bodies of a stress test's requests; see stress_prompts.h. */
#include "ctl/stress_prompts.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const built_in[] = {
	"Say hello in five languages.",
	"What is the capital of Australia, and why is it not Sydney?",
	"Write a limerick about a slow computer.",
	"List three prime numbers between 100 and 200.",
	"Explain in two sentences why the sky is blue.",
	"Translate to French: the train leaves at nine.",
	"Name a fruit for each letter from A to F.",
	"What should I cook with rice, eggs and leeks?",
};

struct maker {
	struct stress_prompts *prompts;
	const char *model;
	bool stream;
	uint64_t max_tokens;
};

static int
keep(struct stress_prompts *p, char *body)
{
	char **bodies = realloc(p->bodies, (p->n + 1) * sizeof(*bodies));

	if (bodies == NULL || body == NULL) {
		cJSON_free(body);
		return -1;
	}
	p->bodies = bodies;
	bodies[p->n++] = body;
	return 0;
}

/* Sets what every request has, and keeps it. Frees it. */
static int
finish(const struct maker *m, cJSON *body)
{
	int rc = -1;

	cJSON_DeleteItemFromObjectCaseSensitive(body, "model");
	cJSON_DeleteItemFromObjectCaseSensitive(body, "stream");
	cJSON_DeleteItemFromObjectCaseSensitive(body, "stream_options");
	cJSON_AddStringToObject(body, "model", m->model);
	if (m->stream) {
		cJSON_AddTrueToObject(body, "stream");
		cJSON_AddTrueToObject(
		    cJSON_AddObjectToObject(body, "stream_options"), "include_usage");
	}
	if (m->max_tokens > 0 && cJSON_GetObjectItemCaseSensitive(body, "max_tokens") == NULL)
		cJSON_AddNumberToObject(body, "max_tokens", (double)m->max_tokens);
	rc = keep(m->prompts, cJSON_PrintUnformatted(body));
	cJSON_Delete(body);
	return rc;
}

static int
add_prompt(const struct maker *m, const char *text)
{
	cJSON *body = cJSON_CreateObject(), *messages, *message = cJSON_CreateObject();

	messages = cJSON_AddArrayToObject(body, "messages");
	cJSON_AddItemToArray(messages, message);
	cJSON_AddStringToObject(message, "role", "user");
	cJSON_AddStringToObject(message, "content", text);
	return finish(m, body);
}

static int
add_line(const struct maker *m, const char *path, unsigned number, const char *line, struct err *e)
{
	cJSON *body;

	if (line[0] != '{')
		return add_prompt(m, line) == 0 ? 0 : err_set(e, "out of memory");
	body = cJSON_Parse(line);
	if (!cJSON_IsObject(body)) {
		cJSON_Delete(body);
		return err_set(e,
		    "%s:%u: begins with '{' and is not a JSON object: a request stands whole on "
		    "one "
		    "line",
		    path, number);
	}
	if (!cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(body, "messages"))) {
		cJSON_Delete(body);
		return err_set(e, "%s:%u: the request has no \"messages\"", path, number);
	}
	return finish(m, body) == 0 ? 0 : err_set(e, "out of memory");
}

static int
read_file(const struct maker *m, const char *path, struct err *e)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	unsigned number = 0;
	ssize_t n;
	int rc = 0;

	if (file == NULL)
		return err_set(e, "prompts: %s: %s", path, strerror(errno));
	while (rc == 0 && (n = getline(&line, &room, file)) >= 0) {
		number++;
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (n > 0)
			rc = add_line(m, path, number, line, e);
	}
	if (rc == 0 && ferror(file))
		rc = err_set(e, "prompts: %s: %s", path, strerror(errno));
	if (rc == 0 && m->prompts->n == 0)
		rc = err_set(e, "prompts: %s: there is no line in it", path);
	free(line);
	fclose(file);
	return rc;
}

int
stress_prompts_read(struct stress_prompts *p, const char *path, const char *model, bool stream,
    uint64_t max_tokens, struct err *e)
{
	struct maker m = { p, model, stream, max_tokens };
	int rc = 0;

	memset(p, 0, sizeof(*p));
	if (path != NULL) {
		rc = read_file(&m, path, e);
	} else {
		for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]) && rc == 0; i++)
			rc = add_prompt(&m, built_in[i]);
		if (rc != 0)
			err_set(e, "out of memory");
	}
	if (rc != 0)
		stress_prompts_free(p);
	return rc;
}

void
stress_prompts_free(struct stress_prompts *p)
{
	for (size_t i = 0; i < p->n; i++)
		cJSON_free(p->bodies[i]);
	free(p->bodies);
	memset(p, 0, sizeof(*p));
}
