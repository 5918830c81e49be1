// SPDX-License-Identifier: MIT
/*
 * The keys of a fault. All kinds share one table of fields; which of them a kind takes stands in
 * faults.def, and a key that would have no effect is refused.
 */
#include "tests/simprovider/script_fields.h"

#include <stdio.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_MS	      86400000.0
#define MAX_COUNT     9007199254740992.0
#define COMMON_KEYS   "kind probability skip count reused only latency_ms"

static int
read_elsewhere(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	(void)field, (void)into;
	return cJSON_IsString(json) ? 0 : fields_refuse(r, "a string");
}

static int
read_latency(struct reading *r, const cJSON *json, const struct field *field, void *into)
{
	struct fault *fault = into;

	fault->has_latency = true;
	return field_dist(r, json, field, &fault->latency_ms);
}

#define AT(member) offsetof(struct fault, member)
#define COUNT(name, max)                                 \
	{                                                \
#name, field_u64, AT(name), 0, max, NULL \
	}
#define TEXT(name, function, member)                   \
	{                                              \
		name, function, AT(member), 0, 0, NULL \
	}

static const struct field fault_fields[] = {
	{ "kind", read_elsewhere, 0, 0, 0, NULL },
	{ "variant", read_elsewhere, 0, 0, 0, NULL },
	{ "probability", field_double, AT(probability), 0, 1, NULL },
	COUNT(skip, MAX_COUNT),
	COUNT(count, MAX_COUNT),
	{ "reused", field_bool, AT(reused), 0, 0, NULL },
	{ "only", field_word, AT(only), 0, 0, "any stream whole" },
	{ "latency_ms", read_latency, 0, 0, MAX_MS, NULL },
	{ "at", field_word, AT(at), 0, 0, "default head headers body role chunk finish end" },
	COUNT(after, MAX_COUNT),
	{ "end", field_word, AT(end), 0, 0, "default none chunk done continue" },
	{ "then", field_word, AT(then), 0, 0, "keep close reset stall" },
	COUNT(for_ms, MAX_MS),
	{ "interval_ms", field_u64, AT(interval_ms), 1, MAX_MS, NULL },
	COUNT(gap_ms, MAX_MS),
	{ "bytes", field_u64, AT(bytes), 1, MAX_COUNT, NULL },
	COUNT(at_byte, MAX_COUNT),
	COUNT(repeat, 1e6),
	TEXT("line", field_raw, line),
	TEXT("value", field_raw, value),
	TEXT("hex", field_hex, hex),
	{ "status", field_u64, AT(problem.status), 100, 999, NULL },
	TEXT("code", field_escaped, problem.code),
	TEXT("type", field_escaped, problem.type),
	TEXT("message", field_escaped, problem.message),
	TEXT("param", field_escaped, problem.param),
	TEXT("headers", field_headers, problem.headers),
	TEXT("body", field_any, problem.body),
	TEXT("retry_after", field_any, problem.retry_after),
	{ "retry_after_ms", field_u64, AT(problem.retry_after_ms), 0, MAX_COUNT, NULL },
	{ "retry_after_date_s", field_u64, AT(problem.retry_after_date_s), 0, 1e8, NULL },
	{ "retry_after_body", field_double, AT(problem.retry_after_body_s), 0, 1e9, NULL },
	{ "array", field_bool, AT(problem.array), 0, 0, NULL },
};

