// SPDX-License-Identifier: MIT
/* Renderers of Anthropic's Messages API. */
#pragma once

#include "tests/simprovider/kind.h"

/* What a stream sends while it waits; real ones come in the midst of other events too. */
#define ANTHROPIC_PING "event: ping\ndata: {\"type\": \"ping\"}\n\n"

void anthropic_message_whole(struct reply *, struct text *out);
void anthropic_message_event(struct reply *, enum piece, uint64_t index, struct text *out);
