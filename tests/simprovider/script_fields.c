// SPDX-License-Identifier: MIT
/*
 * The keys of a script and of a behaviour, as tables of fields. A behaviour begins as a copy of the
 * usual one, a rule's as a copy of the behaviour around it, so every key can be left out.
 */
#include "tests/simprovider/script_fields.h"

#define LENGTH(array)	 (sizeof(array) / sizeof((array)[0]))
#define MAX_MS		 86400000.0
#define MAX_COUNT	 9007199254740992.0
#define DEFAULT_TOOL_CUT 3

static struct str default_arguments[] = {
	{ "{\\\"city\\\":", 10 },
	{ "\\\"Paris\\\"", 9 },
	{ "}", 1 },
};
static struct tool_call default_calls[] = {
	{ { "lookup", 6 }, { default_arguments, LENGTH(default_arguments) },
	    { "{\"city\":\"Paris\"}", 16 } },
};

static const struct behaviour usual = {
	.name = { "*", 1 },
	.listed = true,
	.found = true,
	.tokens = { DIST_FIXED, 8.0, 0.0 },
	.dimensions = 16,
	.token = { "tok", 3 },
	.finish_reason = { "stop", 4 },
	.headers = { "", 0 },
	.usage = { USAGE_PRESENT, TOKENS_UNSET, TOKENS_UNSET, TOKENS_UNSET, TOKENS_UNSET,
	    TOKENS_UNSET, { "", 0 } },
};

const struct behaviour *
script_default(void)
{
	return &usual;
}

/* Calls that stand in where a fault needs one and the script has none. */
const struct tool_calls script_default_calls = { default_calls, 1, 4 };

/* The end of the piece that begins at `at`: before the next space, if there are enough bytes. */
static size_t
word_end(struct str s, size_t at)
{
	const char *space = memchr(s.bytes + at + 1, ' ', s.len - at - 1);

	return space != NULL ? (size_t)(space - s.bytes) : s.len;
}

static int
add_piece(struct reading *r, struct pieces *pieces, struct str raw)
{
	struct str escaped = fields_escape(r->arena, raw);

	if (escaped.bytes == NULL)
		return fields_memory(r);
	pieces->items[pieces->count++] = escaped;
	return 0;
}

static int
cut_words(struct reading *r, struct str s, struct pieces *pieces)
{
	pieces->items = arena_alloc(r->arena, (s.len + 1) * sizeof(struct str));
	if (pieces->items == NULL)
		return fields_memory(r);
	for (size_t at = 0, end; at < s.len; at = end) {
		end = word_end(s, at);
		if (add_piece(r, pieces, (struct str){ s.bytes + at, end - at }) != 0)
			return -1;
	}
	return 0;
}

static int
read_text(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct pieces *pieces = into;
	const cJSON *item;

	(void)field;
	*pieces = (struct pieces){ NULL, 0 };
	if (cJSON_IsString(json) && json->valuestring[0] != '\0')
		return cut_words(
		    r, (struct str){ json->valuestring, strlen(json->valuestring) }, pieces);
	if (!cJSON_IsArray(json) || cJSON_GetArraySize(json) == 0)
		return fields_refuse(r, "a text, or a list of its pieces");
	pieces->items =
	    arena_alloc(r->arena, (size_t)cJSON_GetArraySize(json) * sizeof(struct str));
	if (pieces->items == NULL)
		return fields_memory(r);
	cJSON_ArrayForEach(item, json)
	{
		if (!cJSON_IsString(item))
			return fields_refuse(r, "only strings in the list");
		struct str raw = { item->valuestring, strlen(item->valuestring) };

		if (add_piece(r, pieces, raw) != 0)
			return -1;
	}
	return 0;
}

