// SPDX-License-Identifier: MIT
/* What the guard wants to know of an answer; see quality.h. Pure. */
#include "worker/quality.h"

#define PIECE_BYTES    512
#define NAME_BYTES_MAX 256
#define NAME_DEPTH_MAX 3 /* of "name" in [{"function":{"name"}}] and [{"name"}] */

struct quality_string
quality_string(const struct jscan *scan)
{
	return (struct quality_string){
		.text = scan->text + scan->span.off, .len = scan->span.len, .escaped = scan->escaped
	};
}

/* FNV-1a; it only has to tell the few tools of one request apart. */
static uint64_t
digest_bytes(const uint8_t *text, size_t n)
{
	uint64_t digest = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		digest = (digest ^ text[i]) * UINT64_C(0x100000001b3);
	return digest;
}

/* 0: too long for a name. */
static uint64_t
digest_name(const struct quality_string *s)
{
	uint8_t plain[NAME_BYTES_MAX];
	ptrdiff_t n;

	if (!s->escaped)
		return digest_bytes(s->text, s->len);
	n = jscan_unescape(s->text, (struct jspan){ 0, s->len }, plain, sizeof(plain));
	return n < 0 ? 0 : digest_bytes(plain, (size_t)n);
}

static void
feed(struct jsonflow *f, const struct quality_string *s)
{
	struct jspan rest = { 0, s->len };

	if (!s->escaped) {
		jsonflow_feed(f, s->text, s->len);
		return;
	}
	while (rest.len > 0) {
		uint8_t plain[PIECE_BYTES];
		size_t n = jscan_unescape_part(s->text, &rest, plain, sizeof(plain));

		jsonflow_feed(f, plain, n);
	}
}

void
quality_text(struct quality *q, const struct quality_string *text)
{
	if (q->script.bytes < SCRIPT_BYTES)
		script_add(&q->script, text->text, text->len);
	if (q->wants_json)
		feed(&q->json, text);
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* No arguments at all are no defect: some providers write nothing for a tool that takes none. */
static void
close_call(struct quality *q)
{
	if (q->in_call && q->arguments.began && !jsonflow_whole(&q->arguments))
		q->bad_call = true;
	q->in_call = false;
}

void
quality_next_call(struct quality *q, const struct quality_string *name)
{
	close_call(q);
	q->in_call = true;
	q->arguments = (struct jsonflow){ 0 };
	if (name->text != NULL && q->n_names < QUALITY_NAMES)
		q->names[q->n_names++] = digest_name(name);
}

void
quality_arguments(struct quality *q, const struct quality_string *piece)
{
	if (q->in_call && piece->text != NULL)
		feed(&q->arguments, piece);
}

void
quality_piece(struct quality *q, const struct quality_call *piece)
{
	/* Some repeat the name in each piece, some give all calls one number. */
	bool begins = !q->in_call || piece->number != q->call ||
		      (piece->name.text != NULL && piece->name.len > 0 && q->arguments.began &&
			  jsonflow_whole(&q->arguments));

	if (begins) {
		q->call = piece->number;
		quality_next_call(q, &piece->name);
	}
	quality_arguments(q, &piece->arguments);
}

void
quality_end(struct quality *q)
{
	close_call(q);
}

/* ---- what was offered ------------------------------------------------------------------------ */

static bool
names_one(const uint8_t *tools, size_t n, uint64_t digest)
{
	struct jscan s;
	enum jtok tok;

	jscan_init(&s, tools, n);
	while ((tok = jscan_next(&s)) != JTOK_END && tok != JTOK_ERROR) {
		if (tok != JTOK_KEY || s.depth > NAME_DEPTH_MAX)
			continue;
		/* A server of tools, whose names the provider asks it for. */
		if (jscan_equals(&s, "server_label") || jscan_equals(&s, "mcp_server_name"))
			return true;
		if (!jscan_equals(&s, "name"))
			continue;
		if (jscan_next(&s) == JTOK_STRING) {
			struct quality_string name = quality_string(&s);

			if (digest_name(&name) == digest)
				return true;
		}
	}
	return false;
}

bool
quality_offered(const struct quality *q, const uint8_t *tools, size_t n)
{
	for (unsigned i = 0; i < q->n_names; i++) {
		if (!names_one(tools, n, q->names[i]))
			return false;
	}
	return true;
}
