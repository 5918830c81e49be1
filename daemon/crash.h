// SPDX-License-Identifier: MIT
/* What a dying process still says. Any process of grayd. */
#pragma once

/* From now on a signal that ends the process for a fault of its own (SIGABRT, SIGSEGV, ...) first
 * writes the name and a backtrace to standard error. There is no core file: memory holds keys. */
void crash_report(const char *name);
