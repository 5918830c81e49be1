// SPDX-License-Identifier: MIT
/* The log line of a request: one JSON object, written without printf. */
#pragma once

#include "worker/request.h"

/* Writes the line of a finished request, if the config wants request lines. */
void logline_write(const struct request *r, uint64_t now_us);
