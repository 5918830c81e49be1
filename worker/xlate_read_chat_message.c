// SPDX-License-Identifier: MIT
/*
 * Reads the messages of OpenAI's chat API; see xlate_ask_read.h. Used by the workers. Members come
 * in any order and mean something only together with the role, so what a message holds is found
 * first and read afterwards.
 */
#include "worker/xlate_ask_read.h"

enum role { ROLE_NONE, ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

struct message {
	enum role role;
	struct jspan content, calls; /* whole values; len 0: none */
	struct jspan id;	     /* of the call that a tool message answers */
	struct jspan refusal;
};

/* ---- the parts of a content --------------------------------------------------------------------
 */

enum part_kind { PART_NONE, PART_TEXT, PART_IMAGE };

struct part {
	enum part_kind kind;
	struct jspan text, url;
};

static const struct ask_words part_kinds = {
	.otherwise = "other than \"text\" and \"image_url\" cannot be translated",
	.of = {
		{ "text", PART_TEXT },
		{ "refusal", PART_TEXT },
		{ "image_url", PART_IMAGE },
	},
};

static const struct ask_field image_fields[] = {
	ASK_STRING("url", part, url),
	ASK_DROP("detail"),
	ASK_END,
};

static const struct ask_field part_fields[] = {
	ASK_WORD("type", part, kind, &part_kinds),
	ASK_STRING("text", part, text),
	ASK_STRING("refusal", part, text),
	ASK_MEMBERS("image_url", image_fields),
	ASK_END,
};

/* Reads one part; its kind is known afterwards. */
static bool
read_part(struct reader *r, enum jtok first, struct part *part)
{
	*part = (struct part){ .kind = PART_NONE };
	return ask_members(r, first, part_fields, part) &&
	       (part->kind != PART_NONE || ask_refuse(ask_of(r), "has no type"));
}

static bool
read_text_part(struct reader *r, enum jtok first, struct jspan *text)
{
	struct part part;

	if (!read_part(r, first, &part))
		return false;
	*text = part.text;
	return part.kind == PART_TEXT ||
	       ask_refuse(ask_of(r), "can only be a text in a message of this role");
}

/* ---- images ------------------------------------------------------------------------------------
 */

static bool
begins_with(const uint8_t *text, size_t n, const char *prefix)
{
	return n >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

/* "data:image/png;base64,AAAA" as it is written: a slash may be escaped, nothing else is. */
static bool
split_data(const struct ask *a, struct jspan url, struct ask_part *part)
{
	static const char mark[] = ";base64";
	const uint8_t *text = a->body + url.off;
	const uint8_t *comma = memchr(text, ',', url.len);
	size_t head, prefix = strlen("data:"), suffix = sizeof(mark) - 1;

	if (comma == NULL)
		return false;
	head = (size_t)(comma - text);
	if (head < prefix + suffix + 1 || memcmp(comma - suffix, mark, suffix) != 0)
		return false;
	part->media = (struct jspan){ url.off + prefix, head - prefix - suffix };
	part->text = (struct jspan){ url.off + head + 1, url.len - head - 1 };
	return memchr(text + prefix, ';', part->media.len) == NULL && part->text.len > 0;
}

static bool
add_image(struct ask *a, struct jspan from)
{
	const uint8_t *url = a->body + from.off;
	struct ask_part *part;

	if (!begins_with(url, from.len, "data:") && !begins_with(url, from.len, "https:") &&
	    !begins_with(url, from.len, "http:"))
		return ask_refuse(a, "must have a URL of the scheme https, http or data");
	part = ask_add_part(a, ASK_IMAGE_URL, ask_item(a));
	if (part == NULL)
		return false;
	part->text = from;
	if (!begins_with(url, from.len, "data:"))
		return true;
	part->kind = ASK_IMAGE_DATA;
	return split_data(a, from, part) ||
	       ask_refuse(a, "must have the form data:TYPE;base64,DATA");
}

/* ---- content -----------------------------------------------------------------------------------
 */

static bool
read_user_part(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct part part;

	if (!read_part(r, first, &part))
		return false;
	if (part.kind == PART_TEXT)
		return ask_add_text(a, part.text, ask_item(a));
	return add_image(a, part.url);
}

static bool
read_only_text(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct jspan text;

	return read_text_part(r, first, &text) && ask_add_text(a, text, ask_item(a));
}

static bool
read_system_part(struct reader *r, enum jtok first)
{
	struct jspan text;

	return read_text_part(r, first, &text) && ask_add_system(ask_of(r), text);
}

static bool
read_user_content(struct reader *r, enum jtok first)
{
	return ask_content(r, first, read_user_part);
}

static bool
read_text_content(struct reader *r, enum jtok first)
{
	return ask_content(r, first, read_only_text);
}

static bool
read_system_content(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING)
		return ask_add_system(ask_of(r), r->scan.span);
	return ask_each(r, first, read_system_part);
}

/* ---- calls -------------------------------------------------------------------------------------
 */

static const struct ask_field call_function_fields[] = {
	ASK_STRING("name", ask_part, name),
	ASK_STRING("arguments", ask_part, text),
	ASK_END,
};

static const struct ask_field call_fields[] = {
	ASK_STRING("id", ask_part, id),
	ASK_ONLY("type", "function"),
	ASK_DROP("index"),
	ASK_MEMBERS("function", call_function_fields),
	ASK_DROP("extra_content"), /* of Gemini's compatible endpoint */
	ASK_END,
};

static bool
read_call(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct ask_part *call = ask_add_part(a, ASK_CALL, ask_item(a));

	if (call == NULL || !ask_members(r, first, call_fields, call))
		return false;
	if (call->id.len == 0)
		return ask_refuse(a, "has no id");
	return call->name.len > 0 || ask_refuse(a, "has no function with a name");
}

static bool
read_calls(struct reader *r, enum jtok first)
{
	return ask_each(r, first, read_call);
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static const struct ask_words roles = {
	.otherwise = "is none of system, developer, user, assistant, tool",
	.of = {
		{ "user", ROLE_USER },
		{ "assistant", ROLE_ASSISTANT },
		{ "tool", ROLE_TOOL },
		{ "system", ROLE_SYSTEM },
		{ "developer", ROLE_SYSTEM },
	},
};

static const struct ask_field message_fields[] = {
	ASK_WORD("role", message, role, &roles),
	ASK_ANY("content", message, content),
	ASK_ANY("tool_calls", message, calls),
	ASK_STRING("tool_call_id", message, id),
	ASK_STRING("refusal", message, refusal),
	ASK_DROP("name"),
	ASK_DROP("annotations"),
	ASK_DROP("reasoning_content"),
	ASK_DROP("reasoning"),
	ASK_END,
};

static bool
take_assistant(struct reader *r, const struct message *m)
{
	struct ask *a = ask_of(r);

	return ask_begin_turn(a, true) && ask_noted(r, m->content, "content", read_text_content) &&
	       ask_add_text(a, m->refusal, ASK_WHOLE) &&
	       ask_noted(r, m->calls, "tool_calls", read_calls);
}

static bool
take_tool(struct reader *r, const struct message *m)
{
	struct ask_part result = { .id = m->id, .item = ASK_WHOLE };
	struct ask *a = ask_of(r);

	if (m->id.len == 0)
		return ask_refuse(a, "has no tool_call_id");
	return ask_begin_turn(a, false) && ask_result(r, &result, m->content, read_text_content);
}

bool
xlate_read_chat_message(struct reader *r, enum jtok first)
{
	struct message m = { .role = ROLE_NONE };
	struct ask *a = ask_of(r);

	a->message = ask_item(a);
	if (!ask_members(r, first, message_fields, &m))
		return false;
	switch (m.role) {
	case ROLE_SYSTEM: return ask_noted(r, m.content, "content", read_system_content);
	case ROLE_USER:
		return ask_begin_turn(a, false) &&
		       ask_noted(r, m.content, "content", read_user_content);
	case ROLE_ASSISTANT: return take_assistant(r, &m);
	case ROLE_TOOL: return take_tool(r, &m);
	case ROLE_NONE: break;
	}
	return ask_refuse(a, "has no role");
}
