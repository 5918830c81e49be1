// SPDX-License-Identifier: MIT
/*
 * What grayd needs to know of a request's body: the byte spans of a few members, found in one pass
 * over the client's bytes, which are never parsed and printed. And the two changes that may be made
 * to it: the model's name, and the wish for usage in a stream. Used by the workers. Every span is
 * true of the body as it is now, also after a change. Pure.
 */
#pragma once

#include <stdbool.h>

#include "worker/body.h"
#include "worker/jscan.h"

#define CHAT_KEYS_MAX 16

/* Which request API a body belongs to. The last is Gemini's own, which only providers speak. */
enum api {
	API_CHAT,
	API_COMPLETIONS,
	API_EMBEDDINGS,
	API_RESPONSES,
	API_MESSAGES,
	API_GENERATE,
	API_COUNT
};

/* Members that sticky keys are taken from, collected over all releases of a config: "user", or
 * "metadata" with child "user_id". */
struct chat_keys {
	unsigned n;
	struct {
		const char *name, *child; /* child NULL: the member itself */
	} keys[CHAT_KEYS_MAX];
};

struct chat {
	struct jspan model;	    /* between the quotes */
	bool model_escaped;	    /* compare it unescaped only */
	bool stream;		    /* "stream": true */
	bool usage_asked;	    /* by the client: stream_options.include_usage: true */
	bool usage_added;	    /* by chat_ask_usage() */
	bool has_tools, wants_json; /* tools not empty; response_format asks for JSON */
	bool bound;		    /* previous_response_id or conversation is given and not null */
	bool far_tools; /* a stored prompt or servers of tools: the provider knows more tools */
	struct jspan stream_options;	  /* the whole value; len 0: absent */
	struct jspan tools;		  /* the whole value; len 0: absent */
	struct jspan prompt;		  /* messages, input or prompt, whole; len 0: absent */
	struct jspan include_usage;	  /* its value within stream_options; len 0: absent */
	struct jspan keys[CHAT_KEYS_MAX]; /* as chat_keys; strings and numbers only, len 0: absent,
					   * empty or another type; strings between the quotes */
	bool keys_escaped[CHAT_KEYS_MAX];
	size_t last_brace; /* of the top-level object */
};

struct chat_error {
	char message[160]; /* for the client: names the member or the byte */
	char param[32];	   /* the member; empty: none */
};

/* Scans a body. -1: `error` is filled (not JSON, not an object, no model, model not a string or
 * empty, stream not a boolean or null, stream_options not an object or null, a member that matters
 * given twice). A name counts however it is spelled: "mod\u0065l" is "model". */
int chat_scan(struct chat *c, const struct chat_keys *keys, const uint8_t *body, size_t len,
    struct chat_error *error) MUST_CHECK;
/* Puts another model's name into the body (`name` is plain text; it is escaped as needed) and keeps
 * all spans true. May be called again for the other arm. */
int chat_set_model(struct chat *c, struct body *b, const char *name) MUST_CHECK;
/* Makes sure that stream_options.include_usage is true. Does nothing if it is. */
int chat_ask_usage(struct chat *c, struct body *b) MUST_CHECK;
