// SPDX-License-Identifier: MIT
/* Secrets in guarded memory; see secret.h. The bytes are read-only from birth to death. */
#include "common/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct secret {
	char *bytes; /* from sodium_malloc(), with a NUL behind */
	size_t len;
};

struct secret *
secret_new(const char *bytes, size_t n)
{
	struct secret *s;

	if (sodium_init() < 0 || (s = malloc(sizeof(*s))) == NULL)
		return NULL;
	s->len = n;
	s->bytes = sodium_malloc(n + 1);
	if (s->bytes == NULL) {
		free(s);
		return NULL;
	}
	memcpy(s->bytes, bytes, n);
	s->bytes[n] = '\0';
	if (sodium_mprotect_readonly(s->bytes) != 0) {
		secret_free(s);
		return NULL;
	}
	return s;
}

void
secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	sodium_free(s->bytes); /* makes it writable and wipes it first */
	free(s);
}

const char *
secret_text(const struct secret *s)
{
	return s->bytes;
}

size_t
secret_len(const struct secret *s)
{
	return s->len;
}
