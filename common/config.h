// SPDX-License-Identifier: MIT
/*
 * The config as grayd understands it: parsed and checked once by the master, immutable afterwards,
 * inherited by a generation of workers at fork. Names and defaults of the keys: grayd.json(5).
 * Every string is owned by the config and lives until config_free().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/keys.h"
#include "common/secret.h"
#include "common/shm.h"

#define STAGES_MAX	 16
#define STICKY_MAX	 8
#define STICKY_BODY_MAX	 16 /* different "body:" keys over all releases */
#define TIMEOUTS_MAX	 8
#define LISTEN_MAX	 16
#define OPERATORS_MAX	 64
#define PROVIDERS_MAX	 256
#define MODELS_MAX	 1024
#define RATE_MAX	 1000000    /* a minute, of one client or model */
#define RATES_MAX	 8000000    /* of all of them together: each takes 8 bytes of memory */
#define CONFIG_BYTES_MAX (1u << 20) /* of the file */

enum provider_kind { PROVIDER_OPENAI, PROVIDER_ANTHROPIC, PROVIDER_GEMINI, PROVIDER_KIND_COUNT };
enum embeddings_mode { EMBEDDINGS_STABLE, EMBEDDINGS_SPLIT };
enum plan_mode { PLAN_MANUAL, PLAN_TIMED, PLAN_AUTO };
enum guard_mode { GUARD_OFF, GUARD_WATCH, GUARD_ROLLBACK };

struct config_provider {
	char *name;
	enum provider_kind kind;
	char *base_url;		      /* without a trailing '/' */
	char *proxy;		      /* "": none, whatever the environment says */
	char *ca_file;		      /* "": the system's */
	char *organization, *project; /* OpenAI's headers; "": not sent */
	bool validate;		      /* it may be asked for its models */
	uint32_t validate_ms;	      /* how often */
	struct key_source key;	/* where the key comes from; all "": the provider wants none */
	struct secret *api_key; /* NULL: the provider wants none */
	char *api_key_source;	/* "environment variable HOLYSHEEP_API_KEY", for messages; never
				   the key; NULL: none */
};

/* Picodollars (1e-12 USD) a token: a price in USD per million tokens with up to six decimals is a
 * whole number of them. */
struct config_price {
	uint64_t input, cached_input, cache_write, output;
	bool known; /* false: the config names no price, cost is not counted */
};

struct config_model {
	char *id;   /* its key in "models" */
	char *name; /* what the provider calls it */
	struct config_provider *provider;
	struct config_price price;
	uint32_t rate_per_minute, max_in_flight; /* 0: no limit */
	/* Of an answer, where a request names no limit and its API wants one. */
	uint32_t max_tokens;
	uint32_t limiter; /* its number, once limits_prepare() gave it one */
};

enum sticky_kind { STICKY_HEADER, STICKY_BODY };
struct config_sticky {
	enum sticky_kind kind;
	char *name;  /* header name in lower case, or the member's name */
	char *child; /* "body:metadata.user_id": the member inside; NULL: none */
};

struct config_timeouts {
	uint32_t connect_ms, idle_ms;
	uint32_t first_token_ms[TIMEOUTS_MAX], answer_ms[TIMEOUTS_MAX];
	unsigned n_first_token, n_answer;
};

struct config_plan {
	enum plan_mode mode;
	uint64_t settle_ms, dwell_ms, step_deadline_ms, no_data_ms, bake_ms;
	uint32_t min_requests, holdback_percent;
	bool rollback_on_deadline;
	unsigned n_gates;
	uint16_t gates[STAGES_MAX]; /* stages that wait for an operator, in percent */
};

enum guard_action { ACTION_ROLLBACK, ACTION_HOLD, ACTION_WARN, ACTION_OFF };

struct config_symptom {
	enum guard_action action;
	double budget; /* share of bad answers that is too much, whatever stable does; 0: none */
	double ratio;  /* harm: more than this many times stable's */
	double margin; /* safe: less than this many times stable's */
	double weight; /* of its test among the active ones */
};

struct config_value {
	enum guard_action action;
	double margin; /* 0.25: a quarter worse than stable is too much */
};

