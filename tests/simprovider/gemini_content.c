// SPDX-License-Identifier: MIT
/*
 * Generated content, whole and as events. Each event is an answer of its own with a part of the
 * text and the usage so far; a function call is never in pieces; nothing marks the end but a
 * finishReason. Thoughts are counted apart from what the candidate says.
 */
#include "tests/simprovider/gemini.h"

#define SIGNATURE "c2ltdWxhdGVkLXNpZ25hdHVyZQ=="

/* OpenAI's word for the end of an answer in Google's words; others pass. */
static struct str
finish_reason(struct str word)
{
	static const struct {
		const char *openai, *own;
	} words[] = {
		{ "stop", "STOP" },
		{ "length", "MAX_TOKENS" },
		{ "tool_calls", "STOP" },
		{ "content_filter", "SAFETY" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (word.len == strlen(words[i].openai) &&
		    memcmp(word.bytes, words[i].openai, word.len) == 0)
			return (struct str){ words[i].own, strlen(words[i].own) };
	return word;
}

/* Members that an answer has in any case. `thoughts` and `said`: made so far. */
static void
end_members(struct reply *reply, uint64_t thoughts, uint64_t said, struct text *out)
{
	const struct usage *u = &reply->usage;
	struct str extra = reply->behaviour->usage.extra;

	if (reply->show_usage) {
		text_format(out, ",\"usageMetadata\":{\"promptTokenCount\":%llu",
		    (unsigned long long)u->input);
		if (said > 0)
			text_format(
			    out, ",\"candidatesTokenCount\":%llu", (unsigned long long)said);
		text_format(out, ",\"totalTokenCount\":%llu",
		    (unsigned long long)(u->input + said + thoughts));
		if (u->cached > 0)
			text_format(out, ",\"cachedContentTokenCount\":%llu",
			    (unsigned long long)u->cached);
		if (thoughts > 0)
			text_format(
			    out, ",\"thoughtsTokenCount\":%llu", (unsigned long long)thoughts);
		if (extra.len > 0) {
			text_lit(out, ",");
			text_span(out, extra);
		}
		text_lit(out, "}");
		reply->told = TOLD_INPUT;
		reply->told_output = said + thoughts;
	}
	text_lit(out, ",\"modelVersion\":\"");
	text_span(out, reply->reported);
	text_format(out, "\",\"responseId\":\"sim%llu\"}", (unsigned long long)reply->id);
}

/* The usage at the end of an answer. */
static void
end_all(struct reply *reply, struct text *out)
{
	const struct usage *u = &reply->usage;

	end_members(reply, u->reasoning, u->output - u->reasoning, out);
	if (reply->show_usage)
		reply->told = TOLD_ALL;
}

static void
begin_candidate(struct text *out)
{
	text_lit(out, "{\"candidates\":[{\"content\":{\"parts\":[");
}

static void
end_candidate(struct str reason, struct text *out)
{
	text_lit(out, "],\"role\":\"model\"}");
	if (reason.len > 0) {
		text_lit(out, ",\"finishReason\":\"");
		text_span(out, reason);
		text_lit(out, "\"");
	}
	text_lit(out, ",\"index\":0}]");
}

/* The prompt was refused: there is no candidate at all. */
static void
blocked(struct reply *reply, struct text *out)
{
	text_lit(out, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}");
	end_members(reply, 0, 0, out);
	if (reply->show_usage)
		reply->told = TOLD_ALL;
}

static void
call_part(const struct reply *reply, size_t call, struct text *out)
{
	text_lit(out, "{\"functionCall\":{\"name\":\"");
	text_span(out, reply->tools->items[call].name);
	text_lit(out, "\",\"args\":");
	reply_tool_object(reply, call, out);
	text_lit(out, "}");
	if (reply->reasoning > 0 && call == 0)
		text_lit(out, ",\"thoughtSignature\":\"" SIGNATURE "\"");
	text_lit(out, "}");
}

static void
parts(struct reply *reply, struct text *out)
{
	bool text = reply->tools == NULL && reply->tokens > 0;

	if (reply->reasoning > 0) {
		text_lit(out, "{\"text\":\"");
		reply_thoughts(reply, out);
		text_lit(out, "\",\"thought\":true}");
	}
	if (reply->reasoning > 0 && (text || reply->tools != NULL))
		text_lit(out, ",");
	if (text) {
		text_lit(out, "{\"text\":\"");
		reply_content(reply, out);
		text_lit(out, "\"}");
	}
	for (size_t i = 0; reply->tools != NULL && i < reply->tools->count; i++) {
		if (i > 0)
			text_lit(out, ",");
		call_part(reply, i, out);
	}
}

void
gemini_content_whole(struct reply *reply, struct text *out)
{
	if (reply->refusal) {
		blocked(reply, out);
		return;
	}
	if (reply->no_choices) {
		text_lit(out, "{\"candidates\":[]");
	} else {
		begin_candidate(out);
		parts(reply, out);
		end_candidate(finish_reason(reply->finish_reason), out);
	}
	end_all(reply, out);
}

void
gemini_content_array(struct reply *reply, struct text *out)
{
	text_lit(out, "[");
	gemini_content_whole(reply, out);
	text_lit(out, "]");
}

/* One event with a text in it, or, with `finish`, the last one. */
static void
text_event(struct reply *reply, enum piece piece, uint64_t index, struct text *out)
{
	begin_candidate(out);
	text_lit(out, "{\"text\":\"");
	if (piece == PIECE_REASONING)
		reply_thought(index, out);
	else if (piece == PIECE_CONTENT)
		reply_fragment(reply, index, out);
	if (piece == PIECE_CONTENT)
		reply->pad_at = text_len(out);
	text_str(out, piece == PIECE_REASONING ? "\",\"thought\":true}" : "\"}");
	end_candidate(
	    piece == PIECE_FINISH ? finish_reason(reply->finish_reason) : (struct str){ "", 0 },
	    out);
	if (piece == PIECE_FINISH)
		end_all(reply, out);
	else if (piece == PIECE_REASONING)
		end_members(reply, index + 1, 0, out);
	else
		end_members(reply, reply->reasoning, piece == PIECE_CONTENT ? index + 1 : 0, out);
}

static void
call_event(struct reply *reply, uint64_t index, struct text *out)
{
	begin_candidate(out);
	call_part(reply, reply_tool_place(reply, index).call, out);
	end_candidate((struct str){ "", 0 }, out);
	end_members(reply, reply->reasoning, index + 1, out);
}

/* There is something to send: the first piece only where nothing else would follow, a call when it
 * opens, and nothing behind a refusal. */
static bool
is_sent(const struct reply *reply, enum piece piece, uint64_t index)
{
	bool silent = reply->tokens == 0 && reply->reasoning == 0 && reply->tools == NULL;

	switch (piece) {
	case PIECE_ROLE: return silent || reply->refusal;
	case PIECE_TOOL: return reply_tool_place(reply, index).opens;
	case PIECE_USAGE:
	case PIECE_DONE: return false;
	default: return !reply->refusal;
	}
}

void
gemini_content_event(struct reply *reply, enum piece piece, uint64_t index, struct text *out)
{
	if (!is_sent(reply, piece, index))
		return;
	text_lit(out, "data: ");
	if (reply->refusal)
		blocked(reply, out);
	else if (piece == PIECE_TOOL)
		call_event(reply, index, out);
	else
		text_event(reply, piece, index, out);
	text_lit(out, "\r\n\r\n");
}
