// SPDX-License-Identifier: MIT
/* Relaying streams; see relay.h. */
#include "worker/relay.h"

#include <string.h>

#include "common/clock.h"
#include "worker/request.h"
#include "worker/tell_cost.h"
#include "worker/translation.h"

/* Whether the events so far are worth an answer: something to read, or a reason why there is
 * nothing. A mere "stop" without content may still become an answer of the other arm. */
static bool
worth_commit(const struct facts *f)
{
	return f->content || f->finish == FINISH_FILTER || f->finish == FINISH_LENGTH;
}

static void
fail(struct attempt *a, enum outcome outcome)
{
	a->outcome = outcome;
	a->decided = true;
}

static void
drop_event(struct attempt *a, size_t n)
{
	uint8_t *at = buf_bytes(&a->bytes) + a->held;

	if (a->held == 0) {
		buf_consume(&a->bytes, n);
		return;
	}
	memmove(at, at + n, buf_len(&a->bytes) - a->held - n);
	a->bytes.tail -= n;
}

static void
note_marks(struct attempt *a, unsigned marks)
{
	uint64_t now_us = a->last_byte_us;

	if ((marks & EVENT_COMMIT) && a->facts.finish == FINISH_NONE)
		a->content_events++;
	if ((marks & EVENT_COMMIT) && a->first_token_us == 0 && a->facts.content)
		a->first_token_us = now_us;
	if ((marks & EVENT_END) || (a->facts.may_end && !(marks & EVENT_KEEPALIVE)))
		a->ended_us = now_us;
}

/* Says an event in the client's API instead of holding it. */
static bool
tell_event(struct attempt *a, const struct sse_event *ev, unsigned marks)
{
	struct buf *told = &a->translation->told;
	size_t before = buf_len(told);
	enum outcome outcome = translation_of_event(a, ev, marks);

	drop_event(a, ev->raw_len);
	if (outcome != OUTCOME_OK)
		return fail(a, outcome), false;
	if (tell_cost_is_due(a))
		tell_cost_in_translation(a, told, before);
	return true;
}

/* Reads one whole event at the end of what is held; false: the attempt is over. */
static bool
take_event(struct attempt *a, const struct sse_event *ev)
{
	struct request *r = a->request;
	unsigned marks;

	if (ev->more_data && ev->raw_len > sizeof(r->worker->scratch))
		return fail(a, OUTCOME_GARBAGE), false;
	marks = upstream_ops(a->upstream)->read_event(a->api, ev, r->worker->scratch, &a->facts);
	if (marks & EVENT_ERROR)
		return fail(a, OUTCOME_ERROR_EVENT), false;
	if (marks & EVENT_GARBAGE)
		return fail(a, OUTCOME_GARBAGE), false;
	note_marks(a, marks);
	/* An end marker must not pass for the end of an answer that there is not. */
	if ((marks & EVENT_END) && !worth_commit(&a->facts))
		return fail(a, OUTCOME_EMPTY), false;
	if (a->translation != NULL)
		return tell_event(a, ev, marks);
	if ((marks & EVENT_USAGE_ONLY) && !r->usage_asked)
		drop_event(a, ev->raw_len);
	else
		a->held += ev->raw_len + (tell_cost_is_due(a) ? tell_cost_in_event(a, ev) : 0);
	return true;
}

/* Reads the whole events that wait in a->bytes; false: the attempt is over. */
static bool
read_events(struct attempt *a)
{
	struct sse_event ev;

	while (!a->facts.ended &&
	       sse_next(&a->sse, buf_bytes(&a->bytes) + a->held, buf_len(&a->bytes) - a->held, &ev))
		if (!take_event(a, &ev))
			return false;
	return true;
}

/* How much waits for the commit. */
static size_t
held_bytes(const struct attempt *a)
{
	return a->translation != NULL ? buf_len(&a->translation->told) : a->held;
}

static void
pass_held(struct attempt *a)
{
	struct buf *told = a->translation != NULL ? &a->translation->told : NULL;

	if (told != NULL && buf_len(told) > 0) {
		conn_stream(a->request->conn, buf_bytes(told), buf_len(told));
		buf_consume(told, buf_len(told));
	}
	if (a->held == 0)
		return;
	conn_stream(a->request->conn, buf_bytes(&a->bytes), a->held);
	buf_consume(&a->bytes, a->held);
	a->held = 0;
}

static void
commit(struct attempt *a)
{
	a->committed = true;
	a->committed_us = a->last_byte_us;
	reply_stream_begin(a->request);
}

/* Passes on what may be passed on now. */
static void
move_on(struct attempt *a)
{
	if (!a->committed && (worth_commit(&a->facts) || held_bytes(a) > RELAY_HELD_MAX))
		commit(a);
	if (a->committed)
		pass_held(a);
}

bool
relay_bytes(struct attempt *a, const uint8_t *bytes, size_t n)
{
	uint64_t limit = a->request->worker->config->limits.max_answer_bytes;

	if (a->facts.ended)
		return true; /* whatever follows the end marker is no part of the answer */
	if (buf_len(&a->bytes) + n > limit)
		return fail(a, OUTCOME_TOO_LARGE), false;
	if (buf_add(&a->bytes, bytes, n) < 0)
		return fail(a, OUTCOME_NO_MEMORY), false;
	if (!read_events(a)) {
		if (a->committed)
			pass_held(a);
		return false;
	}
	move_on(a);
	return true;
}

/* What no blank line has ended. Behind all that is needed a piece of an event says nothing. */
static void
take_rest(struct attempt *a)
{
	struct sse_event ev;

	sse_last(&a->sse, buf_bytes(&a->bytes) + a->held, buf_len(&a->bytes) - a->held, &ev);
	if (!take_event(a, &ev)) {
		if (a->outcome != OUTCOME_GARBAGE)
			return;
		fail(a, OUTCOME_INCOMPLETE); /* a piece of an event */
		a->decided = !a->facts.may_end;
	} else if (a->facts.ended) {
		move_on(a); /* any other event is but the last piece of a stream that was cut */
	}
}

/* Closing is the end marker of an API that has none. */
static void
close_stream(struct attempt *a)
{
	static const struct sse_event nothing = { .data = NULL };

	a->facts.ended = true;
	a->ended_us = clock_mono_us();
	if (!worth_commit(&a->facts))
		fail(a, OUTCOME_EMPTY);
	else if (a->translation == NULL || tell_event(a, &nothing, EVENT_END))
		move_on(a);
}

void
relay_end(struct attempt *a, bool complete)
{
	if (complete && !a->decided && !a->facts.ended && buf_len(&a->bytes) > a->held)
		take_rest(a);
	if (!a->decided && !a->facts.ended && a->facts.may_end &&
	    (complete || !a->facts.end_is_unsure))
		close_stream(a);
}
