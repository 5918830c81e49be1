// SPDX-License-Identifier: MIT
/* Building of requests; see request.h. */
#include "tests/load/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"

/* One line of the prompt. Only its last two bytes are an escape, which must not be cut apart. */
static const char prompt_line[] =
    "Summarise the report of the day: traffic, failures, what it cost\\n";

#define PROMPT_LINE_BYTES (sizeof(prompt_line) - 1)

static int
build_head(struct buf *b, const struct options *o, const struct target *target)
{
	unsigned i;
	int rc = buf_addf(b,
	    "POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\naccept: %s\r\n%s",
	    target->path[0] ? target->path : o->path, target->host,
	    o->stream ? "text/event-stream" : "application/json",
	    o->close_each ? "connection: close\r\n" : "");

	for (i = 0; i < o->n_headers && rc == 0; i++)
		rc = buf_addf(b, "%s\r\n", o->headers[i]);
	return rc;
}

static int
build_body(struct buf *b, const struct options *o)
{
	return buf_addf(
	    b, "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"", o->model);
}

static int
read_body(struct buf *b, const char *path, struct err *e)
{
	FILE *f = fopen(path, "r");
	char piece[65536];
	size_t n;
	int rc = 0;

	if (f == NULL)
		return err_sys(e, "%s", path);
	while (rc == 0 && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		rc = buf_add(b, piece, n);
	if (rc < 0 || ferror(f))
		rc = err_set(e, "%s: cannot be read", path);
	fclose(f);
	return rc;
}

static int
build_pad(struct buf *b, uint64_t body_bytes)
{
	while (buf_len(b) < body_bytes + PROMPT_LINE_BYTES) {
		if (buf_adds(b, prompt_line) < 0)
			return -1;
	}
	return 0;
}

int
request_template_init(
    struct request_template *t, const struct options *o, const struct target *target, struct err *e)
{
	struct buf head = { 0 }, body = { 0 }, pad = { 0 };
	int rc = build_head(&head, o, target);

	memset(t, 0, sizeof(*t));
	if (o->body_file != NULL) {
		if (read_body(&body, o->body_file, e) < 0)
			return -1;
	} else {
		rc |= build_body(&body, o) | build_pad(&pad, o->body_bytes);
		t->tail = o->stream ? "\"}],\"stream\":true" : "\"}]";
	}
	if (rc < 0)
		return err_set(e, "out of memory");
	t->head = (char *)head.data;
	t->head_len = buf_len(&head);
	t->body = (char *)body.data;
	t->body_len = buf_len(&body);
	t->pad = (char *)pad.data;
	t->body_bytes = o->body_bytes;
	t->key_count = o->key_count;
	t->key_prefix = o->key_prefix;
	t->id_prefix = o->id_prefix;
	return 0;
}

void
request_template_free(struct request_template *t)
{
	free(t->head);
	free(t->body);
	free(t->pad);
}

/* The prompt of a length; begins one byte later where the cut would fall into the escape. */
static struct iovec
prompt(const struct request_template *t, size_t len)
{
	size_t shift = len % PROMPT_LINE_BYTES == PROMPT_LINE_BYTES - 1 ? 1 : 0;

	return (struct iovec){ t->pad + shift, len };
}

static size_t
build_tail(struct request *r, const struct request_template *t, uint64_t number)
{
	int n;

	r->key[0] = '\0';
	if (t->tail == NULL)
		return 0;
	if (t->key_count == 0)
		return (size_t)snprintf(r->tail, sizeof(r->tail), "%s}", t->tail);
	snprintf(r->key, sizeof(r->key), "%s%llu", t->key_prefix,
	    (unsigned long long)(number % t->key_count));
	n = snprintf(r->tail, sizeof(r->tail), "%s,\"user\":\"%s\"}", t->tail, r->key);
	return (size_t)n;
}

void
request_build(struct request *r, const struct request_template *t, uint64_t number, bool head_only)
{
	size_t tail = build_tail(r, t, number), body = t->body_len + tail, pad;
	int n;

	pad = t->tail != NULL && t->body_bytes > body ? (size_t)t->body_bytes - body : 0;
	snprintf(r->id, sizeof(r->id), "%s%llu", t->id_prefix, (unsigned long long)number);
	n = snprintf(r->head, sizeof(r->head), "x-request-id: %s\r\ncontent-length: %zu\r\n\r\n",
	    r->id, body + pad);
	r->at = 0;
	r->pieces[0] = (struct iovec){ t->head, t->head_len };
	r->pieces[1] = (struct iovec){ r->head, (size_t)n };
	r->pieces[2] = (struct iovec){ t->body, head_only ? 0 : t->body_len };
	r->pieces[3] = prompt(t, head_only ? 0 : pad);
	r->pieces[4] = (struct iovec){ r->tail, head_only ? 0 : tail };
}

bool
request_sent(struct request *r, size_t n)
{
	struct iovec *p;

	for (; r->at < REQUEST_PIECES; r->at++) {
		p = &r->pieces[r->at];
		if (n < p->iov_len) {
			p->iov_base = (char *)p->iov_base + n;
			p->iov_len -= n;
			return false;
		}
		n -= p->iov_len;
	}
	return true;
}
