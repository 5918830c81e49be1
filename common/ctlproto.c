// SPDX-License-Identifier: MIT
/* The control protocol's lines; see ctlproto.h. */
#include "common/ctlproto.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/printable.h"

_Static_assert(PARAM_COUNT <= 64, "params fit a word of bits");

static const char *const code_names[CTL_CODE_COUNT] = {
	[CTL_OK] = "ok",
	[CTL_USAGE] = "usage",
	[CTL_DENIED] = "denied",
	[CTL_REFUSED] = "refused",
	[CTL_CONFLICT] = "conflict",
	[CTL_BUSY] = "busy",
	[CTL_INTERNAL] = "internal",
};

const char *
ctl_code_name(enum ctl_code c)
{
	assert((unsigned)c < CTL_CODE_COUNT);
	return code_names[c];
}

enum ctl_code
ctl_code_find(const char *name)
{
	for (unsigned c = 0; c < CTL_CODE_COUNT; c++)
		if (strcmp(code_names[c], name) == 0)
			return (enum ctl_code)c;
	return CTL_INTERNAL;
}

/* A number is taken by its digits, so that 12.345 is refused and not rounded. */
static int
decode_number(const struct json *json, const cJSON *item, struct command_value *out, struct err *e)
{
	char digits[JSON_NUMBER_BYTES + 1];
	size_t n;
	const char *text = json_text(json, item, &n);

	assert(n < sizeof(digits));
	memcpy(digits, text, n);
	digits[n] = '\0';
	if (param_parse(param_find(item->string), digits, out, e) == -1)
		return -1;
	out->text = NULL;
	return 0;
}

static int
decode_list(struct ctl_request *r, enum param id, const cJSON *array, struct err *e)
{
	struct command_value each;
	unsigned n = 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item))
			return err_set(e, "%s: expected strings, found %s", param_info(id)->name,
			    json_kind_name(item));
		if (n == COMMAND_LIST_MAX)
			return err_set(
			    e, "%s: more than %d of them", param_info(id)->name, COMMAND_LIST_MAX);
		if (param_parse(id, item->valuestring, &each, e) == -1)
			return -1;
		r->list[n++] = item->valuestring;
	}
	r->values[id] = (struct command_value){ .given = n > 0, .number = n, .list = r->list };
	return 0;
}

static int
decode_value(struct ctl_request *r, const cJSON *item, struct err *e)
{
	const struct json *json = &r->json;
	enum param id = param_find(item->string);
	struct command_value *out = &r->values[id];
	const struct param_info *p = param_info(id);
	bool number = p->type == TYPE_PERCENT || p->type == TYPE_INTEGER || p->type == TYPE_SECONDS;

	if (p->type == TYPE_FLAG && cJSON_IsBool(item)) {
		*out = (struct command_value){ .given = cJSON_IsTrue(item),
			.number = cJSON_IsTrue(item) };
		return 0;
	}
	if (number && cJSON_IsNumber(item))
		return decode_number(json, item, out, e);
	if (p->type == TYPE_LIST && cJSON_IsArray(item))
		return decode_list(r, id, item, e);
	if (!number && p->type != TYPE_FLAG && p->type != TYPE_LIST && cJSON_IsString(item))
		return param_parse(id, item->valuestring, out, e);
	return err_set(e, "%s: expected %s, found %s", p->name,
	    number		   ? "a number"
	    : p->type == TYPE_FLAG ? "true or false"
	    : p->type == TYPE_LIST ? "a list of strings"
				   : "a string",
	    json_kind_name(item));
}

static int
decode_args(const cJSON *args, struct ctl_request *r, struct err *e)
{
	const struct verb_info *verb = verb_info(r->verb);
	uint64_t seen = 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, args)
	{
		enum param id = param_find(item->string);

		if (id == PARAM_NONE || param_info(id)->where != WHERE_WIRE ||
		    verb_role(r->verb, id) == ROLE_END)
			return err_set(
			    e, "args.%.64s: %s has no such argument", item->string, verb->name);
		if (seen & UINT64_C(1) << id)
			return err_set(e, "args.%s: given twice", item->string);
		seen |= UINT64_C(1) << id;
		if (decode_value(r, item, e) == -1)
			return err_prefix(e, "args");
	}
	return verb_complete(r->verb, r->values, e);
}

static int
decode_verb(const cJSON *cmd, struct ctl_request *r, struct err *e)
{
	enum verb near;

	if (!cJSON_IsString(cmd))
		return err_set(e, "cmd: expected the name of a verb");
	r->verb = verb_find(cmd->valuestring);
	if (r->verb != VERB_NONE && verb_info(r->verb)->right != RIGHT_LOCAL)
		return 0;
	near = verb_nearest(cmd->valuestring);
	if (near != VERB_NONE && verb_info(near)->right != RIGHT_LOCAL)
		return err_set(e, "unknown verb \"%.32s\": did you mean \"%s\"?", cmd->valuestring,
		    verb_info(near)->name);
	return err_set(e, "unknown verb \"%.32s\"", cmd->valuestring);
}

