// SPDX-License-Identifier: MIT
/*
 * A moment as a person writes it: RFC 3339, or a time from now. Pure: the present is an argument.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"

/* "2026-11-24T08:00:00Z", with a fraction or an offset such as +01:00; or "+90m", "+1h30m", "+2d"
 * (d, h, m, s, each once and in this order). Microseconds since 1970. -1: neither. */
int moment_parse(const char *text, uint64_t now_us, uint64_t *out) MUST_CHECK;
