// SPDX-License-Identifier: MIT
/* Renderers of the OpenAI format, one pair for each endpoint. */
#pragma once

#include "tests/simprovider/kind.h"

void openai_chat_whole(struct reply *, struct text *out);
void openai_chat_event(struct reply *, enum piece, uint64_t index, struct text *out);
void openai_legacy_whole(struct reply *, struct text *out);
void openai_legacy_event(struct reply *, enum piece, uint64_t index, struct text *out);
void openai_embeddings_whole(struct reply *, struct text *out);
void openai_models_whole(struct reply *, struct text *out);
void openai_model_whole(struct reply *, struct text *out);
void openai_responses_whole(struct reply *, struct text *out);
void openai_responses_event(struct reply *, enum piece, uint64_t index, struct text *out);
void openai_responses_error_event(const struct problem *, const struct reply *, struct text *out);
/* `name` (a comma, quotes and a colon with it) and the string, or null where it is empty. */
void openai_member(struct text *out, const char *name, struct str value);
