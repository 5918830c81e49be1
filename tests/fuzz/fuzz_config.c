// SPDX-License-Identifier: MIT
/*
 * Any text as a config: refused with a message, or accepted, and then its print must load again to
 * the same print. For libFuzzer.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_print(const struct config *c)
{
	char *once = config_print(c), *twice;
	struct err e = { "" };
	struct config *again;

	assert(once != NULL);
	again = config_parse("again", once, CONFIG_NO_SECRETS, &e);
	assert(again != NULL && *e.msg == '\0');
	twice = config_print(again);
	assert(twice != NULL && strcmp(once, twice) == 0);
	free(twice);
	config_free(again);
	free(once);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct err e = { "" };
	struct config *c;

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	c = config_parse("FILE", text, CONFIG_NO_SECRETS, &e);
	assert((c == NULL) == (strncmp(e.msg, "FILE:", 5) == 0));
	if (c != NULL)
		check_print(c);
	config_free(c);
	free(text);
	return 0;
}
