// SPDX-License-Identifier: MIT
/*
 * Where a provider's key comes from: the environment, an env file, a file of its own, or a
 * credential of systemd. The master fetches keys while it reads the config; afterwards they are
 * gone from its environment (so /proc/PID/environ does not show them) and remembered in guarded
 * memory for a later reload. No message ever holds a key or a piece of one.
 */
#pragma once

#include <stddef.h>

#include "common/err.h"
#include "common/secret.h"

#define KEY_BYTES_MAX	   4096
#define ENV_FILE_BYTES_MAX (256u << 10)

/* Exactly one of the first three is set; the others are "". */
struct key_source {
	char *env;	  /* name of a variable */
	char *file;	  /* path of a file that holds nothing but the key */
	char *credential; /* name of a file in $CREDENTIALS_DIRECTORY */
	char *prefix;	  /* the key must begin with it; "": any key will do */
};

/*
 * Fetches a key. A variable is looked up in what is remembered, then in the environment, then in
 * `env_file` ("": none yet; NULL: there can be none); found in the environment it is remembered.
 * White space around the key is
 * dropped. On failure `e` names the source and what is wrong: not there, empty, white space or
 * control bytes inside, wrapped in quotes, the prefix missing, a file that everybody may read.
 */
int keys_fetch(const struct key_source *source, const char *env_file, struct secret **key,
    struct err *e) MUST_CHECK;
/* "environment variable NAME", "file PATH", "credential NAME": for messages. NULL: out of memory.
 */
char *keys_describe(const struct key_source *source) MUST_CHECK;

/* Keeps the value of a variable in guarded memory, replacing an older one; for what comes from the
 * environment or from the process before an upgrade. -1: out of memory. */
int keys_remember(const char *name, const char *value, size_t n) MUST_CHECK;
/* Overwrites every variable that is remembered in the process's own environment and unsets it. */
void keys_scrub_environ(void);
/* Calls `each` with every variable that is remembered; its value is secret. */
void keys_each(void (*each)(void *arg, const char *name, const struct secret *value), void *arg);
/* Forgets what is remembered. */
void keys_forget(void);

/* Finds NAME in the text of an env file: lines NAME=VALUE, "export " before them allowed, one pair
 * of quotes around the value dropped, comments from # (in a bare value: after white space). Other
 * lines are passed over; the last one wins. The value's length in *n; NULL: not there. Pure. */
const char *keys_find_in_env_file(const char *text, const char *name, size_t *n);
