// SPDX-License-Identifier: MIT
/*
 * Fetching provider keys; see keys.h. Runs in the master, before workers are forked. Every buffer
 * that held a key is wiped before it is given back, and nothing here goes through stdio, which
 * would keep copies.
 */
#include "common/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct remembered {
	struct remembered *next;
	char *name;
	struct secret *value;
};

static struct remembered *remembered;

static struct remembered *
find_remembered(const char *name)
{
	struct remembered *r = remembered;

	while (r != NULL && strcmp(r->name, name) != 0)
		r = r->next;
	return r;
}

static struct remembered *
add_remembered(const char *name)
{
	struct remembered *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->name = strdup(name)) == NULL) {
		free(r);
		return NULL;
	}
	r->next = remembered;
	remembered = r;
	return r;
}

int
keys_remember(const char *name, const char *value, size_t n)
{
	struct remembered *r = find_remembered(name);
	struct secret *copy = secret_new(value, n);

	if (copy == NULL || (r == NULL && (r = add_remembered(name)) == NULL)) {
		secret_free(copy);
		return -1;
	}
	secret_free(r->value);
	r->value = copy;
	return 0;
}

void
keys_each(void (*each)(void *arg, const char *name, const struct secret *value), void *arg)
{
	for (const struct remembered *r = remembered; r != NULL; r = r->next)
		each(arg, r->name, r->value);
}

void
keys_forget(void)
{
	while (remembered != NULL) {
		struct remembered *r = remembered;

		remembered = r->next;
		secret_free(r->value);
		free(r->name);
		free(r);
	}
}

void
keys_scrub_environ(void)
{
	for (const struct remembered *r = remembered; r != NULL; r = r->next) {
		size_t n = strlen(r->name);

		/* A variable can stand there more than once. */
		for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
			if (strncmp(*entry, r->name, n) == 0 && (*entry)[n] == '=')
				sodium_memzero(*entry + n + 1, strlen(*entry + n + 1));
		unsetenv(r->name);
	}
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

static void
trim(const char **text, size_t *n)
{
	while (*n > 0 && is_space(**text)) {
		(*text)++;
		(*n)--;
	}
	while (*n > 0 && is_space((*text)[*n - 1]))
		(*n)--;
}

/* What is wrong with a trimmed key; never shows any of it. */
static int
check_key(const char *key, size_t n, const char *prefix, struct err *e)
{
	if (n == 0)
		return err_set(e, "is empty");
	if (n > KEY_BYTES_MAX)
		return err_set(e, "is longer than %d bytes", KEY_BYTES_MAX);
	if (key[0] == '"' || key[0] == '\'')
		return err_set(e, "is wrapped in quotes; leave them out");
	for (size_t i = 0; i < n; i++)
		if (key[i] <= ' ' || key[i] > '~')
			return err_set(e,
			    "has white space, a control byte or a byte outside of ASCII inside, "
			    "at position %zu of %zu",
			    i + 1, n);
	if (strlen(prefix) > n || memcmp(key, prefix, strlen(prefix)) != 0)
		return err_set(e, "does not begin with \"%s\" (it has %zu characters)", prefix, n);
	return 0;
}

static int
accept_key(const char *text, size_t n, const char *prefix, struct secret **key, struct err *e)
{
	trim(&text, &n);
	if (check_key(text, n, prefix, e) != 0)
		return -1;
	*key = secret_new(text, n);
	return *key == NULL ? err_set(e, "out of memory") : 0;
}

static int
open_private(const char *path, struct err *e)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return err_set(e, "cannot be opened: %s", strerror(errno));
	if (fstat(fd, &st) != 0)
		err_set(e, "cannot be looked at: %s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err_set(e, "is not a regular file");
	else if ((st.st_mode & S_IROTH) != 0)
		err_set(e, "may be read by everybody (mode %04o): chmod o-rwx it",
		    (unsigned)st.st_mode & 07777);
	else
		return fd;
	close(fd);
	return -1;
}

/* Reads up to `cap` - 1 bytes and terminates them. The length, or -1. */
static ssize_t
read_all(int fd, char *text, size_t cap, struct err *e)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t got = read(fd, text + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(e, "cannot be read: %s", strerror(errno));
		if (got == 0) {
			text[n] = '\0';
			return (ssize_t)n;
		}
		n += (size_t)got;
	}
	return err_set(e, "is longer than %zu bytes", cap - 1);
}

/* A private file's text, in memory to be given back with free_text(). NULL: `e` says why. */
static char *
read_private(const char *path, size_t cap, size_t *n, struct err *e)
{
	char *text = NULL;
	ssize_t got = -1;
	int fd = open_private(path, e);

	if (fd < 0)
		return NULL;
	text = calloc(1, cap);
	if (text == NULL)
		err_set(e, "out of memory");
	else
		got = read_all(fd, text, cap, e);
	close(fd);
	if (got < 0 && text != NULL) {
		sodium_memzero(text, cap);
		free(text);
		text = NULL;
	}
	*n = got < 0 ? 0 : (size_t)got;
	return text;
}

static void
free_text(char *text, size_t n)
{
	if (text != NULL)
		sodium_memzero(text, n);
	free(text);
}

