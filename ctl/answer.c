// SPDX-License-Identifier: MIT
/* Members of an answer, with something to show for those that are missing; see output.h. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/words.h"

const cJSON *
answer_get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *
answer_text(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(answer_get(object, name));

	return text != NULL ? text : "";
}

double
answer_number(const cJSON *object, const char *name)
{
	const cJSON *number = answer_get(object, name);

	return cJSON_IsNumber(number) ? number->valuedouble : 0;
}

bool
answer_is_true(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(answer_get(object, name));
}

char *
answer_words(const cJSON *object, const char *name, char out[WORDS_BYTES])
{
	snprintf(out, WORDS_BYTES, "%s", answer_text(object, name));
	for (char *c = strchr(out, '_'); c != NULL; c = strchr(c, '_'))
		*c = ' ';
	return out;
}

char *
answer_percent(const cJSON *object, const char *name, char out[WORDS_BYTES])
{
	const cJSON *percent = answer_get(object, name);

	if (cJSON_IsNumber(percent))
		return words_percent(out, percent->valuedouble);
	out[0] = '-';
	out[1] = '\0';
	return out;
}

char *
answer_saving(const cJSON *object, unsigned decimals, char out[2 * WORDS_BYTES])
{
	const char *saving = answer_text(object, "saving_usd");
	bool more = saving[0] == '-';
	double percent = answer_number(object, "saving_percent");
	char amount[WORDS_BYTES];

	snprintf(out, 2 * WORDS_BYTES, "%s USD %s, %.2f %%",
	    words_usd(amount, saving + more, decimals), more ? "more" : "less",
	    more ? -percent : percent);
	return out;
}
