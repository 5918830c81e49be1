// SPDX-License-Identifier: MIT
/*
 * What the files of the `openai` kind share: the members that whole answers and events of streams
 * have in common. Used by provider_openai*.c only. Pure.
 */
#pragma once

#include "worker/facts.h"

/* Bits of reader.seen, beside those of all kinds. */
enum openai_seen {
	OPENAI_ITEM = FACTS_OWN, /* something in the promised list */
	OPENAI_USAGE = FACTS_OWN << 1,
	OPENAI_FAILED = FACTS_OWN << 2,	 /* "status": "failed" */
	OPENAI_PENDING = FACTS_OWN << 3, /* "status" of one that is made in the background */
};

/* What reader.into points to. */
struct openai_spans {
	struct jspan type;	     /* "type" of an event, between the quotes */
	struct jspan error;	     /* the value of "error" */
	struct quality_string delta; /* "delta" of an event, if it is a text */
	struct quality_call call;    /* the tool call that is being read */
};

/* An answer, or a chunk of a stream, of chat and completions. */
extern const struct reader_field openai_choices_fields[];
/* "usage" of all APIs. */
bool openai_usage(struct reader *r, enum jtok first);
/* "error" at the top, an object or a text: FACTS_ERROR, and its span. */
bool openai_error(struct reader *r, enum jtok first);
bool openai_call_name(struct reader *r, enum jtok first);
bool openai_call_arguments(struct reader *r, enum jtok first);
/* An item of a response's output; calls are looked at for the guard. */
bool openai_item(struct reader *r, enum jtok first, const struct reader_field *fields);
/* A response object of /responses. */
extern const struct reader_field openai_response_fields[];

unsigned openai_read_event(
    enum api api, const struct sse_event *ev, uint8_t *scratch, struct facts *f);
