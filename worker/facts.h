// SPDX-License-Identifier: MIT
/*
 * Fills the facts of an answer where all kinds of providers do it alike: what is content, why it
 * ended, what its error says. Used by the provider_*.c of the workers, for each token. Pure.
 */
#pragma once

#include "worker/reader.h"

/* Bits of reader.seen. */
enum facts_seen {
	FACTS_LIST = 1,	   /* the array that the API promises: choices, content, candidates ... */
	FACTS_CONTENT = 2, /* something that a person waits for */
	FACTS_FINISH = 4,  /* the reason why it ended */
	FACTS_ERROR = 8,
	FACTS_OWN = 16, /* the first of a kind's own */
};

/* A provider's word for why an answer ended. */
struct facts_finish {
	const char *name; /* NULL: the last row, any other word */
	enum finish finish;
};

/* A value that is content when there is something in it. */
bool facts_content(struct reader *r, enum jtok first);
/* The same, of a text that people or programs read: it is looked at for the guard too. */
bool facts_text(struct reader *r, enum jtok first);
/* The name of a call of its own, whose arguments follow, or are an object. */
bool facts_call_name(struct reader *r, enum jtok first);
/* The text is an error: what it says goes to the facts. Returns EVENT_ERROR. */
unsigned facts_failed(const uint8_t *text, size_t n, struct facts *f);

/* ---- inline, since every token passes them ----------------------------------------------------
 */

/* Something that a person waits for has come. */
static inline void
facts_note_content(struct reader *r)
{
	r->seen |= FACTS_CONTENT;
	r->facts->content = true;
}

/* The promised array; `element` takes each. */
static inline bool
facts_list(struct reader *r, enum jtok first, reader_fn *element)
{
	if (first == JTOK_ARRAY)
		r->seen |= FACTS_LIST;
	return reader_array(r, first, element);
}

/* Why it ended; null says nothing. */
static inline bool
facts_finish(struct reader *r, enum jtok first, const struct facts_finish *names)
{
	if (first != JTOK_STRING)
		return reader_skip(r, first);
	while (names->name != NULL && !reader_is(r, first, names->name))
		names++;
	r->facts->finish = names->finish;
	r->seen |= FACTS_FINISH;
	return true;
}
