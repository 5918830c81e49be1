// SPDX-License-Identifier: MIT
/*
 * What the answer of an attempt will be made of: content, losses, usage, framing, and the first
 * wait. Comes behind attempt_begin.c, which has found the behaviour and the fault.
 */
#include "tests/simprovider/conn.h"

#include <math.h>
#include <stdlib.h>

#include "common/clock.h"

static void
count_input(struct str element, void *arg)
{
	(void)element;
	++*(size_t *)arg;
}

static void
note_input(struct str element, void *arg)
{
	struct reply *reply = arg;
	uint64_t seed = 14695981039346656037u; /* FNV-1a over model and text */

	for (size_t i = 0; i < reply->model.len; i++)
		seed = (seed ^ (uint8_t)reply->model.bytes[i]) * 1099511628211u;
	for (size_t i = 0; i < element.len; i++)
		seed = (seed ^ (uint8_t)element.bytes[i]) * 1099511628211u;
	reply->inputs[reply->input_count++] = seed;
}

static void
note_inputs(struct attempt *a, const struct ask *ask)
{
	size_t count = 0;

	if (ask->input.bytes == NULL)
		return;
	scan_elements(ask->input, count_input, &count);
	a->reply.inputs = calloc(count + 1, sizeof(uint64_t));
	if (a->reply.inputs != NULL)
		scan_elements(ask->input, note_input, &a->reply);
	a->reply.base64 = ask->base64;
	a->reply.dimensions = ask->dimensions > 0 ? ask->dimensions : a->behaviour->dimensions;
}

/* Usage as the script has it, or as it is: about four bytes of text make a token. */
static void
plan_usage(struct attempt *a, const struct ask *ask, size_t body_bytes)
{
	const struct usage_plan *plan = &a->behaviour->usage;
	struct reply *reply = &a->reply;
	struct usage *u = &reply->usage;
	uint64_t made = reply->tools != NULL ? reply->tools->events : reply->tokens;

	u->input = plan->input != TOKENS_UNSET ? plan->input : body_bytes / 4 + 1;
	u->cached = plan->cached == TOKENS_UNSET ? 0
		    : plan->cached < u->input	 ? plan->cached
						 : u->input;
	u->written = plan->written == TOKENS_UNSET	    ? 0
		     : plan->written < u->input - u->cached ? plan->written
							    : u->input - u->cached;
	u->reasoning = plan->reasoning != TOKENS_UNSET ? plan->reasoning : reply->reasoning;
	u->output = plan->output != TOKENS_UNSET ? plan->output : made + u->reasoning;
	if (attempt_is(a, MAKES_NO_TEXT))
		u->output = 0;
	if (u->reasoning > u->output)
		u->reasoning = u->output;
	bool own_way = a->stream && !attempt_is(a, ALWAYS_USAGE);

	reply->usage_asked = own_way && ask->include_usage;
	reply->usage_with_choices = plan->mode == USAGE_WITH_CHOICES;
	reply->show_usage = plan->mode != USAGE_MISSING && !attempt_has(a, FAULT_NO_USAGE) &&
			    (!own_way || ask->include_usage || plan->mode != USAGE_PRESENT);
	reply->usage_with_choices = reply->usage_with_choices && reply->show_usage;
}

static void
plan_content(struct attempt *a, const struct ask *ask)
{
	const struct behaviour *b = a->behaviour;
	struct reply *reply = &a->reply;
	bool calls = b->tool_calls.count > 0 && (ask->tools || b->tools_when == TOOLS_ALWAYS);

	reply->tokens =
	    b->text.count > 0 ? b->text.count : (uint64_t)llround(dist_draw(&b->tokens, &a->dice));
	reply->reasoning = (uint64_t)llround(dist_draw(&b->reasoning_tokens, &a->dice));
	reply->finish_reason = b->finish_reason;
	reply->stop = attempt_note(a->stop, ask->stop);
	if (calls)
		reply->tools = &b->tool_calls;
	if (attempt_has(a, FAULT_BAD_TOOL_JSON)) {
		reply->bad_tool_json = true;
		reply->tools = b->tool_calls.count > 0 ? &b->tool_calls : &script_default_calls;
	}
	if (reply->tools != NULL)
		reply->finish_reason = (struct str){ "tool_calls", 10 };
}

static void
plan_losses(struct attempt *a)
{
	struct reply *reply = &a->reply;

	if (attempt_has(a, FAULT_EMPTY) || attempt_has(a, FAULT_ROLE_ONLY)) {
		reply->tokens = reply->reasoning = 0;
		reply->tools = NULL;
		reply->finish_reason = a->behaviour->finish_reason;
		reply->no_choices = a->fault->variant == EMPTY_CHOICES;
	}
	if (attempt_has(a, FAULT_REFUSAL)) {
		reply->refusal = true;
		reply->tokens = 1;
		reply->reasoning = 0;
		reply->tools = NULL;
		reply->finish_reason = a->behaviour->finish_reason;
	}
	if (attempt_has(a, FAULT_NO_FINISH))
		reply->finish_reason = (struct str){ "", 0 };
	if (attempt_has(a, FAULT_STATUS))
		a->problem = a->fault->problem;
}

static enum framing
choose_framing(const struct attempt *a)
{
	enum framing wanted = a->behaviour->framing;

	if (attempt_has(a, FAULT_CONTENT_LENGTH))
		return a->fault->variant == LENGTH_BOTH ? FRAMING_CHUNKED : FRAMING_LENGTH;
	/* Comments before a body make its length unknown. */
	if (attempt_has(a, FAULT_COMMENTS) || attempt_beats(a) ||
	    (a->stream && a->problem.status == 0))
		wanted = wanted == FRAMING_CLOSE ? FRAMING_CLOSE : FRAMING_CHUNKED;
	else if (wanted == FRAMING_AUTO)
		wanted = FRAMING_LENGTH;
	return wanted == FRAMING_CHUNKED && a->http10 ? FRAMING_CLOSE : wanted;
}

static void
plan_split(struct attempt *a)
{
	struct split split = a->behaviour->split;

	if (attempt_has(a, FAULT_TRICKLE) || attempt_has(a, FAULT_SPLIT))
		split = (struct split){ a->fault->at_byte, a->fault->bytes, a->fault->gap_ms };
	conn_set_split(a->conn, &split);
}

static void
plan_course(struct attempt *a)
{
	const struct fault *fault = a->fault;
	const struct dist *latency =
	    fault != NULL && fault->has_latency ? &fault->latency_ms : &a->behaviour->latency_ms;

	a->framing = choose_framing(a);
	a->then = THEN_KEEP;
	if (fault != NULL && strstr(fault->kind->keys, "then") != NULL)
		a->then = fault->then;
	if (a->then == THEN_KEEP && (a->wants_close || a->framing == FRAMING_CLOSE))
		a->then = THEN_CLOSE;
	if (a->problem.status != 0)
		a->stream = false;
	plan_split(a);
	a->stage = STAGE_HEAD;
	a->due_us = clock_mono_us() + (uint64_t)(dist_draw(latency, &a->dice) * US_PER_MS);
	crypto_hash_sha256_init(&a->sha256);
}

void
attempt_plan(struct attempt *a, const struct ask *ask)
{
	if (a->problem.status == 0) {
		plan_content(a, ask);
		plan_losses(a);
		plan_usage(a, ask, a->conn->reader.request.body.len);
		note_inputs(a, ask);
	}
	if (a->problem.status != 0)
		a->problem = problem_complete(&a->problem, a->conn->sim->options->kind->usual);
	a->reply.behaviour = a->behaviour;
	a->reply.script = a->script;
	plan_course(a);
}
