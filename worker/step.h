// SPDX-License-Identifier: MIT
/*
 * The steps of a request, in the order of request.c's list. Each looks at the request and says what
 * comes next; none but request_advance() calls them.
 */
#pragma once

#include "worker/request.h"

enum step_result {
	STEP_NEXT,
	STEP_WAIT,	 /* for an event, then the same step once more */
	STEP_WAIT_NEXT,	 /* for an event, then the next step */
	STEP_AGAIN,	 /* back to the attempt */
	STEP_WAIT_AGAIN, /* for an event, then back to the attempt */
	STEP_ANSWER,	 /* nobody is asked any more: answer with the outcome */
	STEP_END,	 /* an answer is given: finish */
};

/* step_head.c: while the head is there, and what grayd answers itself */
enum step_result step_endpoint(struct request *r);
enum step_result step_identify(struct request *r);
enum step_result step_body(struct request *r);
enum step_result step_local(struct request *r);

/* step_route.c: what the body says, and which arm follows from it */
enum step_result step_chat(struct request *r);
enum step_result step_route(struct request *r);

/* step_serve.c: whether an arm can be asked for this; STEP_END: it cannot, and the client is told
 */
enum step_result step_serve(struct request *r, enum arm arm);
/* The same without a word to the client; what is in the way is kept in r->untranslated. */
bool serve_possible(struct request *r, enum arm arm);

/* step_gate.c: limits, and waiting at them */
enum step_result step_admit(struct request *r);
enum step_result step_gate(struct request *r);
/* Whether the candidate can be asked now; if it can, it will be. */
bool step_gate_open(struct request *r);

/* step_attempt.c: asking, and what follows from the answer */
enum step_result step_attempt(struct request *r);
/* Gives the request to stable, since the candidate failed; STEP_AGAIN. */
enum step_result step_fall_back(struct request *r);
/* Notes for the answer that the model of the present arm was not asked, and why. */
void step_remember(struct request *r, enum outcome outcome);
enum step_result step_judge(struct request *r);
enum step_result step_answer(struct request *r);

/* Answers with an error of the caller's making; STEP_END. What is left of the body is not read. */
enum step_result step_refuse_as(struct request *r, const struct reply_error *e);
enum step_result step_refuse(
    struct request *r, unsigned status, const char *code, const char *message);
enum step_result step_refuse_model(struct request *r); /* there is none of this name */
enum step_result step_deny_model(struct request *r);   /* there is, but not for this client */
