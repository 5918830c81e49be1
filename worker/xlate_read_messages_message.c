// SPDX-License-Identifier: MIT
/*
 * Reads the messages of Anthropic's API; see xlate_ask_read.h. Used by the workers. Members come in
 * any order and mean something only together with the role or the type, so what there is is found
 * first and read afterwards.
 */
#include "worker/xlate_ask_read.h"

enum role { ROLE_NONE, ROLE_USER, ROLE_ASSISTANT };

struct message {
	enum role role;
	struct jspan content; /* the whole value */
};

enum block_kind { BLOCK_NONE, BLOCK_TEXT, BLOCK_IMAGE, BLOCK_CALL, BLOCK_RESULT, BLOCK_DROPPED };

struct block {
	enum block_kind kind;
	struct jspan text;
	struct jspan media, data, url; /* of an image */
	struct jspan id, name, input;  /* of a call; input: the whole value */
	struct jspan content;	       /* of a result: the whole value */
	bool is_error;
};

/* ---- blocks ------------------------------------------------------------------------------------
 */

static const struct ask_words block_kinds = {
	.otherwise = "is none of text, image, tool_use, tool_result and cannot be translated",
	.of = {
		{ "text", BLOCK_TEXT },
		{ "image", BLOCK_IMAGE },
		{ "tool_use", BLOCK_CALL },
		{ "tool_result", BLOCK_RESULT },
		{ "thinking", BLOCK_DROPPED }, /* another model's; signed for Anthropic alone */
		{ "redacted_thinking", BLOCK_DROPPED },
	},
};

static bool
read_source_type(struct reader *r, enum jtok first)
{
	return reader_is(r, first, "base64") || reader_is(r, first, "url") ||
	       ask_refuse(ask_of(r), "other than \"base64\" and \"url\" cannot be translated");
}

static const struct ask_field source_fields[] = {
	ASK_OWN("type", read_source_type),
	ASK_STRING("media_type", block, media),
	ASK_STRING("data", block, data),
	ASK_STRING("url", block, url),
	ASK_END,
};

static const struct ask_field block_fields[] = {
	ASK_WORD("type", block, kind, &block_kinds),
	ASK_STRING("text", block, text),
	ASK_MEMBERS("source", source_fields),
	ASK_STRING("id", block, id),
	ASK_STRING("tool_use_id", block, id),
	ASK_STRING("name", block, name),
	ASK_OBJECT("input", block, input),
	ASK_ANY("content", block, content),
	ASK_BOOL("is_error", block, is_error),
	ASK_DROP("thinking"),
	ASK_DROP("signature"),
	ASK_DROP("data"),
	ASK_DROP("cache_control"),
	ASK_DROP("citations"),
	ASK_DROP("caller"),
	ASK_END,
};

static bool
read_block(struct reader *r, enum jtok first, struct block *block)
{
	*block = (struct block){ .kind = BLOCK_NONE };
	return ask_members(r, first, block_fields, block) &&
	       (block->kind != BLOCK_NONE || ask_refuse(ask_of(r), "has no type"));
}

/* ---- what they become --------------------------------------------------------------------------
 */

static bool
add_image(struct ask *a, const struct block *block)
{
	bool data = block->data.len > 0;
	struct ask_part *part;

	if (data ? block->media.len == 0 : block->url.len == 0)
		return ask_refuse(a, "has no source with media_type and data, or with a url");
	part = ask_add_part(a, data ? ASK_IMAGE_DATA : ASK_IMAGE_URL, ask_item(a));
	if (part == NULL)
		return false;
	part->text = data ? block->data : block->url;
	part->media = data ? block->media : part->media;
	return true;
}

static bool
add_call(struct ask *a, const struct block *block)
{
	struct ask_part *part;

	if (block->id.len == 0 || block->name.len == 0)
		return ask_refuse(a, "has no id or no name");
	part = ask_add_part(a, ASK_CALL, ask_item(a));
	if (part == NULL)
		return false;
	part->id = block->id;
	part->name = block->name;
	part->text = block->input;
	part->value = true;
	return true;
}

static bool
read_result_block(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct block block;

	if (!read_block(r, first, &block))
		return false;
	if (block.kind != BLOCK_TEXT)
		return ask_refuse(a, "can only be a text in the result of a tool");
	return ask_add_text(a, block.text, ask_item(a));
}

static bool
read_result_content(struct reader *r, enum jtok first)
{
	return ask_content(r, first, read_result_block);
}

static bool
add_result(struct reader *r, const struct block *block)
{
	struct ask *a = ask_of(r);
	struct ask_part result = {
		.id = block->id, .is_error = block->is_error, .item = ask_item(a)
	};

	if (block->id.len == 0)
		return ask_refuse(a, "has no tool_use_id");
	return ask_result(r, &result, block->content, read_result_content);
}

static bool
read_content_block(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	bool assistant = ask_turns(a)[a->turns.n - 1].assistant;
	struct block block;

	if (!read_block(r, first, &block))
		return false;
	switch (block.kind) {
	case BLOCK_TEXT: return ask_add_text(a, block.text, ask_item(a));
	case BLOCK_IMAGE:
		return assistant ? ask_refuse(a, "cannot be an image of the assistant")
				 : add_image(a, &block);
	case BLOCK_CALL:
		return assistant ? add_call(a, &block)
				 : ask_refuse(a, "cannot be a tool_use of the user");
	case BLOCK_RESULT:
		return assistant ? ask_refuse(a, "cannot be a tool_result of the assistant")
				 : add_result(r, &block);
	default: return true;
	}
}

static bool
read_content(struct reader *r, enum jtok first)
{
	return ask_content(r, first, read_content_block);
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static const struct ask_words roles = {
	.otherwise = "is neither user nor assistant",
	.of = { { "user", ROLE_USER }, { "assistant", ROLE_ASSISTANT } },
};

static const struct ask_field message_fields[] = {
	ASK_WORD("role", message, role, &roles),
	ASK_ANY("content", message, content),
	ASK_END,
};

bool
xlate_read_messages_message(struct reader *r, enum jtok first)
{
	struct message m = { .role = ROLE_NONE };
	struct ask *a = ask_of(r);

	a->message = ask_item(a);
	if (!ask_members(r, first, message_fields, &m))
		return false;
	if (m.role == ROLE_NONE || m.content.len == 0)
		return ask_refuse(a, "has no role or no content");
	return ask_begin_turn(a, m.role == ROLE_ASSISTANT) &&
	       ask_noted(r, m.content, "content", read_content);
}
