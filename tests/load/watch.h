// SPDX-License-Identifier: MIT
/*
 * Processor time and memory of the processes under test, read from /proc. Processor time is the
 * scheduler's own count in nanoseconds, summed over the threads that live.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct watch {
	uint64_t cpu_us;
	uint64_t pss_kb, rss_kb; /* memory, shared pages counted in part and in whole */
	bool lost;		 /* one of the processes could not be read */
};

struct watch watch_read(const pid_t *pids, unsigned n);
