// SPDX-License-Identifier: MIT
/*
 * The endpoints under /sim/. Short answers are made at once; lists of the ledger are printed in
 * parts, a part for each turn of the loop, so that no other connection waits for them.
 */
#include "tests/simprovider/admin.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "tests/simprovider/server.h"

/* How many attempts are printed in one turn. */
#define DUMP_STEP 256

static void
plain_resume(struct conn *c)
{
	conn_flush(c);
	if (conn_drained(c))
		conn_done(c, THEN_KEEP);
}

static void
nothing_gone(struct conn *c)
{
	(void)c;
}

static const struct job plain_job = { plain_resume, nothing_gone };

static void
answer(struct conn *c, unsigned status, const char *type, struct str body)
{
	text_format(&c->out, "HTTP/1.1 %u %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n",
	    status, problem_phrase(status), type, body.len);
	text_span(&c->out, body);
	c->job = &plain_job;
}

static void
answer_page(struct conn *c, unsigned status)
{
	struct text *page = &c->sim->page;

	c->out.failed = c->out.failed || page->failed;
	answer(c, status, "application/json",
	    (struct str){ (const char *)buf_bytes(&page->buf), text_len(page) });
}

static void
answer_error(struct conn *c, unsigned status, const char *message)
{
	struct text *page = &c->sim->page;

	text_clear(page);
	text_lit(page, "{\"error\":\"");
	text_json(page, (struct str){ message, strlen(message) });
	text_lit(page, "\"}\n");
	answer_page(c, status);
}

static void
answer_ok(struct conn *c)
{
	answer(c, 200, "application/json", (struct str){ "{\"ok\":true}\n", 12 });
}

static void
dump_part(struct conn *c, const struct text *page)
{
	if (text_len(page) == 0)
		return;
	text_format(&c->out, "%zx\r\n", text_len(page));
	text_add(&c->out, buf_bytes(&page->buf), text_len(page));
	text_lit(&c->out, "\r\n");
	c->out.failed = c->out.failed || page->failed;
}

/* A part of the list; true: that was the last. */
static bool
dump_step(struct conn *c)
{
	struct ledger *ledger = &c->sim->ledger;
	struct dump *dump = &c->dump;
	struct text *page = &c->sim->page;

	text_clear(page);
	if (!dump->began)
		ledger_print_head(dump->format, page);
	dump->began = true;
	for (int i = 0; i < DUMP_STEP && dump->left > 0 && dump->epoch == ledger->epoch; i++) {
		size_t length = text_len(page);

		ledger_print_entry(ledger, dump->next++, dump->format, dump->printed == 0, page);
		dump->printed += text_len(page) > length;
		dump->left--;
	}
	bool last = dump->left == 0 || dump->epoch != ledger->epoch;

	if (last)
		ledger_print_tail(ledger, dump->format, page);
	dump_part(c, page);
	if (last)
		text_lit(&c->out, "0\r\n\r\n");
	return last;
}

static void
dump_resume(struct conn *c)
{
	conn_flush(c);
	if (!conn_drained(c))
		return;
	if (dump_step(c))
		c->job = &plain_job;
	conn_yield(c);
}

static const struct job dump_job = { dump_resume, nothing_gone };

/* The number behind `name=` in the query, or `otherwise`. */
static uint64_t
query_number(struct str query, const char *name, uint64_t otherwise)
{
	const char *found = memmem(query.bytes, query.len, name, strlen(name));
	uint64_t value = 0;

	if (found == NULL)
		return otherwise;
	for (const char *p = found + strlen(name); p < query.bytes + query.len; p++) {
		if (*p < '0' || *p > '9')
			break;
		value = value * 10 + (uint64_t)(*p - '0');
	}
	return value;
}

static bool
query_has(struct str query, const char *word)
{
	return memmem(query.bytes, query.len, word, strlen(word)) != NULL;
}

struct call {
	struct str query, rest, body;
};

