// SPDX-License-Identifier: MIT
/*
 * Sinks for clients of Anthropic's Messages API: a whole message, and a stream of events; see
 * retell.h. Used by the workers, for each token of a translated stream. A message is a row of
 * blocks, of which one at a time is open. Thoughts of other models are not told: they would have to
 * be signed, and a client sends them back to whoever answers next.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/retell.h"

static const char *
stop_reason(const struct retell *t, enum finish finish)
{
	if (finish == FINISH_FILTER || t->refused)
		return "refusal";
	if (finish == FINISH_LENGTH)
		return "max_tokens";
	return t->n_calls > 0 ? "tool_use" : "end_turn";
}

static void
put_usage(struct jout *o, const struct usage *u)
{
	jout_text(o, ",\"usage\":{\"input_tokens\":");
	jout_uint(o, u->input);
	jout_text(o, ",\"cache_creation_input_tokens\":");
	jout_uint(o, u->cache_write);
	jout_text(o, ",\"cache_read_input_tokens\":");
	jout_uint(o, u->cached);
	jout_text(o, ",\"output_tokens\":");
	jout_uint(o, u->output);
	jout_text(o, "}");
}

static void
put_inside(struct jout *o, const char *name, struct inside text)
{
	jout_key(o, name);
	jout_quoted(o, text.bytes, text.n);
}

/* {"id":...,"type":"message","role":"assistant","model":... without the closing brace */
static void
put_head(struct retell *t)
{
	struct jout *o = &t->out;

	jout_text(o, "{\"id\":");
	jout_quoted(o, t->id, t->id_len);
	jout_text(o, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
	jout_quoted(o, t->model, t->model_len);
}

/* ---- streams -----------------------------------------------------------------------------------
 */

static void
stream_begin(struct retell *t)
{
	static const struct usage none = { .present = false };
	struct jout *o = &t->out;

	jout_text(o, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
	put_head(t);
	jout_text(o, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
	put_usage(o, &none); /* the figures are known at the end */
	jout_text(o, "}}\n\n");
}

static void
put_block_event(struct retell *t, const char *begin)
{
	jout_text(&t->out, begin);
	jout_uint(&t->out, t->n_blocks - 1);
}

static void
stream_close(struct retell *t)
{
	if (t->block == BLOCK_NONE)
		return;
	put_block_event(
	    t, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
	jout_text(&t->out, "}\n\n");
	t->block = BLOCK_NONE;
}

static void
stream_open(struct retell *t, enum retell_block block)
{
	stream_close(t);
	t->block = block;
	t->n_blocks++;
	put_block_event(
	    t, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
	jout_text(&t->out, ",\"content_block\":{\"type\":");
}

static void
open_delta(struct retell *t)
{
	put_block_event(
	    t, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
	jout_text(&t->out, ",\"delta\":{\"type\":");
}

static void
stream_text(struct retell *t, struct inside text)
{
	if (t->block != BLOCK_TEXT) {
		stream_open(t, BLOCK_TEXT);
		jout_text(&t->out, "\"text\",\"text\":\"\"}}\n\n");
	}
	open_delta(t);
	jout_text(&t->out, "\"text_delta\"");
	put_inside(&t->out, "text", text);
	jout_text(&t->out, "}}\n\n");
}

static void
stream_alive(struct retell *t)
{
	jout_text(&t->out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

static void
stream_thought(struct retell *t, struct inside text)
{
	(void)text;
	stream_alive(t);
}

static void
stream_call(struct retell *t, struct inside id, struct inside name)
{
	stream_open(t, BLOCK_CALL);
	jout_text(&t->out, "\"tool_use\"");
	put_inside(&t->out, "id", id);
	put_inside(&t->out, "name", name);
	jout_text(&t->out, ",\"input\":{}}}\n\n");
}

static void
stream_arguments(struct retell *t, struct inside piece)
{
	open_delta(t);
	jout_text(&t->out, "\"input_json_delta\"");
	put_inside(&t->out, "partial_json", piece);
	jout_text(&t->out, "}}\n\n");
}

static void
stream_value(struct retell *t, const uint8_t *json, size_t n)
{
	open_delta(t);
	jout_text(&t->out, "\"input_json_delta\",\"partial_json\":");
	jout_string(&t->out, json, n);
	jout_text(&t->out, "}}\n\n");
}

static void
stream_end(struct retell *t, const struct facts *f)
{
	struct jout *o = &t->out;

	stream_close(t);
	jout_text(o, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"
		     "\"stop_reason\":\"");
	jout_text(o, stop_reason(t, f->finish));
	jout_text(o, "\",\"stop_sequence\":null}");
	put_usage(o, &f->usage);
	jout_text(o, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

const struct retell_sink retell_messages_stream = {
	.begin = stream_begin,
	.text = stream_text,
	.thought = stream_thought,
	.call = stream_call,
	.arguments = stream_arguments,
	.value = stream_value,
	.alive = stream_alive,
	.end = stream_end,
};

/* ---- whole messages ----------------------------------------------------------------------------
 */

static void
whole_begin(struct retell *t)
{
	put_head(t);
	jout_text(&t->out, ",\"content\":[");
}

/* The pieces of the arguments, as the object that they make. */
static void
put_input(struct retell *t)
{
	const uint8_t *pieces = buf_bytes(&t->calls);
	size_t n = buf_len(&t->calls);
	uint8_t *json = malloc(n);
	ptrdiff_t len;

	if (json == NULL) {
		t->out.failed = true;
		return;
	}
	len = jscan_unescape(pieces, (struct jspan){ 0, n }, json, n);
	if (len > 0 && jscan_is_object(json, (size_t)len))
		jout_raw(&t->out, json, (size_t)len);
	else
		t->bad = true;
	free(json);
	buf_consume(&t->calls, n);
}

static void
whole_close(struct retell *t)
{
	if (t->block == BLOCK_TEXT) {
		jout_text(&t->out, "\"}");
	} else if (t->block == BLOCK_CALL) {
		if (buf_len(&t->calls) > 0)
			put_input(t);
		jout_text(&t->out, "}");
	}
	t->block = BLOCK_NONE;
}

static void
whole_text(struct retell *t, struct inside text)
{
	if (t->block != BLOCK_TEXT) {
		whole_close(t);
		t->block = BLOCK_TEXT;
		jout_item(&t->out);
		jout_text(&t->out, "{\"type\":\"text\",\"text\":\"");
	}
	jout_raw(&t->out, text.bytes, text.n);
}

static void
whole_thought(struct retell *t, struct inside text)
{
	(void)t, (void)text;
}

static void
whole_call(struct retell *t, struct inside id, struct inside name)
{
	whole_close(t);
	t->block = BLOCK_CALL;
	jout_item(&t->out);
	jout_text(&t->out, "{\"type\":\"tool_use\"");
	put_inside(&t->out, "id", id);
	put_inside(&t->out, "name", name);
	jout_text(&t->out, ",\"input\":");
}

static void
whole_arguments(struct retell *t, struct inside piece)
{
	struct jout o = { .buf = &t->calls, .failed = t->out.failed };

	jout_raw(&o, piece.bytes, piece.n);
	t->out.failed = o.failed;
}

static void
whole_value(struct retell *t, const uint8_t *json, size_t n)
{
	jout_raw(&t->out, json, n);
}

static void
whole_end(struct retell *t, const struct facts *f)
{
	struct jout *o = &t->out;

	whole_close(t);
	jout_text(o, "],\"stop_reason\":\"");
	jout_text(o, stop_reason(t, f->finish));
	jout_text(o, "\",\"stop_sequence\":null");
	put_usage(o, &f->usage);
	jout_text(o, "}");
}

const struct retell_sink retell_messages_whole = {
	.begin = whole_begin,
	.text = whole_text,
	.thought = whole_thought,
	.call = whole_call,
	.arguments = whole_arguments,
	.value = whole_value,
	.end = whole_end,
};
