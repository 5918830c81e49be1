// SPDX-License-Identifier: MIT
/*
 * What the writers of requests share; see xlate_ask_write.h. Used by the workers. Invariant: spans
 * go as they are written in the client's body.
 */
#include "worker/xlate_ask_write.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 64

void
ask_put_string(const struct ask *a, struct jout *o, const char *name, struct jspan span)
{
	if (span.len == 0)
		return;
	jout_key(o, name);
	jout_quoted(o, a->body + span.off, span.len);
}

void
ask_put_value(const struct ask *a, struct jout *o, const char *name, struct jspan span)
{
	if (span.len == 0)
		return;
	jout_key(o, name);
	jout_raw(o, a->body + span.off, span.len);
}

void
ask_put_strings(const struct ask *a, struct jout *o, const char *name, const struct ask_list *spans)
{
	if (spans->n == 0)
		return;
	jout_key(o, name);
	jout_text(o, "[");
	for (uint32_t i = 0; i < spans->n; i++) {
		struct jspan span = ask_spans(spans)[i];

		jout_item(o);
		jout_quoted(o, a->body + span.off, span.len);
	}
	jout_text(o, "]");
}

void
ask_put_texts(const struct ask *a, struct jout *o, const struct ask_part *parts, uint32_t n)
{
	jout_text(o, "\"");
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			jout_text(o, "\\n\\n");
		jout_raw(o, a->body + parts[i].text.off, parts[i].text.len);
	}
	jout_text(o, "\"");
}

double
ask_real(const struct ask *a, struct jspan span)
{
	char text[NUMBER_BYTES];
	size_t n = span.len < sizeof(text) - 1 ? span.len : sizeof(text) - 1;

	memcpy(text, a->body + span.off, n);
	text[n] = '\0';
	return n == 0 ? 0 : strtod(text, NULL);
}

/* The arguments of a call that OpenAI's API holds in a string. */
static bool
write_unescaped(struct ask *a, const struct ask_part *call, struct jout *o)
{
	uint8_t *text = malloc(call->text.len);
	ptrdiff_t n;
	bool ok;

	if (text == NULL) {
		a->no_memory = true;
		return false;
	}
	n = jscan_unescape(a->body, call->text, text, call->text.len);
	ok = n > 0 && jscan_is_object(text, (size_t)n);
	if (ok)
		jout_raw(o, text, (size_t)n);
	free(text);
	if (!ok)
		ask_refuse_part(a, call, ".function.arguments", "must be a JSON object");
	return ok;
}

bool
ask_write_object(struct ask *a, const struct ask_part *call, struct jout *o)
{
	if (call->text.len == 0)
		jout_text(o, "{}");
	else if (call->value)
		jout_raw(o, a->body + call->text.off, call->text.len);
	else
		return write_unescaped(a, call, o);
	return true;
}
