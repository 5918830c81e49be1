// SPDX-License-Identifier: MIT
/* What a stress test asks: bodies of requests, made once, from a file or from a built-in few. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct stress_prompts {
	char **bodies;
	size_t n;
};

/* Each line of the file is a prompt; a line that begins with '{' is a whole request, of which model
 * and stream are set. Empty lines are passed over. `path` NULL: the built-in few. `max_tokens` 0:
 * none is asked for. */
int stress_prompts_read(struct stress_prompts *p, const char *path, const char *model, bool stream,
    uint64_t max_tokens, struct err *e) MUST_CHECK;
void stress_prompts_free(struct stress_prompts *p);
