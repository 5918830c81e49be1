// SPDX-License-Identifier: MIT
/*
 * The body scanner and the two changes to a body. A body that is taken stays JSON, says what was
 * asked, and is otherwise the same; what the scan says of it stays true.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct chat_keys keys = { 4, { { "user", NULL }, { "metadata", "user_id" },
					      { "metadata", "x" }, { "conversation", NULL } } };

static bool
same_span(struct jspan a, struct jspan b)
{
	return a.len == b.len && (a.len == 0 || a.off == b.off);
}

static void
check_rescan(const struct chat *c, const struct body *b)
{
	struct chat_error error;
	struct chat fresh;

	assert(jscan_valid(body_bytes(b), b->len));
	assert(chat_scan(&fresh, &keys, body_bytes(b), b->len, &error) == 0);
	assert(same_span(c->model, fresh.model) && c->model_escaped == fresh.model_escaped);
	assert(same_span(c->stream_options, fresh.stream_options));
	assert(same_span(c->include_usage, fresh.include_usage));
	for (unsigned i = 0; i < keys.n; i++) {
		assert(same_span(c->keys[i], fresh.keys[i]));
		assert(c->keys_escaped[i] == fresh.keys_escaped[i]);
	}
	assert(c->last_brace == fresh.last_brace && c->stream == fresh.stream);
	assert(c->bound == fresh.bound && c->has_tools == fresh.has_tools);
	assert(c->wants_json == fresh.wants_json);
	assert((c->usage_asked || c->usage_added) == fresh.usage_asked);
}

/* The body's bytes are `before`, but for the model's name. */
static void
check_only_model(const struct chat *c, const struct body *b, const struct chat *old,
    const uint8_t *before, size_t n)
{
	size_t tail = n - old->model.off - old->model.len;

	assert(b->len == n - old->model.len + c->model.len);
	assert(memcmp(body_bytes(b), before, old->model.off) == 0);
	assert(memcmp(body_bytes(b) + b->len - tail, before + n - tail, tail) == 0);
}

/* Only one stretch may differ: what was put in is short. */
static void
check_one_stretch(const struct body *b, const uint8_t *before, size_t n)
{
	size_t head = 0, tail = 0;

	while (head < n && head < b->len && body_bytes(b)[head] == before[head])
		head++;
	while (tail < n - head && tail < b->len - head &&
	       body_bytes(b)[b->len - 1 - tail] == before[n - 1 - tail])
		tail++;
	assert(b->len - head - tail <= 64 && n - head - tail <= 8);
}

static uint8_t *
copy_of(const struct body *b)
{
	uint8_t *copy = malloc(b->len);

	assert(copy != NULL);
	memcpy(copy, body_bytes(b), b->len);
	return copy;
}

static void
change(struct chat *c, struct body *b, const char *name)
{
	struct chat old = *c;
	uint8_t *before = copy_of(b);
	size_t n = b->len;

	assert(chat_set_model(c, b, name) == 0);
	check_only_model(c, b, &old, before, n);
	check_rescan(c, b);
	free(before);
	before = copy_of(b);
	n = b->len;
	assert(chat_ask_usage(c, b) == 0);
	check_one_stretch(b, before, n);
	check_rescan(c, b);
	free(before);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char *const names[] = { "x", "a-longer-name-of-a-model", "q\"\\\n",
		"a-name-that-is-longer-than-all-the-room-on-one-side-of-a-body-"
		"a-name-that-is-longer-than-all-the-room-on-one-side-of-a-body-"
		"a-name-that-is-longer-than-all-the-room-on-one-side-of-a-body-"
		"a-name-that-is-longer-than-all-the-room-on-one-side-of-a-body-"
		"a-name-that-is-longer-than-all-the-room-on-one-side-of-a-body" };
	struct chat_error error = { "", "" };
	struct body b = { 0 };
	struct chat c;

	if (chat_scan(&c, &keys, bytes, n, &error) != 0) {
		assert(error.message[0] != '\0');
		assert(strlen(error.message) < sizeof(error.message));
		assert(strlen(error.param) < sizeof(error.param));
		return 0;
	}
	assert(body_append(&b, bytes, n) == 0);
	check_rescan(&c, &b);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		change(&c, &b, names[i]);
	change(&c, &b, names[0]);
	body_free(&b);
	return 0;
}
