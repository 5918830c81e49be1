// SPDX-License-Identifier: MIT
/*
 * Finds the members of a request that matter; see chat.h. Used by the workers. The whole body is
 * passed over once; the few values that are looked into (stream_options, metadata,
 * response_format) are small and passed a second time. Nothing is copied, nothing allocated.
 */
#include "worker/chat.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A value of the body: `text` is `whole` without the quotes of a string. */
struct value {
	enum jtok tok;
	struct jspan whole, text;
	bool escaped;
};

struct scan {
	struct chat *chat;
	const struct chat_keys *keys;
	const uint8_t *body;
	struct chat_error *error;
	uint32_t members_seen, keys_seen; /* bits */
};

static int fail(struct scan *scan, const char *param, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int
fail(struct scan *scan, const char *param, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(scan->error->message, sizeof(scan->error->message), fmt, ap);
	va_end(ap);
	snprintf(scan->error->param, sizeof(scan->error->param), "%s", param);
	return -1;
}

static int
fail_twice(struct scan *scan, const char *name)
{
	return fail(scan, name, "'%s' is given twice", name);
}

static bool
read_value(struct jscan *s, struct value *v)
{
	v->tok = jscan_next(s);
	v->text = s->span;
	v->escaped = s->escaped;
	if (!jscan_skip(s, v->tok, &v->whole))
		return false;
	if (v->tok != JTOK_STRING)
		v->text = v->whole;
	return true;
}

/* ---- inside a member ------------------------------------------------------------------------- */

/* Looks for a member of an object that has been passed over: 0 none, 1 one, 2 more. */
static unsigned
find_child(const uint8_t *body, const struct value *object, const char *name, struct value *child)
{
	struct jscan s;
	unsigned found = 0;

	if (object->tok != JTOK_OBJECT)
		return 0;
	jscan_init(&s, body + object->whole.off, object->whole.len);
	jscan_next(&s);
	while (jscan_next(&s) == JTOK_KEY) {
		if (!jscan_equals(&s, name)) {
			jscan_skip(&s, jscan_next(&s), NULL);
			continue;
		}
		read_value(&s, child);
		if (++found > 1)
			break;
	}
	if (found > 0) {
		child->whole.off += object->whole.off;
		child->text.off += object->whole.off;
	}
	return found;
}

static bool
string_is(const uint8_t *body, const struct value *v, const char *text)
{
	struct jscan s = { .text = body, .span = v->text, .escaped = v->escaped };

	return v->tok == JTOK_STRING && jscan_equals(&s, text);
}

/* ---- the members that matter ----------------------------------------------------------------- */

static int
read_model(struct scan *scan, const struct value *v)
{
	if (v->tok != JTOK_STRING)
		return fail(scan, "model", "'model' must be a string");
	if (v->text.len == 0)
		return fail(scan, "model", "'model' is empty");
	scan->chat->model = v->text;
	scan->chat->model_escaped = v->escaped;
	return 0;
}

static int
read_stream(struct scan *scan, const struct value *v)
{
	if (v->tok != JTOK_TRUE && v->tok != JTOK_FALSE && v->tok != JTOK_NULL)
		return fail(scan, "stream", "'stream' must be true or false");
	scan->chat->stream = v->tok == JTOK_TRUE;
	return 0;
}

static int
read_stream_options(struct scan *scan, const struct value *v)
{
	struct chat *c = scan->chat;
	struct value usage = { 0 };
	unsigned found;

	if (v->tok != JTOK_OBJECT && v->tok != JTOK_NULL)
		return fail(scan, "stream_options", "'stream_options' must be an object");
	c->stream_options = v->whole;
	found = find_child(scan->body, v, "include_usage", &usage);
	if (found > 1)
		return fail_twice(scan, "stream_options.include_usage");
	if (found == 0)
		return 0;
	if (usage.tok != JTOK_TRUE && usage.tok != JTOK_FALSE && usage.tok != JTOK_NULL)
		return fail(scan, "stream_options.include_usage",
		    "'stream_options.include_usage' must be true or false");
	c->include_usage = usage.whole;
	c->usage_asked = usage.tok == JTOK_TRUE;
	return 0;
}

static int
read_tools(struct scan *scan, const struct value *v)
{
	struct jscan s;

	scan->chat->tools = v->whole;
	jscan_init(&s, scan->body + v->whole.off, v->whole.len);
	scan->chat->has_tools = jscan_next(&s) == JTOK_ARRAY && jscan_next(&s) != JTOK_ARRAY_END;
	return 0;
}

static int
read_response_format(struct scan *scan, const struct value *v)
{
	struct value type = { 0 };

	if (find_child(scan->body, v, "type", &type) > 0)
		scan->chat->wants_json = string_is(scan->body, &type, "json_object") ||
					 string_is(scan->body, &type, "json_schema");
	return 0;
}

/* "text": {"format": ...} of /responses says what response_format says elsewhere. */
static int
read_text(struct scan *scan, const struct value *v)
{
	struct value format = { 0 };

	return find_child(scan->body, v, "format", &format) > 0
		   ? read_response_format(scan, &format)
		   : 0;
}

static int
read_prompt(struct scan *scan, const struct value *v)
{
	scan->chat->prompt = v->whole;
	return 0;
}

static int
read_far_tools(struct scan *scan, const struct value *v)
{
	if (v->tok != JTOK_NULL)
		scan->chat->far_tools = true;
	return 0;
}

/* A text; in /responses the name of one that lies at the provider. */
static int
read_one_prompt(struct scan *scan, const struct value *v)
{
	return v->tok == JTOK_OBJECT ? read_far_tools(scan, v) : read_prompt(scan, v);
}

static int
read_bond(struct scan *scan, const struct value *v)
{
	if (v->tok != JTOK_NULL)
		scan->chat->bound = true;
	return 0;
}

static const struct member {
	const char *name;
	int (*read)(
	    struct scan *scan, const struct value *v); /* NULL: only its being unique counts */
} members[] = {
	{ "model", read_model },
	{ "stream", read_stream },
	{ "stream_options", read_stream_options },
	{ "metadata", NULL },
	{ "tools", read_tools },
	{ "response_format", read_response_format },
	{ "previous_response_id", read_bond },
	{ "conversation", read_bond },
	{ "messages", read_prompt },
	{ "input", read_prompt },
	{ "prompt", read_one_prompt },
	{ "mcp_servers", read_far_tools },
	{ "text", read_text },
};

#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

static int
read_key(struct scan *scan, unsigned i, const struct value *member)
{
	const char *child = scan->keys->keys[i].child;
	struct value v = *member;

	if (child != NULL) {
		unsigned found = find_child(scan->body, member, child, &v);
		char path[sizeof(scan->error->param)];

		if (found == 0)
			return 0;
		if (found > 1) {
			snprintf(path, sizeof(path), "%s.%s", scan->keys->keys[i].name, child);
			return fail_twice(scan, path);
		}
	}
	if (v.tok == JTOK_STRING || v.tok == JTOK_NUMBER) {
		scan->chat->keys[i] = v.text;
		scan->chat->keys_escaped[i] = v.tok == JTOK_STRING && v.escaped;
	}
	return 0;
}

static bool
is_named(const struct jscan *s, const char *name)
{
	/* Most names differ in their first byte already. */
	if (!s->escaped && s->span.len > 0 && s->text[s->span.off] != (uint8_t)name[0])
		return false;
	return jscan_equals(s, name);
}

/* Which rows of both tables the name just read belongs to. -1: one of them had its member before.
 */
static int
match_name(struct scan *scan, const struct jscan *s, uint32_t *in_members, uint32_t *in_keys)
{
	const char *name = NULL;

	*in_members = *in_keys = 0;
	for (unsigned i = 0; i < N_MEMBERS; i++)
		if (is_named(s, members[i].name)) {
			*in_members |= UINT32_C(1) << i;
			name = members[i].name;
		}
	for (unsigned i = 0; i < scan->keys->n; i++)
		if (is_named(s, scan->keys->keys[i].name)) {
			*in_keys |= UINT32_C(1) << i;
			name = scan->keys->keys[i].name;
		}
	if ((scan->members_seen & *in_members) != 0 || (scan->keys_seen & *in_keys) != 0)
		return fail_twice(scan, name);
	scan->members_seen |= *in_members;
	scan->keys_seen |= *in_keys;
	return 0;
}

static int
fail_json(struct scan *scan, const struct jscan *s)
{
	return fail(scan, "", "the body is not JSON: %s, at byte %zu", s->error, s->pos);
}

static int
read_member(struct scan *scan, struct jscan *s)
{
	uint32_t in_members, in_keys;
	struct value v;

	if (match_name(scan, s, &in_members, &in_keys) != 0)
		return -1;
	if (!read_value(s, &v))
		return fail_json(scan, s);
	for (unsigned i = 0; i < N_MEMBERS; i++)
		if ((in_members >> i & 1) && members[i].read != NULL &&
		    members[i].read(scan, &v) != 0)
			return -1;
	for (unsigned i = 0; i < scan->keys->n; i++)
		if ((in_keys >> i & 1) && read_key(scan, i, &v) != 0)
			return -1;
	return 0;
}

int
chat_scan(struct chat *c, const struct chat_keys *keys, const uint8_t *body, size_t len,
    struct chat_error *error)
{
	struct scan scan = { .chat = c, .keys = keys, .body = body, .error = error };
	struct jscan s;
	enum jtok tok;

	*c = (struct chat){ 0 };
	jscan_init(&s, body, len);
	tok = jscan_next(&s);
	if (tok == JTOK_ERROR)
		return fail_json(&scan, &s);
	if (tok != JTOK_OBJECT)
		return fail(&scan, "", "the body must be a JSON object");
	while ((tok = jscan_next(&s)) == JTOK_KEY)
		if (read_member(&scan, &s) != 0)
			return -1;
	c->last_brace = s.span.off;
	if (tok == JTOK_ERROR || jscan_next(&s) != JTOK_END)
		return fail_json(&scan, &s);
	if (c->model.len == 0)
		return fail(&scan, "model", "'model' is missing");
	return 0;
}
