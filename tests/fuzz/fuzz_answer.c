// SPDX-License-Identifier: MIT
/*
 * Everything that reads what a provider sent: whole answers, events, error bodies. The first byte
 * of the input chooses the API. Nothing crashes, and what is told of it is printable UTF-8.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "worker/provider.h"
#include "worker/retryafter.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
check_text(const char *text, size_t cap)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + strnlen(text, cap);

	assert((size_t)(end - p) < cap);
	while (p < end) {
		size_t n = *p < 0x80 ? 1 : text_utf8_length(p, end);

		assert(n > 0 && *p >= 0x20 && *p != 0x7f);
		assert(n != 2 || p[0] != 0xc2 || p[1] >= 0xa0);
		p += n;
	}
}

static void
check_facts(const struct facts *f)
{
	check_text(f->error_code, sizeof(f->error_code));
	check_text(f->error_message, sizeof(f->error_message));
	assert(f->retry_after_ms >= -1 && f->retry_after_ms <= RETRYAFTER_MAX_MS);
	assert((unsigned)f->finish <= FINISH_OTHER);
	assert(f->usage.input < UINT64_C(1000000000000000));
	assert(f->usage.present || f->usage.input + f->usage.cached + f->usage.output == 0);
}

static void
read_events(enum api api, const uint8_t *bytes, size_t n)
{
	struct facts f = { .retry_after_ms = -1 };
	struct sse s = { 0 };
	struct sse_event ev;

	while (n > 0) {
		uint8_t *scratch;
		unsigned marks;

		if (!sse_next(&s, bytes, n, &ev))
			sse_last(&s, bytes, n, &ev);
		scratch = malloc(ev.raw_len);
		marks = provider_openai.read_event(api, &ev, scratch, &f);
		free(scratch);
		assert(!(marks & EVENT_ERROR) || f.failed);
		assert(!(marks & EVENT_END) || f.ended);
		assert(!(marks & EVENT_KEEPALIVE) || marks == EVENT_KEEPALIVE);
		assert(!(marks & EVENT_GARBAGE) || marks == EVENT_GARBAGE);
		check_facts(&f);
		bytes += ev.raw_len;
		n -= ev.raw_len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const enum api apis[] = { API_CHAT, API_COMPLETIONS, API_EMBEDDINGS, API_RESPONSES };
	struct facts answer = { .retry_after_ms = -1 }, error = answer;
	enum api api;

	if (n == 0)
		return 0;
	api = apis[bytes[0] % 4];
	bytes++;
	n--;
	if (provider_openai.read_answer(api, bytes, n, &answer))
		assert(jscan_valid(bytes, n));
	check_facts(&answer);
	provider_openai.read_error(bytes, n, &error);
	check_facts(&error);
	read_events(api, bytes, n);
	return 0;
}
