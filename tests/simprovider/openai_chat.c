// SPDX-License-Identifier: MIT
/*
 * Chat completions and legacy completions, whole and as chunks. The concatenated deltas of a stream
 * are the content of the whole answer.
 */
#include "tests/simprovider/openai.h"

static void
usage_object(struct reply *reply, struct text *out)
{
	const struct usage *u = &reply->usage;
	struct str extra = reply->behaviour->usage.extra;

	reply->told = TOLD_ALL;
	reply->told_output = u->output;
	text_lit(out, "{\"prompt_tokens\":");
	text_u64(out, u->input);
	text_lit(out, ",\"completion_tokens\":");
	text_u64(out, u->output);
	text_lit(out, ",\"total_tokens\":");
	text_u64(out, u->input + u->output);
	text_lit(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
	text_u64(out, u->cached);
	text_lit(out, "},\"completion_tokens_details\":{\"reasoning_tokens\":");
	text_u64(out, u->reasoning);
	text_lit(out, "}");
	if (extra.len > 0) {
		text_lit(out, ",");
		text_span(out, extra);
	}
	text_lit(out, "}");
}

static void
head_members(const struct reply *reply, const char *prefix, const char *object, struct text *out)
{
	text_lit(out, "{\"id\":\"");
	text_str(out, prefix);
	text_u64(out, reply->id);
	text_lit(out, "\",\"object\":\"");
	text_str(out, object);
	text_lit(out, "\",\"created\":" KIND_CREATED ",\"model\":\"");
	text_span(out, reply->reported);
	text_lit(out, "\",\"choices\":[");
}

static void
finish_member(const struct reply *reply, struct text *out)
{
	if (reply->finish_reason.len == 0) {
		text_lit(out, "null");
		return;
	}
	text_lit(out, "\"");
	text_span(out, reply->finish_reason);
	text_lit(out, "\"");
}

static void
end_members(struct reply *reply, struct text *out)
{
	text_lit(out, "]");
	if (reply->show_usage) {
		text_lit(out, ",\"usage\":");
		usage_object(reply, out);
	}
	text_lit(out, "}");
}

static void
call_id(const struct reply *reply, size_t call, struct text *out)
{
	text_format(out, "call_sim%llu_%zu", (unsigned long long)reply->id, call);
}

static void
message_tools(const struct reply *reply, struct text *out)
{
	text_lit(out, "\"content\":null,\"tool_calls\":[");
	for (size_t i = 0; i < reply->tools->count; i++) {
		text_str(out, i > 0 ? ",{\"id\":\"" : "{\"id\":\"");
		call_id(reply, i, out);
		text_lit(out, "\",\"type\":\"function\",\"function\":{\"name\":\"");
		text_span(out, reply->tools->items[i].name);
		text_lit(out, "\",\"arguments\":\"");
		reply_tool_arguments(reply, i, out);
		text_lit(out, "\"}}");
	}
	text_lit(out, "]");
}

void
openai_chat_whole(struct reply *reply, struct text *out)
{
	head_members(reply, "chatcmpl-sim", "chat.completion", out);
	if (!reply->no_choices) {
		text_lit(out, "{\"index\":0,\"message\":{\"role\":\"assistant\",");
		if (reply->reasoning > 0) {
			text_lit(out, "\"reasoning_content\":\"");
			reply_thoughts(reply, out);
			text_lit(out, "\",");
		}
		if (reply->tools != NULL) {
			message_tools(reply, out);
		} else {
			text_str(out,
			    reply->refusal ? "\"content\":null,\"refusal\":\"" : "\"content\":\"");
			reply_content(reply, out);
			text_lit(out, "\"");
		}
		if (!reply->refusal)
			text_lit(out, ",\"refusal\":null");
		text_lit(out, "},\"logprobs\":null,\"finish_reason\":");
		finish_member(reply, out);
		text_lit(out, "}");
	}
	end_members(reply, out);
}

void
openai_legacy_whole(struct reply *reply, struct text *out)
{
	head_members(reply, "cmpl-sim", "text_completion", out);
	if (!reply->no_choices) {
		text_lit(out, "{\"text\":\"");
		reply_content(reply, out);
		text_lit(out, "\",\"index\":0,\"logprobs\":null,\"finish_reason\":");
		finish_member(reply, out);
		text_lit(out, "}");
	}
	end_members(reply, out);
}

static void
tool_delta(const struct reply *reply, uint64_t index, struct text *out)
{
	struct tool_place place = reply_tool_place(reply, index);

	text_lit(out, "\"tool_calls\":[{\"index\":");
	text_u64(out, place.call);
	if (place.opens) {
		text_lit(out, ",\"id\":\"");
		call_id(reply, place.call, out);
		text_lit(out, "\",\"type\":\"function\",\"function\":{\"name\":\"");
		text_span(out, reply->tools->items[place.call].name);
		text_lit(out, "\",\"arguments\":\"\"}}]");
		return;
	}
	text_lit(out, ",\"function\":{\"arguments\":\"");
	text_span(out, reply_tool_piece(reply, place.call, place.piece));
	text_lit(out, "\"}}]");
}

static void
delta(struct reply *reply, enum piece piece, uint64_t index, struct text *out)
{
	switch (piece) {
	case PIECE_ROLE:
		text_lit(out, "\"role\":\"assistant\",");
		text_str(out, reply->tools != NULL ? "\"content\":null" : "\"content\":\"\"");
		break;
	case PIECE_REASONING:
		text_lit(out, "\"reasoning_content\":\"");
		reply_thought(index, out);
		text_lit(out, "\"");
		break;
	case PIECE_CONTENT:
		text_str(out, reply->refusal ? "\"refusal\":\"" : "\"content\":\"");
		reply_fragment(reply, index, out);
		reply->pad_at = text_len(out);
		text_lit(out, "\"");
		break;
	case PIECE_TOOL: tool_delta(reply, index, out); break;
	default: break;
	}
}

static void
usage_member(struct reply *reply, enum piece piece, struct text *out)
{
	bool with_choices = reply->usage_with_choices && piece == PIECE_FINISH;

	if (piece == PIECE_USAGE || with_choices) {
		text_lit(out, ",\"usage\":");
		usage_object(reply, out);
	} else if (reply->usage_asked) {
		text_lit(out, ",\"usage\":null");
	}
}

/* What both kinds of chunk share: the frame around the one choice, and the end marks. */
static void
chunk(struct reply *reply, enum piece piece, uint64_t index, bool chat, struct text *out)
{
	if (piece == PIECE_DONE) {
		text_lit(out, "data: [DONE]\n\n");
		return;
	}
	text_lit(out, "data: ");
	head_members(reply, chat ? "chatcmpl-sim" : "cmpl-sim",
	    chat ? "chat.completion.chunk" : "text_completion", out);
	if (piece != PIECE_USAGE) {
		text_str(out, chat ? "{\"index\":0,\"delta\":{" : "{\"index\":0,\"text\":\"");
		if (chat) {
			delta(reply, piece, index, out);
		} else if (piece == PIECE_CONTENT) {
			reply_fragment(reply, index, out);
			reply->pad_at = text_len(out);
		}
		text_str(out, chat ? "},\"logprobs\":null,\"finish_reason\":"
				   : "\",\"logprobs\":null,\"finish_reason\":");
		if (piece == PIECE_FINISH)
			finish_member(reply, out);
		else
			text_lit(out, "null");
		text_lit(out, "}");
	}
	text_lit(out, "]");
	usage_member(reply, piece, out);
	text_lit(out, "}\n\n");
}

void
openai_chat_event(struct reply *reply, enum piece piece, uint64_t index, struct text *out)
{
	chunk(reply, piece, index, true, out);
}

void
openai_legacy_event(struct reply *reply, enum piece piece, uint64_t index, struct text *out)
{
	if (piece != PIECE_ROLE && piece != PIECE_REASONING && piece != PIECE_TOOL)
		chunk(reply, piece, index, false, out);
}
