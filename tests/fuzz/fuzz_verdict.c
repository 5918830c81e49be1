// SPDX-License-Identifier: MIT
/*
 * Evidence as the journal holds it: whatever is read gives a verdict, the same one each time, and
 * is read back as it was when it is written again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct verdict_record once, twice;
	static struct verdict first, second;
	struct buf out = { 0 };
	char *text = malloc(n + 1);
	struct err e;

	if (text == NULL)
		return 0;
	memcpy(text, bytes, n);
	text[n] = '\0';
	if (verdict_read(text, &once, &e) == 0) {
		verdict_find(&once.c, &first);
		assert(verdict_write(&out, &once.c) == 0 && buf_add(&out, "", 1) == 0);
		assert(verdict_read((const char *)buf_bytes(&out), &twice, &e) == 0);
		/* What is written has the newest version, whose rule an older record did not know.
		 */
		twice.c.alone = once.c.alone;
		verdict_find(&twice.c, &second);
		assert(first.kind == second.kind && first.test == second.test &&
		       strcmp(first.reason, second.reason) == 0);
	}
	buf_free(&out);
	free(text);
	return 0;
}
