// SPDX-License-Identifier: MIT
/*
 * The script: which model behaves how. A script is read whole or refused whole; attempts that are
 * under way keep theirs alive while a new one takes its place. README.md lists every key.
 */
#pragma once

#include "common/err.h"
#include "tests/simprovider/arena.h"
#include "tests/simprovider/fault.h"
#include "tests/simprovider/limit.h"

enum usage_mode { USAGE_PRESENT, USAGE_MISSING, USAGE_ALWAYS, USAGE_WITH_CHOICES };
enum framing { FRAMING_AUTO, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };
enum tools_when { TOOLS_ASKED, TOOLS_ALWAYS };

#define TOKENS_UNSET UINT64_MAX

/* Own numbers for usage; TOKENS_UNSET: as counted. `extra` is put into the object as it is. */
struct usage_plan {
	enum usage_mode mode;
	uint64_t input, cached, written, output, reasoning;
	struct str extra;
};

/* Texts that are sent a piece at a time, each as it stands inside JSON quotes. */
struct pieces {
	struct str *items;
	size_t count;
};

struct tool_call {
	struct str name;
	struct pieces arguments;
	struct str object; /* the arguments as they are; bytes NULL: they are no JSON object */
};

struct tool_calls {
	struct tool_call *items;
	size_t count;
	size_t events; /* of a stream: one for each call and one for each piece */
};

/* How the bytes are cut into writes: the first piece of `at_byte`, then pieces of `bytes`; 0: no
 * cut. */
struct split {
	uint64_t at_byte, bytes, gap_ms;
};

struct behaviour {
	/* Names as they stand inside JSON quotes: its own; that in the catalogue and that in
	 * answers, bytes NULL: its own. */
	struct str name, id, answers_as;
	bool listed, found, close;
	struct dist latency_ms, body_ms, first_token_ms, chunk_ms, tokens, reasoning_tokens;
	uint64_t heartbeat_ms, pad_bytes, dimensions;
	struct str token, finish_reason, headers;
	struct pieces text; /* instead of counted tokens, if count > 0 */
	struct usage_plan usage;
	struct tool_calls tool_calls;
	enum tools_when tools_when;
	enum framing framing;
	struct split split;
	struct limit *limit; /* NULL: none */
	struct fault *faults;
	size_t fault_count;
	struct rule *rules;
	size_t rule_count;
};

/* A behaviour for those requests that hold a text. */
struct rule {
	struct str body_contains, request_id_contains; /* bytes NULL: does not matter */
	struct behaviour behaviour;
};

enum accept_mode { ACCEPT_SERVE, ACCEPT_CLOSE, ACCEPT_RESET, ACCEPT_REFUSE };

struct script {
	struct arena arena;
	unsigned refs;
	struct str source; /* the text it was read from */
	bool has_seed;
	uint64_t seed;
	enum accept_mode accept;
	double accept_probability;
	struct behaviour *behaviours;
	size_t count;
	struct behaviour *any;	     /* "*", or NULL */
	struct behaviour *catalogue; /* of GET /models, or NULL */
};

/* The script used when none is given: any model answers quickly. */
extern const char script_builtin[];

/* Reads a script. NULL with the message (the line, or the path of the key) when it is refused. */
struct script *script_parse(struct str source, struct err *err) MUST_CHECK;
struct script *script_load(const char *file, struct err *err) MUST_CHECK;
struct script *script_ref(struct script *script);
void script_unref(struct script *script);

/* The behaviour of a model (name inside JSON quotes), by its name, its id or "*"; NULL: none. */
struct behaviour *script_find(const struct script *script, struct str model);
/* The first of its rules that fits the request, else the behaviour itself. */
struct behaviour *script_match(struct behaviour *b, struct str body, struct str request_id);
/* Tool calls for a fault that needs some where the script has none. */
extern const struct tool_calls script_default_calls;
/* The usual behaviour: what a script with {} for a model means. */
const struct behaviour *script_default(void);
