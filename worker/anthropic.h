// SPDX-License-Identifier: MIT
/*
 * What the files of the `anthropic` kind share: the members that whole messages and events of
 * streams have in common. Used by provider_anthropic*.c only. Pure.
 */
#pragma once

#include "worker/facts.h"

#define ANTHROPIC_VERSION "2023-06-01" /* sent where the client names none */

/* A message: a whole answer, or what "message_start" holds. */
extern const struct reader_field anthropic_message_fields[];
/* "text", "thinking" and "stop_reason" of a delta. */
extern const struct reader_field anthropic_delta_fields[];
/* One block of a message's content. */
bool anthropic_block(struct reader *r, enum jtok first);
/* "usage": overwrites the figures that it names, since those of a stream are running totals. */
bool anthropic_usage(struct reader *r, enum jtok first);
/* "error": an object or a text. */
bool anthropic_error(struct reader *r, enum jtok first);

unsigned anthropic_read_event(
    enum api api, const struct sse_event *ev, uint8_t *scratch, struct facts *f);
