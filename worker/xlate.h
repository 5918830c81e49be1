// SPDX-License-Identifier: MIT
/*
 * Translation between the APIs of clients and of providers: the door to all of xlate_*.c. Most
 * requests need none and never come here. Used by the workers. Pure.
 */
#pragma once

#include "worker/retell.h"
#include "worker/xlate_ask.h"

/* The API in which a provider of this kind is asked for what a client wants of `asked`; API_COUNT:
 * it cannot be. Another one than `asked`: by translation. */
enum api xlate_api(enum api asked, enum provider_kind kind);

enum xlate_verdict { XLATE_OK, XLATE_REFUSED, XLATE_NO_MEMORY };

struct xlate_order {
	enum api asked; /* by the client */
	const uint8_t *body;
	size_t n;
	bool stream;
	const struct config_model *model; /* that is to answer */
};

/* Adds the translated body to `out`; NULL: only finds out whether it can be made. XLATE_REFUSED:
 * `e` names the member. */
enum xlate_verdict xlate_request(
    const struct xlate_order *order, struct buf *out, struct xlate_error *e) MUST_CHECK;

/* What is to be known of a request when its answer is translated. */
struct xlate_traits {
	bool usage_asked, stream;
	bool schema; /* the answer is wanted by a schema */
};

/* Makes `t` ready for an answer of the provider's kind, to be told to a client of `asked`. The
 * caller fills out.buf, the fallbacks, created_s and seed. */
void xlate_answer_init(
    struct retell *t, enum api asked, enum provider_kind kind, const struct xlate_traits *traits);
/* A whole answer, good by provider_ops.read_answer; false: it cannot be told, or no memory
 * (out.failed). */
bool xlate_answer(struct retell *t, enum provider_kind kind, const uint8_t *bytes, size_t n,
    const struct facts *f) MUST_CHECK;
/* One event of a stream, after provider_ops.read_event has found it good; `f->ended`: the last.
 * That a stream has closed that has no end marker is an EVENT_END without data. */
bool xlate_event(struct retell *t, enum provider_kind kind, unsigned marks, const uint8_t *data,
    size_t n, const struct facts *f) MUST_CHECK;
