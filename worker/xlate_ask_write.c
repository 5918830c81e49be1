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
ask_put_paragraph(const struct ask *a, struct jout *o, struct jspan text, bool first)
{
	if (!first)
		jout_text(o, "\\n\\n");
	jout_raw(o, a->body + text.off, text.len);
}

void
ask_put_texts(const struct ask *a, struct jout *o, const struct ask_part *parts, uint32_t n)
{
	bool first = true;

	jout_text(o, "\"");
	for (uint32_t i = 0; i < n; i++) {
		if (parts[i].kind != ASK_TEXT)
			continue;
		ask_put_paragraph(a, o, parts[i].text, first);
		first = false;
	}
	jout_text(o, "\"");
}

void
ask_put_tool(const struct ask *a, struct jout *o, const struct ask_tool *tool, const char *schema)
{
	ask_put_string(a, o, "name", tool->name);
	ask_put_string(a, o, "description", tool->description);
	ask_put_value(a, o, schema, tool->schema);
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
static void
put_unescaped(struct ask *a, struct jout *o, const struct ask_part *call)
{
	uint8_t *text = malloc(call->text.len);
	ptrdiff_t n;
	bool ok;

	if (text == NULL) {
		a->no_memory = true;
		return;
	}
	n = jscan_unescape(a->body, call->text, text, call->text.len);
	ok = n > 0 && jscan_is_object(text, (size_t)n);
	if (ok)
		jout_raw(o, text, (size_t)n);
	free(text);
	if (!ok)
		ask_refuse_part(a, call, ".function.arguments", "must be a JSON object");
}

void
ask_put_arguments(struct ask *a, struct jout *o, const struct ask_part *call)
{
	if (call->text.len == 0)
		jout_text(o, "{}");
	else if (call->value)
		jout_raw(o, a->body + call->text.off, call->text.len);
	else
		put_unescaped(a, o, call);
}

/* ---- conversations --------------------------------------------------------------------------- */

static bool
put_parts(
    struct ask *a, struct jout *o, const struct ask_speech *speech, const struct ask_turn *turn)
{
	const struct ask_part *part = ask_parts(a) + turn->first, *end = part + turn->n;

	while (part < end) {
		jout_item(o);
		speech->put[part->kind](a, o, part);
		if (a->refused || a->no_memory)
			return false;
		part += 1 + part->n_texts;
	}
	return true;
}

bool
ask_put_turns(struct ask *a, struct jout *o, const struct ask_speech *speech)
{
	jout_key(o, speech->turns);
	jout_text(o, "[");
	for (uint32_t i = 0; i < a->turns.n; i++) {
		const struct ask_turn *turn = &ask_turns(a)[i];

		if (turn->n == 0)
			continue;
		jout_item(o);
		jout_text(o, turn->assistant ? speech->assistant : speech->user);
		if (!put_parts(a, o, speech, turn))
			return false;
		jout_text(o, "]}");
	}
	jout_text(o, "]");
	return true;
}

void
ask_put_system(struct ask *a, struct jout *o, const struct ask_speech *speech)
{
	for (uint32_t i = 0; i < a->system.n; i++) {
		struct ask_part part = { .kind = ASK_TEXT, .text = ask_spans(&a->system)[i] };

		jout_item(o);
		speech->put[ASK_TEXT](a, o, &part);
	}
}