/* Cuts into `count` pieces of about the same length, never inside a character. */
static int
cut_even(struct reading *r, struct str s, uint64_t count, struct pieces *pieces)
{
	pieces->items = arena_alloc(r->arena, (size_t)count * sizeof(struct str));
	if (pieces->items == NULL)
		return fields_memory(r);
	for (size_t i = 1, at = 0, end; i <= count && at < s.len; i++, at = end) {
		end = s.len * i / count;
		while (end < s.len && ((unsigned char)s.bytes[end] & 0xc0) == 0x80)
			end++;
		if (end > at && add_piece(r, pieces, (struct str){ s.bytes + at, end - at }) != 0)
			return -1;
	}
	return 0;
}

struct tool_source {
	struct str name, arguments;
	uint64_t pieces;
};

static const struct field tool_fields[] = {
	{ "name", field_escaped, offsetof(struct tool_source, name), 0, 0, NULL },
	{ "arguments", field_any, offsetof(struct tool_source, arguments), 0, 0, NULL },
	{ "pieces", field_u64, offsetof(struct tool_source, pieces), 1, 10000, NULL },
};

/* The arguments as an object, for those kinds that send them so. */
static struct str
object_of(struct str arguments)
{
	cJSON *json = cJSON_ParseWithLength(arguments.bytes, arguments.len);
	bool object = cJSON_IsObject(json);

	cJSON_Delete(json);
	return object ? arguments : (struct str){ NULL, 0 };
}

static int
read_tool_call(struct reading *r, const cJSON *json, struct tool_calls *calls)
{
	struct tool_source source = { { "lookup", 6 }, { "{}", 2 }, DEFAULT_TOOL_CUT };
	struct tool_call *call = &calls->items[calls->count++];

	if (fields_read(r, json, tool_fields, LENGTH(tool_fields), &source) != 0)
		return -1;
	call->name = source.name;
	call->object = object_of(source.arguments);
	if (cut_even(r, source.arguments, source.pieces, &call->arguments) != 0)
		return -1;
	calls->events += 1 + call->arguments.count;
	return 0;
}

static int
read_tool_calls(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct tool_calls *calls = into;
	const cJSON *item;
	size_t index = 0;

	(void)field;
	if (!cJSON_IsArray(json))
		return fields_refuse(r, "a list of tool calls");
	size_t size = ((size_t)cJSON_GetArraySize(json) + 1) * sizeof(struct tool_call);

	*calls = (struct tool_calls){ arena_alloc(r->arena, size), 0, 0 };
	if (calls->items == NULL)
		return fields_memory(r);
	cJSON_ArrayForEach(item, json)
	{
		size_t length = fields_enter_index(r, index++);

		if (read_tool_call(r, item, calls) != 0)
			return -1;
		fields_leave(r, length);
	}
	return 0;
}

#define USAGE_WORDS "present missing always with_choices"

static const struct field usage_fields[] = {
	{ "mode", field_word, offsetof(struct usage_plan, mode), 0, 0, USAGE_WORDS },
	{ "input", field_u64, offsetof(struct usage_plan, input), 0, 1e9, NULL },
	{ "cached", field_u64, offsetof(struct usage_plan, cached), 0, 1e9, NULL },
	{ "cache_write", field_u64, offsetof(struct usage_plan, written), 0, 1e9, NULL },
	{ "output", field_u64, offsetof(struct usage_plan, output), 0, 1e9, NULL },
	{ "reasoning", field_u64, offsetof(struct usage_plan, reasoning), 0, 1e9, NULL },
	{ "extra", field_any, offsetof(struct usage_plan, extra), 0, 0, NULL },
};

/* Either a word, or an object of numbers. */
static int
read_usage(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct usage_plan *usage = into;

	(void)field;
	if (cJSON_IsString(json))
		return field_word(r, json, &usage_fields[0], &usage->mode);
	if (fields_read(r, json, usage_fields, LENGTH(usage_fields), usage) != 0)
		return -1;
	/* An object's members without its braces. */
	if (usage->extra.len >= 2 && usage->extra.bytes[0] == '{') {
		usage->extra.bytes++;
		usage->extra.len -= 2;
	}
	return 0;
}

