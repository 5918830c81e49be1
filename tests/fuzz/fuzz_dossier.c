// SPDX-License-Identifier: MIT
/*
 * Evidence of another master: whatever lines stand in it, with a hash that is right, are refused or
 * read back as they were when they are written again.
 */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/dossier.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
write_again(struct buf *out, const struct dossier *d)
{
	struct err e;

	assert(dossier_begin(out) == 0);
	for (unsigned i = 0; i < d->n; i++) {
		const struct dossier_release *r = &d->all[i];
		struct policy_release now = { .rollout_id = r->evidence.rollout_id };

		memcpy(now.name, r->name, sizeof(now.name));
		memcpy(now.models, r->models, sizeof(now.models));
		assert(dossier_add(out, &now, &r->span, &r->evidence) == 0);
	}
	assert(dossier_end(out, -1, &e) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct dossier *once = calloc(1, sizeof(*once)), *twice = calloc(1, sizeof(*twice));
	struct buf in = { 0 }, out = { 0 };
	unsigned char hash[32];
	struct err e;

	assert(once != NULL && twice != NULL && dossier_begin(&in) == 0 &&
	       buf_add(&in, bytes, n) == 0);
	crypto_generichash(hash, sizeof(hash), buf_bytes(&in), buf_len(&in), NULL, 0);
	assert(buf_add(&in, hash, sizeof(hash)) == 0);
	if (dossier_read(once, buf_bytes(&in), buf_len(&in), &e) == 0) {
		write_again(&out, once);
		assert(dossier_read(twice, buf_bytes(&out), buf_len(&out), &e) == 0);
		assert(
		    once->n == twice->n && memcmp(once->all, twice->all, sizeof(once->all)) == 0);
	}
	buf_free(&in);
	buf_free(&out);
	free(once);
	free(twice);
	return 0;
}
