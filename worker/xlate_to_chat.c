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
finish_reason(const struct retell *a, enum finish finish)
{
	bool calls = a->n_calls > 0 && !a->call_is_text;

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
put_head(struct retell *a, const char *object)
{
	struct jout *o = &a->out;

	jout_text(o, "{\"id\":");
	jout_quoted(o, a->id, a->id_len);
	jout_text(o, ",\"object\":\"");
	jout_text(o, object);
	jout_text(o, "\",\"created\":");
	jout_uint(o, a->created_s);
	jout_text(o, ",\"model\":");
	jout_quoted(o, a->model, a->model_len);
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
open_delta(struct retell *a)
{
	jout_text(&a->out, "data: ");
	put_head(a, "chat.completion.chunk");
	jout_text(&a->out, ",\"choices\":[{\"index\":0,\"delta\":{");
}

static void
close_delta(struct retell *a)
{
	jout_text(&a->out, "},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
}

static void
stream_begin(struct retell *a)
{
	open_delta(a);
	jout_text(&a->out, "\"role\":\"assistant\",\"content\":\"\"");
	close_delta(a);
}

static void
stream_text(struct retell *a, struct inside text)
{
	open_delta(a);
	put_inside(&a->out, "content", text);
	close_delta(a);
}

static void
stream_thought(struct retell *a, struct inside text)
{
	open_delta(a);
	put_inside(&a->out, "reasoning_content", text);
	close_delta(a);
}

static void
open_call(struct retell *a, unsigned index)
{
	open_delta(a);
	jout_text(&a->out, "\"tool_calls\":[{\"index\":");
	jout_uint(&a->out, index);
}

static void
stream_call(struct retell *a, struct inside id, struct inside name)
{
	struct jout *o = &a->out;

	open_call(a, a->n_calls);
	put_inside(o, "id", id);
	jout_text(o, ",\"type\":\"function\",\"function\":{");
	put_inside(o, "name", name);
	jout_text(o, ",\"arguments\":\"\"}}]");
	close_delta(a);
}

static void
stream_arguments(struct retell *a, struct inside piece)
{
	open_call(a, a->n_calls - 1);
	jout_text(&a->out, ",\"function\":{");
	put_inside(&a->out, "arguments", piece);
	jout_text(&a->out, "}}]");
	close_delta(a);
}

static void
stream_value(struct retell *a, const uint8_t *json, size_t n)
{
	open_call(a, a->n_calls - 1);
	jout_text(&a->out, ",\"function\":{\"arguments\":");
	jout_string(&a->out, json, n);
	jout_text(&a->out, "}}]");
	close_delta(a);
}

static void
stream_alive(struct retell *a)
{
	jout_text(&a->out, ": keep-alive\n\n");
}

static void
stream_end(struct retell *a, const struct facts *f)
{
	struct jout *o = &a->out;

	open_delta(a);
	jout_text(o, "},\"logprobs\":null,\"finish_reason\":\"");
	jout_text(o, finish_reason(a, f->finish));
	jout_text(o, "\"}]}\n\n");
	if (a->usage_asked && f->usage.present) {
		jout_text(o, "data: ");
		put_head(a, "chat.completion.chunk");
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
into(struct retell *a, struct buf *b)
{
	return (struct jout){ .buf = b, .failed = a->out.failed };
}

static void
whole_begin(struct retell *a)
{
	(void)a;
}

static void
whole_text(struct retell *a, struct inside text)
{
	struct jout o = into(a, &a->text);

	jout_raw(&o, text.bytes, text.n);
	a->out.failed = o.failed;
}

static void
whole_thought(struct retell *a, struct inside text)
{
	struct jout o = into(a, &a->thoughts);

	jout_raw(&o, text.bytes, text.n);
	a->out.failed = o.failed;
}

static void
end_call(struct retell *a, struct jout *o)
{
	if (a->n_calls > 0)
		jout_text(o, "\"}}");
}

static void
whole_call(struct retell *a, struct inside id, struct inside name)
{
	struct jout o = into(a, &a->calls);

	end_call(a, &o);
	jout_item(&o);
	jout_text(&o, "{");
	put_inside(&o, "id", id);
	jout_text(&o, ",\"type\":\"function\",\"function\":{");
	put_inside(&o, "name", name);
	jout_text(&o, ",\"arguments\":\"");
	a->out.failed = o.failed;
}

static void
whole_arguments(struct retell *a, struct inside piece)
{
	struct jout o = into(a, &a->calls);

	jout_raw(&o, piece.bytes, piece.n);
	a->out.failed = o.failed;
}

static void
whole_value(struct retell *a, const uint8_t *json, size_t n)
{
	struct jout o = into(a, &a->calls);

	jout_escaped(&o, json, n);
	a->out.failed = o.failed;
}

static void
put_message(struct retell *a)
{
	struct jout *o = &a->out, calls = into(a, &a->calls);

	jout_text(o, "{\"role\":\"assistant\",\"content\":");
	if (buf_len(&a->text) > 0)
		jout_quoted(o, buf_bytes(&a->text), buf_len(&a->text));
	else
		jout_text(o, "null");
	if (buf_len(&a->thoughts) > 0) {
		jout_key(o, "reasoning_content");
		jout_quoted(o, buf_bytes(&a->thoughts), buf_len(&a->thoughts));
	}
	jout_text(o, ",\"refusal\":null");
	if (buf_len(&a->calls) > 0) {
		end_call(a, &calls);
		jout_text(o, ",\"tool_calls\":[");
		jout_raw(o, buf_bytes(&a->calls), buf_len(&a->calls));
		jout_text(o, "]");
		o->failed |= calls.failed;
	}
	jout_text(o, "}");
}

static void
whole_end(struct retell *a, const struct facts *f)
{
	struct jout *o = &a->out;

	put_head(a, "chat.completion");
	jout_text(o, ",\"choices\":[{\"index\":0,\"message\":");
	put_message(a);
	jout_text(o, ",\"logprobs\":null,\"finish_reason\":\"");
	jout_text(o, finish_reason(a, f->finish));
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
