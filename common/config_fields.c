// SPDX-License-Identifier: MIT
/*
 * Every key of the config: its type, default, range and place, one table for each JSON object. The
 * only place to edit for a new key, beside its line in grayd.json(5), which a test compares with
 * these tables. Defaults are JSON text.
 */
#include <stddef.h>

#include "common/config_fields.h"
#include "common/log.h"

#define DAY_MS	       86400000.0
#define MONTH_MS       (31 * DAY_MS)
#define PATH_MAX_BYTES 4000
#define URL_MAX_BYTES  1000

#define MEMBER(s, m) \
	.offset = offsetof(struct config_##s, m), .size = sizeof(((struct config_##s *)0)->m)
#define FLAG(s, m, preset_)                                                    \
	{                                                                      \
		.key = #m, .kind = &kind_bool, MEMBER(s, m), .preset = preset_ \
	}
#define UINT(s, m, preset_, lo, hi)                                                        \
	{                                                                                  \
		.key = #m, .kind = &kind_uint, MEMBER(s, m), .preset = preset_, .min = lo, \
		.max = hi                                                                  \
	}
#define REAL(s, m, preset_, lo, hi)                                                        \
	{                                                                                  \
		.key = #m, .kind = &kind_real, MEMBER(s, m), .preset = preset_, .min = lo, \
		.max = hi                                                                  \
	}
#define WORD(s, m, preset_, words_)                                                             \
	{                                                                                       \
		.key = #m, .kind = &kind_word, MEMBER(s, m), .preset = preset_, .words = words_ \
	}
#define TEXT(s, m, preset_, lo, hi, check_)                                                  \
	{                                                                                    \
		.key = #m, .kind = &kind_string, MEMBER(s, m), .preset = preset_, .min = lo, \
		.max = hi, .check = check_                                                   \
	}
#define UINTS(s, m, preset_, n, n_lo, n_hi, lo, hi)                                           \
	{                                                                                     \
		.key = #m, .kind = &kind_uints, MEMBER(s, m), .preset = preset_, .min = lo,   \
		.max = hi, .count_offset = offsetof(struct config_##s, n), .items_min = n_lo, \
		.items_max = n_hi                                                             \
	}
#define TEXTS(s, m, preset_, n_lo, n_hi, hi, check_)                                            \
	{                                                                                       \
		.key = #m, .kind = &kind_strings, MEMBER(s, m), .preset = preset_, .min = 1,    \
		.max = hi, .check = check_, .count_offset = offsetof(struct config_##s, n_##m), \
		.items_min = n_lo, .items_max = n_hi                                            \
	}
#define OBJECT(s, m, kind_, preset_, object_)                                                  \
	{                                                                                      \
		.key = #m, .kind = &kind_, MEMBER(s, m), .preset = preset_, .object = &object_ \
	}
#define ENTRIES(s, m, kind_, preset_, n_lo, n_hi, item, name_offset, object_)                     \
	{                                                                                         \
		.key = #m, .kind = &kind_, MEMBER(s, m), .preset = preset_,                       \
		.count_offset = offsetof(struct config_##s, n_##m), .items_min = n_lo,            \
		.items_max = n_hi, .object = &object_, .item_size = sizeof(struct config_##item), \
		.key_offset = name_offset                                                         \
	}
#define END                 \
	{                   \
		.key = NULL \
	}

/* ---- log, limits ----------------------------------------------------------------------------- */

static const char *const level_words[] = { "error", "warn", "info", "debug", NULL };
_Static_assert(LOG_ERROR == 0 && LOG_DEBUG == 3 && LOG_LEVEL_COUNT == 4, "level_words");

static const struct field log_fields[] = {
	WORD(log, level, "\"info\"", level_words),
	TEXT(log, file, "\"stderr\"", 1, PATH_MAX_BYTES, check_plain),
	FLAG(log, requests, "true"),
	END,
};
static const struct object log_object = { log_fields, NULL };

static const struct field limits_fields[] = {
	UINT(limits, max_body_bytes, "8388608", 1024, 1073741824),
	UINT(limits, max_answer_bytes, "67108864", 1024, 17179869184.0),
	UINT(limits, max_connections, "8192", 1, 1000000),
	UINT(limits, header_timeout_ms, "10000", 1, DAY_MS),
	UINT(limits, body_timeout_ms, "60000", 1, DAY_MS),
	UINT(limits, idle_timeout_ms, "60000", 1, DAY_MS),
	UINT(limits, write_stall_ms, "60000", 1, DAY_MS),
	UINT(limits, drain_ms, "30000", 0, DAY_MS),
	END,
};
static const struct object limits_object = { limits_fields, NULL };

/* ---- providers, models ----------------------------------------------------------------------- */

const char *const provider_kind_names[PROVIDER_KIND_COUNT] = { "openai", "anthropic", "gemini" };
static const char *const provider_kind_words[] = { "openai", "anthropic", "gemini", NULL };

/* The table is about struct key_source; the names of the macros want config_ before it. */
#define config_key_source key_source
static const struct field api_key_fields[] = {
	TEXT(key_source, env, "\"\"", 0, 255, check_env_name),
	TEXT(key_source, file, "\"\"", 0, PATH_MAX_BYTES, check_plain),
	TEXT(key_source, credential, "\"\"", 0, 255, check_file_name),
	TEXT(key_source, prefix, "\"\"", 0, 64, check_header_value),
	END,
};
#undef config_key_source
static const struct object api_key_object = { api_key_fields, NULL };

static const struct field provider_fields[] = {
	WORD(provider, kind, "\"openai\"", provider_kind_words),
	TEXT(provider, base_url, NULL, 1, URL_MAX_BYTES, check_base_url),
	TEXT(provider, proxy, "\"\"", 0, URL_MAX_BYTES, check_proxy),
	TEXT(provider, ca_file, "\"\"", 0, PATH_MAX_BYTES, check_plain),
	TEXT(provider, organization, "\"\"", 0, 255, check_header_value),
	TEXT(provider, project, "\"\"", 0, 255, check_header_value),
	FLAG(provider, validate, "true"),
	UINT(provider, validate_ms, "300000", 1000, MONTH_MS),
	{ .key = "api_key",
	    .kind = &kind_api_key,
	    MEMBER(provider, key),
	    .preset = "",
	    .object = &api_key_object },
	END,
};
static const struct object provider_object = { provider_fields, finish_provider };

#define AMOUNT(m, preset_)                                                                 \
	{                                                                                  \
		.key = #m, .kind = &kind_price_amount, MEMBER(price, m), .preset = preset_ \
	}
static const struct field price_fields[] = {
	AMOUNT(input, NULL),
	AMOUNT(cached_input, ""),
	AMOUNT(cache_write, ""),
	AMOUNT(output, NULL),
	END,
};
static const struct object price_object = { price_fields, NULL };

static const struct field model_fields[] = {
	{ .key = "provider", .kind = &kind_provider_ref, MEMBER(model, provider) },
	/* Left out, finish_model() puts the model's own key there. */
	TEXT(model, name, "", 1, NAME_BYTES - 1, check_name),
	OBJECT(model, price, kind_price, "", price_object),
	UINT(model, rate_per_minute, "0", 0, RATE_MAX),
	UINT(model, max_in_flight, "0", 0, 1000000),
	UINT(model, max_tokens, "8192", 1, 1000000000),
	END,
};
static const struct object model_object = { model_fields, finish_model };

/* ---- releases -------------------------------------------------------------------------------- */

static const struct field timeouts_fields[] = {
	UINT(timeouts, connect_ms, "5000", 1, DAY_MS),
	UINTS(timeouts, first_token_ms, "[10000,40000,60000]", n_first_token, 1, TIMEOUTS_MAX, 1,
	    DAY_MS),
	UINTS(timeouts, answer_ms, "[30000,40000,60000]", n_answer, 1, TIMEOUTS_MAX, 1, DAY_MS),
	UINT(timeouts, idle_ms, "30000", 1, DAY_MS),
	END,
};
static const struct object timeouts_object = { timeouts_fields, NULL };

static const char *const plan_mode_words[] = { "manual", "timed", "auto", NULL };
static const char *const deadline_words[] = { "hold", "rollback", NULL };

static const struct field plan_fields[] = {
	WORD(plan, mode, "\"manual\"", plan_mode_words),
	UINT(plan, settle_ms, "15000", 0, MONTH_MS),
	UINT(plan, dwell_ms, "300000", 0, MONTH_MS),
	UINT(plan, min_requests, "200", 0, 1000000000),
	UINT(plan, step_deadline_ms, "3600000", 1, MONTH_MS),
	{ .key = "on_deadline",
	    .kind = &kind_word,
	    MEMBER(plan, rollback_on_deadline),
	    .preset = "\"hold\"",
	    .words = deadline_words },
	UINT(plan, no_data_ms, "120000", 1, MONTH_MS),
	UINTS(plan, gates, "[]", n_gates, 0, STAGES_MAX, 1, 100),
	UINT(plan, bake_ms, "1800000", 0, MONTH_MS),
	UINT(plan, holdback_percent, "2", 0, 50),
	END,
};
static const struct object plan_object = { plan_fields, NULL };

static const char *const action_words[] = { "rollback", "hold", "warn", "off", NULL };

static const struct field symptom_fields[] = {
	WORD(symptom, action, "\"rollback\"", action_words),
	REAL(symptom, budget, "0", 0, 0.5),
	REAL(symptom, ratio, "1.0", 0.1, 10),
	REAL(symptom, margin, "2.0", 1.01, 100),
	REAL(symptom, weight, "1", 0, 1000),
	END,
};
static const struct object symptom_object = { symptom_fields, finish_symptom };

static const struct field value_fields[] = {
	WORD(value, action, "\"hold\"", action_words),
	REAL(value, margin, "0.25", 0.01, 100),
	END,
};
static const struct object value_object = { value_fields, NULL };

static const struct field symptoms_fields[] = {
#define SYMPTOM(id, name, preset_, text)                                \
	{ .key = name,                                                  \
		.kind = &kind_object,                                   \
		.offset = SYMPTOM_##id * sizeof(struct config_symptom), \
		.preset = preset_,                                      \
		.object = &symptom_object },
#define VALUE(id, name, preset_, text)
#include "common/symptoms.def"
#undef SYMPTOM
#undef VALUE
	END,
};
static const struct object symptoms_object = { symptoms_fields, NULL };

static const struct field values_fields[] = {
#define SYMPTOM(id, name, preset_, text)
#define VALUE(id, name, preset_, text)                              \
	{ .key = name,                                              \
		.kind = &kind_object,                               \
		.offset = VALUE_##id * sizeof(struct config_value), \
		.preset = preset_,                                  \
		.object = &value_object },
#include "common/symptoms.def"
#undef SYMPTOM
#undef VALUE
	END,
};
static const struct object values_object = { values_fields, NULL };

static const char *const guard_mode_words[] = { "off", "watch", "rollback", NULL };

static const struct field guard_fields[] = {
	WORD(guard, mode, "\"rollback\"", guard_mode_words),
	REAL(guard, alpha, "0.01", 1e-9, 0.2),
	REAL(guard, breaker_alpha, "0.001", 1e-9, 0.2),
	REAL(guard, beta, "0.05", 1e-9, 0.2),
	REAL(guard, split_alpha, "0.001", 1e-9, 0.2),
	OBJECT(guard, symptoms, kind_object, "{}", symptoms_object),
	OBJECT(guard, values, kind_object, "{}", values_object),
	END,
};
static const struct object guard_object = { guard_fields, NULL };

static const char *const embeddings_words[] = { "stable", "split", NULL };

static const struct field release_fields[] = {
	{ .key = "stable", .kind = &kind_model_ref, MEMBER(release, arms[ARM_STABLE]), .min = 1 },
	{ .key = "candidate",
	    .kind = &kind_model_ref,
	    MEMBER(release, arms[ARM_CANDIDATE]),
	    .preset = "\"\"" },
	{ .key = "stages",
	    .kind = &kind_uints,
	    MEMBER(release, stages),
	    .preset = "[10,30,50,100]",
	    .min = 1,
	    .max = 100,
	    .count_offset = offsetof(struct config_release, n_stages),
	    .items_min = 1,
	    .items_max = STAGES_MAX,
	    .rising = true },
	TEXT(release, salt, "\"\"", 0, 255, check_plain),
	{ .key = "sticky",
	    .kind = &kind_sticky,
	    MEMBER(release, sticky),
	    .preset = "[\"header:x-user-id\",\"body:user\",\"body:safety_identifier\","
		      "\"body:prompt_cache_key\",\"body:metadata.user_id\"]" },
	UINT(release, attempts, "4", 1, 100),
	UINT(release, candidate_attempts, "1", 1, 100),
	FLAG(release, fallback, "true"),
	FLAG(release, retry_sent, "false"),
	UINT(release, deadline_ms, "120000", 1, DAY_MS),
	UINT(release, stream_max_ms, "1800000", 1, DAY_MS),
	OBJECT(release, timeouts, kind_object, "{}", timeouts_object),
	UINT(release, backoff_ms, "1000", 0, 600000),
	UINT(release, retry_budget_percent, "20", 0, 100),
	WORD(release, embeddings, "\"stable\"", embeddings_words),
	OBJECT(release, plan, kind_object, "{}", plan_object),
	OBJECT(release, guard, kind_object, "{}", guard_object),
	END,
};
static const struct object release_object = { release_fields, finish_release };

/* ---- clients, and the whole ------------------------------------------------------------------ */

static const char *const not_key_hash[] = { "key", "api_key", "hash", "secret", "token", NULL };

static const struct field client_fields[] = {
	TEXT(client, name, NULL, 1, NAME_BYTES - 1, check_name),
	{ .key = "key_hash",
	    .kind = &kind_hash,
	    MEMBER(client, key_hash),
	    .mistaken = not_key_hash,
	    .advice = "the config holds no client's key but its hash; grayctl key new NAME makes a "
		      "key and prints both" },
	UINT(client, rate_per_minute, "0", 0, RATE_MAX),
	UINT(client, queue_ms, "0", 0, 600000),
	{ .key = "releases", .kind = &kind_release_refs, MEMBER(client, releases), .preset = "[]" },
	FLAG(client, override, "false"),
	END,
};
static const struct object client_object = { client_fields, NULL };

/* The whole is struct config itself. */
#define config_root config
static const struct field root_fields[] = {
	TEXTS(root, listen, "[\"127.0.0.1:8080\"]", 1, LISTEN_MAX, 160, check_listen),
	TEXT(root, admin_listen, "\"127.0.0.1:9464\"", 0, 160, check_admin_listen),
	TEXT(root, control_socket, "\"/run/grayd/control.sock\"", 1, 200, check_socket_path),
	TEXT(root, control_group, "\"\"", 0, 64, check_account),
	TEXTS(root, operators, "[]", 0, OPERATORS_MAX, 64, check_operator),
	TEXT(root, state_dir, "\"/var/lib/grayd\"", 1, PATH_MAX_BYTES, check_plain),
	UINT(root, workers, "0", 0, WORKERS_MAX),
	FLAG(root, pin_workers, "false"),
	TEXT(root, user, "\"\"", 0, 64, check_account),
	TEXT(root, env_file, "\"\"", 0, PATH_MAX_BYTES, check_plain),
	OBJECT(root, log, kind_object, "{}", log_object),
	OBJECT(root, limits, kind_object, "{}", limits_object),
	ENTRIES(root, providers, kind_map, NULL, 1, PROVIDERS_MAX, provider,
	    offsetof(struct config_provider, name), provider_object),
	ENTRIES(root, models, kind_map, NULL, 1, MODELS_MAX, model,
	    offsetof(struct config_model, id), model_object),
	ENTRIES(root, releases, kind_map, NULL, 1, RELEASES_MAX, release,
	    offsetof(struct config_release, name), release_object),
	ENTRIES(root, clients, kind_array, "[]", 0, CLIENTS_MAX, client, NO_NAME, client_object),
	END,
};
const struct object root_object = { root_fields, finish_root };
