// SPDX-License-Identifier: MIT
/*
 * What stands between sources and sinks; see retell.h. Used by the workers. Invariant: a sink
 * sees `begin` first, arguments only after a call, and nothing behind `end` or once it is bad.
 */
#include "worker/retell.h"

#include <string.h>

void
retell_free(struct retell *a)
{
	buf_free(&a->text);
	buf_free(&a->thoughts);
	buf_free(&a->calls);
}

/* ---- begin ------------------------------------------------------------------------------------
 */

/* Takes a provider's name for something as it is written, unless it is too long to be one. */
static void
keep(char *out, size_t *len, struct inside from)
{
	if (from.n > RETELL_NAME_BYTES)
		return;
	if (from.n > 0)
		memcpy(out, from.bytes, from.n);
	*len = from.n;
}

static struct inside
plain(const char *text)
{
	return (struct inside){ (const uint8_t *)text, strlen(text) };
}

static void
begin(struct retell *a)
{
	if (a->begun)
		return;
	a->begun = true;
	if (a->id_len == 0)
		keep(a->id, &a->id_len, plain(a->fallback_id));
	if (a->model_len == 0)
		keep(a->model, &a->model_len, plain(a->fallback_model));
	a->sink->begin(a);
}

void
retell_identify(struct retell *a, struct inside id, struct inside model)
{
	if (a->begun || a->ended)
		return;
	keep(a->id, &a->id_len, id);
	keep(a->model, &a->model_len, model);
	begin(a);
}

/* Whether a piece may still be told. */
static bool
is_open(struct retell *a)
{
	if (a->bad || a->ended)
		return false;
	begin(a);
	return true;
}

/* ---- pieces -----------------------------------------------------------------------------------
 */

/* Arguments that there are none of are an empty object: clients parse them. */
static void
close_call(struct retell *a)
{
	if (a->in_call && !a->some_arguments && !a->call_is_text)
		a->sink->value(a, (const uint8_t *)"{}", 2);
	a->in_call = false;
}

void
retell_text(struct retell *a, struct inside text)
{
	if (text.n == 0 || !is_open(a))
		return;
	close_call(a);
	a->sink->text(a, text);
}

void
retell_thought(struct retell *a, struct inside text)
{
	if (text.n == 0 || !is_open(a))
		return;
	close_call(a);
	a->sink->thought(a, text);
}

#define MADE_ID_BYTES 24

/* "call_", 16 digits of the seed, and the call's number. */
static struct inside
make_id(const struct retell *a, char out[MADE_ID_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 5;

	memcpy(out, "call_", n);
	for (int shift = 60; shift >= 0; shift -= 4)
		out[n++] = hex[a->seed >> shift & 15];
	for (int shift = 8; shift >= 0; shift -= 4)
		out[n++] = hex[a->n_calls >> shift & 15];
	return (struct inside){ (const uint8_t *)out, n };
}

void
retell_call(struct retell *a, struct inside id, struct inside name)
{
	char made[MADE_ID_BYTES];

	if (!is_open(a))
		return;
	close_call(a);
	if (id.n == 0)
		id = make_id(a, made);
	a->bad = name.n == 0 || (a->call_is_text && a->n_calls > 0);
	if (a->bad)
		return;
	if (!a->call_is_text)
		a->sink->call(a, id, name);
	a->n_calls++;
	a->in_call = true;
	a->some_arguments = false;
}

void
retell_arguments(struct retell *a, struct inside piece)
{
	if (piece.n == 0 || !is_open(a))
		return;
	a->bad = !a->in_call;
	if (a->bad)
		return;
	a->some_arguments = true;
	if (a->call_is_text)
		a->sink->text(a, piece);
	else
		a->sink->arguments(a, piece);
}

static void
tell_value_as_text(struct retell *a, const uint8_t *json, size_t n)
{
	struct buf escaped = { 0 };
	struct jout o = { .buf = &escaped };

	jout_string(&o, json, n);
	if (o.failed)
		a->out.failed = true;
	else
		a->sink->text(a, (struct inside){ buf_bytes(&escaped) + 1, buf_len(&escaped) - 2 });
	buf_free(&escaped);
}

void
retell_value(struct retell *a, const uint8_t *json, size_t n)
{
	if (n == 0 || !is_open(a))
		return;
	a->bad = !a->in_call || a->some_arguments;
	if (a->bad)
		return;
	a->some_arguments = true;
	if (a->call_is_text)
		tell_value_as_text(a, json, n);
	else
		a->sink->value(a, json, n);
}

void
retell_alive(struct retell *a)
{
	if (a->begun && !a->bad && !a->ended && a->sink->alive != NULL)
		a->sink->alive(a);
}

void
retell_end(struct retell *a, const struct facts *f)
{
	if (!is_open(a))
		return;
	close_call(a);
	a->ended = true;
	a->sink->end(a, f);
}
