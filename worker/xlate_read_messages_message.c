// SPDX-License-Identifier: MIT
/*
 * Reads the messages of Anthropic's API; see xlate_ask.h. Used by the workers. Members come in any
 * order and mean something only together with the role or the type, so what there is is found first
 * and read afterwards.
 */
#include <string.h>

#include "worker/xlate_ask.h"

struct message {
	enum { ROLE_NONE, ROLE_USER, ROLE_ASSISTANT } role;
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

static struct message *
message_of(const struct reader *r)
{
	return ask_of(r)->now;
}

static struct block *
block_of(const struct reader *r)
{
	return ask_of(r)->now;
}

static uint32_t
item_now(const struct ask *a)
{
	return a->path[a->depth - 1].index;
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

static bool
read_type(struct reader *r, enum jtok first)
{
	static const struct {
		const char *name;
		enum block_kind kind;
	} kinds[] = {
		{ "text", BLOCK_TEXT },
		{ "image", BLOCK_IMAGE },
		{ "tool_use", BLOCK_CALL },
		{ "tool_result", BLOCK_RESULT },
		{ "thinking", BLOCK_DROPPED }, /* another model's; signed for Anthropic alone */
		{ "redacted_thinking", BLOCK_DROPPED },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (reader_is(r, first, kinds[i].name)) {
			block_of(r)->kind = kinds[i].kind;
			return true;
		}
	return ask_refuse(
	    ask_of(r), "is none of text, image, tool_use, tool_result and cannot be translated");
}

static bool
read_text(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &block_of(r)->text);
}

static bool
read_source_type(struct reader *r, enum jtok first)
{
	return reader_is(r, first, "base64") || reader_is(r, first, "url") ||
	       ask_refuse(ask_of(r), "other than \"base64\" and \"url\" cannot be translated");
}

static bool
read_media(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &block_of(r)->media);
}

static bool
read_data(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &block_of(r)->data);
}

static bool
read_url(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &block_of(r)->url);
}

static const struct reader_field source_fields[] = {
	READER_FIELD("type", read_source_type),
	READER_FIELD("media_type", read_media),
	READER_FIELD("data", read_data),
	READER_FIELD("url", read_url),
	READER_END,
};

static bool
read_source(struct reader *r, enum jtok first)
{
	return ask_members(r, first, source_fields);
}

static bool
read_id(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &block_of(r)->id);
}

static bool
read_name(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &block_of(r)->name);
}

static bool
read_input(struct reader *r, enum jtok first)
{
	if (first != JTOK_OBJECT)
		return ask_refuse(ask_of(r), "must be an object");
	return ask_value(r, first, &block_of(r)->input);
}

static bool
note_content(struct reader *r, enum jtok first)
{
	return ask_value(r, first, &block_of(r)->content);
}

static bool
read_is_error(struct reader *r, enum jtok first)
{
	return ask_bool(r, first, &block_of(r)->is_error);
}

static const struct reader_field block_fields[] = {
	READER_FIELD("type", read_type),
	READER_FIELD("text", read_text),
	READER_FIELD("source", read_source),
	READER_FIELD("id", read_id),
	READER_FIELD("tool_use_id", read_id),
	READER_FIELD("name", read_name),
	READER_FIELD("input", read_input),
	READER_FIELD("content", note_content),
	READER_FIELD("is_error", read_is_error),
	READER_FIELD("thinking", ask_drop),
	READER_FIELD("signature", ask_drop),
	READER_FIELD("data", ask_drop),
	READER_FIELD("cache_control", ask_drop),
	READER_FIELD("citations", ask_drop),
	READER_FIELD("caller", ask_drop),
	READER_END,
};

static bool
read_block(struct reader *r, enum jtok first, struct block *block)
{
	struct ask *a = ask_of(r);
	void *before = a->now;
	bool ok;

	*block = (struct block){ .kind = BLOCK_NONE };
	a->now = block;
	ok = ask_members(r, first, block_fields);
	a->now = before;
	return ok && (block->kind != BLOCK_NONE || ask_refuse(a, "has no type"));
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
	part = ask_add_part(a, data ? ASK_IMAGE_DATA : ASK_IMAGE_URL, item_now(a));
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
	part = ask_add_part(a, ASK_CALL, item_now(a));
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
	return ask_add_text(a, block.text, item_now(a));
}

static bool
read_result_content(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING)
		return ask_add_text(ask_of(r), r->scan.span, ASK_WHOLE);
	return ask_each(r, first, read_result_block);
}

static bool
add_result(struct reader *r, const struct block *block)
{
	struct ask *a = ask_of(r);
	uint32_t result = a->parts.n;
	struct ask_part *part;
	bool ok = true;

	if (block->id.len == 0)
		return ask_refuse(a, "has no tool_use_id");
	part = ask_add_part(a, ASK_RESULT, item_now(a));
	if (part == NULL)
		return false;
	part->id = block->id;
	part->is_error = block->is_error;
	if (block->content.len > 0) {
		ask_enter(a, "content");
		ok = reader_again(r, block->content, read_result_content);
		ask_leave(a);
	}
	ask_parts(a)[result].n_texts = a->parts.n - result - 1;
	return ok;
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
	case BLOCK_TEXT: return ask_add_text(a, block.text, item_now(a));
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
	if (first == JTOK_STRING)
		return ask_add_text(ask_of(r), r->scan.span, ASK_WHOLE);
	return ask_each(r, first, read_content_block);
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static bool
read_role(struct reader *r, enum jtok first)
{
	if (reader_is(r, first, "user"))
		message_of(r)->role = ROLE_USER;
	else if (reader_is(r, first, "assistant"))
		message_of(r)->role = ROLE_ASSISTANT;
	else
		return ask_refuse(ask_of(r), "is neither user nor assistant");
	return true;
}

static bool
note_message_content(struct reader *r, enum jtok first)
{
	return ask_value(r, first, &message_of(r)->content);
}

static const struct reader_field message_fields[] = {
	READER_FIELD("role", read_role),
	READER_FIELD("content", note_message_content),
	READER_END,
};

bool
xlate_read_messages_message(struct reader *r, enum jtok first)
{
	struct message m = { .role = ROLE_NONE };
	struct ask *a = ask_of(r);
	bool ok;

	a->now = &m;
	a->message = item_now(a);
	if (!ask_members(r, first, message_fields))
		return false;
	if (m.role == ROLE_NONE || m.content.len == 0)
		return ask_refuse(a, "has no role or no content");
	if (!ask_begin_turn(a, m.role == ROLE_ASSISTANT))
		return false;
	ask_enter(a, "content");
	ok = reader_again(r, m.content, read_content);
	ask_leave(a);
	return ok;
}
