// SPDX-License-Identifier: MIT
/*
 * The command line, judged by the table of verbs: argv in, a checked command out. Pure; nothing
 * here opens, reads or prints.
 */
#pragma once

#include <stdbool.h>

#include "common/command.h"
#include "common/err.h"

#define ARGS_SOCKET "/run/grayd/control.sock" /* where the package puts it */

struct args {
	const char *socket;
	bool json;
	enum verb verb; /* VERB_NONE when args_parse() failed before it knew */
	struct command_value values[PARAM_COUNT];
	const char *list[COMMAND_LIST_MAX]; /* of the value that is a list */
};

/* `environment` is GRAYD_SOCKET or NULL. Texts are borrowed from argv. On -1 `e` says what is
 * wrong, and `json` and, where it was understood, `verb` are set all the same: they decide how to
 * say it. */
int args_parse(int argc, char *const argv[], const char *environment, struct args *out,
    struct err *e) MUST_CHECK;