static const struct field split_fields[] = {
	{ "at_byte", field_u64, offsetof(struct split, at_byte), 0, MAX_COUNT, NULL },
	{ "bytes", field_u64, offsetof(struct split, bytes), 0, MAX_COUNT, NULL },
	{ "gap_ms", field_u64, offsetof(struct split, gap_ms), 0, MAX_MS, NULL },
};

static int
read_split(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	(void)field;
	return fields_read(r, json, split_fields, LENGTH(split_fields), into);
}

static const struct field limit_fields[] = {
	{ "requests", field_u64, offsetof(struct limit, requests), 1, LIMIT_MAX_REQUESTS, NULL },
	{ "window_ms", field_u64, offsetof(struct limit, window_ms), 1, MAX_MS, NULL },
};

static int
read_limit(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct limit *limit = arena_alloc(r->arena, sizeof(*limit));

	(void)field;
	if (limit == NULL)
		return fields_memory(r);
	*limit = (struct limit){ .requests = 60, .window_ms = 60000 };
	if (fields_read(r, json, limit_fields, LENGTH(limit_fields), limit) != 0)
		return -1;
	limit->admitted_us = arena_alloc(r->arena, (size_t)limit->requests * sizeof(uint64_t));
	*(struct limit **)into = limit;
	return limit->admitted_us != NULL ? 0 : fields_memory(r);
}

static int
read_faults(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct behaviour *b = into;

	(void)field;
	return script_faults_read(r, json, &b->faults, &b->fault_count);
}

/* Rules are read last, when the behaviour around them is known. */
static int
leave_for_later(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	(void)field, (void)into;
	return cJSON_IsArray(json) ? 0 : fields_refuse(r, "a list of rules");
}

#define AT(member) offsetof(struct behaviour, member)
#define TIME(name)                                           \
	{                                                    \
#name, field_dist, AT(name), 0, MAX_MS, NULL \
	}
#define COUNT(name, max)                                 \
	{                                                \
#name, field_u64, AT(name), 0, max, NULL \
	}
#define BOOL(name)                                      \
	{                                               \
#name, field_bool, AT(name), 0, 0, NULL \
	}
#define WORD(name, words)                                \
	{                                                \
#name, field_word, AT(name), 0, 0, words \
	}
#define OTHER(name, function)                         \
	{                                             \
#name, function, AT(name), 0, 0, NULL \
	}

static const struct field behaviour_fields[] = {
	OTHER(id, field_escaped),
	OTHER(answers_as, field_escaped),
	BOOL(listed),
	BOOL(found),
	BOOL(close),
	TIME(latency_ms),
	TIME(body_ms),
	TIME(first_token_ms),
	TIME(chunk_ms),
	{ "tokens", field_dist, AT(tokens), 0, 1e9, NULL },
	{ "reasoning_tokens", field_dist, AT(reasoning_tokens), 0, 1e9, NULL },
	COUNT(heartbeat_ms, MAX_MS),
	COUNT(pad_bytes, MAX_COUNT),
	COUNT(dimensions, 100000),
	OTHER(token, field_escaped),
	OTHER(text, read_text),
	OTHER(finish_reason, field_escaped),
	OTHER(headers, field_headers),
	OTHER(usage, read_usage),
	OTHER(tool_calls, read_tool_calls),
	WORD(tools_when, "asked always"),
	WORD(framing, "auto length chunked close"),
	OTHER(split, read_split),
	OTHER(limit, read_limit),
	{ "faults", read_faults, 0, 0, 0, NULL },
	{ "match", leave_for_later, 0, 0, 0, NULL },
};

static int
read_rule_behaviour(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	(void)field;
	return fields_read(r, json, behaviour_fields, LENGTH(behaviour_fields) - 1, into);
}

static const struct field rule_fields[] = {
	{ "body_contains", field_raw, offsetof(struct rule, body_contains), 0, 0, NULL },
	{ "request_id_contains", field_raw, offsetof(struct rule, request_id_contains), 0, 0,
	    NULL },
	{ "faults", read_faults, offsetof(struct rule, behaviour), 0, 0, NULL },
	{ "behaviour", read_rule_behaviour, offsetof(struct rule, behaviour), 0, 0, NULL },
};

