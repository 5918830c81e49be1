// SPDX-License-Identifier: MIT
/*
 * What all kinds of providers fill facts with; see facts.h. Used by the workers for every token
 * that passes. Invariant: FACTS_CONTENT is seen whenever facts->content becomes true.
 */
#include "worker/facts.h"

#include "worker/errorbody.h"

bool
facts_content(struct reader *r, enum jtok first)
{
	bool some;

	if (!reader_some(r, first, &some))
		return false;
	if (some)
		facts_note_content(r);
	return true;
}

bool
facts_text(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING && r->scan.span.len > 0) {
		struct quality_string text = quality_string(&r->scan);

		quality_text(&r->facts->quality, &text);
	}
	return facts_content(r, first);
}

bool
facts_call_name(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING) {
		struct quality_string name = quality_string(&r->scan);

		quality_next_call(&r->facts->quality, &name);
	}
	return reader_skip(r, first);
}

unsigned
facts_failed(const uint8_t *text, size_t n, struct facts *f)
{
	f->failed = true;
	errorbody_read(text, n, f);
	return EVENT_ERROR;
}
