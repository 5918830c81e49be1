// SPDX-License-Identifier: MIT
/*
 * The table of provider kinds; see provider.h. Used by the workers. A new kind is one row here and
 * its own files, and nothing else changes.
 */
#include "worker/provider.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const struct provider_ops *const kinds[PROVIDER_KIND_COUNT] = {
	[PROVIDER_OPENAI] = &provider_openai,
	[PROVIDER_ANTHROPIC] = &provider_anthropic,
	[PROVIDER_GEMINI] = &provider_gemini,
};

const struct provider_ops *
provider_ops(enum provider_kind kind)
{
	assert((unsigned)kind < PROVIDER_KIND_COUNT);
	return kinds[kind];
}

int
provider_begin_head(struct buf *out, size_t n)
{
	if (buf_reserve(out, 512 + n) != 0 ||
	    provider_add_line(out, "Content-Type: ", "application/json") != 0)
		return -1;
	return provider_add_line(out, "User-Agent: ", PROVIDER_USER_AGENT);
}

int
provider_add_line(struct buf *out, const char *name_and_colon, const char *value)
{
	if (value[0] == '\0')
		return 0;
	if (buf_adds(out, name_and_colon) != 0)
		return -1;
	return buf_add(out, value, strlen(value) + 1);
}
