// SPDX-License-Identifier: MIT
/*
 * The list of kinds, and what they share: the search among endpoints, the words of an answer. The
 * content is always the same for the same model and number of tokens, so a reader can tell whose it
 * is.
 */
#include "tests/simprovider/kind.h"

static const struct kind *const kinds[] = {
	&kind_openai,
	&kind_anthropic,
	&kind_gemini,
};

const struct kind *
kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

bool
path_ends(struct str path, const char *end)
{
	size_t n = strlen(end);

	return path.len >= n && memcmp(path.bytes + path.len - n, end, n) == 0;
}

struct str
path_behind(struct str path, const char *mark)
{
	const char *found = memmem(path.bytes, path.len, mark, strlen(mark));

	if (found == NULL)
		return (struct str){ NULL, 0 };
	found += strlen(mark);
	return (struct str){ found, (size_t)(path.bytes + path.len - found) };
}

const struct endpoint *
endpoint_find(const struct endpoint *table, size_t count, struct str method, struct str path)
{
	for (size_t i = 0; i < count; i++)
		if (path_ends(path, table[i].suffix) && method.len == strlen(table[i].method) &&
		    memcmp(table[i].method, method.bytes, method.len) == 0)
			return &table[i];
	return NULL;
}

void
reply_fragment(const struct reply *reply, uint64_t index, struct text *out)
{
	const struct behaviour *b = reply->behaviour;

	if (reply->refusal) {
		text_lit(out, REPLY_REFUSAL);
		return;
	}
	if (b->text.count > 0) {
		if (index < b->text.count)
			text_span(out, b->text.items[index]);
		return;
	}
	if (index == 0) {
		text_span(out, reply->model);
		text_lit(out, " says:");
	}
	text_lit(out, " ");
	text_span(out, b->token);
	text_u64(out, index);
}

void
reply_content(struct reply *reply, struct text *out)
{
	for (uint64_t i = 0; i < reply->tokens; i++)
		reply_fragment(reply, i, out);
	reply->pad_at = text_len(out);
}

void
reply_thought(uint64_t index, struct text *out)
{
	if (index > 0)
		text_lit(out, " ");
	text_lit(out, "thought");
	text_u64(out, index);
}

void
reply_thoughts(const struct reply *reply, struct text *out)
{
	for (uint64_t i = 0; i < reply->reasoning; i++)
		reply_thought(i, out);
}

struct tool_place
reply_tool_place(const struct reply *reply, uint64_t index)
{
	size_t call = 0;

	while (
	    call + 1 < reply->tools->count && index > reply->tools->items[call].arguments.count) {
		index -= 1 + reply->tools->items[call].arguments.count;
		call++;
	}
	return (struct tool_place){ call, index > 0 ? index - 1 : 0, index == 0 };
}

struct str
reply_tool_piece(const struct reply *reply, size_t call, size_t piece)
{
	const struct pieces *pieces = &reply->tools->items[call].arguments;

	if (piece >= pieces->count || (reply->bad_tool_json && piece + 1 == pieces->count))
		return (struct str){ "", 0 };
	return pieces->items[piece];
}

void
reply_tool_arguments(const struct reply *reply, size_t call, struct text *out)
{
	for (size_t i = 0; i < reply->tools->items[call].arguments.count; i++)
		text_span(out, reply_tool_piece(reply, call, i));
}

void
reply_tool_object(const struct reply *reply, size_t call, struct text *out)
{
	struct str object = reply->tools->items[call].object;

	if (object.bytes != NULL && !reply->bad_tool_json) {
		text_span(out, object);
		return;
	}
	text_lit(out, "\"");
	reply_tool_arguments(reply, call, out);
	text_lit(out, "\"");
}

void
reply_models(const struct reply *reply, struct text *out,
    void (*each)(struct str id, bool first, struct text *out))
{
	bool first = true;

	for (size_t i = 0; i < reply->script->count; i++) {
		const struct behaviour *b = &reply->script->behaviours[i];

		if (!b->listed || !b->found || b == reply->script->any)
			continue;
		each(b->id.bytes != NULL ? b->id : b->name, first, out);
		first = false;
	}
}
