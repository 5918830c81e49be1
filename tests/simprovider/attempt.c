// SPDX-License-Identifier: MIT
/*
 * The course of an attempt. attempt_resume() alone moves it on: it waits until the next step is
 * due, lets the fault strike, or runs the step. `finish` runs exactly once, by the last step or by
 * the peer's leaving.
 */
#include "tests/simprovider/conn.h"

#include <stdlib.h>

#include "common/clock.h"

#define PAD_STEP_BYTES 65536
/* A stream that fell behind by more than this does not hurry to catch up. */
#define MAX_LAG_US (50 * US_PER_MS)

static void
wait_more(struct attempt *a, const struct dist *dist, uint64_t now_us)
{
	a->due_us += (uint64_t)(dist_draw(dist, &a->dice) * US_PER_MS);
	if (a->due_us + MAX_LAG_US < now_us)
		a->due_us = now_us;
}

static void
make_garbage(struct attempt *a, struct text *page)
{
	for (uint64_t i = 0; i < a->fault->bytes; i++)
		text_add(page, (char[]){ (char)(dice_u64(&a->dice) | 0x80) }, 1);
}

/* The whole body on the page, but for padding that is too long for it. */
static void
render(struct attempt *a)
{
	struct text *page = attempt_page(a);
	uint64_t wanted =
	    attempt_has(a, FAULT_HUGE_BODY) ? a->fault->bytes : a->behaviour->pad_bytes;

	a->reply.pad_at = 0;
	a->pad_left = 0;
	if (a->problem.status != 0) {
		if (a->problem.body.bytes != NULL)
			text_span(page, a->problem.body);
		else
			a->conn->sim->options->kind->error(&a->problem, &a->reply, page);
	} else if (attempt_has(a, FAULT_GARBAGE)) {
		make_garbage(a, page);
	} else if (!attempt_has(a, FAULT_EMPTY) || a->fault->variant != EMPTY_BODY) {
		a->endpoint->whole(&a->reply, page);
	}
	if (attempt_has(a, FAULT_TRUNCATED_JSON))
		page->buf.tail = page->buf.head + text_len(page) / 2;
	else if (a->reply.pad_at > 0 && wanted > text_len(page) && wanted <= PAD_STEP_BYTES)
		text_insert_fill(page, a->reply.pad_at, 'x', (size_t)wanted - text_len(page));
	else if (a->reply.pad_at > 0 && wanted > text_len(page))
		a->pad_left = wanted - text_len(page);
	a->rendered = true;
}

/* Answers that are not even HTTP. */
static bool
send_raw(struct attempt *a)
{
	if (attempt_has(a, FAULT_RAW)) {
		text_span(&a->conn->out, a->fault->problem.body);
		text_span(&a->conn->out, a->fault->hex);
	} else if (attempt_has(a, FAULT_GARBAGE) && a->fault->variant == GARBAGE_HTTP) {
		make_garbage(a, &a->conn->out);
		if (a->then == THEN_KEEP)
			a->then = THEN_CLOSE;
	} else {
		return false;
	}
	a->stage = STAGE_OVER;
	return true;
}

static void
step_head(struct attempt *a, uint64_t now_us)
{
	if (send_raw(a))
		return;
	if (a->stream) {
		head_write(a, 1000);
		a->stage = STAGE_ROLE;
	} else {
		render(a);
		head_write(a, text_len(&a->conn->sim->page) + a->pad_left);
		a->stage = STAGE_BODY;
		wait_more(a, &a->behaviour->body_ms, now_us);
	}
	a->beat_us = attempt_beats(a) ? a->behaviour->heartbeat_ms * US_PER_MS : 0;
	a->beat_due_us = now_us + a->beat_us;
}

static void
step_body(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	if (!a->rendered)
		render(a);
	a->stage = STAGE_TAIL;
	emit_page(a);
}

