// SPDX-License-Identifier: MIT
/*
 * Process titles, see title.h. The kernel shows the memory in which the program's arguments stood;
 * argv and the environment lie there in one piece. Any process; the area belongs to nobody else
 * after title_init().
 */
#include "common/title.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

extern char **environ;

static char *area; /* NULL: titles cannot be set */
static size_t area_bytes;
/* What environ began with, so that no copy is lost when somebody unsets a variable. Never read. */
static char **volatile variables;

static void
free_strings(char **strings)
{
	for (size_t i = 0; strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

/* Copies of all strings of a NULL-terminated list; NULL when memory is short. */
static char **
copy_strings(char **from)
{
	size_t n = 0;
	char **to;

	while (from[n] != NULL)
		n++;
	to = calloc(n + 1, sizeof(*to));
	for (size_t i = 0; to != NULL && i < n; i++) {
		to[i] = strdup(from[i]);
		if (to[i] == NULL) {
			free_strings(to);
			return NULL;
		}
	}
	return to;
}

/* A second list of the same strings; NULL when memory is short. */
static char **
copy_list(char **from)
{
	size_t n = 1;
	char **to;

	while (from[n - 1] != NULL)
		n++;
	to = calloc(n, sizeof(*to));
	if (to != NULL)
		memcpy(to, from, n * sizeof(*to));
	return to;
}

/* Where the strings end that follow each other without a gap from `end` on. */
static char *
end_of(char **strings, char *end)
{
	for (size_t i = 0; strings[i] != NULL && strings[i] == end; i++)
		end += strlen(strings[i]) + 1;
	return end;
}

void
title_init(int argc, char **argv)
{
	char **arguments, **copies, **environment = NULL, *end;

	if (argc < 1 || (arguments = copy_strings(argv)) == NULL)
		return;
	copies = copy_strings(environ);
	if (copies == NULL || (environment = copy_list(copies)) == NULL) {
		free_strings(arguments);
		if (copies != NULL)
			free_strings(copies);
		return;
	}
	variables = copies;
	end = end_of(environ, end_of(argv, argv[0]));
	area = argv[0];
	area_bytes = (size_t)(end - area);
	environ = environment;
	/* getopt and messages go on to use argv. */
	for (int i = 0; i < argc; i++)
		argv[i] = arguments[i];
	free(arguments);
	explicit_bzero(area, area_bytes);
	title_set("%s", argv[0]);
}

void
title_set(const char *fmt, ...)
{
	char title[256];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(title, sizeof(title), fmt, ap);
	va_end(ap);
	prctl(PR_SET_NAME, title);
	if (area == NULL)
		return;
	n = strnlen(title, area_bytes - 1);
	memset(area, 0, area_bytes);
	memcpy(area, title, n);
}
