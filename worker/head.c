// SPDX-License-Identifier: MIT
/* Response heads without printf: this runs for every request. See head.h. */
#include "worker/head.h"

#include <string.h>

#include "worker/decimal.h"

#define END_BYTES 2 /* always kept for the blank line */

static const struct {
	uint16_t status;
	const char *reason;
} reasons[] = {
	{ 100, "Continue" },
	{ 200, "OK" },
	{ 204, "No Content" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 529, "Overloaded" },
};

static const char *
reason_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static void
put(struct head_out *h, const void *bytes, size_t n)
{
	memcpy(h->bytes + h->n, bytes, n);
	h->n += n;
}

static void
put_line(struct head_out *h, const char *name, const char *value, size_t n)
{
	size_t name_len = strlen(name);

	if (h->n + name_len + n + 4 + END_BYTES > sizeof(h->bytes))
		return;
	put(h, name, name_len);
	put(h, ": ", 2);
	put(h, value, n);
	put(h, "\r\n", 2);
}

void
head_begin(struct head_out *h, unsigned status)
{
	const char *reason = reason_of(status);
	char text[3] = { (char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
		(char)('0' + status % 10) };

	h->n = 0;
	put(h, "HTTP/1.1 ", 9);
	put(h, text, sizeof(text));
	put(h, " ", 1);
	put(h, reason, strlen(reason));
	put(h, "\r\n", 2);
}

void
head_line(struct head_out *h, const char *name, const char *value)
{
	put_line(h, name, value, strlen(value));
}

void
head_number(struct head_out *h, const char *name, uint64_t value)
{
	char text[DECIMAL_BYTES], *end = text + sizeof(text), *begin = decimal(end, value);

	put_line(h, name, begin, (size_t)(end - begin));
}

void
head_fixed(struct head_out *h, const char *name, uint64_t whole, uint64_t fraction, unsigned places)
{
	char text[DECIMAL_BYTES], *end = text + sizeof(text);
	char *begin = decimal_fixed(end, whole, fraction, places);

	put_line(h, name, begin, (size_t)(end - begin));
}

void
head_raw(struct head_out *h, const void *lines, size_t n)
{
	if (n > 0 && h->n + n + END_BYTES <= sizeof(h->bytes))
		put(h, lines, n);
}

void
head_end(struct head_out *h)
{
	put(h, "\r\n", 2);
}
