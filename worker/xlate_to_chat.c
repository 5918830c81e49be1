// SPDX-License-Identifier: MIT
/*
 * Sinks for clients of OpenAI's chat API: a whole answer, and a stream of chunks; see
 * retell.h. Used by the workers, for each token of a translated stream.
 */
#include <string.h>

#include "worker/retell.h"

static const char *const finish_reasons[] = {
	[FINISH_NONE] = "stop",
	[FINISH_STOP] = "stop",
	[FINISH_LENGTH] = "length",
	[FINISH_FILTER] = "content_filter",
	[FINISH_TOOL] = "tool_calls",
	[FINISH_OTHER] = "stop",
};

/* Some providers stop for a call and do not say so; some say so where the call is the text. */
static const char *
finish_reason(const struct retell *t, enum finish finish)
{
	bool calls = t->n_calls > 0 && !t->call_is_text;

	if (finish == FINISH_STOP || finish == FINISH_TOOL || finish == FINISH_NONE)
		finish = calls ? FINISH_TOOL : FINISH_STOP;
	return finish_reasons[finish];
}

static void
put_usage(struct jout *o, const struct usage *u)
{
	jout_key(o, "usage");
	jout_text(o, "{\"prompt_tokens\":");
	jout_uint(o, retell_input(u));
	jout_text(o, ",\"completion_tokens\":");
	jout_uint(o, u->output);
	jout_text(o, ",\"total_tokens\":");
	jout_uint(o, retell_input(u) + u->output);
	jout_text(o, ",\"prompt_tokens_details\":{\"cached_tokens\":");
	jout_uint(o, u->cached);
	jout_text(o, "},\"completion_tokens_details\":{\"reasoning_tokens\":");
	jout_uint(o, u->reasoning);
	jout_text(o, "}}");
}

/* {"id":...,"object":...,"created":...,"model":... without the closing brace */
static void
put_head(struct retell *t, const char *object)
{
	struct jout *o = &t->out;

	jout_text(o, "{\"id\":");
	jout_quoted(o, t->id, t->id_len);
	jout_text(o, ",\"object\":\"");
	jout_text(o, object);
	jout_text(o, "\",\"created\":");
	jout_uint(o, t->created_s);
	jout_text(o, ",\"model\":");
	jout_quoted(o, t->model, t->model_len);
}

static void
put_inside(struct jout *o, const char *name, struct inside text)
{
	jout_key(o, name);
	jout_quoted(o, text.bytes, text.n);
}

/* ---- streams -----------------------------------------------------------------------------------
 */

static void
open_delta(struct retell *t)
{
	jout_text(&t->out, "data: ");
	put_head(t, "chat.completion.chunk");
	jout_text(&t->out, ",\"choices\":[{\"index\":0,\"delta\":{");
}

