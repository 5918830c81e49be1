// SPDX-License-Identifier: MIT
/*
 * What the files of the `openai` kind share: the members that whole answers and events of streams
 * have in common. Used by provider_openai*.c only. Pure.
 */
#pragma once

#include "worker/reader.h"

/* Bits of reader.seen. */
enum openai_seen {
	OPENAI_LIST = 1,    /* the array that the API promises: choices, data, output */
	OPENAI_ITEM = 2,    /* and something in it */
	OPENAI_CONTENT = 4, /* something that a person waits for */
	OPENAI_FINISH = 8,
	OPENAI_USAGE = 16,
	OPENAI_ERROR = 32,    /* "error": an object or a text */
	OPENAI_FAILED = 64,   /* "status": "failed" */
	OPENAI_PENDING = 128, /* "status" of a response that is made in the background */
};

/* What reader.into points to. */
struct openai_spans {
	struct jspan type;  /* "type" of an event, between the quotes */
	struct jspan error; /* the value of "error" */
	struct quality_string delta; /* "delta" of an event, if it is a text */
	struct quality_call call; /* the tool call that is being read */
};

/* An answer, or a chunk of a stream, of chat and completions. */
extern const struct reader_field openai_choices_fields[];
/* "usage" of all APIs. */
bool openai_usage(struct reader *r, enum jtok first);
/* "error" at the top: OPENAI_ERROR, and its span. */
bool openai_error(struct reader *r, enum jtok first);
/* A value that is content when there is something in it. */
bool openai_content(struct reader *r, enum jtok first);
/* The same, of a text that people or programs read: it is looked at for the guard too. */
bool openai_text(struct reader *r, enum jtok first);
bool openai_call_name(struct reader *r, enum jtok first);
bool openai_call_arguments(struct reader *r, enum jtok first);
/* An item of a response's output; calls are looked at for the guard. */
bool openai_item(struct reader *r, enum jtok first, const struct reader_field *fields);
/* A response object of /responses. */
extern const struct reader_field openai_response_fields[];

unsigned openai_read_event(
    enum api api, const struct sse_event *ev, uint8_t *scratch, struct facts *f);
