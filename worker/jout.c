// SPDX-License-Identifier: MIT
/*
 * The JSON writer of jout.h. Used by the workers for translated requests and answers, streamed ones
 * too, so there is no printf here. Invariant: once `failed` is set nothing more is written.
 */
#include "worker/jout.h"

#include <string.h>

#include "common/json_escape.h"
#include "worker/decimal.h"

void
jout_raw(struct jout *o, const void *bytes, size_t n)
{
	if (o->buf == NULL || o->failed)
		return;
	o->failed = buf_add(o->buf, bytes, n) != 0;
}

void
jout_text(struct jout *o, const char *text)
{
	jout_raw(o, text, strlen(text));
}

void
jout_item(struct jout *o)
{
	uint8_t last;

	if (o->buf == NULL || buf_len(o->buf) == 0)
		return;
	last = o->buf->data[o->buf->tail - 1];
	if (last != '{' && last != '[')
		jout_raw(o, ",", 1);
}

void
jout_key(struct jout *o, const char *name)
{
	jout_item(o);
	jout_raw(o, "\"", 1);
	jout_text(o, name);
	jout_raw(o, "\":", 2);
}

void
jout_quoted(struct jout *o, const void *inside, size_t n)
{
	jout_raw(o, "\"", 1);
	jout_raw(o, inside, n);
	jout_raw(o, "\"", 1);
}

void
jout_escaped(struct jout *o, const void *bytes, size_t n)
{
	if (o->buf != NULL && !o->failed)
		o->failed = json_escape(o->buf, bytes, n) != 0;
}

void
jout_string(struct jout *o, const void *bytes, size_t n)
{
	jout_raw(o, "\"", 1);
	jout_escaped(o, bytes, n);
	jout_raw(o, "\"", 1);
}

void
jout_uint(struct jout *o, uint64_t value)
{
	char text[DECIMAL_BYTES], *end = text + sizeof(text), *begin = decimal(end, value);

	jout_raw(o, begin, (size_t)(end - begin));
}
