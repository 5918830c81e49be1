// SPDX-License-Identifier: MIT
/*
 * Answers to clients: heads, whole answers, the begin and the broken end of streams, and errors in
 * the shape of the API that was called.
 */
#pragma once

#include "worker/state.h"

enum should_retry { RETRY_HINT_NONE, RETRY_HINT_NO, RETRY_HINT_YES };

struct reply_error {
	unsigned status;
	const char *code, *message;
	const char *param; /* NULL: none */
	enum should_retry should_retry;
	int64_t retry_after_ms; /* -1: none */
	bool list_attempts;	/* add error.attempts */
};

/* For bytes that never became a request: an error in OpenAI's shape, then the connection closes. */
void reply_refuse(struct conn *c, unsigned status, const char *code, const char *text);

/* The answer of the attempt, whole. */
void reply_answer(struct request *r);
/* The provider's own error, as it came. */
void reply_pass_on(struct request *r);
void reply_error(struct request *r, const struct reply_error *e);
/* The failure a request ends with, by its outcome and by what both arms said. */
void reply_failure(struct request *r);
/* JSON made here: the list of releases. */
void reply_json(struct request *r, unsigned status, const void *json, size_t n);
void reply_continue(struct conn *c);

/* The head of a stream; the attempt is committed with it. */
void reply_stream_begin(struct request *r);
/* A stream that cannot be completed: the API's error event; the connection closes without the
 * stream's end. */
void reply_stream_break(struct request *r);
