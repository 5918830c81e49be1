// SPDX-License-Identifier: MIT
/* Answers of the gateway; see stress_reply.h. What is kept of them for people is made printable. */
#include "ctl/stress_reply.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mask.h"

#define BYTES_MAX (64u << 20)
#define COUNT_MAX 1e12 /* tokens of one answer */

void
stress_reply_init(struct stress_reply *r, bool stream)
{
	struct buf kept = r->bytes;

	memset(r, 0, sizeof(*r));
	r->stream = stream;
	r->bytes = kept;
	buf_consume(&r->bytes, buf_len(&r->bytes));
}

void
stress_reply_free(struct stress_reply *r)
{
	buf_free(&r->bytes);
}

/* ---- head ------------------------------------------------------------------------------------ */

static void
take_word(char *out, size_t size, const char *text, size_t n)
{
	size_t len = mask_printable(out, size, text, n);

	out[mask_secrets(out, len)] = '\0';
}

static void
take_arm(struct stress_reply *r, const char *value)
{
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		if (strcmp(value, arm_names[arm]) == 0) {
			r->arm = (enum arm)arm;
			r->arm_known = true;
		}
}

static void
take_fallback(struct stress_reply *r, const char *value)
{
	r->fallback = strcmp(value, "1") == 0;
}

static void
take_reason(struct stress_reply *r, const char *value)
{
	take_word(r->reason, sizeof(r->reason), value, strlen(value));
}

static void
take_diverted(struct stress_reply *r, const char *value)
{
	r->diverted = *value != '\0';
}

static void
take_attempts(struct stress_reply *r, const char *value)
{
	r->attempts = (unsigned)strtoul(value, NULL, 10);
}

static void
take_cost(struct stress_reply *r, const char *value)
{
	r->priced = money_parse(value, &r->cost) == 0;
}

static void
take_estimated(struct stress_reply *r, const char *value)
{
	if (money_parse(value, &r->estimated) != 0)
		r->estimated = (struct money){ 0 };
}

static const struct {
	const char *name;
	void (*take)(struct stress_reply *r, const char *value);
} headers[] = {
	{ "x-gray-arm", take_arm },
	{ "x-gray-fallback", take_fallback },
	{ "x-gray-fallback-reason", take_reason },
	{ "x-gray-diverted", take_diverted },
	{ "x-gray-attempts", take_attempts },
	{ "x-gray-cost-usd", take_cost },
	{ "x-gray-estimated-cost-usd", take_estimated },
};

void
stress_reply_head(struct stress_reply *r, const char *line, size_t n)
{
	char text[256], *value;

	if (n >= sizeof(text))
		return;
	memcpy(text, line, n);
	text[n] = '\0';
	if (strncmp(text, "HTTP/", 5) == 0) {
		value = strchr(text, ' ');
		r->status = value != NULL ? (unsigned)strtoul(value, NULL, 10) : 0;
		return;
	}
	value = strchr(text, ':');
	if (value == NULL)
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (strcasecmp(headers[i].name, text) == 0)
			headers[i].take(r, value);
}

/* ---- body ------------------------------------------------------------------------------------ */