struct config_guard {
	enum guard_mode mode;
	double alpha, breaker_alpha, beta, split_alpha;
	struct config_symptom symptoms[SYMPTOM_COUNT];
	struct config_value values[VALUE_COUNT];
};

struct config_release {
	char *name;	/* the public name that applications ask for */
	unsigned index; /* position in config.releases; stable within a generation only */
	struct config_model *arms[ARM_COUNT]; /* arms[ARM_CANDIDATE] NULL: none */
	unsigned n_stages;
	uint16_t stages[STAGES_MAX]; /* percent, rising */
	char *salt;
	unsigned n_sticky;
	struct config_sticky sticky[STICKY_MAX];
	uint32_t attempts, candidate_attempts;
	bool fallback, retry_sent;
	uint64_t deadline_ms, stream_max_ms;
	struct config_timeouts timeouts;
	uint32_t backoff_ms, retry_budget_percent;
	enum embeddings_mode embeddings;
	struct config_plan plan;
	struct config_guard guard;
};

struct config_client {
	char *name;
	uint8_t key_hash[32]; /* BLAKE2b-256 of the key; no two clients have the same */
	uint32_t rate_per_minute, queue_ms;
	uint32_t limiter;    /* its number, once limits_prepare() gave it one */
	unsigned n_releases; /* 0: all */
	struct config_release **releases;
	bool override;
};

struct config_limits {
	uint64_t max_body_bytes, max_answer_bytes;
	uint32_t max_connections; /* of the whole grayd */
	uint32_t header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_stall_ms, drain_ms;
};

struct config_log {
	int level;  /* enum log_level */
	char *file; /* a path, or "stderr" */
	bool requests;
};

struct config {
	char *path; /* the file it came from */
	unsigned n_listen;
	char *listen[LISTEN_MAX]; /* "HOST:PORT", "[V6]:PORT" or "unix:/path" */
	char *admin_listen;	  /* "": none */
	char *control_socket, *control_group;
	unsigned n_operators;
	char *operators[OPERATORS_MAX]; /* user names, "@group" for groups */
	char *state_dir;
	uint32_t workers; /* as configured; 0: one per processor */
	bool pin_workers; /* each stays on a processor of its own */
	char *user, *env_file;
	struct config_log log;
	struct config_limits limits;
	unsigned n_providers, n_models, n_releases, n_clients;
	struct config_provider *providers;
	struct config_model *models;
	struct config_release *releases;
	struct config_client *clients;
};

/* What config_load() may do beyond reading the file. */
enum config_flags {
	CONFIG_NO_SECRETS =
	    1, /* do not fetch provider keys (-T, tests); api_key is NULL everywhere */
};

/* Reads, parses and checks a file. On failure returns NULL and `e` says "FILE:LINE: path.of.key:
 * what was expected"; nothing is left behind. Relative paths in it are left as they are: they are
 * relative to the directory in which grayd was started. Provider keys that came from the
 * environment are still there afterwards: call keys_scrub_environ(). */
struct config *config_load(const char *path, unsigned flags, struct err *e) MUST_CHECK;
/* The same from a NUL-terminated text; `path` is only for messages. */
struct config *config_parse(
    const char *path, const char *text, unsigned flags, struct err *e) MUST_CHECK;
void config_free(struct config *c); /* NULL is fine */
/* The config as understood, defaults filled in, as JSON text to be freed by the caller; keys of
 * providers appear as their source only. NULL: out of memory. */
char *config_print(const struct config *c) MUST_CHECK;

/* NULL: the text can be the name of a client, a model or a release; else what was expected. */
const char *config_check_name(const char *text);
/* NULL: no release has this name. */
struct config_release *config_find_release(const struct config *c, const char *name, size_t len);
extern const char *const provider_kind_names[PROVIDER_KIND_COUNT];

/* Calls `each` with every key that a config can have, as its full path ("limits.drain_ms",
 * "releases.NAME.stages", "clients[].name") and its default as JSON text (NULL: the key is
 * required; "": it can be left out and has none). The manual page is checked against this. */
void config_each_key(void (*each)(void *arg, const char *path, const char *preset), void *arg);
/* Whether two sticky rules look at the same place of a request. */
bool config_sticky_equal(const struct config_sticky *a, const struct config_sticky *b);
