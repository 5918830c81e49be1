// SPDX-License-Identifier: MIT
/*
 * The body of an answer on its way into the connection: framing, digest, and the cut at a byte of
 * it. All bytes of all bodies pass through emit_chunk().
 */
#include "tests/simprovider/conn.h"

#include "common/clock.h"

struct text *
attempt_page(struct attempt *a)
{
	struct text *page = &a->conn->sim->page;

	text_clear(page);
	a->rendered = false;
	return page;
}

/* The fault's point at a byte of the body, if it is of that sort; else never. */
static uint64_t
cut_at(const struct attempt *a, size_t n)
{
	if (a->fault == NULL || a->tripped || trip_point(a) != POINT_BODY)
		return UINT64_MAX;
	if (a->fault->at == POINT_BODY && a->fault->after != FAULT_AFTER_UNSET)
		return a->fault->after;
	return a->body_bytes + n / 2;
}

static void
chunk_head(struct text *out, size_t n)
{
	char line[20];
	size_t at = sizeof(line);

	line[--at] = '\n';
	line[--at] = '\r';
	do {
		line[--at] = "0123456789abcdef"[n & 15];
		n >>= 4;
	} while (n > 0);
	text_add(out, line + at, sizeof(line) - at);
}

/* The first `n` bytes of a chunk of HTTP that says it has `claimed`. */
static void
emit_chunk(struct attempt *a, const void *bytes, size_t n, size_t claimed)
{
	struct text *out = &a->conn->out;

	if (a->framing == FRAMING_CHUNKED && claimed > 0)
		chunk_head(out, claimed);
	text_add(out, bytes, n);
	if (a->framing == FRAMING_CHUNKED && n == claimed && n > 0)
		text_lit(out, "\r\n");
	if (a->conn->sim->ledger.keeps)
		crypto_hash_sha256_update(&a->sha256, bytes, n);
	a->body_bytes += n;
}

size_t
emit_body(struct attempt *a, const void *bytes, size_t n)
{
	uint64_t limit = cut_at(a, n);
	size_t taken = n;

	if (n == 0)
		return 0;
	if (limit <= a->body_bytes + n) {
		taken = limit > a->body_bytes ? (size_t)(limit - a->body_bytes) : 0;
		a->cut = true;
	}
	/* An answer that goes on later says the truth about this chunk; else it breaks inside. */
	emit_chunk(a, bytes, taken, a->cut && a->fault->for_ms > 0 ? taken : n);
	return taken;
}

void
emit_page(struct attempt *a)
{
	struct text *page = &a->conn->sim->page;
	uint8_t *bytes = buf_bytes(&page->buf);
	size_t n = text_len(page);
	size_t now = a->pad_left > 0 ? a->reply.pad_at : n;
	size_t taken = emit_body(a, bytes, now);

	if (page->failed || (taken < n && buf_add(&a->rest, bytes + taken, n - taken) != 0))
		a->conn->out.failed = true;
	/* Padding goes where the page was divided, not where it was cut. */
	if (taken < now)
		a->pad_left = 0;
}

/* Makes the first piece of content, or every piece, as long as the script wants. */
static void
pad_event(struct attempt *a, struct text *page, enum piece piece, uint64_t index)
{
	uint64_t wanted = a->behaviour->pad_bytes;

	if (attempt_has(a, FAULT_HUGE_BODY) && index == 0)
		wanted = a->fault->bytes;
	if (piece != PIECE_CONTENT || a->reply.pad_at == 0 || wanted <= text_len(page))
		return;
	if (wanted <= SIM_SCRATCH_BYTES)
		text_insert_fill(page, a->reply.pad_at, 'x', (size_t)wanted - text_len(page));
	else
		a->pad_left = wanted - text_len(page);
}

void
emit_event(struct attempt *a, enum piece piece, uint64_t index)
{
	struct text *page = attempt_page(a);

	a->reply.pad_at = 0;
	a->endpoint->event(&a->reply, piece, index, page);
	pad_event(a, page, piece, index);
	if (piece == PIECE_CONTENT && attempt_has(a, FAULT_TRUNCATED_JSON) &&
	    index == a->fault->after) {
		page->buf.tail = page->buf.head + text_len(page) / 2;
		text_lit(page, "\n\n");
	}
	emit_page(a);
}

void
emit_comment(struct attempt *a)
{
	const char *comment = a->stream ? a->conn->sim->options->kind->heartbeat : "\n";

	/* A fault at a byte of the body means the answer, not what is sent while it waits. */
	emit_chunk(a, comment, strlen(comment), strlen(comment));
}
