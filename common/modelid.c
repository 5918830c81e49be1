// SPDX-License-Identifier: MIT
/* See modelid.h. */
#include "common/modelid.h"

#include <string.h>

#include "common/hash.h"

/* Each text with its NUL, so that no two lists of texts look alike. */
static uint64_t
add(uint64_t digest, const char *text)
{
	struct hash_key key = { "grayd-model-1" };

	memcpy(key.bytes + sizeof(key.bytes) - sizeof(digest), &digest, sizeof(digest));
	return hash64(&key, text, strlen(text) + 1);
}

uint64_t
modelid(const struct config_model *model)
{
	uint64_t digest = 0;

	if (model == NULL)
		return 0;
	digest = add(digest, model->id);
	digest = add(digest, model->name);
	digest = add(digest, model->provider->name);
	digest = add(digest, provider_kind_names[model->provider->kind]);
	digest = add(digest, model->provider->base_url);
	return digest != 0 ? digest : 1;
}

void
modelid_release(const struct config_release *r, uint64_t out[ARM_COUNT])
{
	for (unsigned arm = 0; arm < ARM_COUNT; arm++)
		out[arm] = modelid(r->arms[arm]);
}
