// SPDX-License-Identifier: MIT
/*
 * How a kind of provider speaks: one const struct of functions per kind. Everything here is pure:
 * bytes in, facts out. The attempt (attempt.c) and the relay (relay.c) know providers only so.
 */
#pragma once

#include "common/buf.h"
#include "common/config.h"
#include "worker/chat.h"
#include "worker/quality.h"
#include "worker/sse.h"

/* Tokens as billed; the first four are disjoint: each is multiplied by a price of its own. */
struct usage {
	bool present;
	uint64_t input;	      /* neither read from a cache nor written to one */
	uint64_t cached;      /* read from a cache */
	uint64_t cache_write; /* written to a cache */
	uint64_t output;      /* reasoning included */
	uint64_t reasoning;   /* of `output`; 0 where the provider does not tell */
	uint64_t tool_input;  /* of `input`: what tools of Gemini's own have found */
};

enum finish { FINISH_NONE, FINISH_STOP, FINISH_LENGTH, FINISH_FILTER, FINISH_TOOL, FINISH_OTHER };

/* What an answer, or the events of a stream so far, have said. Zero it before an attempt. */
struct facts {
	struct usage usage;
	enum finish finish;
	bool content; /* text, reasoning, a tool call, a vector: something a person waits for */
	uint64_t content_bytes; /* of its text so far, as written; reader_some() counts them */
	bool ended;		/* the end marker has come */
	/* Of an API without one: it is whole if it closes now; more may follow. */
	bool may_end;
	bool end_is_bare;    /* its last event had no content, so nothing is expected any more */
	bool end_is_unsure;  /* content came behind a finish: that alone proves nothing here */
	bool failed;	     /* the provider reported an error inside an answer */
	char error_code[64]; /* of that error, or of an error body; empty: none */
	char error_message[240]; /* printable, bounded */
	bool no_quota;		 /* the error means that no quota is left */
	bool bad_key;		 /* the error means that the key is no good, whatever its status */
	int64_t retry_after_ms;	 /* from the body; -1: none. Set it to -1 before. */
	struct quality quality;	 /* for the guard */
};

/* What one event of a stream is. Bits. */
enum event_mark {
	EVENT_COMMIT = 1,     /* carries the first thing a person waits for, or the finish */
	EVENT_END = 2,	      /* the end marker; nothing may follow */
	EVENT_USAGE_ONLY = 4, /* holds usage and nothing else: drop it if the client did not ask */
	EVENT_ERROR = 8,      /* an error; facts->error_* say which */
	EVENT_GARBAGE = 16,   /* data that is not what this API sends */
	EVENT_KEEPALIVE = 32, /* a comment or a ping: proves only that the connection lives */
};

#define PROVIDER_USER_AGENT "grayd/" GRAYD_VERSION
#define PROVIDER_LINES_MAX  2

/* Lines of a client's head that a kind may want to see, whole: "name: value"; NULL: none. */
struct client_lines {
	const char *anthropic_version, *anthropic_beta;
};

struct provider_ops {
	const char *name;
	/* Path after base_url; NULL: this kind does not serve the API, or model_path says it. */
	const char *(*path)(enum api api);
	/* The path where it depends on the model, NUL-terminated; NULL: it never does. */
	int (*model_path)(const char *model, bool stream, struct buf *out) MUST_CHECK;
	/* Adds the head's fixed lines ("name: value", each NUL-terminated, one after the other),
	 * the provider's key among them. The caller wipes `out` after use. */
	int (*headers)(const struct config_provider *p, struct buf *out) MUST_CHECK;
	/* The head's lines that differ from request to request; they are the client's or constant.
	 * Returns how many. NULL: this kind has none. */
	unsigned (*lines)(const struct client_lines *from, const char *out[PROVIDER_LINES_MAX]);
	/* Makes the client's body this provider's: model name, wish for usage in a stream. NULL: no
	 * client speaks its API. */
	int (*encode)(enum api api, const char *model, struct chat *c, struct body *b) MUST_CHECK;
	/* Reads a whole 2xx answer. False: not complete JSON of the expected kind. */
	bool (*read_answer)(
	    enum api api, const uint8_t *bytes, size_t n, struct facts *f) MUST_CHECK;
	/* Reads one event; returns marks (enum event_mark). `scratch` has ev->raw_len bytes. */
	unsigned (*read_event)(
	    enum api api, const struct sse_event *ev, uint8_t *scratch, struct facts *f);
	/* Reads the body of an error answer as far as it makes sense; never fails. */
	void (*read_error)(const uint8_t *bytes, size_t n, struct facts *f);
};

extern const struct provider_ops provider_openai, provider_anthropic, provider_gemini;
/* NULL: a kind that this version does not speak. */
const struct provider_ops *provider_ops(enum provider_kind kind);
/* For `headers`: the lines of all kinds, and room for others that hold `n` bytes of values, the key
 * among them: growing later would leave a copy of it in freed memory. */
int provider_begin_head(struct buf *out, size_t n) MUST_CHECK;
/* Adds a line and its NUL; nothing when the value is empty. */
int provider_add_line(struct buf *out, const char *name_and_colon, const char *value) MUST_CHECK;
