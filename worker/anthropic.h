// SPDX-License-Identifier: MIT
/*
 * What the files of the `anthropic` kind share: the members that whole messages and events of
 * streams have in common. Used by provider_anthropic*.c only. Pure.
 */
#pragma once

#include "worker/reader.h"

#define ANTHROPIC_VERSION "2023-06-01" /* sent where the client names none */

/* Bits of reader.seen. */
enum anthropic_seen {
	ANTHROPIC_LIST = 1,    /* "content" of a message: an array */
	ANTHROPIC_CONTENT = 2, /* something that a person waits for */
	ANTHROPIC_FINISH = 4,  /* a "stop_reason" that is not null */
	ANTHROPIC_ERROR = 8,   /* "error": an object or a text, or "type": "error" */
};

/* A message: a whole answer, or what "message_start" holds. */
extern const struct reader_field anthropic_message_fields[];
/* "text", "thinking" and "stop_reason" of a delta. */
extern const struct reader_field anthropic_delta_fields[];
/* One block of a message's content. */
bool anthropic_block(struct reader *r, enum jtok first);
/* "usage": overwrites the figures that it names, since those of a stream are running totals. */
bool anthropic_usage(struct reader *r, enum jtok first);
bool anthropic_error(struct reader *r, enum jtok first);

unsigned anthropic_read_event(
    enum api api, const struct sse_event *ev, uint8_t *scratch, struct facts *f);
