// SPDX-License-Identifier: MIT
/*
 * A kind of provider: how its answers look on the wire. One constant struct of functions each; to
 * add one, write its file and put it into the list in kind.c. Renderers are pure: the same reply
 * gives the same bytes.
 */
#pragma once

#include "tests/simprovider/reader.h"
#include "tests/simprovider/scan.h"
#include "tests/simprovider/script.h"

/* All answers say so, to let runs be compared byte for byte. */
#define KIND_CREATED "1767225600"

/* The pieces of a stream, in their order. */
enum piece {
	PIECE_ROLE,
	PIECE_REASONING,
	PIECE_CONTENT,
	PIECE_TOOL,
	PIECE_FINISH,
	PIECE_USAGE,
	PIECE_DONE
};

/* Tokens. `input` holds the cached and the written ones, `output` holds the reasoning: each kind
 * takes apart what it reports apart. */
struct usage {
	uint64_t input, cached, written, output, reasoning;
};

/* How much of the usage an answer has told so far. */
enum told { TOLD_NOTHING, TOLD_INPUT, TOLD_ALL };

/* What an answer is made of. */
struct reply {
	uint64_t id;
	const struct behaviour *behaviour;
	struct str model;    /* as in the request, inside JSON quotes */
	struct str reported; /* the model that the answer names */
	uint64_t tokens, reasoning;
	const struct tool_calls *tools; /* NULL: an answer in text */
	bool bad_tool_json, no_choices, refusal;
	bool show_usage, usage_with_choices, usage_asked;
	struct usage usage;
	struct str finish_reason; /* in OpenAI's words; len 0: none */
	struct str stop;	  /* the first stop text of the request, in its quotes */
	/* Embeddings: a seed for the vector of each input. */
	uint64_t *inputs;
	size_t input_count;
	uint64_t dimensions;
	bool base64;
	/* The catalogue. */
	const struct script *script;
	/* Set by the renderers. */
	uint64_t sequence; /* of numbered events */
	size_t pad_at;	   /* where content may be made longer; 0: nowhere */
	enum told told;
	uint64_t told_output;
};

enum trait {
	ALWAYS_STREAMS = 1, /* whatever the body says */
	NEVER_STREAMS = 2,
	ALWAYS_USAGE = 4, /* streams hold usage without being asked */
	MAKES_NO_TEXT = 8,
	CATALOGUE = 16, /* lists models: not an attempt, takes no part in the ledger */
};

struct endpoint {
	const char *method;
	const char *suffix; /* what the path ends with */
	/* The whole answer as JSON. */
	void (*whole)(struct reply *reply, struct text *out);
	/* One piece of the stream as complete events, or nothing; NULL with NEVER_STREAMS. */
	void (*event)(struct reply *reply, enum piece piece, uint64_t index, struct text *out);
	/* An error inside a stream; NULL where `event` is. */
	void (*error_event)(
	    const struct problem *problem, const struct reply *reply, struct text *out);
	unsigned traits;
};

struct kind {
	const char *name;
	enum key_header key;
	const char *id_header; /* of answers; NULL: none */
	const char *heartbeat; /* what a stream sends while it waits */
	/* What it says for each status, and for a key that is missing (status 0: then any request
	 * is served) or wrong. */
	const struct usual *usual;
	struct problem no_key, bad_key;
	/* The head's lines about the provider's own limit, with the wait where it refuses; NULL:
	 * only the error's body tells of that. */
	void (*limit_lines)(
	    const struct limit *limit, const struct limit_state *state, struct text *out);
	/* NULL: no such path. `model` is set when the path names it. */
	const struct endpoint *(*route)(
	    struct str method, struct str path, struct str query, struct str *model);
	/* The members of a body, a space before and behind each; NULL: it takes any. A body that
	 * has others is refused with `unknown_member`, whose message may hold "{param}". */
	const char *members;
	struct problem unknown_member;
	/* What it misses in a request's head, in its body; NULL: nothing. */
	const struct problem *(*misses_in_head)(const struct request *request);
	const struct problem *(*misses_in_body)(const struct ask *ask);
	void (*error)(const struct problem *problem, const struct reply *reply, struct text *out);
};

extern const struct kind kind_openai, kind_anthropic, kind_gemini;

const struct kind *kind_find(const char *name); /* NULL: no such kind here */

/* Helpers for routes. */
bool path_ends(struct str path, const char *end);
/* What stands behind the first `mark` of the path; bytes NULL: it is not there. */
struct str path_behind(struct str path, const char *mark);
/* The endpoint of a table whose method and suffix fit; NULL: none. */
const struct endpoint *endpoint_find(
    const struct endpoint *table, size_t count, struct str method, struct str path);

/* Helpers for renderers. */
/* Fragment `index` of the content: "MODEL says: tok0", " tok1", ... */
void reply_fragment(const struct reply *reply, uint64_t index, struct text *out);
void reply_content(struct reply *reply, struct text *out); /* all fragments; sets pad_at */
void reply_thought(uint64_t index, struct text *out);
void reply_thoughts(const struct reply *reply, struct text *out);
/* Which call and which of its pieces a tool event is; false: it opens the call. */
struct tool_place {
	size_t call, piece;
	bool opens;
};
struct tool_place reply_tool_place(const struct reply *reply, uint64_t index);
/* Piece of the arguments; empty where the fault "bad_tool_json" leaves it out. */
struct str reply_tool_piece(const struct reply *reply, size_t call, size_t piece);
void reply_tool_arguments(const struct reply *reply, size_t call, struct text *out);
/* The arguments as a JSON object; as a string of JSON where they are none, or broken. */
void reply_tool_object(const struct reply *reply, size_t call, struct text *out);
/* The words of a refusal. */
#define REPLY_REFUSAL "I cannot help with that."
/* Calls `each` for every model that the catalogue lists. */
void reply_models(const struct reply *reply, struct text *out,
    void (*each)(struct str id, bool first, struct text *out));
