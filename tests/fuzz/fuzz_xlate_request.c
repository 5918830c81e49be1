// SPDX-License-Identifier: MIT
/*
 * Requests on their way into another API, each direction by the first byte. Nothing crashes; what
 * comes out is a JSON object that can be looked at like any request, and a refusal names a member.
 */
#include <assert.h>
#include <string.h>

#include "worker/xlate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct {
	enum api asked;
	enum provider_kind kind;
} directions[] = {
	{ API_CHAT, PROVIDER_ANTHROPIC },
	{ API_CHAT, PROVIDER_GEMINI },
	{ API_MESSAGES, PROVIDER_OPENAI },
	{ API_MESSAGES, PROVIDER_GEMINI },
};

static enum xlate_verdict
translate(
    unsigned direction, const uint8_t *bytes, size_t n, struct buf *out, struct xlate_error *e)
{
	static char url[] = "http://127.0.0.1/v1", name[] = "the \"model\"";
	struct config_provider provider = {
		.kind = directions[direction].kind,
		.base_url = url,
	};
	struct config_model model = { .name = name, .provider = &provider, .max_tokens = 100 };
	struct xlate_order order = {
		.asked = directions[direction].asked,
		.body = bytes,
		.n = n,
		.stream = n % 2 == 0,
		.model = &model,
	};

	return xlate_request(&order, out, e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct chat_keys keys = { 0 };
	struct chat_error error;
	struct xlate_error e, again;
	struct buf out = { 0 };
	enum xlate_verdict found;
	unsigned direction;
	struct chat c;

	if (n == 0)
		return 0;
	direction = bytes[0] % 4;
	bytes++;
	n--;
	if (chat_scan(&c, &keys, bytes, n, &error) != 0)
		return 0; /* such a body never comes so far */
	found = translate(direction, bytes, n, &out, &e);
	assert(found == translate(direction, bytes, n, NULL, &again));
	assert(found != XLATE_NO_MEMORY);
	if (found == XLATE_OK)
		assert(jscan_is_object(buf_bytes(&out), buf_len(&out)));
	else
		assert(e.message[0] != '\0' && strcmp(e.message, again.message) == 0);
	buf_free(&out);
	return 0;
}
