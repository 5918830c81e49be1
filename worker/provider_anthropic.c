// SPDX-License-Identifier: MIT
/*
 * The `anthropic` kind: the Messages API. Used by the workers. Pure: bytes in, facts out.
 */
#include <string.h>

#include "worker/anthropic.h"
#include "worker/errorbody.h"

static const char *
request_path(enum api api)
{
	return api == API_MESSAGES ? "/messages" : NULL;
}

static int
request_headers(const struct config_provider *p, struct buf *out)
{
	const char *key = p->api_key != NULL ? secret_text(p->api_key) : "";

	if (provider_begin_head(out, strlen(key)) != 0)
		return -1;
	return provider_add_line(out, "x-api-key: ", key);
}

static unsigned
request_lines(const struct client_lines *from, const char *out[PROVIDER_LINES_MAX])
{
	unsigned n = 0;

	out[n++] = from->anthropic_version != NULL ? from->anthropic_version
						   : "anthropic-version: " ANTHROPIC_VERSION;
	if (from->anthropic_beta != NULL)
		out[n++] = from->anthropic_beta;
	return n;
}

static int
request_encode(enum api api, const char *model, struct chat *c, struct body *b)
{
	(void)api; /* streams tell their usage unasked */
	return chat_set_model(c, b, model);
}

static bool
read_answer(enum api api, const uint8_t *bytes, size_t n, struct facts *f)
{
	struct reader r = { .facts = f };

	(void)api;
	if (!reader_run(&r, bytes, n, anthropic_message_fields))
		return false;
	if (r.seen & FACTS_ERROR)
		facts_failed(bytes, n, f);
	return r.seen & (FACTS_ERROR | FACTS_LIST);
}

const struct provider_ops provider_anthropic = {
	.name = "anthropic",
	.path = request_path,
	.headers = request_headers,
	.lines = request_lines,
	.encode = request_encode,
	.read_answer = read_answer,
	.read_event = anthropic_read_event,
	.read_error = errorbody_read,
};
