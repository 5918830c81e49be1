// SPDX-License-Identifier: MIT
/*
 * The scanner behind json_parse(): decides whether a text is JSON and notes where each value
 * stands. Nobody else needs it.
 */
#pragma once

#include "common/json.h"

/* Scans j->text (`n` bytes, then a NUL) and fills j->places. On failure *line says where. */
int json_scan(struct json *j, size_t n, unsigned *line, struct err *e) MUST_CHECK;
