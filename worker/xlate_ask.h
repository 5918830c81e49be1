// SPDX-License-Identifier: MIT
/*
 * A chat request as all APIs mean it: what a client of one API has asked for, ready to be asked of
 * a provider of another. Strings and numbers are spans of the client's body and stay as they are
 * written there. Readers (xlate_read_*.c) fill it from one API, writers (xlate_write_*.c) say it in
 * another; what cannot be said is refused by the name that the client has used. What readers share
 * is in xlate_ask_read.h, what writers share in xlate_ask_write.h. Used by the workers. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/jout.h"
#include "worker/jscan.h"

#define ASK_ITEMS_MAX 16384 /* parts, turns, tools of one request */
#define ASK_DEPTH     12    /* of a member's path */

/* Why a request cannot be translated, for its sender. */
struct xlate_error {
	char param[96]; /* "messages[3].content[0]" */
	char message[320];
};

enum ask_part_kind {
	ASK_TEXT,
	ASK_IMAGE_URL,
	ASK_IMAGE_DATA, /* base64 */
	ASK_CALL,	/* of a tool, by the model */
	ASK_RESULT,	/* of a call; its texts are the n_texts parts that follow */
};
#define ASK_PART_KINDS (ASK_RESULT + 1)

/* One part of a turn. Spans are the inside of strings, unless said otherwise. */
struct ask_part {
	enum ask_part_kind kind;
	bool value;		/* call: `text` is a JSON value, not a string that holds one */
	bool is_error;		/* result: the tool has failed */
	uint32_t n_texts;	/* result */
	uint32_t message, item; /* where it stands; item ASK_WHOLE: it is all the content */
	struct jspan text;	/* text, URL, base64 data, or arguments */
	struct jspan media;	/* of image data: "image/png" */
	struct jspan id, name;	/* call, result: which call; call: of which tool */
};

#define ASK_WHOLE UINT32_MAX

/* What one side says before the other does. */
struct ask_turn {
	bool assistant;
	uint32_t first, n; /* of the parts */
};

struct ask_tool {
	struct jspan name, description; /* description: len 0: none */
	struct jspan schema;		/* of its arguments, a JSON value; len 0: none */
};

enum ask_choice { ASK_CHOICE_NONE_GIVEN, ASK_AUTO, ASK_NO_TOOL, ASK_ANY_TOOL, ASK_THIS_TOOL };
enum ask_format { ASK_PLAIN, ASK_JSON, ASK_SCHEMA };
enum ask_effort {
	ASK_EFFORT_NONE_GIVEN,
	ASK_EFFORT_NONE,
	ASK_EFFORT_MINIMAL,
	ASK_EFFORT_LOW,
	ASK_EFFORT_MEDIUM,
	ASK_EFFORT_HIGH
};

struct ask_list {
	void *items;
	uint32_t n, room;
};

struct ask_step {
	const uint8_t *name; /* NULL: an item of a list */
	uint32_t len, index;
};

struct ask {
	const uint8_t *body; /* the client's */
	bool stream;
	struct ask_list system; /* struct jspan: texts */
	struct ask_list turns, parts, tools;
	struct ask_list stops; /* struct jspan: strings */
	struct ask_list calls; /* uint32_t: parts, sorted for ask_find_call() */
	/* Numbers as they are written; len 0: not given. */
	struct jspan max_tokens, temperature, top_p, top_k, seed, presence_penalty,
	    frequency_penalty;
	struct jspan thinking_tokens; /* how much the model may think, at most */
	struct jspan user;	      /* len 0: not given */
	enum ask_choice choice;
	struct jspan choice_name;
	bool one_call; /* at most one call of a tool in an answer */
	enum ask_format format;
	struct jspan schema;	  /* of the answer, a JSON value */
	struct jspan schema_name; /* len 0: none */
	enum ask_effort effort;

	struct xlate_error error;
	bool refused, no_memory;
	/* While it is read. */
	struct ask_step path[ASK_DEPTH];
	unsigned depth;
	uint32_t message; /* that is being read */
};

static inline struct jspan *
ask_spans(const struct ask_list *l)
{
	return l->items;
}

static inline struct ask_turn *
ask_turns(const struct ask *a)
{
	return a->turns.items;
}

static inline struct ask_part *
ask_parts(const struct ask *a)
{
	return a->parts.items;
}

static inline struct ask_tool *
ask_tools(const struct ask *a)
{
	return a->tools.items;
}

void ask_free(struct ask *a);

/* Refuses what the path stands at: the message is "'PATH' " and the text. Always false, like all
 * that refuse. */
bool ask_refuse(struct ask *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Refuses a member of the request that was read well, by its name. */
bool ask_refuse_member(struct ask *a, const char *param, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Refuses a part, by its place in the client's request with `member` behind it. */
bool ask_refuse_part(struct ask *a, const struct ask_part *part, const char *member,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

/* What follows adds to the request; false or NULL: memory, or too many. */

/* Adds to the last turn if it is of the same side, else begins one. */
bool ask_begin_turn(struct ask *a, bool assistant);
/* A part of the last turn. */
struct ask_part *ask_add_part(struct ask *a, enum ask_part_kind kind, uint32_t item);
/* Empty texts are not worth one. */
bool ask_add_text(struct ask *a, struct jspan text, uint32_t item);
bool ask_add_system(struct ask *a, struct jspan text);
bool ask_add_stop(struct ask *a, struct jspan text);
struct ask_tool *ask_add_tool(struct ask *a);

/* The call that a result answers: the last one before it with its id. NULL: none, or no memory. */
const struct ask_part *ask_find_call(struct ask *a, const struct ask_part *result);

/* Whoever reads one API: false: refused or no memory. */
bool xlate_read_chat(struct ask *a, const uint8_t *body, size_t n);
bool xlate_read_messages(struct ask *a, const uint8_t *body, size_t n);

struct xlate_target {
	const char *model;	/* plain text */
	uint32_t max_tokens;	/* where the client names none and the API wants some */
	bool completion_tokens; /* openai: name them max_completion_tokens */
};

/* Whoever says it in one API: false: refused or no memory (o->failed too). */
bool xlate_write_messages(struct ask *a, const struct xlate_target *t, struct jout *o);
bool xlate_write_gemini(struct ask *a, const struct xlate_target *t, struct jout *o);
bool xlate_write_chat(struct ask *a, const struct xlate_target *t, struct jout *o);
