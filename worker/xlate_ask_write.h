// SPDX-License-Identifier: MIT
/*
 * How a neutral request is said in the API of a provider. Used by the writers (xlate_write_*.c)
 * only. Pure.
 */
#pragma once

#include "worker/xlate_ask.h"

/* "NAME":"SPAN", if there is one. */
void ask_put_string(const struct ask *a, struct jout *o, const char *name, struct jspan span);
/* "NAME":SPAN, if there is one. */
void ask_put_value(const struct ask *a, struct jout *o, const char *name, struct jspan span);
/* "NAME":["SPAN", ...], if there are any. */
void ask_put_strings(
    const struct ask *a, struct jout *o, const char *name, const struct ask_list *spans);
/* A text inside a string; a blank line parts it from the one before. */
void ask_put_paragraph(const struct ask *a, struct jout *o, struct jspan text, bool first);
/* The texts among some parts as the paragraphs of one string. */
void ask_put_texts(const struct ask *a, struct jout *o, const struct ask_part *parts, uint32_t n);
/* The arguments of a call as a JSON object; refuses what is none. */
void ask_put_arguments(struct ask *a, struct jout *o, const struct ask_part *call);
/* The members of a tool: "name", "description", and its schema under the name that it has there. */
void ask_put_tool(
    const struct ask *a, struct jout *o, const struct ask_tool *tool, const char *schema);

/* How an API says a conversation that is a list of turns, each of them a list of parts. */
struct ask_speech {
	const char *turns;	      /* the member's name */
	const char *user, *assistant; /* how a turn begins; "]}" ends it */
	/* One part, by its kind; may refuse it. */
	void (*put[ASK_PART_KINDS])(struct ask *a, struct jout *o, const struct ask_part *part);
};

/* "TURNS":[...]; a turn of nothing but empty texts is left out. False: refused or no memory. */
bool ask_put_turns(struct ask *a, struct jout *o, const struct ask_speech *speech);
/* The system's texts as the items of a list. */
void ask_put_system(struct ask *a, struct jout *o, const struct ask_speech *speech);

/* The number that a span writes; 0 if there is none. */
double ask_real(const struct ask *a, struct jspan span);
