// SPDX-License-Identifier: MIT
/*
 * Reads the messages of OpenAI's chat API; see xlate_ask.h. Used by the workers. Members come in
 * any order and mean something only together with the role, so what a message holds is found first
 * and read afterwards.
 */
#include <string.h>

#include "worker/xlate_ask.h"

enum role { ROLE_NONE, ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

struct message {
	enum role role;
	struct jspan content, calls; /* whole values; len 0: none */
	struct jspan id;	     /* of the call that a tool message answers */
	struct jspan refusal;
};

static struct message *
message_of(const struct reader *r)
{
	return ask_of(r)->now;
}

/* ---- the parts of a content --------------------------------------------------------------------
 */

struct part {
	enum { PART_NONE, PART_TEXT, PART_IMAGE } kind;
	struct jspan text, url;
};

static struct part *
part_of(const struct reader *r)
{
	return ask_of(r)->now;
}

static bool
read_part_type(struct reader *r, enum jtok first)
{
	if (reader_is(r, first, "text") || reader_is(r, first, "refusal"))
		part_of(r)->kind = PART_TEXT;
	else if (reader_is(r, first, "image_url"))
		part_of(r)->kind = PART_IMAGE;
	else
		return ask_refuse(
		    ask_of(r), "other than \"text\" and \"image_url\" cannot be translated");
	return true;
}

static bool
read_part_text(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &part_of(r)->text);
}

static bool
read_url(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &part_of(r)->url);
}

static const struct reader_field image_fields[] = {
	READER_FIELD("url", read_url),
	READER_FIELD("detail", ask_drop),
	READER_END,
};

static bool
read_image(struct reader *r, enum jtok first)
{
	return ask_members(r, first, image_fields);
}

static const struct reader_field part_fields[] = {
	READER_FIELD("type", read_part_type),
	READER_FIELD("text", read_part_text),
	READER_FIELD("refusal", read_part_text),
	READER_FIELD("image_url", read_image),
	READER_END,
};

/* Reads one part; its kind is known afterwards. */
static bool
read_part(struct reader *r, enum jtok first, struct part *part)
{
	struct ask *a = ask_of(r);
	void *before = a->now;
	bool ok;

	a->now = part;
	ok = ask_members(r, first, part_fields);
	a->now = before;
	if (ok && part->kind == PART_NONE)
		return ask_refuse(a, "has no type");
	return ok;
}

static bool
read_text_part(struct reader *r, enum jtok first, struct jspan *text)
{
	struct part part = { .kind = PART_NONE };

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
add_image(struct ask *a, const struct part *from, uint32_t item)
{
	const uint8_t *url = a->body + from->url.off;
	size_t n = from->url.len;
	struct ask_part *part;

	if (!begins_with(url, n, "data:") && !begins_with(url, n, "https:") &&
	    !begins_with(url, n, "http:"))
		return ask_refuse(a, "must have a URL of the scheme https, http or data");
	part = ask_add_part(a, ASK_IMAGE_URL, item);
	if (part == NULL)
		return false;
	part->text = from->url;
	if (!begins_with(url, n, "data:"))
		return true;
	part->kind = ASK_IMAGE_DATA;
	return split_data(a, from->url, part) ||
	       ask_refuse(a, "must have the form data:TYPE;base64,DATA");
}

/* ---- content -----------------------------------------------------------------------------------
 */

static uint32_t
item_now(const struct ask *a)
{
	return a->path[a->depth - 1].index;
}

static bool
read_user_part(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct part part = { .kind = PART_NONE };

	if (!read_part(r, first, &part))
		return false;
	if (part.kind == PART_TEXT)
		return ask_add_text(a, part.text, item_now(a));
	return add_image(a, &part, item_now(a));
}

static bool
read_only_text(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct jspan text;

	return read_text_part(r, first, &text) && ask_add_text(a, text, item_now(a));
}

static bool
read_system_part(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct jspan text;

	if (!read_text_part(r, first, &text))
		return false;
	return text.len == 0 || ask_add_span(a, &a->system, text);
}

static bool
read_user_content(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING)
		return ask_add_text(ask_of(r), r->scan.span, ASK_WHOLE);
	return ask_each(r, first, read_user_part);
}

static bool
read_text_content(struct reader *r, enum jtok first)
{
	if (first == JTOK_STRING)
		return ask_add_text(ask_of(r), r->scan.span, ASK_WHOLE);
	return ask_each(r, first, read_only_text);
}

static bool
read_system_content(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);

	if (first == JTOK_STRING)
		return r->scan.span.len == 0 || ask_add_span(a, &a->system, r->scan.span);
	return ask_each(r, first, read_system_part);
}

/* ---- calls -------------------------------------------------------------------------------------
 */

static bool
read_call_type(struct reader *r, enum jtok first)
{
	return reader_is(r, first, "function") ||
	       ask_refuse(ask_of(r), "other than \"function\" cannot be translated");
}