static void
close_delta(struct retell *t)
{
	jout_text(&t->out, "},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
}

static void
stream_begin(struct retell *t)
{
	open_delta(t);
	jout_text(&t->out, "\"role\":\"assistant\",\"content\":\"\"");
	close_delta(t);
}

static void
stream_text(struct retell *t, struct inside text)
{
	open_delta(t);
	put_inside(&t->out, "content", text);
	close_delta(t);
}

static void
stream_thought(struct retell *t, struct inside text)
{
	open_delta(t);
	put_inside(&t->out, "reasoning_content", text);
	close_delta(t);
}

static void
open_call(struct retell *t, unsigned index)
{
	open_delta(t);
	jout_text(&t->out, "\"tool_calls\":[{\"index\":");
	jout_uint(&t->out, index);
}

static void
stream_call(struct retell *t, struct inside id, struct inside name)
{
	struct jout *o = &t->out;

	open_call(t, t->n_calls);
	put_inside(o, "id", id);
	jout_text(o, ",\"type\":\"function\",\"function\":{");
	put_inside(o, "name", name);
	jout_text(o, ",\"arguments\":\"\"}}]");
	close_delta(t);
}

static void
stream_arguments(struct retell *t, struct inside piece)
{
	open_call(t, t->n_calls - 1);
	jout_text(&t->out, ",\"function\":{");
	put_inside(&t->out, "arguments", piece);
	jout_text(&t->out, "}}]");
	close_delta(t);
}

static void
stream_value(struct retell *t, const uint8_t *json, size_t n)
{
	open_call(t, t->n_calls - 1);
	jout_text(&t->out, ",\"function\":{\"arguments\":");
	jout_string(&t->out, json, n);
	jout_text(&t->out, "}}]");
	close_delta(t);
}

static void
stream_alive(struct retell *t)
{
	jout_text(&t->out, ": keep-alive\n\n");
}

static void
stream_end(struct retell *t, const struct facts *f)
{
	struct jout *o = &t->out;

	open_delta(t);
	jout_text(o, "},\"logprobs\":null,\"finish_reason\":\"");
	jout_text(o, finish_reason(t, f->finish));
	jout_text(o, "\"}]}\n\n");
	if (t->usage_asked && f->usage.present) {
		jout_text(o, "data: ");
		put_head(t, "chat.completion.chunk");
		jout_text(o, ",\"choices\":[]");
		put_usage(o, &f->usage);
		jout_text(o, "}\n\n");
	}
	jout_text(o, "data: [DONE]\n\n");
}

const struct retell_sink retell_chat_stream = {
	.begin = stream_begin,
	.text = stream_text,
	.thought = stream_thought,
	.call = stream_call,
	.arguments = stream_arguments,
	.value = stream_value,
	.alive = stream_alive,
	.end = stream_end,
};

/* ---- whole answers -----------------------------------------------------------------------------
 */

/* The parts of a message stand in an order of their own, so each is collected by itself. */
static struct jout
into(struct retell *t, struct buf *b)
{
	return (struct jout){ .buf = b, .failed = t->out.failed };
}

static void
whole_begin(struct retell *t)
{
	(void)t;
}

static void
whole_text(struct retell *t, struct inside text)
{
	struct jout o = into(t, &t->text);

	jout_raw(&o, text.bytes, text.n);
	t->out.failed = o.failed;
}

static void
whole_thought(struct retell *t, struct inside text)
{
	struct jout o = into(t, &t->thoughts);

	jout_raw(&o, text.bytes, text.n);
	t->out.failed = o.failed;
}

static void
end_call(struct retell *t, struct jout *o)
{
	if (t->n_calls > 0)
		jout_text(o, "\"}}");
}

static void
whole_call(struct retell *t, struct inside id, struct inside name)
{
	struct jout o = into(t, &t->calls);

	end_call(t, &o);
	jout_item(&o);
	jout_text(&o, "{");
	put_inside(&o, "id", id);
	jout_text(&o, ",\"type\":\"function\",\"function\":{");
	put_inside(&o, "name", name);
	jout_text(&o, ",\"arguments\":\"");
	t->out.failed = o.failed;
}

static void
whole_arguments(struct retell *t, struct inside piece)
{
	struct jout o = into(t, &t->calls);

	jout_raw(&o, piece.bytes, piece.n);
	t->out.failed = o.failed;
}

static void
whole_value(struct retell *t, const uint8_t *json, size_t n)
{
	struct jout o = into(t, &t->calls);

	jout_escaped(&o, json, n);
	t->out.failed = o.failed;
}

static void
put_message(struct retell *t)
{
	struct jout *o = &t->out, calls = into(t, &t->calls);

	jout_text(o, "{\"role\":\"assistant\",\"content\":");
	if (buf_len(&t->text) > 0)
		jout_quoted(o, buf_bytes(&t->text), buf_len(&t->text));
	else
		jout_text(o, "null");
	if (buf_len(&t->thoughts) > 0) {
		jout_key(o, "reasoning_content");
		jout_quoted(o, buf_bytes(&t->thoughts), buf_len(&t->thoughts));
	}
	jout_text(o, ",\"refusal\":null");
	if (buf_len(&t->calls) > 0) {
		end_call(t, &calls);
		jout_text(o, ",\"tool_calls\":[");
		jout_raw(o, buf_bytes(&t->calls), buf_len(&t->calls));
		jout_text(o, "]");
		o->failed |= calls.failed;
	}
	jout_text(o, "}");
}

static void
whole_end(struct retell *t, const struct facts *f)
{
	struct jout *o = &t->out;

	put_head(t, "chat.completion");
	jout_text(o, ",\"choices\":[{\"index\":0,\"message\":");
	put_message(t);
	jout_text(o, ",\"logprobs\":null,\"finish_reason\":\"");
	jout_text(o, finish_reason(t, f->finish));
	jout_text(o, "\"}]");
	if (f->usage.present)
		put_usage(o, &f->usage);
	jout_text(o, "}");
}

const struct retell_sink retell_chat_whole = {
	.begin = whole_begin,
	.text = whole_text,
	.thought = whole_thought,
	.call = whole_call,
	.arguments = whole_arguments,
	.value = whole_value,
	.end = whole_end,
};
