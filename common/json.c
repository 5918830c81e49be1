// SPDX-License-Identifier: MIT
/*
 * Values of a JSON text and where they stand; see json.h. The scanner decides what is JSON; cJSON,
 * which takes more than that, only builds the tree. Both meet the values in the same order, which
 * is what ties a place to a value.
 */
#include "common/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_scan.h"

/* Comments become spaces, so that every byte and every line stays where it is. */
static void
blank_comments(char *text, size_t n)
{
	bool in_string = false, in_comment = false;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			in_comment = in_string = false;
		else if (in_comment)
			text[i] = ' ';
		else if (in_string && text[i] == '\\' && i + 1 < n && text[i + 1] != '\n')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string && text[i] == '/' && i + 1 < n && text[i + 1] == '/') {
			in_comment = true;
			text[i] = ' ';
		}
	}
}

static void
number_values(cJSON *value, int *next)
{
	for (; value != NULL; value = value->next) {
		value->valueint = (*next)++;
		number_values(value->child, next);
	}
}

static int
build(struct json *j, size_t n, struct err *e)
{
	int count = 0;

	/* The text is known to be good, so only memory can be missing. */
	j->root = cJSON_ParseWithLength(j->text, n);
	if (j->root == NULL)
		return err_set(e, "out of memory");
	number_values(j->root, &count);
	assert((unsigned)count == j->n_places);
	return 0;
}

int
json_parse(struct json *j, const char *text, size_t n, bool comments, unsigned *line, struct err *e)
{
	unsigned at = 1;
	int rc = -1;

	memset(j, 0, sizeof(*j));
	if (n > JSON_BYTES_MAX)
		err_set(e, "longer than %u bytes", JSON_BYTES_MAX);
	else if ((j->text = malloc(n + 1)) == NULL)
		err_set(e, "out of memory");
	else {
		memcpy(j->text, text, n);
		j->text[n] = '\0';
		if (comments)
			blank_comments(j->text, n);
		rc = json_scan(j, n, &at, e);
		if (rc == 0)
			rc = build(j, n, e);
	}
	if (line != NULL)
		*line = at;
	if (rc != 0)
		json_free(j);
	return rc;
}

void
json_free(struct json *j)
{
	cJSON_Delete(j->root);
	free(j->places);
	free(j->text);
	memset(j, 0, sizeof(*j));
}

const struct json_place *
json_place(const struct json *j, const cJSON *value)
{
	assert(value->valueint >= 0 && (unsigned)value->valueint < j->n_places);
	return &j->places[value->valueint];
}

const char *
json_text(const struct json *j, const cJSON *value, size_t *n)
{
	const struct json_place *place = json_place(j, value);

	*n = place->length;
	return j->text + place->offset;
}

const char *
json_kind_name(const cJSON *value)
{
	if (cJSON_IsObject(value))
		return "an object";
	if (cJSON_IsArray(value))
		return "a list";
	if (cJSON_IsString(value))
		return "a string";
	if (cJSON_IsNumber(value))
		return "a number";
	return cJSON_IsBool(value) ? "true or false" : "null";
}
