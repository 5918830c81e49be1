// SPDX-License-Identifier: MIT
/*
 * Fuzzes common/ctlproto.c, both ends. A request that is taken is a whole command, and says the
 * same when it is written and read again; one that is refused gets an answer that is sound JSON,
 * quotes and all; an answer that is read has a verdict.
 */
#include "common/ctlproto.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_same(const struct ctl_request *a, const struct ctl_request *b)
{
	assert(a->verb == b->verb);
	assert((a->id == NULL) == (b->id == NULL));
	assert(a->id == NULL || strcmp(a->id, b->id) == 0);
	for (unsigned p = 0; p < PARAM_COUNT; p++) {
		assert(a->values[p].given == b->values[p].given);
		assert(a->values[p].number == b->values[p].number);
		assert((a->values[p].text == NULL) == (b->values[p].text == NULL));
		assert(
		    a->values[p].text == NULL || strcmp(a->values[p].text, b->values[p].text) == 0);
	}
}

static void
check_request(struct ctl_request *r)
{
	char *line = ctlproto_encode(r);
	struct ctl_request again;
	struct err e;
	int same;

	assert(line != NULL && verb_info(r->verb)->right != RIGHT_LOCAL);
	assert(verb_complete(r->verb, r->values, &e) == 0);
	same = ctlproto_decode(line, strlen(line), &again, &e);
	assert(same == 0);
	check_same(r, &again);
	ctlproto_free(&again);
	ctlproto_free(r);
	free(line);
}

static void
check_refusal(const struct err *e)
{
	cJSON *answer = ctlproto_error(CTL_USAGE, NULL, e->msg), *read;
	char *text = cJSON_PrintUnformatted(answer);
	struct json strict;
	struct err ignored;
	int sound = json_parse(&strict, text, strlen(text), false, NULL, &ignored);

	assert(sound == 0 && strchr(text, '\n') == NULL);
	json_free(&strict);
	read = ctlproto_answer_decode(text, strlen(text), &ignored);
	assert(read != NULL);
	cJSON_Delete(read);
	cJSON_free(text);
	cJSON_Delete(answer);
}

static void
check_answer(const char *line, size_t n)
{
	struct err e;
	cJSON *answer = ctlproto_answer_decode(line, n, &e);

	if (answer == NULL)
		return;
	assert(cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(answer, "ok")));
	cJSON_Delete(answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size > 0 ? size : 1);
	struct ctl_request r;
	struct err e = { "" };

	assert(exact != NULL);
	memcpy(exact, data, size);
	if (ctlproto_decode(exact, size, &r, &e) == 0)
		check_request(&r);
	else
		check_refusal(&e);
	check_answer(exact, size);
	free(exact);
	return 0;
}
