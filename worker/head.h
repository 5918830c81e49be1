// SPDX-License-Identifier: MIT
/*
 * Builds the head of a response in a buffer of fixed size, large enough for every head that grayd
 * makes; what should ever not fit is left out whole, line by line.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HEAD_OUT_BYTES 8192

struct head_out {
	size_t n;
	char bytes[HEAD_OUT_BYTES];
};

/* The status line. */
void head_begin(struct head_out *h, unsigned status);
/* One line; the value must hold no control byte. */
void head_line(struct head_out *h, const char *name, const char *value);
void head_number(struct head_out *h, const char *name, uint64_t value);
/* A number with `places` decimals: `fraction` is below 10^places. */
void head_fixed(
    struct head_out *h, const char *name, uint64_t whole, uint64_t fraction, unsigned places);
/* Lines as they are, each with its CRLF. */
void head_raw(struct head_out *h, const void *lines, size_t n);
/* The blank line. */
void head_end(struct head_out *h);
