// SPDX-License-Identifier: MIT
/* Renderers of Gemini's own API. */
#pragma once

#include "tests/simprovider/kind.h"

void gemini_content_whole(struct reply *, struct text *out);
void gemini_content_array(struct reply *, struct text *out); /* the same as an array of one */
void gemini_content_event(struct reply *, enum piece, uint64_t index, struct text *out);
