// SPDX-License-Identifier: MIT
/*
 * The two changes that may be made to a request's body; see chat.h. Used by the workers. Invariant:
 * after each change every span of struct chat names the same thing as before, where it is now.
 */
#include <assert.h>
#include <string.h>

#include "common/json_escape.h"
#include "common/text.h"
#include "worker/chat.h"

#define USAGE_NAME   "\"include_usage\":"
#define ASKED	     USAGE_NAME "true"
#define ASKED_OBJECT "{" ASKED "}"
#define OPTIONS_NAME ",\"stream_options\":"

struct change {
	size_t at, old_len, new_len;
};

/* What lies behind the change moves; what it lies in, or is, grows or shrinks. */
static void
follow(struct jspan *span, const struct change *change)
{
	if (span->len == 0)
		return;
	if (span->off >= change->at + change->old_len)
		span->off = span->off - change->old_len + change->new_len;
	else if (span->off <= change->at && change->at < span->off + span->len)
		span->len = span->len - change->old_len + change->new_len;
}

static int
replace(struct chat *c, struct body *b, struct jspan old, const void *bytes, size_t n)
{
	struct change change = { old.off, old.len, n };

	if (body_replace(b, old.off, old.len, bytes, n) != 0)
		return -1;
	follow(&c->model, &change);
	follow(&c->stream_options, &change);
	follow(&c->include_usage, &change);
	follow(&c->tools, &change);
	follow(&c->prompt, &change);
	for (unsigned i = 0; i < CHAT_KEYS_MAX; i++)
		follow(&c->keys[i], &change);
	c->last_brace = c->last_brace - old.len + n;
	return 0;
}

static int
insert(struct chat *c, struct body *b, size_t at, const char *text)
{
	return replace(c, b, (struct jspan){ at, 0 }, text, strlen(text));
}

int
chat_set_model(struct chat *c, struct body *b, const char *name)
{
	const uint8_t *bytes = (const uint8_t *)name, *end = bytes + strlen(name);
	bool plain = text_plain_end(bytes, end) == end;
	struct buf escaped = { 0 };
	int rc = -1;

	assert(bytes < end);
	if (plain)
		rc = replace(c, b, c->model, bytes, (size_t)(end - bytes));
	else if (json_escape(&escaped, bytes, (size_t)(end - bytes)) == 0)
		rc = replace(c, b, c->model, buf_bytes(&escaped), buf_len(&escaped));
	buf_free(&escaped);
	if (rc == 0)
		c->model_escaped = memchr(body_bytes(b) + c->model.off, '\\', c->model.len) != NULL;
	return rc;
}

static bool
is_empty_object(const struct body *b, struct jspan object)
{
	struct jscan s;

	jscan_init(&s, body_bytes(b) + object.off, object.len);
	return jscan_next(&s) == JTOK_OBJECT && jscan_next(&s) == JTOK_OBJECT_END;
}

static int
add_options(struct chat *c, struct body *b)
{
	size_t at = c->last_brace;

	if (insert(c, b, at, OPTIONS_NAME ASKED_OBJECT) != 0)
		return -1;
	c->stream_options = (struct jspan){ at + strlen(OPTIONS_NAME), strlen(ASKED_OBJECT) };
	return 0;
}

static int
ask(struct chat *c, struct body *b)
{
	struct jspan *options = &c->stream_options;
	int rc;

	if (c->include_usage.len > 0)
		return replace(c, b, c->include_usage, "true", 4);
	if (options->len == 0)
		rc = add_options(c, b);
	else if (body_bytes(b)[options->off] == 'n') /* null */
		rc = replace(c, b, *options, ASKED_OBJECT, strlen(ASKED_OBJECT));
	else
		rc = insert(
		    c, b, options->off + 1, is_empty_object(b, *options) ? ASKED : ASKED ",");
	if (rc == 0)
		c->include_usage = (struct jspan){ options->off + 1 + strlen(USAGE_NAME), 4 };
	return rc;
}

int
chat_ask_usage(struct chat *c, struct body *b)
{
	if (c->usage_asked || c->usage_added)
		return 0;
	if (ask(c, b) != 0)
		return -1;
	c->usage_added = true;
	return 0;
}