static const cJSON *
get(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A number that no count can be is none. */
static uint64_t
count_in(const cJSON *object, const char *name)
{
	const cJSON *number = get(object, name);
	double value = cJSON_IsNumber(number) ? number->valuedouble : 0;

	return value > 0 && value < COUNT_MAX ? (uint64_t)value : 0;
}

/* A stream has its cost in the usage; of a whole answer it stands in the head, with all digits. */
static void
take_usage(struct stress_reply *r, const cJSON *usage)
{
	char digits[MONEY_CHARS];
	const cJSON *cost = get(usage, "cost_usd"), *estimated = get(usage, "estimated_cost_usd");

	if (!cJSON_IsObject(usage))
		return;
	r->cached = count_in(get(usage, "prompt_tokens_details"), "cached_tokens");
	r->input = count_in(usage, "prompt_tokens");
	r->input -= r->cached < r->input ? r->cached : r->input;
	r->output = count_in(usage, "completion_tokens");
	if (cJSON_IsNumber(cost) &&
	    snprintf(digits, sizeof(digits), "%.12f", cost->valuedouble) < (int)sizeof(digits))
		take_cost(r, digits);
	if (cJSON_IsNumber(estimated) &&
	    snprintf(digits, sizeof(digits), "%.12f", estimated->valuedouble) < (int)sizeof(digits))
		take_estimated(r, digits);
}

static void
take_error(struct stress_reply *r, const cJSON *error)
{
	const char *code = cJSON_GetStringValue(get(error, "code"));
	const char *message = cJSON_GetStringValue(get(error, "message"));

	if (!cJSON_IsObject(error))
		return;
	r->failed = true;
	if (code == NULL)
		code = cJSON_GetStringValue(get(error, "type"));
	if (code != NULL)
		take_word(r->code, sizeof(r->code), code, strlen(code));
	if (message != NULL)
		take_word(r->message, sizeof(r->message), message, strlen(message));
}

/* Whether a message or a delta holds something that a person waits for. */
static bool
has_content(const cJSON *message)
{
	static const char *const texts[] = { "content", "reasoning_content", "reasoning",
		"refusal" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text = cJSON_GetStringValue(get(message, texts[i]));

		if (text != NULL && text[0] != '\0')
			return true;
	}
	return cJSON_GetArraySize(get(message, "tool_calls")) > 0;
}

static void
take_object(struct stress_reply *r, const cJSON *json, const char *message)
{
	const cJSON *choice = cJSON_GetArrayItem(get(json, "choices"), 0);

	take_usage(r, get(json, "usage"));
	take_error(r, get(json, "error"));
	if (has_content(get(choice, message)))
		r->content = true;
}

static void
take_line(struct stress_reply *r, const char *line, size_t n, uint64_t now_us)
{
	static const char prefix[] = "data:";
	size_t skip = sizeof(prefix) - 1;
	cJSON *json;

	if (n < skip || memcmp(line, prefix, skip) != 0)
		return;
	skip += n > skip && line[skip] == ' ';
	line += skip;
	n -= skip;
	if (n >= 6 && memcmp(line, "[DONE]", 6) == 0) {
		r->done = true;
		return;
	}
	/* Most events are but another token. */
	if (r->content && memmem(line, n, "\"usage\"", 7) == NULL &&
	    memmem(line, n, "\"error\"", 7) == NULL)
		return;
	json = cJSON_ParseWithLength(line, n);
	take_object(r, json, "delta");
	cJSON_Delete(json);
	if (r->content && r->first_token_us == 0)
		r->first_token_us = now_us;
}

static void
take_lines(struct stress_reply *r, uint64_t now_us)
{
	for (;;) {
		const char *text = (const char *)buf_bytes(&r->bytes);
		size_t n = buf_len(&r->bytes);
		const char *end = n > 0 ? memchr(text, '\n', n) : NULL;

		if (end == NULL)
			return;
		n = (size_t)(end - text);
		take_line(r, text, n > 0 && text[n - 1] == '\r' ? n - 1 : n, now_us);
		buf_consume(&r->bytes, n + 1);
	}
}

int
stress_reply_bytes(struct stress_reply *r, const void *bytes, size_t n, uint64_t now_us)
{
	if (buf_len(&r->bytes) + n > BYTES_MAX || buf_add(&r->bytes, bytes, n) != 0)
		return -1;
	if (r->stream && r->status >= 200 && r->status <= 299)
		take_lines(r, now_us);
	return 0;
}

static bool
fail(struct stress_reply *r, const char *code, const char *message)
{
	if (r->code[0] == '\0')
		snprintf(r->code, sizeof(r->code), "%s", code);
	if (r->message[0] == '\0')
		snprintf(r->message, sizeof(r->message), "%s", message);
	r->failed = true;
	return false;
}

bool
stress_reply_end(struct stress_reply *r)
{
	bool ok = r->status >= 200 && r->status <= 299;
	cJSON *json = NULL;

	if (!ok || !r->stream) {
		json =
		    cJSON_ParseWithLength((const char *)buf_bytes(&r->bytes), buf_len(&r->bytes));
		take_object(r, json, "message");
	}
	ok = ok && !r->failed;
	if (!ok)
		ok = fail(r, "status", "an error without a word");
	else if (r->stream && !r->done)
		ok = fail(r, "incomplete", "the stream ended without its end mark");
	else if (!r->stream && json == NULL)
		ok = fail(r, "garbage", "the answer is not JSON");
	cJSON_Delete(json);
	return ok;
}