static int
decode_id(const cJSON *id, struct ctl_request *r, struct err *e)
{
	if (id == NULL)
		return 0;
	if (!cJSON_IsString(id) || id->valuestring[0] == '\0' ||
	    strlen(id->valuestring) > CTLPROTO_ID_MAX)
		return err_set(e, "id: expected a string of 1 to %d bytes", CTLPROTO_ID_MAX);
	for (const char *c = id->valuestring; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return err_set(e, "id: expected printable ASCII without spaces");
	r->id = id->valuestring;
	return 0;
}

enum { MEMBER_V, MEMBER_CMD, MEMBER_ARGS, MEMBER_ID, MEMBER_COUNT };

static int
split_members(const cJSON *json, const cJSON *members[MEMBER_COUNT], struct err *e)
{
	static const char *const names[MEMBER_COUNT] = { "v", "cmd", "args", "id" };
	const cJSON *item;

	cJSON_ArrayForEach(item, json)
	{
		unsigned i = 0;

		while (i < MEMBER_COUNT && strcmp(item->string, names[i]) != 0)
			i++;
		if (i == MEMBER_COUNT)
			return err_set(e, "unknown member \"%.64s\"", item->string);
		if (members[i] != NULL)
			return err_set(e, "%s: given twice", names[i]);
		members[i] = item;
	}
	return 0;
}

static int
decode_members(struct ctl_request *r, struct err *e)
{
	const cJSON *members[MEMBER_COUNT] = { NULL };
	const cJSON *v, *args;

	if (split_members(r->json.root, members, e) == -1)
		return -1;
	v = members[MEMBER_V];
	if (!cJSON_IsNumber(v) || v->valuedouble != CTLPROTO_VERSION)
		return err_set(
		    e, "v: this grayd speaks version %d of the control protocol", CTLPROTO_VERSION);
	if (decode_id(members[MEMBER_ID], r, e) == -1 ||
	    decode_verb(members[MEMBER_CMD], r, e) == -1)
		return -1;
	args = members[MEMBER_ARGS];
	if (args != NULL && !cJSON_IsObject(args))
		return err_set(e, "args: expected an object");
	return decode_args(args, r, e);
}

int
ctlproto_decode(const char *line, size_t n, struct ctl_request *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (n > CTLPROTO_REQUEST_MAX)
		return err_set(e, "the line is longer than %d bytes", CTLPROTO_REQUEST_MAX);
	if (json_parse(&out->json, line, n, false, NULL, e) == -1)
		return -1;
	if (!cJSON_IsObject(out->json.root))
		err_set(e, "the line is not a JSON object");
	else if (decode_members(out, e) == 0)
		return 0;
	ctlproto_free(out);
	return -1;
}

void
ctlproto_free(struct ctl_request *r)
{
	json_free(&r->json);
	memset(r, 0, sizeof(*r));
}

static cJSON *
encode_value(enum param p, const struct command_value *v)
{
	switch (param_info(p)->type) {
	case TYPE_FLAG: return cJSON_CreateTrue();
	case TYPE_PERCENT: return cJSON_CreateNumber((double)v->number / 100);
	case TYPE_SECONDS: return cJSON_CreateNumber((double)v->number / 1000);
	case TYPE_INTEGER: return cJSON_CreateNumber((double)v->number);
	case TYPE_LIST: return cJSON_CreateStringArray(v->list, (int)v->number);
	default: return cJSON_CreateString(v->text);
	}
}

static bool
encode_args(cJSON *args, const struct ctl_request *r)
{
	for (unsigned p = 0; p < PARAM_COUNT; p++) {
		cJSON *item;

		if (!r->values[p].given || param_info((enum param)p)->where != WHERE_WIRE)
			continue;
		item = encode_value((enum param)p, &r->values[p]);
		if (!cJSON_AddItemToObject(args, param_info((enum param)p)->name, item)) {
			cJSON_Delete(item);
			return false;
		}
	}
	return true;
}

char *
ctlproto_encode(const struct ctl_request *r)
{
	cJSON *json = cJSON_CreateObject();
	char *text = NULL, *line = NULL;
	cJSON *args;

	if (cJSON_AddNumberToObject(json, "v", CTLPROTO_VERSION) == NULL ||
	    cJSON_AddStringToObject(json, "cmd", verb_info(r->verb)->name) == NULL)
		goto out;
	args = cJSON_AddObjectToObject(json, "args");
	if (args == NULL || !encode_args(args, r))
		goto out;
	if (r->id != NULL && cJSON_AddStringToObject(json, "id", r->id) == NULL)
		goto out;
	text = cJSON_PrintUnformatted(json);
	if (text != NULL && asprintf(&line, "%s\n", text) == -1)
		line = NULL;
out:
	cJSON_free(text);
	cJSON_Delete(json);
	return line;
}

cJSON *
ctlproto_answer(bool ok, const char *id)
{
	cJSON *json = cJSON_CreateObject();

	if (cJSON_AddBoolToObject(json, "ok", ok) != NULL &&
	    (id == NULL || cJSON_AddStringToObject(json, "id", id) != NULL))
		return json;
	cJSON_Delete(json);
	return NULL;
}

cJSON *
ctlproto_error(enum ctl_code code, const char *id, const char *message)
{
	cJSON *json = ctlproto_answer(false, id);
	struct err clean; /* the message may quote the caller, who may send anything */

	snprintf(clean.msg, sizeof(clean.msg), "%s", message);
	printable_clean(clean.msg);
	if (cJSON_AddStringToObject(json, "code", ctl_code_name(code)) != NULL &&
	    cJSON_AddStringToObject(json, "error", clean.msg) != NULL)
		return json;
	cJSON_Delete(json);
	return NULL;
}

cJSON *
ctlproto_answer_decode(const char *line, size_t n, struct err *e)
{
	cJSON *json = cJSON_ParseWithLength(line, n);

	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "ok")))
		return json;
	if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(json, "ok")) &&
	    cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, "code")) &&
	    cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, "error")))
		return json;
	err_set(e, "the line is not an answer of grayd");
	cJSON_Delete(json);
	return NULL;
}
