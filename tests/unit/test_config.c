// SPDX-License-Identifier: MIT
/*
 * The config against tests/config/: wrong ones with their messages, good ones with their print;
 * the configs that are shipped; and the manual page, which must hold every key of the field tables
 * with its default, and no other. Files are found from $GRAYD_SRC, else from here.
 */
#include "common/config.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

void suite_config(void);

/* ---- files ----------------------------------------------------------------------------------- */

static char *
source_path(const char *name, char out[512])
{
	const char *root = getenv("GRAYD_SRC");

	snprintf(out, 512, "%s/%s", root == NULL ? "." : root, name);
	return out;
}

/* A whole file, terminated, to be freed; an empty text when it is not there. */
static char *
slurp(const char *name)
{
	char path[512];
	FILE *f = fopen(source_path(name, path), "r");
	char *text = NULL;
	size_t room = 0;

	if (f == NULL || getdelim(&text, &room, '\0', f) < 0) {
		fprintf(stderr, "cannot read %s\n", path);
		free(text);
		text = strdup("");
	}
	if (f != NULL)
		fclose(f);
	return text;
}

static void
expect_text(const char *what, const char *got, const char *wanted)
{
	CU_ASSERT_STRING_EQUAL(got, wanted);
	if (strcmp(got, wanted) != 0)
		fprintf(stderr, "\n%s\n  got:    %s\n  wanted: %s\n", what, got, wanted);
}

/* ---- wrong configs --------------------------------------------------------------------------- */

#define PROVIDERS "\"providers\": { \"p\": { \"base_url\": \"http://127.0.0.1:1/v1\" } }"
#define MODELS    "\"models\": { \"a\": { \"provider\": \"p\" }, \"b\": { \"provider\": \"p\" } }"
#define RELEASES  "\"releases\": { \"r\": { \"stable\": \"a\", \"candidate\": \"b\" } }"

static const struct {
	const char *mark, *text;
} marks[] = {
	{ "@P", PROVIDERS },
	{ "@M", MODELS },
	{ "@R", RELEASES },
	{ "@B", PROVIDERS ", " MODELS ", " RELEASES },
	{ "@H", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" },
};

static const char *
mark_text(const char *at)
{
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strncmp(at, marks[i].mark, 2) == 0)
			return marks[i].text;
	return NULL;
}

/* The text of a case with its marks filled in, terminated. */
static char *
expand(const char *text, size_t n)
{
	struct buf b = { 0 };
	int rc = 0;

	while (n > 0) {
		const char *with = n >= 2 ? mark_text(text) : NULL;
		size_t used = with == NULL ? 1 : 2;

		rc |= with == NULL ? buf_add(&b, text, 1) : buf_adds(&b, with);
		text += used;
		n -= used;
	}
	rc |= buf_add(&b, "", 1);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	return (char *)b.data;
}

static void
check_bad(const char *name, const char *text, size_t n, const char *wanted)
{
	char *config_text = expand(text, n);
	char message[600];
	struct err e = { "accepted" };
	struct config *c = config_parse("FILE", config_text, CONFIG_NO_SECRETS, &e);

	CU_ASSERT_PTR_NULL(c);
	snprintf(message, sizeof(message), "FILE:%s", wanted);
	expect_text(name, e.msg, message);
	config_free(c);
	free(config_text);
}

/* "=== NAME", the text, "--- LINE: message", again and again. */
static void
test_wrong_configs(void)
{
	char *text = slurp("tests/config/bad.txt");
	unsigned cases = 0;
	char *save = NULL, *body = NULL;
	const char *name = "";
	size_t n = 0;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "=== ", 4) == 0) {
			name = line + 4;
			body = line + strlen(line) + 1;
		} else if (strncmp(line, "--- ", 4) == 0) {
			check_bad(name, body, n, line + 4);
			cases++;
		} else
			line[strlen(line)] = '\n'; /* strtok_r() has cut it out of the body */
		n = body == NULL ? 0 : (size_t)(save - body);
	}
	CU_ASSERT_TRUE(cases >= 60);
	free(text);
}
