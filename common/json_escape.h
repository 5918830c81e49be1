// SPDX-License-Identifier: MIT
/*
 * Writes bytes as the inside of a JSON string (RFC 8259, section 7), for log lines, error bodies
 * and answers of the control protocol. Whatever goes in, what comes out is valid JSON and UTF-8.
 */
#pragma once

#include <stddef.h>

#include "common/buf.h"

/* Adds `n` bytes to `out`, escaped, without quotes around them. Each byte that is not part of
 * well-formed UTF-8 becomes U+FFFD. -1: out of memory, `out` as it was. */
int json_escape(struct buf *out, const void *bytes, size_t n) MUST_CHECK;