static void
get_ledger(struct conn *c, const struct call *call)
{
	static const char *const types[] = { "application/json", "application/x-ndjson",
		"text/csv" };
	const struct ledger *ledger = &c->sim->ledger;
	struct dump *dump = &c->dump;
	uint64_t oldest = ledger_oldest(ledger);

	*dump = (struct dump){ .epoch = ledger->epoch };
	if (query_has(call->query, "format=ndjson"))
		dump->format = LEDGER_NDJSON;
	else if (query_has(call->query, "format=csv"))
		dump->format = LEDGER_CSV;
	dump->next = query_number(call->query, "since=", 0) + 1;
	if (dump->next < oldest)
		dump->next = oldest;
	dump->left = dump->next <= ledger->last ? ledger->last - dump->next + 1 : 0;
	uint64_t limit = query_number(call->query, "limit=", UINT64_MAX);

	if (dump->left > limit)
		dump->left = limit;
	text_format(&c->out,
	    "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n",
	    types[dump->format]);
	c->job = &dump_job;
}

static void
delete_ledger(struct conn *c, const struct call *call)
{
	(void)call;
	ledger_reset(&c->sim->ledger);
	answer_ok(c);
}

static void
get_summary(struct conn *c, const struct call *call)
{
	(void)call;
	text_clear(&c->sim->page);
	ledger_print_summary(&c->sim->ledger, &c->sim->page);
	answer_page(c, 200);
}

static void
get_script(struct conn *c, const struct call *call)
{
	(void)call;
	answer(c, 200, "application/json", c->sim->script->source);
}

static void
post_script(struct conn *c, const struct call *call)
{
	struct err err = { "" };
	struct script *script = script_parse(call->body, &err);

	if (script == NULL || server_use_script(c->sim, script, &err) != 0) {
		script_unref(script);
		answer_error(c, 400, err.msg);
		return;
	}
	answer_ok(c);
}

static void
get_request(struct conn *c, const struct call *call)
{
	const struct text *kept = keep_find(&c->sim->keep, query_number(call->rest, "", 0));

	if (kept == NULL)
		answer_error(c, 404, "not kept: see --keep");
	else
		answer(c, 200, "application/octet-stream",
		    (struct str){ (const char *)buf_bytes(&kept->buf), text_len(kept) });
}

static const struct {
	const char *method, *path;
	bool is_prefix; /* something follows the path */
	void (*handle)(struct conn *c, const struct call *call);
} calls[] = {
	{ "GET", "/sim/ledger", false, get_ledger },
	{ "DELETE", "/sim/ledger", false, delete_ledger },
	{ "GET", "/sim/ledger/summary", false, get_summary },
	{ "GET", "/sim/script", false, get_script },
	{ "POST", "/sim/script", false, post_script },
	{ "PUT", "/sim/script", false, post_script },
	{ "GET", "/sim/requests/", true, get_request },
};

static bool
same(struct str s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.bytes, word, s.len) == 0;
}

static bool
begins(struct str s, const char *word)
{
	return s.len > strlen(word) && memcmp(s.bytes, word, strlen(word)) == 0;
}

bool
admin_path(const uint8_t *bytes, const struct request *request)
{
	return begins(span_str(bytes, request->target), "/sim/");
}

void
admin_begin(struct conn *c, const uint8_t *bytes)
{
	const struct request *request = &c->reader.request;
	struct str path = span_str(bytes, request->target);
	struct call call = { .query = { "", 0 }, .body = span_str(bytes, request->body) };
	const char *question = memchr(path.bytes, '?', path.len);

	conn_set_split(c, &(struct split){ 0, 0, 0 });
	if (question != NULL) {
		call.query.bytes = question;
		call.query.len = (size_t)(path.bytes + path.len - question);
		path.len -= call.query.len;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		bool fits =
		    calls[i].is_prefix ? begins(path, calls[i].path) : same(path, calls[i].path);

		if (!fits || !same(span_str(bytes, request->method), calls[i].method))
			continue;
		size_t used = strlen(calls[i].path);

		call.rest = (struct str){ path.bytes + used, path.len - used };
		calls[i].handle(c, &call);
		return;
	}
	answer_error(c, 404, "no such thing under /sim/");
}
