// SPDX-License-Identifier: MIT
/*
 * Messages, whole and as events. Blocks of the content stand in the order in which they are
 * streamed: thinking, then either one text or the tool calls. What is cached or written to the
 * cache is told apart from the input, and the output of message_delta is cumulative.
 */
#include "tests/simprovider/anthropic.h"

#define SIGNATURE "c2ltdWxhdGVkLXNpZ25hdHVyZQ=="

/* OpenAI's word for the end of an answer in Anthropic's words; others pass. */
static struct str
stop_reason(struct str word)
{
	static const struct {
		const char *openai, *own;
	} words[] = {
		{ "stop", "end_turn" },
		{ "length", "max_tokens" },
		{ "tool_calls", "tool_use" },
		{ "content_filter", "refusal" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (word.len == strlen(words[i].openai) &&
		    memcmp(word.bytes, words[i].openai, word.len) == 0)
			return (struct str){ words[i].own, strlen(words[i].own) };
	return word;
}

static bool
stopped_by_text(const struct reply *reply)
{
	struct str word = reply->finish_reason;

	return reply->stop.bytes != NULL && word.len == 13 &&
	       memcmp(word.bytes, "stop_sequence", 13) == 0;
}

static void
stop_members(const struct reply *reply, struct text *out)
{
	struct str reason = stop_reason(reply->finish_reason);

	if (reply->refusal)
		reason = (struct str){ "refusal", 7 };
	text_lit(out, "\"stop_reason\":");
	text_str(out, reason.len > 0 ? "\"" : "null");
	text_span(out, reason);
	text_str(out, reason.len > 0 ? "\",\"stop_sequence\":" : ",\"stop_sequence\":");
	if (stopped_by_text(reply))
		text_span(out, reply->stop);
	else
		text_lit(out, "null");
}

/* `output`: what has been made so far. */
static void
usage_object(struct reply *reply, uint64_t output, struct text *out)
{
	const struct usage *u = &reply->usage;
	struct str extra = reply->behaviour->usage.extra;

	text_lit(out, "{\"input_tokens\":");
	text_u64(out, u->input - u->cached - u->written);
	text_lit(out, ",\"cache_creation_input_tokens\":");
	text_u64(out, u->written);
	text_lit(out, ",\"cache_read_input_tokens\":");
	text_u64(out, u->cached);
	text_lit(out, ",\"output_tokens\":");
	text_u64(out, output);
	if (extra.len > 0) {
		text_lit(out, ",");
		text_span(out, extra);
	}
	text_lit(out, "}");
	reply->told_output = output;
}

static void
tool_block(const struct reply *reply, size_t call, bool whole, struct text *out)
{
	text_format(out, "{\"type\":\"tool_use\",\"id\":\"toolu_sim%llu_%zu\",\"name\":\"",
	    (unsigned long long)reply->id, call);
	text_span(out, reply->tools->items[call].name);
	text_lit(out, "\",\"input\":");
	if (whole)
		reply_tool_object(reply, call, out);
	else
		text_lit(out, "{}");
	text_lit(out, "}");
}

static void
thinking_block(const struct reply *reply, struct text *out)
{
	text_lit(out, "{\"type\":\"thinking\",\"thinking\":\"");
	reply_thoughts(reply, out);
	text_lit(out, "\",\"signature\":\"" SIGNATURE "\"}");
}

static void
blocks(struct reply *reply, struct text *out)
{
	bool text = reply->tools == NULL && reply->tokens > 0 && !reply->refusal;

	if (reply->no_choices)
		return;
	if (reply->reasoning > 0)
		thinking_block(reply, out);
	if (reply->reasoning > 0 && (text || reply->tools != NULL))
		text_lit(out, ",");
	if (text) {
		text_lit(out, "{\"type\":\"text\",\"text\":\"");
		reply_content(reply, out);
		text_lit(out, "\"}");
	}
	for (size_t i = 0; reply->tools != NULL && i < reply->tools->count; i++) {
		if (i > 0)
			text_lit(out, ",");
		tool_block(reply, i, true, out);
	}
}

static void
head_members(const struct reply *reply, struct text *out)
{
	text_format(out,
	    "{\"id\":\"msg_sim%llu\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"",
	    (unsigned long long)reply->id);
	text_span(out, reply->reported);
	text_lit(out, "\",\"content\":[");
}

void
anthropic_message_whole(struct reply *reply, struct text *out)
{
	head_members(reply, out);
	blocks(reply, out);
	text_lit(out, "],");
	stop_members(reply, out);
	if (reply->show_usage) {
		text_lit(out, ",\"usage\":");
		usage_object(reply, reply->usage.output, out);
		reply->told = TOLD_ALL;
	}
	text_lit(out, "}");
}

static void
begin(const char *type, struct text *out)
{
	text_lit(out, "event: ");
	text_str(out, type);
	text_lit(out, "\ndata: {\"type\":\"");
	text_str(out, type);
	text_lit(out, "\"");
}

static void
end(struct text *out)
{
	text_lit(out, "}\n\n");
}

static void
begin_block(const char *type, size_t block, struct text *out)
{
	begin(type, out);
	text_lit(out, ",\"index\":");
	text_u64(out, block);
}

static void
stop_block(size_t block, struct text *out)
{
	begin_block("content_block_stop", block, out);
	end(out);
}

/* The beginning of a delta, up to the text it brings. */
static void
begin_delta(size_t block, const char *type, const char *member, struct text *out)
{
	begin_block("content_block_delta", block, out);
	text_format(out, ",\"delta\":{\"type\":\"%s\",\"%s\":\"", type, member);
}

static void
end_delta(struct text *out)
{
	text_lit(out, "\"}");
	end(out);
}

static void
start_event(struct reply *reply, struct text *out)
{
	begin("message_start", out);
	text_lit(out, ",\"message\":");
	head_members(reply, out);
	text_lit(out, "],\"stop_reason\":null,\"stop_sequence\":null");
	if (reply->show_usage) {
		text_lit(out, ",\"usage\":");
		usage_object(reply, reply->usage.output > 0, out);
		reply->told = TOLD_INPUT;
	}
	text_lit(out, "}");
	end(out);
}

/* A ping follows the first block's start, as it does at the real one. */
static void
first_block_event(size_t block, const char *members, struct text *out)
{
	begin_block("content_block_start", block, out);
	text_lit(out, ",\"content_block\":{");
	text_str(out, members);
	text_lit(out, "}");
	end(out);
	if (block == 0)
		text_lit(out, ANTHROPIC_PING);
}

static void
thought_event(struct reply *reply, uint64_t index, struct text *out)
{
	if (index == 0)
		first_block_event(
		    0, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"", out);
	begin_delta(0, "thinking_delta", "thinking", out);
	reply_thought(index, out);
	end_delta(out);
	if (index + 1 < reply->reasoning)
		return;
	begin_delta(0, "signature_delta", "signature", out);
	text_lit(out, SIGNATURE);
	end_delta(out);
	stop_block(0, out);
}

static void
content_event(struct reply *reply, uint64_t index, struct text *out)
{
	size_t block = reply->reasoning > 0, pad_at;

	if (reply->refusal)
		return;
	if (index == 0)
		first_block_event(block, "\"type\":\"text\",\"text\":\"\"", out);
	begin_delta(block, "text_delta", "text", out);
	reply_fragment(reply, index, out);
	pad_at = text_len(out);
	end_delta(out);
	if (index + 1 == reply->tokens)
		stop_block(block, out);
	reply->pad_at = pad_at;
}

static void
tool_event(const struct reply *reply, uint64_t index, struct text *out)
{
	struct tool_place place = reply_tool_place(reply, index);
	size_t pieces = reply->tools->items[place.call].arguments.count;
	size_t block = (reply->reasoning > 0) + place.call;

	if (place.opens) {
		begin_block("content_block_start", block, out);
		text_lit(out, ",\"content_block\":");
		tool_block(reply, place.call, false, out);
		end(out);
	}
	begin_delta(block, "input_json_delta", "partial_json", out);
	if (!place.opens)
		text_span(out, reply_tool_piece(reply, place.call, place.piece));
	end_delta(out);
	if (place.opens ? pieces == 0 : place.piece + 1 == pieces)
		stop_block(block, out);
}

static void
delta_event(struct reply *reply, struct text *out)
{
	begin("message_delta", out);
	text_lit(out, ",\"delta\":{");
	stop_members(reply, out);
	text_lit(out, "}");
	if (reply->show_usage) {
		text_lit(out, ",\"usage\":");
		usage_object(reply, reply->usage.output, out);
		reply->told = TOLD_ALL;
	}
	end(out);
}

void
anthropic_message_event(struct reply *reply, enum piece piece, uint64_t index, struct text *out)
{
	switch (piece) {
	case PIECE_ROLE: start_event(reply, out); break;
	case PIECE_REASONING: thought_event(reply, index, out); break;
	case PIECE_CONTENT: content_event(reply, index, out); break;
	case PIECE_TOOL: tool_event(reply, index, out); break;
	case PIECE_FINISH: delta_event(reply, out); break;
	case PIECE_USAGE: break;
	case PIECE_DONE:
		begin("message_stop", out);
		end(out);
		break;
	}
}
