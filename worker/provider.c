// SPDX-License-Identifier: MIT
/*
 * The table of provider kinds; see provider.h. Used by the workers. A new kind is one row here and
 * its own files, and nothing else changes.
 */
#include "worker/provider.h"

#include <assert.h>
#include <stddef.h>

static const struct provider_ops *const kinds[PROVIDER_KIND_COUNT] = {
	[PROVIDER_OPENAI] = &provider_openai,
};

const struct provider_ops *
provider_ops(enum provider_kind kind)
{
	assert((unsigned)kind < PROVIDER_KIND_COUNT);
	return kinds[kind];
}
