// SPDX-License-Identifier: MIT
/*
 * What a provider answers to the prober. The input is a row of answers: the first byte chooses the
 * kind, then each answer is a status (two bytes) and a body up to a NUL. Nothing crashes, every
 * inquiry ends, what is told is terminated and printable, and only a whole list makes a model
 * unknown.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/printable.h"
#include "worker/inquiry.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
check_text(const char *text, size_t cap)
{
	char copy[512];
	size_t n = strnlen(text, cap);

	assert(n < cap && n < sizeof(copy));
	memcpy(copy, text, n + 1);
	printable_clean(copy);
	assert(strcmp(copy, text) == 0);
}

static void
check(const struct inquired *m)
{
	const struct finding *f = &m->finding;

	assert(m->settled && f->standing != STANDING_UNASKED);
	assert((unsigned)f->standing < STANDING_COUNT && f->n_alike <= ALIKE_KEPT);
	assert(f->n_alike == 0 || f->standing == STANDING_UNKNOWN);
	assert(!m->listed || f->standing == STANDING_VERIFIED);
	check_text(f->why, sizeof(f->why));
}

/* The next answer; what the input has no more of is a 404. */
static void
answer(struct inquiry *q, const uint8_t **at, const uint8_t *end)
{
	unsigned status = 404;
	const uint8_t *stop;
	uint8_t *copy;
	size_t n;

	if (end - *at >= 2) {
		status = 100 + ((*at)[0] * 256u + (*at)[1]) % 500;
		*at += 2;
	}
	stop = memchr(*at, 0, (size_t)(end - *at));
	n = (size_t)((stop != NULL ? stop : end) - *at);
	copy = malloc(n + (n == 0)); /* its exact size, for the sanitizer */
	memcpy(copy, *at, n);
	inquiry_answered(q, status, copy, n);
	free(copy);
	*at += n + (stop != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const uint8_t *at = bytes + 1, *end = bytes + n;
	char path[CATALOGUE_PATH_BYTES];
	unsigned asked = 0;
	struct inquiry q;

	if (n == 0 || inquiry_init(&q, (enum provider_kind)(bytes[0] % PROVIDER_KIND_COUNT)) != 0)
		return 0;
	inquiry_add(&q, 0, "gpt-4.1");
	inquiry_add(&q, 1, "models/gemini-2.5-flash");
	while (inquiry_next(&q, path)) {
		assert(++asked <= INQUIRY_PAGES_MAX + q.n);
		check_text(path, sizeof(path));
		assert(strncmp(path, "/models", 7) == 0);
		answer(&q, &at, end);
	}
	for (unsigned i = 0; i < q.n; i++)
		check(&q.models[i]);
	inquiry_fini(&q);
	return 0;
}