/* What a kind means when its keys are left out. */
static const struct {
	enum fault_id id;
	uint64_t status, bytes, repeat, gap_ms, after;
	const char *line;
} defaults[] = {
	{ FAULT_STATUS, 500, 0, 0, 0, 0, NULL },
	{ FAULT_ERROR_EVENT, 500, 0, 0, 0, 1, NULL },
	{ FAULT_CUT, 0, 0, 0, 0, 1, NULL },
	{ FAULT_GARBAGE, 0, 256, 0, 0, 1, NULL },
	{ FAULT_BAD_CHUNK, 0, 0, 0, 0, 1, "zz" },
	{ FAULT_TRUNCATED_JSON, 0, 0, 0, 0, 0, NULL },
	{ FAULT_STATUS_LINE, 0, 0, 0, 0, 0, "HTTP/1.1 2000 Very OK" },
	{ FAULT_INFORMATIONAL, 100, 0, 5000, 0, 0, NULL },
	{ FAULT_HUGE_HEADER, 0, 120 * 1024, 0, 0, 0, NULL },
	{ FAULT_HUGE_BODY, 0, 64 * 1024 * 1024, 0, 0, 0, NULL },
	{ FAULT_TRICKLE, 0, 1, 0, 100, 0, NULL },
	{ FAULT_SPLIT, 0, 0, 0, 5, 0, NULL },
};

static void
set_defaults(struct fault *fault, const struct fault_kind *kind)
{
	fault->kind = kind;
	fault->probability = 1.0;
	fault->after = FAULT_AFTER_UNSET;
	fault->then = kind->then;
	fault->interval_ms = 100;
	for (size_t i = 0; i < LENGTH(defaults); i++) {
		if (defaults[i].id != kind->id)
			continue;
		fault->problem.status = defaults[i].status;
		fault->bytes = defaults[i].bytes;
		fault->repeat = defaults[i].repeat;
		fault->gap_ms = defaults[i].gap_ms;
		fault->after = defaults[i].after;
		if (defaults[i].line != NULL)
			fault->line = (struct str){ defaults[i].line, strlen(defaults[i].line) };
	}
}

static int
check_keys(struct reading *r, const cJSON *json, const struct fault_kind *kind)
{
	const cJSON *member;

	cJSON_ArrayForEach(member, json)
	{
		bool variant = strcmp(member->string, "variant") == 0;

		if (fields_word(COMMON_KEYS, member->string) < 0 &&
		    fields_word(kind->keys, member->string) < 0 &&
		    !(variant && kind->variants[0] != '\0'))
			return err_set(r->err, "%s.%s: not a key of the fault \"%s\"", r->path,
			    member->string, kind->name);
	}
	return 0;
}

static int
read_variant(struct reading *r, const cJSON *json, struct fault *fault)
{
	const cJSON *variant = cJSON_GetObjectItemCaseSensitive(json, "variant");
	const struct field words = { .words = fault->kind->variants };

	if (variant == NULL)
		return 0;
	size_t length = fields_enter(r, "variant");
	int rc = field_word(r, variant, &words, &fault->variant);

	if (rc == 0)
		fields_leave(r, length);
	return rc;
}

static int
read_fault(struct reading *r, const cJSON *json, struct fault *fault)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "kind");
	const struct fault_kind *kind =
	    cJSON_IsString(name) ? fault_kind_find(name->valuestring) : NULL;

	if (kind == NULL)
		return err_set(
		    r->err, "%s.kind: expected a kind of fault (see --list-faults)", r->path);
	set_defaults(fault, kind);
	if (check_keys(r, json, kind) != 0 ||
	    fields_read(r, json, fault_fields, LENGTH(fault_fields), fault) != 0 ||
	    read_variant(r, json, fault) != 0)
		return -1;
	if (fault->at == POINT_NONE)
		fault->at = kind->point;
	return 0;
}

int
script_faults_read(struct reading *r, const cJSON *json, struct fault **faults, size_t *count)
{
	const cJSON *item;

	if (!cJSON_IsArray(json))
		return fields_refuse(r, "a list of faults");
	*count = 0;
	*faults = arena_alloc(r->arena, ((size_t)cJSON_GetArraySize(json) + 1) * sizeof(**faults));
	if (*faults == NULL)
		return fields_memory(r);
	cJSON_ArrayForEach(item, json)
	{
		size_t length = fields_enter_index(r, *count);

		if (read_fault(r, item, &(*faults)[*count]) != 0)
			return -1;
		*count += 1;
		fields_leave(r, length);
	}
	return 0;
}