static int
read_rules(struct reading *r, const cJSON *json, struct behaviour *b)
{
	size_t size = (size_t)cJSON_GetArraySize(json) * sizeof(struct rule);
	struct rule *rules = arena_alloc(r->arena, size);
	size_t count = 0;
	const cJSON *item;

	if (rules == NULL)
		return fields_memory(r);
	cJSON_ArrayForEach(item, json)
	{
		size_t length = fields_enter_index(r, count);
		struct rule *rule = &rules[count++];

		rule->behaviour = *b;
		if (fields_read(r, item, rule_fields, LENGTH(rule_fields), rule) != 0)
			return -1;
		fields_leave(r, length);
	}
	b->rules = rules;
	b->rule_count = count;
	return 0;
}

static int
read_behaviour(struct reading *r, const cJSON *json, struct behaviour *b)
{
	struct str name = b->name;

	*b = usual;
	b->name = name;
	if (fields_read(r, json, behaviour_fields, LENGTH(behaviour_fields), b) != 0)
		return -1;
	const cJSON *match = cJSON_GetObjectItemCaseSensitive(json, "match");

	if (match == NULL)
		return 0;
	size_t length = fields_enter(r, "match");
	int rc = read_rules(r, match, b);

	if (rc == 0)
		fields_leave(r, length);
	return rc;
}

static int
read_model(struct reading *r, const cJSON *json, struct script *script)
{
	struct behaviour *b = &script->behaviours[script->count];
	size_t length = fields_enter(r, json->string);

	b->name = fields_escape(r->arena, (struct str){ json->string, strlen(json->string) });
	if (b->name.bytes == NULL)
		return fields_memory(r);
	if (read_behaviour(r, json, b) != 0)
		return -1;
	if (strcmp(json->string, "*") == 0)
		script->any = b;
	script->count++;
	fields_leave(r, length);
	return 0;
}

static int
read_models(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct script *script = into;
	const cJSON *item;

	(void)field;
	if (!cJSON_IsObject(json))
		return fields_refuse(r, "an object of model names and behaviours");
	size_t size = ((size_t)cJSON_GetArraySize(json) + 1) * sizeof(struct behaviour);

	script->behaviours = arena_alloc(r->arena, size);
	if (script->behaviours == NULL)
		return fields_memory(r);
	cJSON_ArrayForEach(item, json) if (read_model(r, item, script) != 0) return -1;
	return 0;
}

static int
read_catalogue(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct behaviour *b = arena_alloc(r->arena, sizeof(*b));

	(void)field;
	if (b == NULL)
		return fields_memory(r);
	*(struct behaviour **)into = b;
	return read_behaviour(r, json, b);
}

static int
read_seed(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct script *script = into;

	script->has_seed = true;
	return field_u64(r, json, field, &script->seed);
}

#define ACCEPT_WORDS "serve close reset refuse"

static const struct field accept_fields[] = {
	{ "mode", field_word, offsetof(struct script, accept), 0, 0, ACCEPT_WORDS },
	{ "probability", field_double, offsetof(struct script, accept_probability), 0, 1, NULL },
};

static int
read_accept(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct script *script = into;

	(void)field;
	if (cJSON_IsString(json))
		return field_word(r, json, &accept_fields[0], &script->accept);
	return fields_read(r, json, accept_fields, LENGTH(accept_fields), script);
}

static const struct field script_fields[] = {
	{ "models", read_models, 0, 0, 0, NULL },
	{ "catalogue", read_catalogue, offsetof(struct script, catalogue), 0, 0, NULL },
	{ "seed", read_seed, 0, 0, MAX_COUNT, NULL },
	{ "accept", read_accept, 0, 0, 0, NULL },
};

int
script_fields_read(struct reading *r, const cJSON *json, struct script *script)
{
	return fields_read(r, json, script_fields, LENGTH(script_fields), script);
}