static void
step_rest(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	if (a->pad_left > 0) {
		size_t n = a->pad_left < PAD_STEP_BYTES ? (size_t)a->pad_left : PAD_STEP_BYTES;
		struct text *page = attempt_page(a);

		text_fill(page, 'x', n);
		a->pad_left -= page->failed ? a->pad_left : emit_body(a, buf_bytes(&page->buf), n);
		a->conn->out.failed = a->conn->out.failed || page->failed;
		return;
	}
	buf_consume(&a->rest, emit_body(a, buf_bytes(&a->rest), buf_len(&a->rest)));
	if (buf_len(&a->rest) == 0) {
		a->stage = a->after_rest;
		a->due_us = a->after_rest_due_us;
	}
}

/* The next stage that has something to send, from `stage` on. */
static enum stage
next_content(const struct attempt *a, enum stage stage)
{
	const struct reply *reply = &a->reply;

	if (stage <= STAGE_REASONING && reply->reasoning > 0)
		return STAGE_REASONING;
	if (stage <= STAGE_CONTENT && reply->tools == NULL && reply->tokens > 0)
		return STAGE_CONTENT;
	if (stage <= STAGE_TOOLS && reply->tools != NULL)
		return STAGE_TOOLS;
	return attempt_has(a, FAULT_NO_FINISH) || attempt_has(a, FAULT_ROLE_ONLY) ? STAGE_USAGE
										  : STAGE_FINISH;
}

static void
step_role(struct attempt *a, uint64_t now_us)
{
	bool nothing = attempt_has(a, FAULT_EMPTY) && a->fault->variant != EMPTY_CONTENT;

	a->stage = nothing ? STAGE_DONE : next_content(a, STAGE_REASONING);
	if (nothing)
		return;
	emit_event(a, PIECE_ROLE, 0);
	wait_more(a, &a->behaviour->first_token_ms, now_us);
}

static void
send_piece(struct attempt *a, enum piece piece, uint64_t count, uint64_t now_us)
{
	enum stage next = a->stage + 1;

	emit_event(a, piece, a->index);
	a->entry.chunks++;
	a->beat_due_us = now_us + a->beat_us;
	if (++a->index == count) {
		a->index = 0;
		a->stage = next_content(a, next);
	}
	if (a->stage < STAGE_FINISH)
		wait_more(a, &a->behaviour->chunk_ms, now_us);
}

static void
step_reasoning(struct attempt *a, uint64_t now_us)
{
	send_piece(a, PIECE_REASONING, a->reply.reasoning, now_us);
}

static void
step_content(struct attempt *a, uint64_t now_us)
{
	send_piece(a, PIECE_CONTENT, a->reply.tokens, now_us);
}

static void
step_tools(struct attempt *a, uint64_t now_us)
{
	send_piece(a, PIECE_TOOL, a->reply.tools->events, now_us);
}

static void
step_finish(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	a->stage = STAGE_USAGE;
	emit_event(a, PIECE_FINISH, 0);
}

static void
step_usage(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	a->stage = STAGE_DONE;
	if (a->reply.show_usage && !a->reply.usage_with_choices)
		emit_event(a, PIECE_USAGE, 0);
}

static void
step_done(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	a->stage = STAGE_TAIL;
	if (!attempt_has(a, FAULT_NO_DONE) &&
	    !(attempt_has(a, FAULT_EMPTY) && a->fault->variant == EMPTY_BODY))
		emit_event(a, PIECE_DONE, 0);
}

static void
step_tail(struct attempt *a, uint64_t now_us)
{
	(void)now_us;
	if (a->framing == FRAMING_CHUNKED)
		text_lit(&a->conn->out, "0\r\n\r\n");
	a->stage = STAGE_OVER;
}

static void (*const steps[])(struct attempt *a, uint64_t now_us) = {
	[STAGE_REST] = step_rest,
	[STAGE_HEAD] = step_head,
	[STAGE_BODY] = step_body,
	[STAGE_ROLE] = step_role,
	[STAGE_REASONING] = step_reasoning,
	[STAGE_CONTENT] = step_content,
	[STAGE_TOOLS] = step_tools,
	[STAGE_FINISH] = step_finish,
	[STAGE_USAGE] = step_usage,
	[STAGE_DONE] = step_done,
	[STAGE_TAIL] = step_tail,
};

