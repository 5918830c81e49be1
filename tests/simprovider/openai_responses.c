// SPDX-License-Identifier: MIT
/*
 * The responses API: one object, or typed events with a running number. There is no [DONE]; the
 * event with the complete response ends the stream. Items of the output stand in the order in which
 * they are streamed: reasoning, then either one message or the tool calls.
 */
#include "tests/simprovider/openai.h"

static bool
is_incomplete(const struct reply *reply)
{
	return reply->finish_reason.len == 6 &&
	       memcmp(reply->finish_reason.bytes, "length", 6) == 0;
}

static size_t
output_index(const struct reply *reply, size_t call)
{
	return (reply->reasoning > 0 ? 1 : 0) + call;
}

static void
item_id(const struct reply *reply, const char *prefix, size_t call, struct text *out)
{
	text_format(out, "%s_sim%llu_%zu", prefix, (unsigned long long)reply->id, call);
}

static void
text_part(struct reply *reply, bool whole, struct text *out)
{
	text_str(out, reply->refusal ? "{\"type\":\"refusal\",\"refusal\":\""
				     : "{\"type\":\"output_text\",\"annotations\":[],\"text\":\"");
	if (whole)
		reply_content(reply, out);
	text_lit(out, "\"}");
}

static void
message_item(struct reply *reply, bool whole, struct text *out)
{
	text_lit(out, "{\"id\":\"");
	item_id(reply, "msg", 0, out);
	text_lit(out, "\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"");
	text_str(out, whole ? "completed\",\"content\":[" : "in_progress\",\"content\":[");
	if (whole)
		text_part(reply, true, out);
	text_lit(out, "]}");
}

static void
call_item(const struct reply *reply, size_t call, bool whole, struct text *out)
{
	text_lit(out, "{\"id\":\"");
	item_id(reply, "fc", call, out);
	text_lit(out, "\",\"type\":\"function_call\",\"status\":\"");
	text_str(out, whole ? "completed" : "in_progress");
	text_lit(out, "\",\"call_id\":\"");
	item_id(reply, "call", call, out);
	text_lit(out, "\",\"name\":\"");
	text_span(out, reply->tools->items[call].name);
	text_lit(out, "\",\"arguments\":\"");
	if (whole)
		reply_tool_arguments(reply, call, out);
	text_lit(out, "\"}");
}

static void
reasoning_item(const struct reply *reply, bool whole, struct text *out)
{
	text_lit(out, "{\"id\":\"");
	item_id(reply, "rs", 0, out);
	text_lit(out, "\",\"type\":\"reasoning\",\"summary\":[");
	if (whole) {
		text_lit(out, "{\"type\":\"summary_text\",\"text\":\"");
		reply_thoughts(reply, out);
		text_lit(out, "\"}");
	}
	text_lit(out, "]}");
}

static void
output_items(struct reply *reply, struct text *out)
{
	if (reply->no_choices)
		return;
	if (reply->reasoning > 0) {
		reasoning_item(reply, true, out);
		text_lit(out, ",");
	}
	if (reply->tools == NULL)
		message_item(reply, true, out);
	for (size_t i = 0; reply->tools != NULL && i < reply->tools->count; i++) {
		if (i > 0)
			text_lit(out, ",");
		call_item(reply, i, true, out);
	}
}

static void
usage_object(struct reply *reply, struct text *out)
{
	const struct usage *u = &reply->usage;

	reply->told = TOLD_ALL;
	reply->told_output = u->output;
	text_format(out,
	    "{\"input_tokens\":%llu,\"input_tokens_details\":{\"cached_tokens\":%llu},"
	    "\"output_tokens\":%llu,\"output_tokens_details\":{\"reasoning_tokens\":%llu},"
	    "\"total_tokens\":%llu",
	    (unsigned long long)u->input, (unsigned long long)u->cached,
	    (unsigned long long)u->output, (unsigned long long)u->reasoning,
	    (unsigned long long)(u->input + u->output));
	if (reply->behaviour->usage.extra.len > 0) {
		text_lit(out, ",");
		text_span(out, reply->behaviour->usage.extra);
	}
	text_lit(out, "}");
}

static void
response_object(struct reply *reply, bool whole, struct text *out)
{
	bool incomplete = whole && is_incomplete(reply);

	text_format(out,
	    "{\"id\":\"resp_sim%llu\",\"object\":\"response\",\"created_at\":" KIND_CREATED
	    ",\"status\":\"%s\",\"error\":null,\"incomplete_details\":%s,\"model\":\"",
	    (unsigned long long)reply->id,
	    incomplete ? "incomplete"
	    : whole    ? "completed"
		       : "in_progress",
	    incomplete ? "{\"reason\":\"max_output_tokens\"}" : "null");
	text_span(out, reply->reported);
	text_lit(out, "\",\"output\":[");
	if (whole)
		output_items(reply, out);
	text_lit(out, "],\"parallel_tool_calls\":true,\"previous_response_id\":null,"
		      "\"tool_choice\":\"auto\",\"tools\":[],\"usage\":");
	if (whole && reply->show_usage)
		usage_object(reply, out);
	else
		text_lit(out, "null");
	text_lit(out, "}");
}

void
openai_responses_whole(struct reply *reply, struct text *out)
{
	response_object(reply, true, out);
}

static void
begin(struct reply *reply, const char *type, struct text *out)
{
	text_lit(out, "event: ");
	text_str(out, type);
	text_lit(out, "\ndata: {\"type\":\"");
	text_str(out, type);
	text_lit(out, "\",\"sequence_number\":");
	text_u64(out, reply->sequence++);
}

static void
end(struct text *out)
{
	text_lit(out, "}\n\n");
}

static void
response_event(struct reply *reply, const char *type, bool whole, struct text *out)
{
	begin(reply, type, out);
	text_lit(out, ",\"response\":");
	response_object(reply, whole, out);
	end(out);
}

/* The beginning of an event about one item: its id and place. */
static void
begin_item(struct reply *reply, const char *type, const char *prefix, size_t call, struct text *out)
{
	begin(reply, type, out);
	text_lit(out, ",\"item_id\":\"");
	item_id(reply, prefix, call, out);
	text_lit(out, "\",\"output_index\":");
	text_u64(out, prefix[0] == 'r' ? 0 : output_index(reply, call));
}

static void
begin_output(struct reply *reply, const char *type, size_t index, struct text *out)
{
	begin(reply, type, out);
	text_lit(out, ",\"output_index\":");
	text_u64(out, index);
	text_lit(out, ",\"item\":");
}

static void
thought_event(struct reply *reply, uint64_t index, struct text *out)
{
	if (index == 0) {
		begin_output(reply, "response.output_item.added", 0, out);
		reasoning_item(reply, false, out);
		end(out);
	}
	begin_item(reply, "response.reasoning_summary_text.delta", "rs", 0, out);
	text_lit(out, ",\"summary_index\":0,\"delta\":\"");
	reply_thought(index, out);
	text_lit(out, "\"");
	end(out);
	if (index + 1 < reply->reasoning)
		return;
	begin_output(reply, "response.output_item.done", 0, out);
	reasoning_item(reply, true, out);
	end(out);
}

static void
content_event(struct reply *reply, uint64_t index, struct text *out)
{
	if (index == 0) {
		begin_output(reply, "response.output_item.added", output_index(reply, 0), out);
		message_item(reply, false, out);
		end(out);
		begin_item(reply, "response.content_part.added", "msg", 0, out);
		text_lit(out, ",\"content_index\":0,\"part\":");
		text_part(reply, false, out);
		end(out);
	}
	begin_item(reply, reply->refusal ? "response.refusal.delta" : "response.output_text.delta",
	    "msg", 0, out);
	text_lit(out, ",\"content_index\":0,\"delta\":\"");
	reply_fragment(reply, index, out);
	size_t pad_at = text_len(out);

	text_lit(out, "\"");
	end(out);
	reply->pad_at = pad_at;
}

static void
close_message(struct reply *reply, struct text *out)
{
	begin_item(reply, reply->refusal ? "response.refusal.done" : "response.output_text.done",
	    "msg", 0, out);
	text_str(out, reply->refusal ? ",\"content_index\":0,\"refusal\":\""
				     : ",\"content_index\":0,\"text\":\"");
	reply_content(reply, out);
	text_lit(out, "\"");
	end(out);
	begin_item(reply, "response.content_part.done", "msg", 0, out);
	text_lit(out, ",\"content_index\":0,\"part\":");
	text_part(reply, true, out);
	end(out);
	begin_output(reply, "response.output_item.done", output_index(reply, 0), out);
	message_item(reply, true, out);
	end(out);
	reply->pad_at = 0;
}

static void
close_call(struct reply *reply, size_t call, struct text *out)
{
	begin_item(reply, "response.function_call_arguments.done", "fc", call, out);
	text_lit(out, ",\"arguments\":\"");
	reply_tool_arguments(reply, call, out);
	text_lit(out, "\"");
	end(out);
	begin_output(reply, "response.output_item.done", output_index(reply, call), out);
	call_item(reply, call, true, out);
	end(out);
}

static void
tool_event(struct reply *reply, uint64_t index, struct text *out)
{
	struct tool_place place = reply_tool_place(reply, index);

	if (place.opens && place.call > 0)
		close_call(reply, place.call - 1, out);
	if (place.opens) {
		begin_output(
		    reply, "response.output_item.added", output_index(reply, place.call), out);
		call_item(reply, place.call, false, out);
		end(out);
		return;
	}
	begin_item(reply, "response.function_call_arguments.delta", "fc", place.call, out);
	text_lit(out, ",\"delta\":\"");
	text_span(out, reply_tool_piece(reply, place.call, place.piece));
	text_lit(out, "\"");
	end(out);
}

void
openai_responses_event(struct reply *reply, enum piece piece, uint64_t index, struct text *out)
{
	switch (piece) {
	case PIECE_ROLE:
		response_event(reply, "response.created", false, out);
		response_event(reply, "response.in_progress", false, out);
		break;
	case PIECE_REASONING: thought_event(reply, index, out); break;
	case PIECE_CONTENT: content_event(reply, index, out); break;
	case PIECE_TOOL: tool_event(reply, index, out); break;
	case PIECE_FINISH:
		if (reply->tools != NULL)
			close_call(reply, reply->tools->count - 1, out);
		else if (reply->tokens > 0)
			close_message(reply, out);
		break;
	case PIECE_USAGE: break;
	case PIECE_DONE:
		response_event(reply,
		    is_incomplete(reply) ? "response.incomplete" : "response.completed", true, out);
		reply->pad_at = 0;
		break;
	}
}

void
openai_responses_error_event(
    const struct problem *problem, const struct reply *reply, struct text *out)
{
	text_lit(out, "event: error\ndata: {\"type\":\"error\",\"message\":\"");
	problem_message(problem, reply->model, out);
	text_lit(out, "\"");
	openai_member(out, ",\"code\":", problem->code);
	openai_member(out, ",\"param\":", problem->param);
	text_lit(out, "}\n\n");
}