static struct ask_part *
call_of(const struct reader *r)
{
	return ask_of(r)->now;
}

static bool
read_call_id(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &call_of(r)->id);
}

static bool
read_call_name(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &call_of(r)->name);
}

static bool
read_call_arguments(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &call_of(r)->text);
}

static const struct reader_field call_function_fields[] = {
	READER_FIELD("name", read_call_name),
	READER_FIELD("arguments", read_call_arguments),
	READER_END,
};

static bool
read_call_function(struct reader *r, enum jtok first)
{
	return ask_members(r, first, call_function_fields);
}

static const struct reader_field call_fields[] = {
	READER_FIELD("id", read_call_id),
	READER_FIELD("type", read_call_type),
	READER_FIELD("index", ask_drop),
	READER_FIELD("function", read_call_function),
	READER_FIELD("extra_content", ask_drop), /* of Gemini's compatible endpoint */
	READER_END,
};

static bool
read_call(struct reader *r, enum jtok first)
{
	struct ask *a = ask_of(r);
	struct ask_part *call = ask_add_part(a, ASK_CALL, item_now(a));

	a->now = call;
	if (call == NULL || !ask_members(r, first, call_fields))
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

static bool
read_role(struct reader *r, enum jtok first)
{
	static const struct {
		const char *name;
		enum role role;
	} roles[] = {
		{ "user", ROLE_USER },
		{ "assistant", ROLE_ASSISTANT },
		{ "tool", ROLE_TOOL },
		{ "system", ROLE_SYSTEM },
		{ "developer", ROLE_SYSTEM },
	};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (reader_is(r, first, roles[i].name)) {
			message_of(r)->role = roles[i].role;
			return true;
		}
	return ask_refuse(ask_of(r), "is none of system, developer, user, assistant, tool");
}

static bool
note_content(struct reader *r, enum jtok first)
{
	return ask_value(r, first, &message_of(r)->content);
}

static bool
note_calls(struct reader *r, enum jtok first)
{
	return ask_value(r, first, &message_of(r)->calls);
}

static bool
read_tool_call_id(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &message_of(r)->id);
}

static bool
read_refusal(struct reader *r, enum jtok first)
{
	return ask_string(r, first, &message_of(r)->refusal);
}

static const struct reader_field message_fields[] = {
	READER_FIELD("role", read_role),
	READER_FIELD("content", note_content),
	READER_FIELD("tool_calls", note_calls),
	READER_FIELD("tool_call_id", read_tool_call_id),
	READER_FIELD("refusal", read_refusal),
	READER_FIELD("name", ask_drop),
	READER_FIELD("annotations", ask_drop),
	READER_FIELD("reasoning_content", ask_drop),
	READER_FIELD("reasoning", ask_drop),
	READER_END,
};

/* Reads a value that was noted, with its member in the path again. */
static bool
read_noted(struct reader *r, struct jspan value, const char *name, reader_fn *read)
{
	struct ask *a = ask_of(r);
	bool ok;

	if (value.len == 0)
		return true;
	ask_enter(a, name);
	ok = reader_again(r, value, read);
	ask_leave(a);
	return ok;
}

static bool
take_assistant(struct reader *r, const struct message *m)
{
	struct ask *a = ask_of(r);

	return ask_begin_turn(a, true) && read_noted(r, m->content, "content", read_text_content) &&
	       ask_add_text(a, m->refusal, ASK_WHOLE) &&
	       read_noted(r, m->calls, "tool_calls", read_calls);
}

static bool
take_tool(struct reader *r, const struct message *m)
{
	struct ask *a = ask_of(r);
	uint32_t result = a->parts.n;
	struct ask_part *part;

	if (m->id.len == 0)
		return ask_refuse(a, "has no tool_call_id");
	if (!ask_begin_turn(a, false) || (part = ask_add_part(a, ASK_RESULT, ASK_WHOLE)) == NULL)
		return false;
	part->id = m->id;
	if (!read_noted(r, m->content, "content", read_text_content))
		return false;
	ask_parts(a)[result].n_texts = a->parts.n - result - 1;
	return true;
}

bool
xlate_read_chat_message(struct reader *r, enum jtok first)
{
	struct message m = { .role = ROLE_NONE };
	struct ask *a = ask_of(r);

	a->now = &m;
	a->message = item_now(a);
	if (!ask_members(r, first, message_fields))
		return false;
	switch (m.role) {
	case ROLE_SYSTEM: return read_noted(r, m.content, "content", read_system_content);
	case ROLE_USER:
		return ask_begin_turn(a, false) &&
		       read_noted(r, m.content, "content", read_user_content);
	case ROLE_ASSISTANT: return take_assistant(r, &m);
	case ROLE_TOOL: return take_tool(r, &m);
	case ROLE_NONE: break;
	}
	return ask_refuse(a, "has no role");
}
