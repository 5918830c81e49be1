// SPDX-License-Identifier: MIT
/* The command line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "tests/simprovider/kind.h"

#define OPTIONS_LISTEN_MAX 16
#define OPTIONS_KEYS_MAX   16

struct options {
	const char *listen[OPTIONS_LISTEN_MAX];
	size_t listen_count;
	const char *admin_listen; /* NULL: none of its own */
	const char *script;	  /* NULL: the built-in one */
	const struct kind *kind;
	const char *keys[OPTIONS_KEYS_MAX];
	size_t key_count; /* 0: any key is good */
	uint64_t seed, ledger, keep;
	int ready_fd;	       /* -1: none */
	const char *port_file; /* NULL: none */
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };

/* DONE: --help or the like has been answered. BAD: the message is set. */
enum options_result options_read(int argc, char **argv, struct options *options, struct err *err);