/* Puts words before the message that is there, as one sentence. */
static int
begin_message(struct err *e, const char *words)
{
	struct err inner;

	if (e == NULL)
		return -1;
	inner = *e;
	return err_set(e, "%s %s", words, inner.msg);
}

static int
fetch_from_file(const char *path, const char *prefix, struct secret **key, struct err *e)
{
	size_t n;
	char *text = read_private(path, KEY_BYTES_MAX + 256, &n, e);
	int rc = text == NULL ? -1 : accept_key(text, n, prefix, key, e);

	free_text(text, n);
	return rc;
}

static int
fetch_from_credential(const struct key_source *source, struct secret **key, struct err *e)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];

	if (folder == NULL || *folder == '\0')
		return err_set(e,
		    "is not there: CREDENTIALS_DIRECTORY is not set (is LoadCredential= in the "
		    "unit?)");
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, source->credential) >=
	    sizeof(path))
		return err_set(e, "has too long a path");
	return fetch_from_file(path, source->prefix, key, e);
}

/* A line's value after NAME=, without quotes and comment. */
static void
cut_value(const char **value, size_t *n)
{
	char quote;

	trim(value, n);
	quote = *n > 0 ? **value : '\0';
	if (quote == '"' || quote == '\'') {
		const char *close = memchr(*value + 1, quote, *n - 1);

		if (close != NULL) {
			*n = (size_t)(close - *value) - 1;
			(*value)++;
		}
		return;
	}
	for (size_t i = 0; i < *n; i++)
		if ((*value)[i] == '#' && (i == 0 || is_space((*value)[i - 1])))
			*n = i;
	trim(value, n);
}

/* Whether a line sets `name`; then the line is narrowed to the value. */
static bool
match_line(const char **line, size_t *n, const char *name)
{
	size_t length = strlen(name);

	trim(line, n);
	if (*n > 7 && memcmp(*line, "export", 6) == 0 && is_space((*line)[6])) {
		*line += 7;
		*n -= 7;
		trim(line, n);
	}
	if (*n <= length || memcmp(*line, name, length) != 0)
		return false;
	*line += length;
	*n -= length;
	trim(line, n);
	if (*n == 0 || **line != '=')
		return false;
	(*line)++;
	(*n)--;
	cut_value(line, n);
	return true;
}

const char *
keys_find_in_env_file(const char *text, const char *name, size_t *n)
{
	const char *found = NULL;

	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		const char *line = text;
		size_t rest = length;

		if (match_line(&line, &rest, name)) {
			found = line;
			*n = rest;
		}
		text += length + (text[length] == '\n');
	}
	return found;
}

static int
fetch_from_env_file(
    const struct key_source *source, const char *path, struct secret **key, struct err *e)
{
	size_t n, length;
	char *text;
	const char *value;
	int rc = -1;

	if (path == NULL)
		return err_set(e, "is not set: export it first");
	if (*path == '\0')
		return err_set(e, "is not set: export it before grayd is started, or write it into "
				  "a file that env_file names");
	text = read_private(path, ENV_FILE_BYTES_MAX, &n, e);
	if (text == NULL)
		return err_prefix(e, "is not set, and env_file %s", path);
	value = keys_find_in_env_file(text, source->env, &length);
	if (value == NULL)
		err_set(e, "is not set, and not in env_file %s either: add a line %s=KEY there",
		    path, source->env);
	else if ((rc = accept_key(value, length, source->prefix, key, e)) != 0)
		begin_message(e, "as env_file has it");
	free_text(text, n);
	return rc;
}

static int
fetch_from_env(
    const struct key_source *source, const char *env_file, struct secret **key, struct err *e)
{
	const struct remembered *known = find_remembered(source->env);
	const char *value = getenv(source->env);

	if (known == NULL && value == NULL)
		return fetch_from_env_file(source, env_file, key, e);
	if (known == NULL && keys_remember(source->env, value, strlen(value)) != 0)
		return err_set(e, "out of memory");
	known = find_remembered(source->env);
	return accept_key(
	    secret_text(known->value), secret_len(known->value), source->prefix, key, e);
}

int
keys_fetch(
    const struct key_source *source, const char *env_file, struct secret **key, struct err *e)
{
	char *what = NULL;
	int rc;

	*key = NULL;
	if (*source->env != '\0')
		rc = fetch_from_env(source, env_file, key, e);
	else if (*source->file != '\0')
		rc = fetch_from_file(source->file, source->prefix, key, e);
	else
		rc = fetch_from_credential(source, key, e);
	if (rc == 0)
		return 0;
	what = keys_describe(source);
	if (what == NULL)
		return err_set(e, "out of memory");
	begin_message(e, what);
	free(what);
	return -1;
}

char *
keys_describe(const struct key_source *source)
{
	char *text = NULL;
	int n;

	if (*source->env != '\0')
		n = asprintf(&text, "environment variable %s", source->env);
	else if (*source->file != '\0')
		n = asprintf(&text, "file %s", source->file);
	else
		n = asprintf(&text, "credential %s", source->credential);
	return n < 0 ? NULL : text;
}
