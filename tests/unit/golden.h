// SPDX-License-Identifier: MIT
/*
 * Golden files of tests/golden: cases of text that goes in, a verdict, and text that must come out.
 * The form is told in tests/golden/README.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct golden {
	const char *header; /* "FROM > TO: NAME {FLAGS}" */
	const char *input;
	size_t input_len;
	const char *verdict, *output; /* what is wanted; NULL: not written yet */
	size_t output_len;
};

/* Runs each case of a file: `run` adds its verdict and its output to the buffers, which are
 * compared with what is wanted. With GOLDEN_WRITE in the environment the file is written anew. */
void golden_run(
    const char *path, void (*run)(const struct golden *g, struct buf *verdict, struct buf *output));

const char *golden_to(const struct golden *g); /* where TO begins */
bool golden_flag(const struct golden *g, const char *name);
