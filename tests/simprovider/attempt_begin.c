// SPDX-License-Identifier: MIT
/*
 * The beginning of an attempt: what was asked for, whether it is refused, which behaviour and fault
 * it gets. All chance but the waits is drawn here and in attempt_plan(), in a fixed order.
 */
#include "tests/simprovider/conn.h"

#include "common/clock.h"
#include "common/hash.h"
#include "tests/simprovider/admin.h"

_Static_assert(sizeof(((struct entry *)0)->key) == HASH_DIGEST_BYTES - 1, "digest of a key");

#define TEXT(literal)                           \
	{                                       \
		"" literal, sizeof(literal) - 1 \
	}

static const struct problem not_parsed = { .status = 400,
	.code = TEXT(""),
	.message = TEXT("We could not parse the JSON body of your request.") };
static const struct problem no_model = {
	.status = 400, .code = TEXT(""), .message = TEXT("you must provide a model parameter")
};
static const struct problem no_path = {
	.status = 404, .code = TEXT(""), .message = TEXT("Unknown request URL.")
};
static const struct problem unknown_model = { .status = 404 };
static const struct problem above_limit = { .status = 429 };

/* The target in front of its query; `query` gets what stands behind the mark. */
static struct str
path_of(const uint8_t *bytes, const struct request *request, struct str *query)
{
	struct str path = span_str(bytes, request->target);
	const char *mark = memchr(path.bytes, '?', path.len);

	*query = (struct str){ "", 0 };
	if (mark != NULL) {
		size_t len = (size_t)(mark - path.bytes);

		*query = (struct str){ mark + 1, path.len - len - 1 };
		path.len = len;
	}
	return path;
}

static struct str
key_of(const struct attempt *a, const uint8_t *bytes)
{
	const struct request *request = &a->conn->reader.request;
	enum key_header own = a->conn->sim->options->kind->key;

	if (request->keys[own].len > 0)
		return span_str(bytes, request->keys[own]);
	for (int i = 0; i < KEY_HEADERS; i++)
		if (request->keys[i].len > 0)
			return span_str(bytes, request->keys[i]);
	return (struct str){ "", 0 };
}

static bool
key_is_good(const struct options *options, struct str key)
{
	for (size_t i = 0; i < options->key_count; i++)
		if (strlen(options->keys[i]) == key.len &&
		    memcmp(options->keys[i], key.bytes, key.len) == 0)
			return true;
	return options->key_count == 0;
}

/* What is wrong with the head of the request; NULL: nothing. */
static const struct problem *
wrong_head(const struct attempt *a, const uint8_t *bytes)
{
	const struct options *options = a->conn->sim->options;
	const struct request *request = &a->conn->reader.request;
	const struct kind *kind = options->kind;
	struct str key = span_str(bytes, request->keys[kind->key]);

	if (key.len == 0 && kind->no_key.status != 0)
		return &kind->no_key;
	if (!key_is_good(options, key))
		return &kind->bad_key;
	return kind->misses_in_head != NULL ? kind->misses_in_head(request) : NULL;
}

