// SPDX-License-Identifier: MIT
/*
 * What stands between sources and sinks; see retell.h. Used by the workers. Invariant: a sink
 * sees `begin` first, arguments only after a call, and nothing behind `end` or once it is bad.
 */
#include "worker/retell.h"

#include <string.h>

void
retell_free(struct retell *t)
{
	buf_free(&t->text);
	buf_free(&t->thoughts);
	buf_free(&t->calls);
	buf_free(&t->standing);
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
begin(struct retell *t)
{
	if (t->begun)
		return;
	t->begun = true;
	if (t->id_len == 0)
		keep(t->id, &t->id_len, plain(t->fallback_id));
	if (t->model_len == 0)
		keep(t->model, &t->model_len, plain(t->fallback_model));
	t->sink->begin(t);
}

void
retell_identify(struct retell *t, struct inside id, struct inside model)
{
	if (t->begun || t->ended)
		return;
	keep(t->id, &t->id_len, id);
	keep(t->model, &t->model_len, model);
	begin(t);
}

/* Whether a piece may still be told. */
static bool
is_open(struct retell *t)
{
	if (t->bad || t->ended)
		return false;
	t->too_large = t->out.buf != NULL && buf_len(t->out.buf) > t->max_bytes;
	t->bad = t->too_large;
	if (!t->bad)
		begin(t);
	return !t->bad;
}

/* ---- pieces -----------------------------------------------------------------------------------
 */

static void
tell_value_as_text(struct retell *t, const uint8_t *json, size_t n)
{
	struct buf escaped = { 0 };
	struct jout o = { .buf = &escaped };

	jout_string(&o, json, n);
	if (o.failed)
		t->out.failed = true;
	else
		t->sink->text(t, (struct inside){ buf_bytes(&escaped) + 1, buf_len(&escaped) - 2 });
	buf_free(&escaped);
}

static void
tell_value(struct retell *t, const uint8_t *json, size_t n)
{
	if (t->call_is_text)
		tell_value_as_text(t, json, n);
	else
		t->sink->value(t, json, n);
}

/* Arguments that there are none of are an empty object: clients parse them. */
static void
close_call(struct retell *t)
{
	if (t->in_call && !t->some_arguments) {
		if (buf_len(&t->standing) > 0)
			tell_value(t, buf_bytes(&t->standing), buf_len(&t->standing));
		else if (!t->call_is_text)
			t->sink->value(t, (const uint8_t *)"{}", 2);
	}
	buf_consume(&t->standing, buf_len(&t->standing));
	t->in_call = false;
}

void
retell_text(struct retell *t, struct inside text)
{
	if (text.n == 0 || !is_open(t))
		return;
	close_call(t);
	t->sink->text(t, text);
}

void
retell_thought(struct retell *t, struct inside text)
{
	if (text.n == 0 || !is_open(t))
		return;
	close_call(t);
	t->sink->thought(t, text);
}

#define MADE_ID_BYTES 24

/* "call_", 16 digits of the seed, and the call's number. */
static struct inside
make_id(const struct retell *t, char out[MADE_ID_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 5;

	memcpy(out, "call_", n);
	for (int shift = 60; shift >= 0; shift -= 4)
		out[n++] = hex[t->seed >> shift & 15];
	for (int shift = 8; shift >= 0; shift -= 4)
		out[n++] = hex[t->n_calls >> shift & 15];
	return (struct inside){ (const uint8_t *)out, n };
}

void
retell_call(struct retell *t, struct inside id, struct inside name)
{
	char made[MADE_ID_BYTES];

	if (!is_open(t))
		return;
	close_call(t);
	if (id.n == 0)
		id = make_id(t, made);
	t->bad = name.n == 0 || (t->call_is_text && t->n_calls > 0);
	if (t->bad)
		return;
	if (!t->call_is_text)
		t->sink->call(t, id, name);
	t->n_calls++;
	t->in_call = true;
	t->some_arguments = false;
}

void
retell_arguments(struct retell *t, struct inside piece)
{
	if (piece.n == 0 || !is_open(t))
		return;
	t->bad = !t->in_call;
	if (t->bad)
		return;
	t->some_arguments = true;
	if (t->call_is_text)
		t->sink->text(t, piece);
	else
		t->sink->arguments(t, piece);
}

void
retell_value(struct retell *t, const uint8_t *json, size_t n)
{
	if (n == 0 || !is_open(t))
		return;
	t->bad = !t->in_call || t->some_arguments;
	if (t->bad)
		return;
	t->some_arguments = true;
	tell_value(t, json, n);
}

void
retell_standing_value(struct retell *t, const uint8_t *json, size_t n)
{
	if (n == 0 || !is_open(t) || !t->in_call)
		return;
	if (buf_add(&t->standing, json, n) != 0)
		t->out.failed = true;
}

void
retell_alive(struct retell *t)
{
	if (t->begun && !t->bad && !t->ended && t->sink->alive != NULL)
		t->sink->alive(t);
}

void
retell_end(struct retell *t, const struct facts *f)
{
	if (!is_open(t))
		return;
	close_call(t);
	t->ended = true;
	t->sink->end(t, f);
}
