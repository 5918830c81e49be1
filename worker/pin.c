// SPDX-License-Identifier: MIT
/* Affinity and the scheduler's slice, see pin.h. */
#include "worker/pin.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"

/* Who asks for a short slice has an early deadline, so it is next when it wakes up (sched(7), fair
 * server with slices: Linux 6.12; before, the number is ignored). 0.1 ms is the least there is. */
#define SLICE_NS 100000

/* struct sched_attr of linux/sched/types.h, which cannot be included beside sched.h. */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

static int
find_processor(unsigned index, cpu_set_t *one)
{
	cpu_set_t all;
	unsigned wanted, seen = 0;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		return -1;
	wanted = index % (unsigned)CPU_COUNT(&all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || seen++ != wanted)
			continue;
		CPU_ZERO(one);
		CPU_SET(cpu, one);
		return 0;
	}
	errno = ENODEV;
	return -1;
}

static int
ask_for_short_slice(void)
{
	struct scheduling s = { .size = sizeof(s) };

	if (syscall(SYS_sched_getattr, 0, &s, sizeof(s), 0) != 0)
		return -1;
	s.size = sizeof(s);
	s.runtime_ns = SLICE_NS;
	return (int)syscall(SYS_sched_setattr, 0, &s, 0);
}

void
pin_worker(unsigned index)
{
	cpu_set_t one;

	if (find_processor(index, &one) != 0 || sched_setaffinity(0, sizeof(one), &one) != 0 ||
	    ask_for_short_slice() != 0)
		log_event(LOG_WARN, "pin_workers",
		    "the system does not let this worker have a processor of its own: %s",
		    strerror(errno));
}
