// SPDX-License-Identifier: MIT
/* Golden files; see golden.h. */
#include "tests/unit/golden.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
golden_to(const struct golden *g)
{
	const char *mark = strstr(g->header, " > ");

	CU_ASSERT_PTR_NOT_NULL_FATAL(mark);
	return mark + 3;
}

bool
golden_flag(const struct golden *g, const char *name)
{
	const char *flags = strrchr(g->header, '{');

	return flags != NULL && strstr(flags, name) != NULL;
}

static char *
slurp(const char *path)
{
	const char *root = getenv("GRAYD_SRC");
	char full[512];
	char *text;
	FILE *f;
	long n;

	snprintf(full, sizeof(full), "%s/%s", root != NULL ? root : ".", path);
	f = fopen(full, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	text = malloc((size_t)n + 1);
	CU_ASSERT_EQUAL_FATAL(fread(text, 1, (size_t)n, f), (size_t)n);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* Ends the line at `at`; returns the next. */
static char *
end_line(char *at)
{
	char *end = strchr(at, '\n');

	CU_ASSERT_PTR_NOT_NULL_FATAL(end);
	*end = '\0';
	return end + 1;
}

/* Where the next line begins that starts so, or the end of the text. */
static char *
find_line(char *at, const char *begin)
{
	while (*at != '\0' && strncmp(at, begin, strlen(begin)) != 0)
		at = strchr(at, '\n') != NULL ? strchr(at, '\n') + 1 : at + strlen(at);
	return at;
}

/* Cuts the case that begins at `at` out of the text; returns where the next one begins. */
static char *
cut_case(char *at, struct golden *g)
{
	char *input = end_line(at), *next = find_line(input, "=== ");
	char kept = *next, *verdict;

	*next = '\0';
	verdict = find_line(input, "--- ");
	*g = (struct golden){ .header = at + 4, .input = input };
	g->input_len = (size_t)(verdict - input);
	if (*verdict != '\0') {
		g->verdict = verdict + 4;
		g->output = end_line(verdict);
		g->output_len = (size_t)(next - g->output);
	}
	*next = kept;
	return next;
}

/* Without the line breaks, which are there for people. */
static void
squeeze(const char *text, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] != '\n' && text[i] != '\t')
			CU_ASSERT_EQUAL(buf_add(out, text + i, 1), 0);
}

static bool
is_output(const struct golden *g, const struct buf *found)
{
	struct buf wanted = { 0 }, got = { 0 };
	bool same;

	squeeze(g->output, g->output_len, &wanted);
	squeeze((const char *)buf_bytes(found), buf_len(found), &got);
	same =
	    buf_len(&wanted) == buf_len(&got) &&
	    (buf_len(&got) == 0 || memcmp(buf_bytes(&wanted), buf_bytes(&got), buf_len(&got)) == 0);
	buf_free(&wanted);
	buf_free(&got);
	return same || (buf_len(found) == 0 && g->output_len == 0);
}

static void
compare(const struct golden *g, const struct buf *verdict, const struct buf *output)
{
	int n = (int)buf_len(verdict);
	bool same = g->verdict != NULL && strlen(g->verdict) == (size_t)n &&
		    (n == 0 || memcmp(g->verdict, buf_bytes(verdict), (size_t)n) == 0) &&
		    is_output(g, output);

	CU_ASSERT_TRUE(same);
	if (!same)
		printf("\n=== %s\n--- %.*s\n%.*s\n", g->header, n, (char *)buf_bytes(verdict),
		    (int)buf_len(output), (char *)buf_bytes(output));
}

static void
write_case(FILE *f, const struct golden *g, const struct buf *verdict, const struct buf *output)
{
	fprintf(f, "=== %s\n%.*s--- %.*s\n%.*s", g->header, (int)g->input_len, g->input,
	    (int)buf_len(verdict), (char *)buf_bytes(verdict), (int)buf_len(output),
	    (char *)buf_bytes(output));
	if (buf_len(output) > 0 && buf_bytes(output)[buf_len(output) - 1] != '\n')
		fputc('\n', f);
}

void
golden_run(
    const char *path, void (*run)(const struct golden *g, struct buf *verdict, struct buf *output))
{
	char *text = slurp(path), *at = text;
	FILE *f = getenv("GOLDEN_WRITE") != NULL ? fopen(path, "w") : NULL;

	while (*at != '\0') {
		struct buf verdict = { 0 }, output = { 0 };
		struct golden g;

		at = cut_case(at, &g);
		run(&g, &verdict, &output);
		if (f != NULL)
			write_case(f, &g, &verdict, &output);
		else
			compare(&g, &verdict, &output);
		buf_free(&verdict);
		buf_free(&output);
	}
	if (f != NULL)
		fclose(f);
	free(text);
}
