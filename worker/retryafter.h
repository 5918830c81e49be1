// SPDX-License-Identifier: MIT
/*
 * How long a provider asks us to wait: the header Retry-After in each of its forms, the header
 * retry-after-ms, and a number in an answer's body, all as milliseconds. Pure; used by the workers.
 * Every answer is -1 (not understood: there is no wish) or lies in 0 .. RETRYAFTER_MAX_MS, whatever
 * the provider wrote.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RETRYAFTER_MAX_MS (24 * 60 * 60 * INT64_C(1000))

/* The value of Retry-After: seconds, with or without a fraction, or one of HTTP's three forms of a
 * date (RFC 9110, 5.6.7), taken relative to `wall_ms`, milliseconds since 1970. A date that has
 * passed is 0. Blanks around the value are allowed. A number from an answer's body is read the same
 * way, from its text. */
int64_t retryafter_parse(const char *value, size_t n, int64_t wall_ms);

/* The value of retry-after-ms: milliseconds, with or without a fraction. */
int64_t retryafter_parse_ms(const char *value, size_t n);