static void
note_entry(struct attempt *a, const uint8_t *bytes, struct str path)
{
	struct conn *c = a->conn;
	struct str key = key_of(a, bytes);
	char digest[HASH_DIGEST_BYTES];

	a->entry.start_us = c->first_byte_us;
	a->entry.bytes_in = c->reader.request.wire_bytes;
	a->entry.path = names_number(&c->sim->ledger.paths, path);
	if (key.len > 0) {
		hash_digest_hex(digest, key.bytes, key.len);
		memcpy(a->entry.key, digest, sizeof(a->entry.key));
	}
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'		    ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

/* Copies the name as it stands in JSON, with "\/" for "/" and, from a path, %XX undone. False: it
 * is too long or holds what no name has. */
static bool
set_model(struct attempt *a, struct str raw, bool from_path)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.len && n < sizeof(a->model); i++) {
		char c = raw.bytes[i];

		if (c == '\\' && i + 1 < raw.len && raw.bytes[i + 1] == '/')
			continue;
		if (from_path && c == '%' && i + 2 < raw.len && hex_digit(raw.bytes[i + 1]) >= 0 &&
		    hex_digit(raw.bytes[i + 2]) >= 0) {
			c = (char)(hex_digit(raw.bytes[i + 1]) * 16 + hex_digit(raw.bytes[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < 0x20 || (from_path && (c == '"' || c == '\\')))
			return false;
		a->model[n++] = c;
	}
	a->reply.model = a->reply.reported = (struct str){ a->model, n };
	return n > 0 && n < sizeof(a->model);
}

/* The behaviour of the model that was asked for; NULL, with the problem set: there is none. */
static struct behaviour *
look_up(struct attempt *a)
{
	struct behaviour *b = script_find(a->script, a->reply.model);

	if (b != NULL && b->found)
		return b;
	a->problem = unknown_model;
	return NULL;
}

static void
use_behaviour(struct attempt *a, struct behaviour *b)
{
	a->behaviour = b;
	a->fault = fault_pick(b->faults, b->fault_count, &a->dice,
	    (struct fault_scene){ a->stream, a->conn->answers > 0 });
}

/* The model's own limit; false: this request is above it. */
static bool
is_admitted(struct attempt *a, struct limit *limit)
{
	if (limit == NULL)
		return true;
	a->limit = limit_take(limit, clock_mono_us());
	if (!a->limit.refused)
		return true;
	a->problem = above_limit;
	if (a->conn->sim->options->kind->limit_lines == NULL)
		a->problem.retry_after_body_s = (double)a->limit.wait_us / US_PER_S;
	return false;
}

static void
find_behaviour(struct attempt *a, struct str body, struct str request_id, const struct ask *ask)
{
	struct behaviour *b = look_up(a);

	if (b == NULL)
		return;
	a->stream = attempt_is(a, ALWAYS_STREAMS) || (ask->stream && !attempt_is(a, NEVER_STREAMS));
	b = script_match(b, body, request_id);
	a->behaviour = b;
	if (!is_admitted(a, b->limit))
		return;
	use_behaviour(a, b);
	if (a->behaviour->answers_as.bytes != NULL)
		a->reply.reported = a->behaviour->answers_as;
}

struct str
attempt_note(char into[NOTE_MAX_BYTES], struct str s)
{
	if (s.bytes == NULL || s.len > NOTE_MAX_BYTES)
		return (struct str){ NULL, 0 };
	memcpy(into, s.bytes, s.len);
	return (struct str){ into, s.len };
}

static void
refuse_member(struct attempt *a, struct str name)
{
	a->problem = a->conn->sim->options->kind->unknown_member;
	a->problem.param = attempt_note(a->unknown, name);
}

/* The model stands in the path or in the body. */
static void
read_ask(struct attempt *a, const uint8_t *bytes, struct str named, struct ask *ask)
{
	const struct request *request = &a->conn->reader.request;
	const struct kind *kind = a->conn->sim->options->kind;
	struct str body = span_str(bytes, request->body);
	bool in_path = named.bytes != NULL;

	if (!scan_body(body, kind->members, ask)) {
		a->problem = not_parsed;
		return;
	}
	const struct problem *missing =
	    kind->misses_in_body != NULL ? kind->misses_in_body(ask) : NULL;

	if (!in_path)
		named = ask->model;
	if (named.bytes == NULL || !set_model(a, named, in_path))
		a->problem = no_model;
	else if (missing != NULL)
		a->problem = *missing;
	else if (ask->unknown.bytes != NULL)
		refuse_member(a, ask->unknown);
	else
		find_behaviour(a, body, span_str(bytes, request->request_id), ask);
}

/* The catalogue has one behaviour for all, and no part in the faults of a model; what is not found
 * is not found in either way. */
static void
read_catalogue(struct attempt *a, struct str named)
{
	const struct behaviour *b = NULL;

	if (named.bytes != NULL && !set_model(a, named, true))
		a->problem = no_path;
	else if (named.bytes != NULL)
		b = look_up(a);
	if (b != NULL && b->id.bytes != NULL)
		a->reply.reported = b->id;
	if (a->script->catalogue != NULL)
		use_behaviour(a, a->script->catalogue);
}

/* Enters it into the ledger; the catalogue is only counted. */
static void
enter(struct attempt *a, const uint8_t *bytes)
{
	struct sim *sim = a->conn->sim;
	struct ledger *ledger = &sim->ledger;
	const struct request *request = &a->conn->reader.request;

	ledger_count_key(ledger, a->entry.key);
	if (attempt_is(a, CATALOGUE)) {
		ledger->catalogue++;
		return;
	}
	a->entry.model = names_number(&ledger->models, a->reply.model);
	a->entry.stream = a->stream;
	if (a->fault != NULL)
		a->entry.fault = (uint8_t)a->fault->kind->id;
	a->ticket = ledger_open(ledger, &a->entry, span_str(bytes, request->request_id));
	a->reply.id = a->ticket.id;
	keep_request(&sim->keep, a->ticket.id, bytes, request);
}

static void
start(struct attempt *a, struct conn *c)
{
	const struct request *request = &c->reader.request;

	memset(a, 0, sizeof(*a));
	a->conn = c;
	a->script = script_ref(c->sim->script);
	a->behaviour = script_default();
	a->http10 = request->http10;
	a->wants_close = request->close || (request->http10 && !request->keep_alive);
	a->sent_before = c->sent_bytes;
	a->reply.model = (struct str){ a->model, 0 };
	c->job = &attempt_job;
}

void
attempt_begin(struct conn *c, const uint8_t *bytes, bool broken)
{
	struct attempt *a = &c->attempt;
	struct str model = { NULL, 0 }, query, path = path_of(bytes, &c->reader.request, &query);
	struct str method = span_str(bytes, c->reader.request.method);
	const struct kind *kind = c->sim->options->kind;
	struct ask ask = { 0 };

	start(a, c);
	note_entry(a, bytes, path);
	if (!broken)
		a->endpoint = kind->route(method, path, query, &model);
	a->dice = dice_make(c->sim->seed,
	    attempt_is(a, CATALOGUE) ? ~c->sim->ledger.catalogue : c->sim->ledger.last + 1);
	const struct problem *wrong = broken		    ? &not_parsed
				      : a->endpoint == NULL ? &no_path
							    : wrong_head(a, bytes);

	if (wrong != NULL)
		a->problem = *wrong;
	else if (attempt_is(a, CATALOGUE))
		read_catalogue(a, model);
	else
		read_ask(a, bytes, model, &ask);
	a->wants_close = a->wants_close || broken || a->behaviour->close;
	attempt_plan(a, &ask);
	enter(a, bytes);
}

void
attempt_enter_partial(struct conn *c, const uint8_t *bytes, size_t n)
{
	struct attempt *a = &c->attempt;
	const struct request *request = &c->reader.request;
	struct str request_id = { "", 0 }, query;

	memset(a, 0, sizeof(*a));
	a->conn = c;
	if (c->reader.have_head) {
		if (admin_path(bytes, request))
			return;
		note_entry(a, bytes, path_of(bytes, request, &query));
		request_id = span_str(bytes, request->request_id);
	}
	a->entry.start_us = c->first_byte_us;
	a->entry.bytes_in = n;
	a->ticket = ledger_open(&c->sim->ledger, &a->entry, request_id);
	a->entry.state = STATE_CANCELLED;
	a->entry.close_us = a->entry.end_us = clock_wall_us();
	ledger_close(&c->sim->ledger, a->ticket, &a->entry);
}
