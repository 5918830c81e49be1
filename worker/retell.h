// SPDX-License-Identifier: MIT
/*
 * An answer on its way from a provider of one API to a client of another: sources (xlate_from_*.c)
 * read it piece by piece, sinks (xlate_to_*.c) write each piece at once, whole answers and streams
 * alike. Texts are copied as they are written in JSON. Whatever a provider sends and in whatever
 * order, what comes out is well-formed, or the answer is `bad` and ends. Used by the workers. Pure.
 */
#pragma once

#include "worker/jout.h"
#include "worker/provider.h"

#define RETELL_NAME_BYTES                                                      \
	200 /* of the provider's id and model's name; longer ones are not used \
	     */

/* The inside of a JSON string; in provider's bytes. */
struct inside {
	const uint8_t *bytes;
	size_t n;
};

struct retell;

/* A sink. Each writes what it must, or sets answer.bad. */
struct retell_sink {
	void (*begin)(struct retell *t);
	void (*text)(struct retell *t, struct inside text);
	void (*thought)(struct retell *t, struct inside text);
	void (*call)(struct retell *t, struct inside id, struct inside name);
	/* A piece of the arguments of the call begun last, as a string holds it. */
	void (*arguments)(struct retell *t, struct inside piece);
	/* All of them, as a JSON value. */
	void (*value)(struct retell *t, const uint8_t *json, size_t n);
	/* Nothing but a sign of life. */
	void (*alive)(struct retell *t);
	void (*end)(struct retell *t, const struct facts *f);
};

enum retell_block { BLOCK_NONE, BLOCK_TEXT, BLOCK_CALL };

/* Zeroed but for the first group, it is ready. */
struct retell {
	const struct retell_sink *sink;
	struct jout out;			  /* what the client gets */
	const char *fallback_id, *fallback_model; /* if the provider names none; plain text */
	uint64_t created_s;			  /* wall clock */
	uint64_t max_bytes;			  /* what may wait in out.buf */
	uint64_t seed;	   /* random; ids of calls are made of it where there are none */
	bool usage_asked;  /* chat streams: a chunk with the usage */
	bool call_is_text; /* the arguments of the only call are the answer's text */

	bool begun, ended;
	bool too_large; /* more than `max_bytes` waits in out.buf; then it is bad, too */
	bool bad;	/* the provider's answer cannot be told to the client */
	bool refused;	/* it says itself that it is a refusal */
	char id[RETELL_NAME_BYTES], model[RETELL_NAME_BYTES]; /* insides of JSON strings */
	size_t id_len, model_len;

	/* Of the source: which of its blocks or calls is under way. */
	uint64_t source_index;
	bool source_open;
	char source_id[64];
	size_t source_id_len;

	/* Of the sink. */
	enum retell_block block;
	unsigned n_calls, n_blocks;
	bool in_call;			  /* nothing else has come since the last call began */
	bool some_arguments;		  /* of it */
	struct buf standing;		  /* its arguments, if no others come */
	struct buf text, thoughts, calls; /* of whole answers */
};

extern const struct retell_sink retell_chat_whole, retell_chat_stream, retell_messages_whole,
    retell_messages_stream;

void retell_free(struct retell *t); /* what the sinks have collected; `out` is the caller's */

/* ---- sources: false: bytes that are not what this API sends, or out of memory -----------------
 */

bool xlate_answer_from_anthropic(struct retell *t, const uint8_t *bytes, size_t n) MUST_CHECK;
bool xlate_event_from_anthropic(struct retell *t, const uint8_t *data, size_t n) MUST_CHECK;
/* Whole answers and the data of events. */
bool xlate_from_gemini(struct retell *t, const uint8_t *bytes, size_t n) MUST_CHECK;
bool xlate_from_openai(struct retell *t, const uint8_t *bytes, size_t n) MUST_CHECK;

/* ---- for sources ------------------------------------------------------------------------------
 */

/* Who answers; what comes first stands. Before anything else. */
void retell_identify(struct retell *t, struct inside id, struct inside model);
void retell_text(struct retell *t, struct inside text);
void retell_thought(struct retell *t, struct inside text);
/* An empty id is made up. */
void retell_call(struct retell *t, struct inside id, struct inside name);
void retell_arguments(struct retell *t, struct inside piece);
void retell_value(struct retell *t, const uint8_t *json, size_t n);
/* The same, if nothing else comes of the call's arguments; told when it is over. */
void retell_standing_value(struct retell *t, const uint8_t *json, size_t n);
void retell_alive(struct retell *t);
/* The end of the answer: what remains to be said. */
void retell_end(struct retell *t, const struct facts *f);

/* ---- for sinks --------------------------------------------------------------------------------
 */

/* "input_tokens" and such cannot overflow: each is below 10^15. */
static inline uint64_t
retell_input(const struct usage *u)
{
	return u->input + u->cached + u->cache_write;
}