static void
run_step(struct attempt *a, uint64_t now_us)
{
	steps[a->stage](a, now_us);
	/* What the step left over comes before everything else. */
	if (a->stage != STAGE_REST && (a->pad_left > 0 || buf_len(&a->rest) > 0) &&
	    a->stage < STAGE_OVER && a->stage != STAGE_BODY) {
		a->after_rest = a->stage;
		a->after_rest_due_us = a->due_us;
		a->stage = STAGE_REST;
		a->due_us = 0;
	}
}

/* Sends comments that are due. True: there is nothing to do before the timer fires. */
static bool
must_wait(struct attempt *a, uint64_t now_us)
{
	if (a->due_us <= now_us)
		return false;
	if (a->beat_us > 0 && a->beat_due_us <= now_us) {
		emit_comment(a);
		a->beat_due_us += a->beat_us;
		if (a->beat_due_us + MAX_LAG_US < now_us)
			a->beat_due_us = now_us + a->beat_us;
	}
	uint64_t wake_us =
	    a->beat_us > 0 && a->beat_due_us < a->due_us ? a->beat_due_us : a->due_us;

	conn_wake_at(a->conn, wake_us);
	return true;
}

/* What was really made counts: a client that leaves in the middle is billed for what it got. */
static void
note_usage(struct attempt *a)
{
	const struct usage *u = &a->reply.usage;
	bool whole = a->entry.state == STATE_FINISHED || (!a->stream && a->stage > STAGE_BODY);

	if (a->problem.status != 0 || a->body_bytes == 0)
		return;
	a->entry.input = (uint32_t)u->input;
	a->entry.cached = (uint32_t)u->cached;
	a->entry.written = (uint32_t)u->written;
	a->entry.output =
	    whole || a->entry.chunks > u->output ? (uint32_t)u->output : a->entry.chunks;
	a->entry.reasoning = (uint32_t)u->reasoning;
	if (a->entry.reasoning > a->entry.output)
		a->entry.reasoning = a->entry.output;
}

/* What the answer said about it; half of a whole answer says nothing. */
static void
note_told(struct attempt *a)
{
	if (a->body_bytes == 0 || (!a->stream && (a->broken || a->stage <= STAGE_BODY)))
		return;
	a->entry.told = (uint8_t)a->reply.told;
	a->entry.told_output = (uint32_t)a->reply.told_output;
}

static void
finish(struct attempt *a, enum attempt_state state)
{
	struct ledger *ledger = &a->conn->sim->ledger;

	a->entry.state = (uint8_t)state;
	a->entry.end_us = clock_wall_us();
	if (state == STATE_CANCELLED)
		a->entry.close_us = a->entry.end_us;
	a->entry.bytes_out = a->conn->sent_bytes - a->sent_before;
	if (ledger->keeps)
		crypto_hash_sha256_final(&a->sha256, a->entry.sha256);
	note_usage(a);
	note_told(a);
	ledger_close(ledger, a->ticket, &a->entry);
	script_unref(a->script);
	a->script = NULL;
	free(a->reply.inputs);
	buf_free(&a->rest);
}

static void
attempt_resume(struct conn *c)
{
	struct attempt *a = &c->attempt;
	uint64_t now_us = clock_mono_us();

	while (a->stage < STAGE_OVER && !conn_congested(c) && !c->out.failed) {
		if (must_wait(a, now_us))
			break;
		if (trip_reached(a))
			trip_strike(a, now_us);
		else
			run_step(a, now_us);
	}
	a->rendered = false;
	conn_flush(c);
	if (a->stage < STAGE_OVER && conn_drained(c) && a->due_us <= now_us)
		conn_yield(c);
	if (a->stage != STAGE_OVER || !conn_drained(c) || c->broken)
		return;
	if (a->then == THEN_STALL) {
		a->stage = STAGE_LIMBO;
		return;
	}
	finish(a, a->broken ? STATE_FAULTED : STATE_FINISHED);
	conn_done(c, a->then);
}

static void
attempt_gone(struct conn *c)
{
	finish(&c->attempt, STATE_CANCELLED);
}

const struct job attempt_job = { attempt_resume, attempt_gone };
