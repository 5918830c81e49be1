// SPDX-License-Identifier: MIT
/*
 * What ps shows of a process. The title is written over the memory of argv and of the environment,
 * which title_init() has moved away first and wiped, so /proc/PID/environ shows no secret either.
 */
#pragma once

#include "common/err.h"

/* Call first thing in main(), before anybody keeps a pointer into the environment. When memory is
 * short nothing happens and titles stay as they are. */
void title_init(int argc, char **argv);
/* Sets the title ("grayd: worker 0"). */
void title_set(const char *fmt, ...) PRINTF_LIKE(1, 2);
