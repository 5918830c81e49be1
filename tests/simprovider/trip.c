// SPDX-License-Identifier: MIT
/*
 * Faults that strike at a point of the answer. One table says for each kind what happens; a fault
 * strikes at most once in an attempt.
 */
#include "tests/simprovider/conn.h"

#include "common/clock.h"

enum point
trip_point(const struct attempt *a)
{
	enum point at = a->fault->at;

	/* A whole answer has no chunks: somewhere in its body is as near as it gets. */
	if (!a->stream && at >= POINT_ROLE)
		return POINT_BODY;
	if (at == POINT_HEAD && !attempt_has(a, FAULT_RESET) && !attempt_has(a, FAULT_CLOSE) &&
	    !attempt_has(a, FAULT_STALL))
		return POINT_HEADERS;
	return at;
}

bool
trip_reached(const struct attempt *a)
{
	if (a->fault == NULL || a->tripped || a->stage >= STAGE_OVER)
		return false;
	uint64_t after = a->fault->after == FAULT_AFTER_UNSET ? 1 : a->fault->after;

	switch (trip_point(a)) {
	case POINT_NONE: return false;
	case POINT_HEAD: return a->stage == STAGE_HEAD;
	case POINT_HEADERS: return a->stage > STAGE_HEAD;
	case POINT_BODY: return a->cut || a->stage >= STAGE_TAIL;
	case POINT_ROLE: return a->stage > STAGE_ROLE;
	case POINT_CHUNK:
		return a->stage >= STAGE_FINISH ||
		       (a->stage > STAGE_ROLE && a->entry.chunks >= after);
	case POINT_FINISH: return a->stage >= STAGE_FINISH;
	case POINT_END: return a->stage >= STAGE_DONE;
	}
	return false;
}

static void
go_to(struct attempt *a, enum stage stage)
{
	a->rest.head = a->rest.tail = 0;
	a->pad_left = 0;
	a->stage = stage;
	a->due_us = 0;
}

static void
break_off(struct attempt *a, enum then then)
{
	a->broken = true;
	a->then = then;
	go_to(a, STAGE_OVER);
}

static void
strike_reset(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	break_off(a, THEN_RESET);
}

static void
strike_close(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	break_off(a, THEN_CLOSE);
}

static void
strike_stall(struct attempt *a, uint64_t now_us)
{
	a->due_us = a->fault->for_ms > 0 ? now_us + a->fault->for_ms * US_PER_MS : NEVER_US;
	a->beat_us = 0;
}

static void
strike_comments(struct attempt *a, uint64_t now_us)
{
	strike_stall(a, now_us);
	a->beat_us = a->fault->interval_ms * US_PER_MS;
	a->beat_due_us = now_us;
}

/* The end of a stream that something has interrupted. */
static void
end_early(struct attempt *a, enum ending usual)
{
	enum ending end = a->fault->end == ENDING_UNSET ? usual : a->fault->end;

	if (end == ENDING_CONTINUE)
		return;
	a->broken = true;
	/* What is shorter than it said it would be can only end with the connection. */
	if (end == ENDING_NONE || a->framing == FRAMING_LENGTH) {
		break_off(a, THEN_CLOSE);
		return;
	}
	go_to(a, STAGE_TAIL);
	if (end == ENDING_DONE && a->stream)
		emit_event(a, PIECE_DONE, 0);
}

static void
strike_cut(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	end_early(a, ENDING_NONE);
}

static void
strike_error_event(struct attempt *a, uint64_t now_us)
{
	const struct usual *usual = a->conn->sim->options->kind->usual;
	struct problem problem = problem_complete(&a->fault->problem, usual);

	(void)now_us;
	if (a->stream) {
		struct text *page = attempt_page(a);

		if (problem.body.bytes != NULL)
			text_span(page, problem.body);
		else
			a->endpoint->error_event(&problem, &a->reply, page);
		emit_page(a);
	}
	end_early(a, a->stream ? ENDING_CHUNK : ENDING_NONE);
}

static void
strike_garbage(struct attempt *a, uint64_t now_us)
{
	static const char events[] = "this is no field\n\ndata: {\"choices\": [{\"delta\n\n"
				     "event\ndata\n\n\xff\xfe\x00\n\ndata: <html>\n\n";
	static const char page[] = "<html><body>Bad gateway</body></html>\n";

	(void)now_us;
	if (!a->stream)
		return; /* its body is made of garbage instead */
	if (a->fault->variant == GARBAGE_SSE)
		emit_body(a, events, sizeof(events) - 1);
	else
		emit_body(a, page, sizeof(page) - 1);
	end_early(a, a->fault->variant == GARBAGE_SSE ? ENDING_CONTINUE : ENDING_CHUNK);
}

static void
strike_bad_chunk(struct attempt *a, uint64_t now_us)
{
	struct text *out = &a->conn->out;

	(void)now_us;
	text_span(out, a->fault->line);
	text_lit(out, "\r\ndata: {}\n\n\r\n");
	break_off(a, a->fault->then);
}

static void (*const strikes[FAULT_IDS])(struct attempt *a, uint64_t now_us) = {
	[FAULT_RESET] = strike_reset,
	[FAULT_CLOSE] = strike_close,
	[FAULT_STALL] = strike_stall,
	[FAULT_COMMENTS] = strike_comments,
	[FAULT_CUT] = strike_cut,
	[FAULT_ERROR_EVENT] = strike_error_event,
	[FAULT_GARBAGE] = strike_garbage,
	[FAULT_BAD_CHUNK] = strike_bad_chunk,
};

void
trip_strike(struct attempt *a, uint64_t now_us)
{
	a->tripped = true;
	strikes[a->fault->kind->id](a, now_us);
}
