// SPDX-License-Identifier: MIT
/*
 * Answers on their way back into the API of a client, each direction, whole and streamed, by the
 * first byte. Whatever a provider sends, in whatever order, what comes out is JSON, event by event,
 * and ends at most once.
 */
#include <assert.h>
#include <stdlib.h>
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

static void
check_events(const struct buf *out)
{
	const uint8_t *at = buf_bytes(out);
	size_t left = buf_len(out);

	while (left > 0) {
		struct sse sse = { 0 };
		struct sse_event ev;
		bool whole = sse_next(&sse, at, left, &ev);
		bool done;

		assert(whole && !ev.more_data);
		done = ev.data_len == 6 && memcmp(ev.data, "[DONE]", 6) == 0;
		assert(ev.data == NULL || done || jscan_is_object(ev.data, ev.data_len));
		at += ev.raw_len;
		left -= ev.raw_len;
		assert(!done || left == 0);
	}
}

static void
run_whole(struct retell *t, enum provider_kind kind, enum api api, const uint8_t *bytes, size_t n)
{
	struct facts f = { .retry_after_ms = -1 };

	if (!provider_ops(kind)->read_answer(api, bytes, n, &f) || f.failed)
		return;
	if (xlate_answer(t, kind, bytes, n, &f))
		assert(jscan_is_object(buf_bytes(t->out.buf), buf_len(t->out.buf)));
}

static void
run_stream(struct retell *t, enum provider_kind kind, enum api api, const uint8_t *bytes, size_t n)
{
	struct facts f = { .retry_after_ms = -1 };
	struct sse sse = { 0 };
	struct sse_event ev;
	bool go_on = true;

	while (go_on && !f.ended && sse_next(&sse, bytes, n, &ev)) {
		uint8_t *scratch = malloc(ev.raw_len);
		const uint8_t *data = ev.data;
		size_t len = ev.data_len;
		unsigned marks = provider_ops(kind)->read_event(api, &ev, scratch, &f);

		if (ev.more_data) {
			len = sse_join(&ev, scratch);
			data = scratch;
		}
		go_on = !(marks & (EVENT_ERROR | EVENT_GARBAGE)) &&
			xlate_event(t, kind, marks, data, len, &f);
		bytes += ev.raw_len;
		n -= ev.raw_len;
		free(scratch);
	}
	if (go_on && !f.ended && f.may_end) {
		f.ended = true;
		go_on = xlate_event(t, kind, EVENT_END, NULL, 0, &f);
	}
	if (!t->bad)
		check_events(t->out.buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct xlate_traits traits;
	struct buf out = { 0 };
	struct retell t;
	unsigned direction;
	enum api api;

	if (n == 0)
		return 0;
	direction = bytes[0] % 4;
	traits = (struct xlate_traits){
		.stream = bytes[0] & 4, .usage_asked = bytes[0] & 8, .schema = bytes[0] & 16
	};
	api = xlate_api(directions[direction].asked, directions[direction].kind);
	xlate_answer_init(&t, directions[direction].asked, directions[direction].kind, &traits);
	t.out.buf = &out;
	t.max_bytes = 1 << 20;
	t.fallback_id = "id";
	t.fallback_model = "model";
	if (traits.stream)
		run_stream(&t, directions[direction].kind, api, bytes + 1, n - 1);
	else
		run_whole(&t, directions[direction].kind, api, bytes + 1, n - 1);
	retell_free(&t);
	buf_free(&out);
	return 0;
}
