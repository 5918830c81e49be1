// SPDX-License-Identifier: MIT
/*
 * The head of an answer, with the faults that live in it: status lines, informational answers,
 * lengths that are wrong, headers that are huge.
 */
#include "tests/simprovider/conn.h"

#include <time.h>

#include "common/clock.h"

static void
informational(const struct attempt *a, struct text *out)
{
	unsigned status = (unsigned)a->fault->problem.status;

	for (uint64_t i = 0; i < a->fault->repeat; i++)
		text_format(out, "HTTP/1.1 %u %s\r\n%s\r\n", status,
		    status == 100   ? "Continue"
		    : status == 101 ? "Switching Protocols"
				    : "Early Hints",
		    status == 101 ? "upgrade: sim\r\nconnection: upgrade\r\n" : "");
}

static void
status_line(struct attempt *a, unsigned status, struct text *out)
{
	if (attempt_has(a, FAULT_STATUS_LINE)) {
		text_span(out, a->fault->line);
		text_lit(out, "\r\n");
		return;
	}
	if (status == 200) {
		text_lit(out, "HTTP/1.1 200 OK\r\n");
		return;
	}
	text_format(out, "HTTP/1.1 %u %s\r\n", status, problem_phrase(status));
}

static void
retry_lines(const struct problem *problem, struct text *out)
{
	if (problem->retry_after.bytes != NULL) {
		text_lit(out, "retry-after: ");
		text_span(out, problem->retry_after);
		text_lit(out, "\r\n");
	}
	if (problem->retry_after_ms > 0)
		text_format(
		    out, "retry-after-ms: %llu\r\n", (unsigned long long)problem->retry_after_ms);
	if (problem->retry_after_date_s > 0) {
		time_t then = (time_t)(clock_wall_us() / US_PER_S + problem->retry_after_date_s);
		char date[40];
		struct tm tm;

		gmtime_r(&then, &tm);
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		text_format(out, "retry-after: %s\r\n", date);
	}
}

static void
length_line(struct text *out, uint64_t length)
{
	text_lit(out, "content-length: ");
	text_u64(out, length);
	text_lit(out, "\r\n");
}

static void
wrong_length(const struct fault *fault, uint64_t length, struct text *out)
{
	switch (fault->variant) {
	case LENGTH_LONG: length_line(out, length + 100); break;
	case LENGTH_SHORT: length_line(out, length / 2); break;
	case LENGTH_DOUBLE:
		length_line(out, length);
		length_line(out, length);
		break;
	case LENGTH_DIFFER:
		length_line(out, length);
		length_line(out, length + 7);
		break;
	case LENGTH_NEGATIVE: text_lit(out, "content-length: -1\r\n"); break;
	case LENGTH_BOTH:
		length_line(out, length);
		text_lit(out, "transfer-encoding: chunked\r\n");
		break;
	case LENGTH_VALUE:
		text_lit(out, "content-length: ");
		text_span(out, fault->value);
		text_lit(out, "\r\n");
		break;
	}
}

static void
framing_lines(const struct attempt *a, uint64_t length, struct text *out)
{
	if (attempt_has(a, FAULT_CONTENT_LENGTH))
		wrong_length(a->fault, length, out);
	else if (a->framing == FRAMING_LENGTH)
		length_line(out, length);
	else if (a->framing == FRAMING_CHUNKED)
		text_lit(out, "transfer-encoding: chunked\r\n");
	if (a->then == THEN_CLOSE && (a->wants_close || a->framing == FRAMING_CLOSE))
		text_lit(out, "connection: close\r\n");
}

void
head_write(struct attempt *a, uint64_t length)
{
	struct text *out = &a->conn->out;
	const struct kind *kind = a->conn->sim->options->kind;
	unsigned status = a->problem.status != 0 ? (unsigned)a->problem.status : 200;

	if (attempt_has(a, FAULT_INFORMATIONAL))
		informational(a, out);
	status_line(a, status, out);
	text_str(out, a->stream ? "content-type: text/event-stream; charset=utf-8\r\n"
				: "content-type: application/json\r\n");
	if (kind->id_header != NULL)
		text_format(
		    out, "%s: req_sim%llu\r\n", kind->id_header, (unsigned long long)a->reply.id);
	text_span(out, a->behaviour->headers);
	if (a->behaviour->limit != NULL && kind->limit_lines != NULL)
		kind->limit_lines(a->behaviour->limit, &a->limit, out);
	if (a->problem.status != 0) {
		text_span(out, a->problem.headers);
		retry_lines(&a->problem, out);
	}
	if (attempt_has(a, FAULT_HUGE_HEADER)) {
		text_lit(out, "x-huge: ");
		text_fill(out, 'x', (size_t)a->fault->bytes);
		text_lit(out, "\r\n");
	}
	framing_lines(a, length, out);
	text_lit(out, "\r\n");
	a->entry.status = (uint16_t)status;
}
